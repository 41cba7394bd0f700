"""Draw back the variables that were summed out, given each posterior draw of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from xarray import Dataset, DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb, finite_of, strip
from graphs.joint.logprob import logprob
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.summation import sum_over
from graphs.marginal.elimination.traceback import draw_summed_out, probabilities_of
from graphs.marginal.finite import finite_states
from graphs.surgery.random_graph import depends_on, static_shape
from ppl.modelling.members import by_member, given_arrays
from ppl.modelling.model import Model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.missing_draws import over_draws
from ppl.predicting.posterior import check_trace, labelled_alike, posterior_of
from ppl.running.results import logger, to_datatree

LOG_EVIDENCE = "log_evidence"
"""Attribute of a trace of which all latent variables were summed out: the log-probability of the data."""


class Suffixes(NamedTuple):
    """What comes after the name of a variable in the names of what is found beside its draws, and of its states."""

    probability: str = "_probability"
    most_probable: str = "_most_probable"
    state: str = "_state"


def recover(
    model: Model,
    trace: DataTree,
    *,
    probs: bool = True,
    most_probable: bool = False,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> DataTree:
    """Return the trace with draws and probabilities of the variables that were summed out.

    Each draw is exact: it comes from the joint distribution of the discrete variables given the data and that draw of
    the continuous ones; along chains this is forward filtering, backward sampling. Deterministics that depend on them
    are computed too.

    Parameters
    ----------
    model : Model
        The model that was sampled.
    trace : DataTree
        The result of `ppl.sample`; it is not changed.
    probs : bool, default True
        Also return ``<name>_probability``: the marginal probability of each state (last axis) in each draw, given the
        data and the continuous variables.
    most_probable : bool, default False
        Also return ``<name>_most_probable``: the jointly most probable values in each draw (along chains the Viterbi
        path); of those that are equally probable the lowest.
    seed : int, optional
        Seed of the draws.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    DataTree
        With new variables in ``posterior``; the trace itself, where nothing was summed out. Of draws that are missing
        (NaN, after a chain has stopped) all that is computed is NaN, integers too, which are floats then. Where the
        model has a variable or a dim of one of these names, they end in an underscore, which is logged. Of a large
        trace that is read from a store, more than 64 MiB are drawn when they are used, part by part, and not kept:
        the same numbers each time.

    Raises
    ------
    ModelError
        If the trace is not one of this model, or all its draws are missing.

    Examples
    --------
    >>> import ppl
    >>> z = ppl.Bernoulli("z", 0.5, size=2)
    >>> model = ppl.Model({ppl.Normal("y", 4.0 * z, ppl.HalfNormal("scale", 1)): [0.1, 3.8]})
    >>> trace = ppl.sample(model, draws=100, chains=2, seed=1, progress=False)
    >>> ppl.recover(model, trace, seed=1).posterior["z_probability"].dims
    ('chain', 'draw', 'z_dim_0', 'z_state')
    """
    posterior = posterior_of(trace)
    drawn = set(posterior.data_vars)
    missing = [name for name in model.latent if name not in drawn]
    is_exact = not missing and LOG_EVIDENCE in trace.attrs
    if is_exact:
        # All of them were summed out, and then drawn.
        missing = [name for name, rv in model.latent.items() if finite_states(rv) is not None]
    if not missing:
        return trace
    for name in missing:
        if finite_states(model.latent[name]) is None:
            raise ModelError(f"The trace is not one of this model: {name} is not in it and was not summed out.", name)
    lost = set(missing)
    joint = logprob(model, marginalize=False, apart=[name for name in model.latent if name not in lost])
    missing = [name for name in joint.values if name in joint.plates or name in lost]
    joint = strip(joint, missing)
    kept = {name: value for name, value in joint.values.items() if name not in missing}
    check_trace(kept, posterior, model)
    used = [*(("probability", "state") if probs else ()), *(("most_probable",) if most_probable else ())]
    suffixes = _suffixes(model, [*missing, *lost], used)
    graphs, rng = recovery_graphs(model, joint, missing, probs, most_probable, suffixes)
    graphs = {n: graph for n, graph in graphs.items() if n not in drawn}
    if not graphs:
        return trace
    # Where there is nothing else that is drawn, their probabilities are the same for all draws.
    is_same = is_exact and not any(0 not in static_shape(value) for value in kept.values())
    rows = FlatDraws.of(posterior, kept)
    remedy = ", or give probs=False" if probs else ""
    members = partial(by_member, plates=joint.plates, suffixes=("", *suffixes))
    draws = rows.first() if is_same else rows
    values = over_draws(graphs, draws, backend, rng=rng, seed=seed, then=members, remedy=remedy)
    values = {n: np.broadcast_to(a, rows.shape + a.shape[2:]) for n, a in values.items()} if is_same else values
    variables = [each for name in missing for each in _each(finite_of(joint, name), joint.plates.get(name, ()))]
    tree = trace.copy()
    tree["posterior"] = DataTree(_with_variables(model, posterior, values, variables, suffixes))
    return tree


def _each(variable: FiniteVariable, members: Sequence[str]) -> list[FiniteVariable]:
    """Return the variables that an array is made of."""
    return [FiniteVariable(name, variable.value[0], variable.states) for name in members] if members else [variable]


def _suffixes(model: Model, names: Sequence[str], used: Sequence[str]) -> Suffixes:
    """Return suffixes that make no name that the model has: such a variable would be taken for what is found here."""
    declared = {*model.named_variables, *model.coords, *(dim for dims in model.dims.values() for dim in dims)}
    found = Suffixes()
    for field in used:
        free = getattr(found, field)
        while clashing := [name + free for name in names if name + free in declared]:
            logger.warning(
                "The model has a variable or dim %s of its own: what is recovered is named %s_.",
                clashing[0],
                clashing[0],
            )
            free += "_"
        found = found._replace(**{field: free})
    return found


def recovery_graphs(
    model: Model,
    joint: LogProb,
    missing: Sequence[str],
    probs: bool,
    most_probable: bool,
    suffixes: Suffixes = Suffixes(),  # noqa: B008 (immutable)
) -> tuple[dict[str, TensorVariable], Variable]:
    """Return what is computed for each draw, and the generator that it draws with."""
    variables = [finite_of(joint, name) for name in missing]
    start: Variable = pt.random.rng("rng")
    if not variables:
        return {}, start
    summation = sum_over(joint.terms, variables, with_probes=probs)
    _, drawn = draw_summed_out(summation, start)
    graphs = dict(drawn)
    if probs:
        found = probabilities_of(summation)
        graphs |= {f"{name}{suffixes.probability}": pt.moveaxis(p, 0, -1) for name, p in found.items()}
    if most_probable:
        best = sum_over(joint.terms, variables, mode="max")
        _, paths = draw_summed_out(best, start, mode="max")
        graphs |= {f"{name}{suffixes.most_probable}": path for name, path in paths.items()}
    later = _later_deterministics(model, [m for name in missing for m in joint.plates.get(name, (name,))])
    known, data = {**joint.values, **drawn}, dict(model.graph.observed.values())
    computed = given_arrays([model.deterministics[n] for n in later], model.latent, known, joint.plates, data)
    return {**graphs, **dict(zip(later, map(pt.as_tensor, computed), strict=True))}, start


def _later_deterministics(model: Model, missing: Sequence[str]) -> list[str]:
    eliminated = [model.latent[name] for name in missing]
    return [n for n, d in model.deterministics.items() if depends_on(d, eliminated)]


def _with_variables(
    model: Model,
    posterior: Dataset,
    values: Mapping[str, Any],
    variables: Sequence[FiniteVariable],
    suffixes: Suffixes,
) -> Dataset:
    dims: dict[str, tuple[str, ...]] = {}
    coords: dict[str, Sequence[int]] = {}
    for variable in variables:
        name = variable.name
        plate = model.dims.get(name) or tuple(f"{name}_dim_{i}" for i in range(len(variable.shape)))
        dims[f"{name}{suffixes.most_probable}"] = tuple(plate)
        if f"{name}{suffixes.probability}" not in values:
            continue
        state = f"{name}{suffixes.state}"
        dims[f"{name}{suffixes.probability}"] = (*plate, state)
        coords[state] = variable.states.tolist()
        coords |= {
            dim: list(range(int(n))) for dim, n in zip(plate, variable.shape, strict=True) if dim not in model.coords
        }
    dims = {name: axes for name, axes in dims.items() if name in values}
    new = to_datatree(model, {"posterior": values}, {}, dims, coords)["posterior"].to_dataset()
    new = labelled_alike(new, posterior, [str(dim) for dim in posterior.dims])
    merged = posterior.merge(new, join="exact", combine_attrs="override")
    merged.attrs = dict(posterior.attrs)
    return merged
