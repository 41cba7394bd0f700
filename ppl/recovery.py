"""Draw back the variables that were summed out, given each posterior draw of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import get_backend
from graphs.errors import ModelError
from graphs.finite import finite_states
from graphs.logprob import LogProb, logprob
from graphs.random_graph import depends_on
from graphs.rebuilding import substitute
from ppl.model import Model
from ppl.results import to_datatree


def recover(
    model: Model, trace: DataTree, *, probabilities: bool = True, seed: int | None = None, backend: str = "numba"
) -> DataTree:
    """Return the trace with draws and probabilities of the variables that were summed out.

    Each draw is exact: it comes from the distribution of the discrete variables given the data and that draw of the
    continuous ones. Deterministics that depend on them are computed too.

    Parameters
    ----------
    model : Model
        The model that was sampled.
    trace : DataTree
        The result of `ppl.sample`; it is not changed.
    probabilities : bool, default True
        Also return ``<name>_probability``: the probability of each state (last axis) in each draw.
    seed : int, optional
        Seed of the draws.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    DataTree
        With new variables in ``posterior``; the trace itself, where nothing was summed out.

    Raises
    ------
    ModelError
        If the trace is not one of this model.
    """
    if not isinstance(trace, DataTree) or "posterior" not in trace:
        raise ModelError(f"A trace of ppl.sample is needed, not {type(trace).__name__}.")
    drawn = set(trace["posterior"].data_vars)
    missing = [name for name in model.latent if name not in drawn]
    if not missing:
        return trace
    for name in missing:
        if finite_states(model.latent[name]) is None:
            raise ModelError(f"The trace is not one of this model: {name} is not in it and was not summed out.", name)
    summed = logprob(model, marginalize=missing)
    _check_trace(summed, trace)
    names, outputs, rng = _recovery_graphs(model, summed, probabilities)
    inputs = list(summed.values.values())
    function = get_backend(backend).map(inputs, outputs, rng=rng)
    posterior = trace["posterior"]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    arguments = [posterior[n].to_numpy().reshape(-1, *posterior[n].shape[2:]) for n in summed.values]
    if not arguments:
        raise ModelError("Every variable was summed out, so that there are no draws to condition on.")
    arrays = function(np.random.default_rng(seed), *arguments)
    values = {n: np.asarray(a).reshape(shape + np.shape(a)[1:]) for n, a in zip(names, arrays, strict=True)}
    return _with_variables(model, trace, values, summed)


def _check_trace(summed: LogProb, trace: DataTree) -> None:
    posterior = trace["posterior"]
    for name, value in summed.values.items():
        if name not in posterior or posterior[name].shape[2:] != tuple(value.type.shape):
            found = posterior[name].shape[2:] if name in posterior else "none"
            raise ModelError(
                f"The trace is not one of this model: {name} has shape {tuple(value.type.shape)}, there {found}.",
                name,
            )


def _recovery_graphs(
    model: Model, summed: LogProb, probabilities: bool
) -> tuple[list[str], list[TensorVariable], Variable]:
    """Read the eliminations backwards: the last variable summed out depends on no other one."""
    rng: Variable = pt.random.rng("rng")
    drawn: dict[Variable, Variable] = {}
    names: list[str] = []
    outputs: list[TensorVariable] = []
    start = rng
    for elimination in reversed(summed.eliminations):
        [logits] = substitute([elimination.logits], drawn)
        probability = pt.special.softmax(pt.moveaxis(logits, 0, -1), axis=-1)
        rng, index = rng.categorical(probability)
        draw = pt.constant(elimination.states)[index]
        drawn[elimination.value] = draw
        names.append(elimination.name)
        outputs.append(draw)
        if probabilities:
            names.append(f"{elimination.name}_probability")
            outputs.append(probability)
    later = _later_deterministics(model, summed)
    stand_ins: dict[Variable, Variable] = {model.latent[n]: v for n, v in summed.values.items()}
    stand_ins |= {model.latent[e.name]: drawn[e.value] for e in summed.eliminations}
    stand_ins |= dict(model.graph.observed.values())
    graphs = substitute([model.deterministics[n] for n in later], stand_ins)
    return [*names, *later], [*outputs, *graphs], start


def _later_deterministics(model: Model, summed: LogProb) -> list[str]:
    eliminated = [model.latent[e.name] for e in summed.eliminations]
    return [n for n, d in model.deterministics.items() if depends_on(d, eliminated)]


def _with_variables(model: Model, trace: DataTree, values: dict[str, NDArray], summed: LogProb) -> DataTree:
    dims: dict[str, tuple[str, ...]] = {}
    coords: dict[str, Sequence[int]] = {}
    for elimination in summed.eliminations:
        name = elimination.name
        if f"{name}_probability" not in values:
            continue
        plate = model.dims.get(name) or tuple(f"{name}_dim_{i}" for i in range(elimination.value.type.ndim))
        dims[f"{name}_probability"] = (*plate, f"{name}_state")
        coords[f"{name}_state"] = elimination.states.tolist()
        coords |= {
            dim: list(range(int(n)))
            for dim, n in zip(plate, elimination.value.type.shape, strict=True)
            if dim not in model.coords
        }
    new = to_datatree(model, {"posterior": values}, {}, dims, coords)
    tree = trace.copy()
    merged = xr.merge([trace["posterior"].to_dataset(), new["posterior"].to_dataset()], combine_attrs="override")
    merged.attrs = dict(trace["posterior"].attrs)
    tree["posterior"] = DataTree(merged)
    return tree
