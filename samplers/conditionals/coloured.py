"""Gibbs sampling of discrete arrays whose elements depend on each other: groups of independent elements in turn.

Elements that share no factor are independent given the others, so that they are drawn at once: two groups for a chain
or a grid, as many as there are elements where each depends on all others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.factors import factors
from graphs.marginal.lifting import ABSENT, Lifted, MixingError, Slot, of_states
from graphs.optional import optional
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute
from samplers.blocks import DrawBlock

MOST_GROUPS = 64
MOST_COPIES = 128
"""Most copies of the model that are made where an operation cannot be evaluated at all states at once."""
_MOST_STATES = 2**12


@optional("groups of elements", otherwise=lambda *_: None)
def find_groups(
    terms: Sequence[TensorVariable], variable: TensorVariable, states: NDArray[np.int64]
) -> list[Integers] | None:
    """Put the elements of a discrete variable into groups that are independent given the others.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        The variable.
    states : (K,) int64 array
        Its states.

    Returns
    -------
    list of int64 array or None
        Positions in the flattened variable; None if there would be too many groups.
    """
    count = int(np.prod(variable.type.shape, dtype=int))
    if not count:
        return []
    numbers = np.arange(count)
    found = factors(terms, {variable: of_states(variable, states, numbers.reshape(variable.type.shape))}, _MOST_STATES)
    if isinstance(found, MixingError):
        # Some factor ties too many elements: take each by itself.
        groups = [numbers[i : i + 1] for i in range(count)]
        return groups if _can_be_drawn(terms, variable, states, groups) else None
    groups = found.groups()
    return groups if len(groups) <= MOST_GROUPS else None


def _can_be_drawn(
    terms: Sequence[TensorVariable], variable: TensorVariable, states: NDArray[np.int64], groups: list[Integers]
) -> bool:
    if len(groups) > MOST_GROUPS:
        return False
    is_lifted = _lifted_logits(terms, variable, variable, _column(states, variable), groups[0]) is not None
    return is_lifted or len(groups) * len(states) <= MOST_COPIES


def coloured_block(
    terms: Sequence[TensorVariable],
    variable: TensorVariable,
    states: NDArray[np.int64],
    groups: Sequence[Integers],
) -> DrawBlock:
    """Return the block of a sweep that draws the groups one after the other from their full conditionals.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms of the joint log-probability.
    variable : TensorVariable
        A variable of the joint state.
    states : (K,) int64 array
        Its states.
    groups : sequence of int64 array
        As `find_groups` returns them.
    """
    start = pt.random.rng("rng")
    rng = start
    shape = tuple(int(n) for n in variable.type.shape)
    current: TensorVariable = variable
    for group in groups:
        logits = logits_of_group(terms, variable, current, states, group)
        weights = pt.special.softmax(logits.dimshuffle(1, 0), axis=-1)
        rng, index = rng.categorical(weights)
        drawn = pt.constant(states.astype(np.int64))[index]
        flat = pt.set_subtensor(current.reshape((-1,))[group], pt.cast(drawn, variable.type.dtype))
        current = flat.reshape(shape)
    return DrawBlock("gibbs", (variable,), start, rng, (current,))


def logits_of_group(
    terms: Sequence[TensorVariable],
    variable: TensorVariable,
    current: TensorVariable,
    states: NDArray[np.int64] | TensorVariable,
    group: Integers,
) -> TensorVariable:
    """Return the log-probability of each state of the members of a group, given all others; shape (K, m).

    Parameters
    ----------
    terms, variable, group
        As in `coloured_block`.
    current : TensorVariable
        The value of the variable.
    states : (K,) int64 array, or tensor of shape (K, *shape)
        The states, of all elements or of each.
    """
    column = _column(states, variable)
    logits = _lifted_logits(terms, variable, current, column, group)
    if logits is not None:
        return logits
    assert len(group) == 1
    shape = tuple(int(n) for n in variable.type.shape)
    flat = current.reshape((-1,))
    candidates = pt.broadcast_to(column, (column.type.shape[0], *shape)).reshape((column.type.shape[0], -1))[:, group]
    values = [pt.set_subtensor(flat[group], candidates[i]).reshape(shape) for i in range(column.type.shape[0])]
    total = [t.sum() for t in terms if depends_on(t, [variable])]
    return pt.stack([pt.add(0.0, *substitute(total, {variable: v})) for v in values])[:, None]


def _column(states: NDArray[np.int64] | TensorVariable, variable: TensorVariable) -> TensorVariable:
    """Return the states on a first axis before those of the variable."""
    if isinstance(states, TensorVariable):
        return pt.cast(states, variable.type.dtype)
    array = states.astype(variable.type.dtype).reshape((-1, *(1,) * variable.type.ndim))
    constant: TensorVariable = pt.constant(array)
    return constant


def _lifted_logits(
    terms: Sequence[TensorVariable],
    variable: TensorVariable,
    current: TensorVariable,
    column: TensorVariable,
    group: Integers,
) -> TensorVariable | None:
    shape = tuple(int(n) for n in variable.type.shape)
    count = int(np.prod(shape, dtype=int))
    is_member = np.zeros(count, bool)
    is_member[group] = True
    is_member = is_member.reshape(shape)
    value = pt.switch(is_member, column, current[None])
    atoms = np.where(is_member, np.arange(count).reshape(shape), ABSENT)
    lifted = Lifted(pt.cast(value, variable.type.dtype), (Slot(int(column.type.shape[0]), atoms),), shape)
    # What is not in the group is held, and only the members have states.
    found = factors(terms, {variable: lifted}, _MOST_STATES)
    return None if isinstance(found, MixingError) else found.by_atom()[:, group]
