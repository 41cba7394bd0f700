"""From flat draws to an ArviZ DataTree: named arrays with coordinates, and what is worth knowing about the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree

from ppl.declaring.flat import flat_priors
from ppl.diagnosing.diagnosis import judge
from ppl.diagnosing.judged import drawn_attributes
from ppl.modelling.dimensions import automatic_dims
from ppl.modelling.model import Model
from ppl.planning.plans import Plan
from ppl.reading.labels import as_coordinate
from ppl.running.losses import Losses
from samplers.chain.result import SweepResult

logger = logging.getLogger("rvgraph")
PACKAGES = ("rvgraph", "pytensor", "pymc", "numba", "numpy", "arviz", "jax", "blackjax")


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def _own_version() -> str:
    try:
        return version("rvgraph")
    except PackageNotFoundError:
        return ""


def to_datatree(
    model: Model,
    groups: Mapping[str, Mapping[str, NDArray]],
    attributes: Mapping[str, Any],
    extra_dims: Mapping[str, tuple[str, ...]] | None = None,
    extra_coords: Mapping[str, Any] | None = None,
    extra_groups: Mapping[str, Dataset] | None = None,
    losses: Losses | None = None,
) -> DataTree:
    """Return a DataTree of named arrays; those of draws have chains and draws on their first two axes.

    Parameters
    ----------
    model : Model
        Gives dims, coords and data.
    groups : mapping of str to mapping of str to array
        E.g. ``posterior`` and ``sample_stats``.
    attributes : mapping
        Attributes of the tree and of its posterior.
    extra_dims, extra_coords : mapping, optional
        In addition to the model's.
    extra_groups : mapping of str to Dataset, optional
        Groups as they are.
    losses : Losses, optional
        Where what xarray refuses is noted; the tree comes without it.
    """
    everything: dict[str, Mapping[str, NDArray]] = {k: v for k, v in groups.items() if v}
    if model.observed_data:
        everything["observed_data"] = dict(model.observed_data)
    if model.parts.constant_data:
        everything["constant_data"] = dict(model.parts.constant_data)
    losses = losses or Losses()
    attrs = plain_attributes(attributes)
    labels = {
        dim: losses.attempt(f"the labels of {dim}", partial(as_coordinate, values), None)
        for dim, values in {**model.coords, **(extra_coords or {})}.items()
    }
    axes = _AxesByName(
        {**model.dims, **(extra_dims or {})}, {d: values for d, values in labels.items() if values is not None}
    )
    # A variable may have the name of a statistic.
    of_samplers = _AxesByName(dict(extra_dims or {}), axes.labels)
    datasets = {
        group: _group(group, values, of_samplers if group.endswith("sample_stats") else axes, losses)
        for group, values in everything.items()
    }
    for group, dataset in datasets.items():
        if group.endswith("posterior"):
            dataset.attrs.update(attrs)
    datasets |= extra_groups or {}
    try:
        # DataTree.from_dict takes twice the time: it copies each group.
        tree = DataTree()
        tree.children = {group: DataTree(dataset) for group, dataset in datasets.items()}
    except Exception:  # whose it is, each alone tells
        tree = _tree_of_parts(datasets, losses)
    tree.attrs = attrs
    return tree


@dataclass(frozen=True)
class _AxesByName:
    """Names of axes by variable, and labels by name of axis."""

    dims: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, Any]


def _group(group: str, values: Mapping[str, NDArray], axes: _AxesByName, losses: Losses) -> Dataset:
    """Return the arrays of a group; where they do not fit together, those that do, and others without their labels."""
    # ArviZ's from_dict does the same, variable by variable, in ten times the time, as long as a small model samples.
    sample_dims = [] if group.endswith("_data") else ["chain", "draw"]
    try:
        return _dataset(values, sample_dims, axes)
    except Exception:  # whose it is, each alone tells
        found = Dataset()
    for name, value in values.items():
        for what, own in ((f"the dims of {name}", axes), (name, _AxesByName({}, {}))):
            alone = losses.attempt(what, partial(_joined, found, {name: value}, sample_dims, own), None)
            if alone is not None:
                found = alone
                break
        else:
            losses.arrays[f"{group}_{name}"] = value
    return found


def _joined(found: Dataset, values: Mapping[str, NDArray], sample_dims: list[str], axes: _AxesByName) -> Dataset:
    """Return a group with one more variable."""
    return found.merge(_dataset(values, sample_dims, axes), join="exact", combine_attrs="override")


def _tree_of_parts(datasets: Mapping[str, Dataset], losses: Losses) -> DataTree:
    """Return a tree of the groups that can be in one."""
    tree = DataTree()
    for group, dataset in datasets.items():
        losses.attempt(group, partial(tree.__setitem__, group, DataTree(dataset)), None)
    return tree


def _dataset(values: Mapping[str, NDArray], sample_dims: list[str], axes: _AxesByName) -> Dataset:
    """Return arrays with ArviZ's names of dimensions and coordinates, where the model has none."""
    variables: dict[str, tuple[list[str], NDArray]] = {}
    sizes: dict[str, int] = {}
    for name, value in values.items():
        # What is computed when it is used stays so.
        array = value if hasattr(value, "shape") else np.asarray(value)
        named = [*sample_dims, *axes.dims.get(name, ())]
        named += automatic_dims(name, array.ndim - len(named))
        variables[name] = (named, array)
        sizes.update(zip(named, array.shape, strict=True))
    coords = {dim: axes.labels.get(dim, np.arange(size)) for dim, size in sizes.items()}
    # As ArviZ writes them; importing it for that takes half a second where JAX is installed, which it imports too.
    attrs = {
        "created_at": datetime.now(UTC).isoformat(),
        "creation_library": "rvgraph",
        "creation_library_version": _own_version(),
        "creation_library_language": "Python",
        "sample_dims": sample_dims,
    }
    return Dataset(variables, coords=coords, attrs=attrs)


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as a trace has them."""
    return {key: _plain(value) for key, value in attributes.items()}


def _plain(value: Any) -> Any:
    """Keep what a netCDF file can hold."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, bool | np.bool_):
        return int(value)
    return value


def attributes_of(
    result: SweepResult, plan: Plan, term_without_gradient: Callable[[NDArray[np.float64]], str], losses: Losses
) -> dict[str, Any]:
    """Return what a run says of itself, whatever it was compiled by.

    Parameters
    ----------
    result : SweepResult
        The run.
    plan : Plan
        What was sampled.
    term_without_gradient : callable
        ``joint state -> name`` of the term of the density that has no gradient there.
    losses : Losses
        Where what cannot be said is noted.
    """
    none: dict[str, str] = {}
    no_names: list[str] = []
    attributes = {
        "tune": result.tune,
        "num_gradients": int(result.num_gradients),
        "interrupted": result.interrupted,
        "plan": losses.attempt("plan", lambda: str(plan), ""),
        **losses.attempt("drawn", lambda: drawn_attributes(plan.declared), none),
        "versions": losses.attempt("versions", versions, none),
    }
    if result.has_agreed is not None:
        attributes["chains_agreed"] = result.has_agreed
    flat = losses.attempt("flat_priors", lambda: flat_priors(plan.model), no_names)
    if flat:
        attributes["flat_priors"] = ", ".join(flat)
    count = int(result.num_without_gradient.sum())
    if count:
        state = result.without_gradient[np.argmax(result.num_without_gradient > 0)]
        term = losses.attempt("term_without_gradient", lambda: term_without_gradient(state), "")
        attributes |= {"num_without_gradient": count, "term_without_gradient": term}
    return attributes


def say_losses(trace: DataTree, losses: Losses) -> None:
    """Log what had to be left out, and say it in the attributes of the trace; arrays without a place are there too."""
    if losses.found:
        trace.attrs |= {"left_out": str(losses), **losses.arrays}
        with suppress(Exception):
            logger.warning(
                "Left out of the results, which failed after sampling: %s. Everything that was drawn is there.", losses
            )


def _interruption(result: SweepResult) -> str:
    """Return what an interrupted run gives."""
    count = result.draws.shape[1]
    if count:
        return f"Interrupted: the {count} draws of each chain made so far are returned."
    tuned = "" if result.num_tuned is None else f" after {int(result.num_tuned.min())} iterations"
    return (
        f"Interrupted before the first draw{tuned}, while chains were tuned: the trace has no draws. It holds where "
        "they were and what they had learnt, and ppl.sample(..., init=trace) goes on from there."
    )


def report(result: SweepResult, trace: DataTree, num_threads: int) -> None:
    """Log, once, what went wrong while sampling: nothing where nothing did."""
    if result.interrupted:
        logger.warning("%s", _interruption(result))
    for chain, (reason, draws) in enumerate(zip(result.reasons, result.num_draws, strict=True)):
        if reason:
            logger.warning("Chain %d stopped after %d draws: %s. Its remaining draws are NaN.", chain, draws, reason)
    if result.num_draws.max() and trace["posterior"].data_vars:
        diagnosis = judge(trace, None, None, num_threads)
        if not diagnosis.is_ok:
            logger.warning("%s", diagnosis)
