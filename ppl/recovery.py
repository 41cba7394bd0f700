"""Draw back the variables that were summed out, given each posterior draw of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import get_backend
from graphs.elimination.summation import Finite, sum_over
from graphs.elimination.traceback import probabilities_of, trace_back
from graphs.errors import ModelError
from graphs.finite import finite_states
from graphs.joint_logprob import LogProb, finite_of, strip
from graphs.logprob import logprob
from graphs.random_graph import depends_on, static_shape
from ppl.members import by_member, given_arrays
from ppl.memory import check_memory_of_draws
from ppl.missing_draws import in_one_row, over_draws
from ppl.model import Model
from ppl.results import to_datatree

LOG_EVIDENCE = "log_evidence"
"""Attribute of a trace of which all latent variables were summed out: the log-probability of the data."""

NUMBER: TensorVariable = pt.dscalar("number of a draw")
"""An input that nothing depends on, so that there is one where all variables were summed out."""


def recover(
    model: Model,
    trace: DataTree,
    *,
    probs: bool = True,
    most_probable: bool = False,
    seed: int | None = None,
    backend: str = "numba",
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
        (NaN, after a chain has stopped) all that is computed is NaN, integers too, which are floats then.

    Raises
    ------
    ModelError
        If the trace is not one of this model, or all its draws are missing.
    """
    if not isinstance(trace, DataTree) or "posterior" not in trace:
        raise ModelError(f"A trace of ppl.sample is needed, not {type(trace).__name__}.")
    posterior = trace["posterior"]
    drawn = set(posterior.data_vars)
    missing = [name for name in model.latent if name not in drawn]
    is_exact = not missing and LOG_EVIDENCE in trace.attrs
    if is_exact:
        # All of them were summed out, and then drawn: their probabilities are the same for all draws.
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
    check_trace(kept, trace)
    graphs, rng = recovery_graphs(model, joint, missing, probs, most_probable)
    graphs = {n: graph for n, graph in graphs.items() if n not in drawn}
    if not graphs:
        return trace
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    count = 1 if is_exact else shape[0] * shape[1]
    check_memory_of_draws(graphs, count, ", or give probs=False" if probs else "")
    inputs = [*kept.values(), NUMBER]
    function = get_backend(backend).map(inputs, list(graphs.values()), rng=rng)
    arguments = [in_one_row(posterior[n].to_numpy())[:count] for n in kept]
    arrays = over_draws(partial(function, np.random.default_rng(seed)), inputs, [*arguments, np.zeros(count)])
    values = {n: np.broadcast_to(a, (shape[0] * shape[1], *a.shape[1:])) for n, a in zip(graphs, arrays, strict=True)}
    values = {n: a.reshape(shape + a.shape[1:]) for n, a in values.items()}
    values = by_member(values, joint.plates, ("", "_probability", "_most_probable"))
    variables = [each for name in missing for each in _each(finite_of(joint, name), joint.plates.get(name, ()))]
    return _with_variables(model, trace, values, variables)


def _each(variable: Finite, members: Sequence[str]) -> list[Finite]:
    """Return the variables that an array is made of."""
    return [Finite(name, variable.value[0], variable.states) for name in members] if members else [variable]


def check_trace(kept: Mapping[str, TensorVariable], trace: DataTree) -> None:
    """Raise if a trace lacks one of the variables, or has it in another shape."""
    posterior = trace["posterior"]
    for name, value in kept.items():
        shape = static_shape(value)
        if name not in posterior or posterior[name].shape[2:] != shape:
            found = posterior[name].shape[2:] if name in posterior else "none"
            raise ModelError(
                f"The trace is not one of this model: {name} has shape {shape}, there {found}.",
                name,
            )


def recovery_graphs(
    model: Model, joint: LogProb, missing: Sequence[str], probs: bool, most_probable: bool
) -> tuple[dict[str, TensorVariable], Variable]:
    """Return what is computed for each draw, and the generator that it draws with."""
    variables = [finite_of(joint, name) for name in missing]
    start: Variable = pt.random.rng("rng")
    if not variables:
        return {}, start
    summation = sum_over(joint.terms, variables, with_probes=probs)
    _, drawn = trace_back(summation, start)
    graphs = dict(drawn)
    if probs:
        found = probabilities_of(summation)
        graphs |= {f"{name}_probability": pt.moveaxis(p, 0, -1) for name, p in found.items()}
    if most_probable:
        best = sum_over(joint.terms, variables, mode="max")
        _, paths = trace_back(best, start, mode="max")
        graphs |= {f"{name}_most_probable": path for name, path in paths.items()}
    later = _later_deterministics(model, [m for name in missing for m in joint.plates.get(name, (name,))])
    known, data = {**joint.values, **drawn}, dict(model.graph.observed.values())
    computed = given_arrays([model.deterministics[n] for n in later], model.latent, known, joint.plates, data)
    return {**graphs, **dict(zip(later, map(pt.as_tensor, computed), strict=True))}, start


def _later_deterministics(model: Model, missing: Sequence[str]) -> list[str]:
    eliminated = [model.latent[name] for name in missing]
    return [n for n, d in model.deterministics.items() if depends_on(d, eliminated)]


def _with_variables(model: Model, trace: DataTree, values: dict[str, NDArray], variables: Sequence[Finite]) -> DataTree:
    dims: dict[str, tuple[str, ...]] = {}
    coords: dict[str, Sequence[int]] = {}
    for variable in variables:
        name = variable.name
        plate = model.dims.get(name) or tuple(f"{name}_dim_{i}" for i in range(len(variable.shape)))
        dims[f"{name}_most_probable"] = tuple(plate)
        if f"{name}_probability" not in values:
            continue
        dims[f"{name}_probability"] = (*plate, f"{name}_state")
        coords[f"{name}_state"] = variable.states.tolist()
        coords |= {
            dim: list(range(int(n))) for dim, n in zip(plate, variable.shape, strict=True) if dim not in model.coords
        }
    dims = {name: axes for name, axes in dims.items() if name in values}
    new = to_datatree(model, {"posterior": values}, {}, dims, coords)
    tree = trace.copy()
    merged = xr.merge([trace["posterior"].to_dataset(), new["posterior"].to_dataset()], combine_attrs="override")
    merged.attrs = dict(trace["posterior"].attrs)
    tree["posterior"] = DataTree(merged)
    return tree
