"""Runs of stores gone on with: to the number of draws that was asked for, or to more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from xarray import DataTree

from graphs.errors import SamplingError
from ppl.distributing.clients import check_client
from ppl.keeping.keeper import COMMITTED
from ppl.keeping.manifest import MANIFEST, START, open_store, warn_of_versions
from ppl.keeping.place import StorePlace
from ppl.modelling.fingerprint import fingerprint
from ppl.modelling.model import Model
from ppl.planning.plans import Sampler
from ppl.running.compiled import CompiledModel
from ppl.running.exact import ExactModel
from ppl.running.results import versions
from ppl.running.sampling import compile
from ppl.stopping.counts import check_counts, checked_seed
from ppl.storing.beginning import known_at_start
from ppl.storing.exact_store import gone_on
from ppl.storing.same_model import check_same
from ppl.storing.stored import StoredRun, written_sampler
from ppl.storing.until_enough import read_until
from samplers.chain.arguments import RunSettings
from samplers.tuning.learning import MetricChoice


def resume(
    store: str | os.PathLike[str],
    model: Model | CompiledModel | ExactModel,
    draws: int | None = None,
    *,
    cores: int | None = None,
    sampler: Sampler = None,
    progress: bool = True,
    client: Any = None,
) -> DataTree:
    """Go on with a run that was begun with ``store=``, whatever ended it.

    The draws are, bit for bit, those of a run that was never interrupted: as long as the model, the options and the
    versions of the libraries are the same. Options are those that the run was begun with.

    Parameters
    ----------
    store : path or address
        What was given as ``store=``.
    model : Model, or what `ppl.compile` returned
        The model that the run was begun with, made again.
    draws : int, optional
        Draws of each chain; as many as were asked for by default, or until they meet what was asked for (``until``), at
        the draw where the run would have stopped by itself. More extend the run.
    cores : int, optional
        Threads; the draws do not depend on it.
    sampler : optional
        As in `ppl.sample`; needed only where it was an object of your own.
    progress : bool, default True
        As in `ppl.sample`.
    client : distributed.Client, optional
        As in `ppl.sample`, whether or not the run was begun on a cluster.

    Returns
    -------
    xarray.DataTree
        The trace, read from the store when it is used.

    Raises
    ------
    SamplingError
        If there is no store, it is of another model or damaged, or another process writes it.

    Examples
    --------
    >>> import tempfile, numpy as np, ppl
    >>> model = ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 10), 1): np.ones(5)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = folder + "/run.zarr"
    ...     _ = ppl.sample(model, draws=100, tune=100, seed=1, sampler="nuts", store=store, progress=False)
    ...     ppl.resume(store, model, draws=150, progress=False).posterior["mu"].shape
    (4, 150)
    """
    check_counts(draws=draws, cores=cores)
    place, right, manifest = open_store(store)
    try:
        asked: dict[str, Any] = manifest["sample"]
        with place.reading(MANIFEST):
            _check_asked(asked)
            _check_more(place, asked, draws)
        compiled = _compiled(model, manifest["compile"], sampler, progress, str(store))
        check_same(manifest["fingerprint"], fingerprint(compiled.plan.model, compiled.plan), str(store))
        warn_of_versions(manifest["versions"], versions(), compiled.backend)
        check_client(client)
        if draws is not None:
            # A number takes the place of what the draws had to meet.
            asked = {**asked, "draws": int(draws), "until": None}
        until = read_until(asked)
        place.write_json(MANIFEST, {**manifest, "sample": asked})
        if isinstance(compiled, ExactModel):
            return gone_on(compiled, place, asked)
        with place.reading(START):
            start, learnt = known_at_start(place, int(asked["chains"]))
        expansion = compiled.expansion_for(asked["var_names"], cores)
        with place.reading(MANIFEST):
            settings = _settings(asked, cores, expansion.layout.names, learnt)
        return StoredRun(compiled, place, right, settings, start, expansion, client, until).sample(progress)
    finally:
        right.release()


def _check_asked(asked: Mapping[str, Any]) -> None:
    """Raise if what a run was asked for is none of what is written down; exact draws need less of it than others."""
    counts = {name: asked[name] for name in ("draws", "chains", "tune", "thin", "max_tree_depth") if name in asked}
    check_counts(**counts)
    names = asked["var_names"]
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise TypeError(f"var_names are {names!r}")
    for name in ("chains", "seed"):
        if asked[name] is None:
            raise TypeError(f"{name} is missing")
    checked_seed(asked["seed"])


def _check_more(place: StorePlace, asked: Mapping[str, Any], draws: int | None) -> None:
    """Raise if a run is to have fewer draws than it was asked for, or than it has where that was no number."""
    done = asked["draws"]
    if done is None:
        done = place.read_json(COMMITTED)["rows"]["kept"] if place.has(COMMITTED) else 0
    if draws is not None and draws < done:
        what = "has" if asked["draws"] is None else "was asked for"
        raise SamplingError(f"The run of the store {place.address!r} {what} {done} draws; it cannot have fewer.")


def _settings(asked: Mapping[str, Any], cores: int | None, names: tuple[str, ...], learnt: Any) -> RunSettings:
    """Return how a run that keeps some variables goes on."""
    return RunSettings(
        asked["tune"],
        asked["draws"] or 0,
        asked["seed"],
        cores or asked["cores"],
        asked["target_accept"],
        asked["max_tree_depth"],
        asked["thin"],
        asked["keep_tuning"],
        names,
        metric=cast(MetricChoice, asked["metric"]),
        is_pooled=asked["adapt"] == "pooled",
        learnt=learnt,
        tunes_until_agreed=asked.get("tunes_until_agreed", False),
    )


def _compiled(
    model: Any, options: dict[str, Any], sampler: Sampler, progress: bool, store: str
) -> CompiledModel | ExactModel:
    """Return a model compiled as the run was begun with."""
    before = options.get("sampler")
    if sampler is not None and before != {"": "given again"} and before != written_sampler(sampler):
        raise SamplingError(
            f"The run of the store {store!r} was begun with sampler={before!r} and goes on with it: leave sampler out."
        )
    if isinstance(model, CompiledModel | ExactModel):
        for name, now in (("backend", model.backend), ("precision", model.precision)):
            if options.get(name, now) != now:
                raise SamplingError(
                    f"The run of the store {store!r} was begun with {name}={options[name]!r}, and what is to go on was "
                    f"compiled with {now!r}, which may draw other numbers: give the model, or compile it for that."
                )
        return model
    if before == {"": "given again"}:
        if sampler is None:
            raise SamplingError(
                f"The run of the store {store!r} was begun with a sampler of your own: give it again, "
                "ppl.resume(store, model, sampler=...)."
            )
        options = {**options, "sampler": sampler}
    return compile(model, **options, progress=progress)
