"""Sum finite discrete variables out of a joint log-probability, one at a time, in log space.

The joint is a list of factors. Eliminating a variable gathers the factors that depend on it, evaluates them at all of
its states (`graphs.lifting`), adds them up element by element of its plate, and puts their log-sum-exp back as one new
factor. What was added up, the *logits*, is kept: read backwards, the eliminations draw the variables given the rest.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedGrad, disconnected_grad
from pytensor.graph.replace import _vectorize_node, _vectorize_not_needed
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.lifting import Lifted, MixingError, lift, states_on_axis
from graphs.random_graph import depends_on
from graphs.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class Factor:
    """An additive part of the joint log-probability.

    Parameters
    ----------
    name : str
        The variable that it is the log-probability of; several, joined by ``+``, after an elimination.
    graph : TensorVariable
        Its elements add up to the factor.
    """

    name: str
    graph: TensorVariable


@dataclass(frozen=True, eq=False)
class Elimination:
    """A variable that was summed out, and what is needed to draw it back.

    Parameters
    ----------
    name : str
        Name of the variable.
    value : TensorVariable
        Its value variable, which later eliminations and the total no longer contain.
    states : (K,) int64 array
        Its states.
    logits : TensorVariable
        Shape (K, *plate): log-probability of each state and everything else, given the other values.
    term : str
        Name of the factor that holds the sum.
    """

    name: str
    value: TensorVariable
    states: NDArray[np.int64]
    logits: TensorVariable
    term: str


def eliminate(
    factors: Sequence[Factor], name: str, value: TensorVariable, states: NDArray[np.int64]
) -> tuple[list[Factor], Elimination]:
    """Sum one discrete variable out of the factors.

    Parameters
    ----------
    factors : sequence of Factor
        The joint log-probability.
    name : str
        Name of the variable.
    value : TensorVariable
        Its value variable; shape (), or that of its plate.
    states : (K,) int64 array
        Its states.

    Returns
    -------
    factors : list of Factor
        The joint log-probability without the variable.
    elimination : Elimination
        How to draw it back.

    Raises
    ------
    DerivationError
        If elements of the plate depend on each other, so that they cannot be summed one by one.
    """
    touched = [f for f in factors if depends_on(f.graph, [value])]
    rest = [f for f in factors if f not in touched]
    try:
        lifted = lift([f.graph for f in touched], value, states_on_axis(states, value))
    except MixingError as reason:
        raise DerivationError(
            f"{name} cannot be summed out element by element: {reason}. "
            f"Leave it to be drawn (marginalize excludes {name!r}).",
            name,
            value,
        ) from reason
    logits = add_on_plate(lifted, value, len(states))
    children = [f.name for f in touched if f.name != name] or [name]
    term = unused_name("+".join(children), {f.name for f in rest})
    return [*rest, Factor(term, logsumexp(logits))], Elimination(name, value, states, logits, term)


def unused_name(name: str, taken: Container[str]) -> str:
    """Return ``name``, with primes as long as it is taken."""
    while name in taken:
        name += "'"
    return name


def add_on_plate(lifted: Sequence[Lifted], value: TensorVariable, num_states: int) -> TensorVariable:
    """Add up what was lifted, element by element of the plate; shape (K, *plate)."""
    plate = tuple(int(n) for n in value.type.shape)
    added = [_on_plate(item, len(plate)) for item in lifted]
    total = pt.add(*added) if len(added) > 1 else added[0]
    full = (num_states, *plate)
    if total.type.shape != full:
        total = pt.broadcast_to(total, full)
    # Shapes of the value are all that may be left of it.
    [total] = substitute([total], {value: pt.zeros(plate, dtype=value.type.dtype)})
    return total


def _on_plate(lifted: Lifted, plate_ndim: int) -> TensorVariable:
    """Sum over the axes that do not follow the plate and put the others in its order, states first."""
    free = tuple(i + 1 for i, axis in enumerate(lifted.axes) if axis is None)
    value = pt.sum(lifted.value, axis=free) if free else lifted.value
    kept = [axis for axis in lifted.axes if axis is not None]
    return value.dimshuffle([0, *(kept.index(axis) + 1 if axis in kept else "x" for axis in range(plate_ndim))])


# A view of any number of axes; PyTensor would loop over them in Python.
_vectorize_node.register(DisconnectedGrad)(_vectorize_not_needed)


def logsumexp(logits: TensorVariable) -> TensorVariable:
    """Return the log of the sum of exponentials over the first axis; -inf, with zero gradient, where all are -inf."""
    top = pt.max(logits, axis=0)
    is_impossible = pt.eq(top, -np.inf)
    # The shift cancels, so it is a constant for the gradient.
    shift: TensorVariable = disconnected_grad(pt.switch(pt.isinf(top), 0.0, top))
    total = pt.sum(pt.exp(logits - shift), axis=0)
    return pt.switch(is_impossible, -np.inf, pt.log(pt.switch(is_impossible, 1.0, total)) + shift)
