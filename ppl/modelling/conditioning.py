"""Put data on a random variable: checks of type, shape and support, and missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.shape_utils import change_dist_size
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.joint.logprob import support_of
from graphs.marginal.finite import finite_states
from graphs.surgery.fixing import value_of_data
from graphs.surgery.random_graph import is_random, static_shape
from graphs.surgery.rebuilding import isolated, substitute
from graphs.variables.markov_chain import MarkovChainRV
from graphs.variables.partly_observed import has_mass, split, transform_of_function
from graphs.variables.sequence.sequence_rv import SequenceRV
from ppl.chunks.arrays import Sliced, as_source
from ppl.chunks.source import Source, input_for, inputs_in_chunks, source_of
from ppl.declaring.declaration import Declaration, declaration_of, declare
from ppl.modelling.data_supports import check_support
from ppl.reading.arrays import first, read_numbers, to_floats, to_integers


@dataclass(frozen=True, eq=False)
class Observation:
    """A random variable with its data.

    Parameters
    ----------
    variable : TensorVariable
        The observed random variable; resized to the data where they have more axes; without its missing elements.
    value : Constant, or input
        The data, without missing elements; an input for data in chunks.
    joined : TensorVariable or None
        Where elements are missing: observed and missing elements in one array, to take the variable's place; or the
        variable itself, of which some elements are known.
    missing : TensorVariable or None
        The missing elements, a latent variable.
    data : array or None
        The data as given, missing elements included; None for data in chunks.
    initial : array or None
        Where the variable itself may start, if only some of its values are possible.
    """

    variable: TensorVariable
    value: Constant | TensorVariable
    joined: TensorVariable | None
    missing: TensorVariable | None
    data: NDArray | None
    initial: NDArray | None = None


def observation_of(rv: TensorVariable, name: str, data: Any) -> Observation:
    """Check data against a random variable and split off missing elements.

    Raises
    ------
    ModelError
        If type, shape or support do not fit; names the variable and the first offending element.
    """
    source = source_of(data) if isinstance(data, TensorVariable) else as_source(data, f"The data of {name}")
    if source is None and inputs_in_chunks([rv]):
        source = _beside_chunks(rv, data, name)
    if source is not None:
        return _of_chunks(rv, name, source)
    values, mask = _as_array(data, name)
    values, mask = _as_dtype(values, mask, rv, name)
    rv = _fit_shape(rv, name, values.shape)
    check_support(rv, name, values, mask)
    if not mask.any():
        return Observation(rv, pt.constant(values, name=name), None, None, values)
    if not mask.ndim:
        raise ModelError(f"The only value of {name} is missing: leave it out of the data.", name)
    full = values.astype("float64") if values.dtype.kind != "f" else values.copy()
    full[mask] = np.nan
    if is_random(rv) and isinstance(rv.owner.op, MarkovChainRV | SequenceRV) and finite_states(rv) is not None:
        return _of_known_states(rv, name, values, ~mask, full)
    _check_missing(rv, name, mask)
    # A copy, because the joined array takes the place of the variable wherever that is used; on inputs of its own,
    # because PyMC rewrites everything above it.
    copy, stand_ins = isolated(rv)
    parts = split(copy, mask, None if is_random(rv) else transform_of_function(rv, name))
    graphs = [parts.observed, parts.missing, parts.joined]
    observed, missing, joined = (_tensor(v) for v in substitute(graphs, stand_ins))
    observed.name, missing.name, joined.name = f"{name}_observed", f"{name}_missing", name
    said = declaration_of(rv)
    if said is not None:
        # Names and labels of axes are those of the whole array.
        declare(joined, Declaration(name, said.dims, coords=said.coords))
    given = values[~parts.is_missing]
    return Observation(observed, pt.constant(given, name=observed.name), joined, missing, full)


def _of_chunks(rv: TensorVariable, name: str, source: Source) -> Observation:
    """Observe data of which rows are read when they are needed; what has to hold of them is looked at there."""
    is_float = str(rv.type.dtype).startswith("float")
    if not is_random(rv):
        raise ModelError(f"{name} is a function of random variables: data in chunks are those of a distribution.", name)
    if not is_float and source.dtype == "float64":
        raise ModelError(
            f"{name} is discrete but its data are floats; convert them with .astype(int) if they are counts or labels.",
            name,
        )
    rv = _fit_shape(rv, name, source.shape)
    return Observation(rv, input_for(name, source, "float64" if is_float else "int64"), None, None, None)


def _beside_chunks(rv: TensorVariable, data: Any, name: str) -> Source:
    """Let data in memory be read as those are that stand beside them."""
    values, mask = _as_array(data, name)
    values, mask = _as_dtype(values, mask, rv, name)
    if mask.any():
        values = np.where(mask, np.nan, values) if values.dtype.kind == "f" else values
        if values.dtype.kind != "f":
            raise ModelError(f"{name} is discrete and has missing values: leave these rows out.", name)
    return Sliced(values, name)


def _of_known_states(
    rv: TensorVariable, name: str, values: NDArray, is_known: NDArray[np.bool_], full: NDArray
) -> Observation:
    """Observe some states of a chain, which stays one latent variable, without error.

    Between states that are known it would fall into many chains of all lengths.
    """
    seen = pm.DiracDelta.dist(rv[np.nonzero(is_known)])
    seen.name = f"{name}_observed"
    start = _filled(values, is_known, 0 if isinstance(rv.owner.op, SequenceRV) else values.ndim - 1)
    return Observation(seen, pt.constant(values[is_known], name=seen.name), rv, None, full, start)


def _filled(values: NDArray, is_known: NDArray[np.bool_], axis: int) -> NDArray:
    """Return values in which what is not known is the last that is known before it, or the first after it."""
    places = np.arange(values.shape[axis]).reshape(-1, *[1] * (values.ndim - axis - 1))
    before = np.maximum.accumulate(np.where(is_known, places, -1), axis=axis)
    first = np.argmax(is_known, axis=axis, keepdims=True)
    return np.take_along_axis(values, np.where(before < 0, first, before), axis=axis)


def _check_missing(rv: TensorVariable, name: str, mask: NDArray[np.bool_]) -> None:
    """Raise if the elements of a row cannot be missing one by one."""
    if not is_random(rv):
        return
    if has_mass(rv):
        raise ModelError(
            f"{name} has missing elements that may be values with a probability and no density, at a bound or an atom: "
            "leave them out of the data.",
            name,
        )
    support = support_of(rv)
    core = tuple(range(-rv.owner.op.ndim_supp, 0))
    if support.kind not in ("interval", "integers") and (mask.any(core) != mask.all(core)).any():
        raise ModelError(
            f"{name} misses elements inside a row, but they depend on the others of that row ({support}): mask "
            "the whole row, which is then drawn from its posterior.",
            name,
        )


def _tensor(variable: Variable) -> TensorVariable:
    assert isinstance(variable, TensorVariable)
    return variable


def _as_array(data: Any, name: str) -> tuple[NDArray, NDArray[np.bool_]]:
    if isinstance(data, Variable):
        known = value_of_data(data)
        if known is None:
            raise ModelError(f"The data of {name} depend on more than data ({data}); give an array.", name)
        data = known
    values, mask = read_numbers(data, f"The data of {name}", name)
    infinite = np.isinf(values) & ~mask
    if infinite.any():
        where = first(infinite)
        raise ModelError(
            f"The data of {name} are not finite: {name}{list(where)} = {values[where]}. Mark missing values with NaN.",
            name,
        )
    return values, mask


def _as_dtype(
    values: NDArray, mask: NDArray[np.bool_], rv: TensorVariable, name: str
) -> tuple[NDArray, NDArray[np.bool_]]:
    what = f"The data of {name}"
    if str(rv.type.dtype).startswith("float"):
        return to_floats(values, what, name), mask
    # A column of a table of floats holds counts, too, and NaN exists for floats only: whole numbers they have to be.
    return to_integers(values, mask, what, name), mask


def _fit_shape(rv: TensorVariable, name: str, shape: tuple[int, ...]) -> TensorVariable:
    own = static_shape(rv)
    if own == shape:
        return rv
    ndim_supp = getattr(rv.owner.op, "ndim_supp", 0) if is_random(rv) else len(own)
    batch, core = own[: len(own) - ndim_supp], own[len(own) - ndim_supp :]
    fits = len(shape) >= len(own) and shape[len(shape) - len(core) :] == core
    new_batch = shape[: len(shape) - len(core)]
    fits = fits and is_random(rv) and all(n in (1, m) for n, m in zip(batch[::-1], new_batch[::-1], strict=False))
    if not fits:
        raise ModelError(
            f"The data of {name} have shape {shape}, but {name} has shape {own} and cannot be broadcast to it.", name
        )
    resized: TensorVariable = change_dist_size(rv, new_batch)
    resized.name = rv.name
    return resized
