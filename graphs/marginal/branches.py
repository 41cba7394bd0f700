"""Outcomes that are a draw for some states of discrete variables and a fixed value for others, written as switches.

``z * x`` is zero where z is zero, with the probability of that state, and has the density of ``x / z`` elsewhere. As
a plain change of variables its density would be that of ``0 / 0``. A row of ``stack([0, x])`` that z chooses is a
switch as well, and so is a function of a switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pymc.distributions.distribution import PartialObservedRV
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor, indices_from_subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.marginal.finite import nearest_random, values_at_all_states
from graphs.surgery.known import known_value
from graphs.surgery.random_graph import has_random, is_random, measured_parents
from graphs.surgery.rebuilding import rebuild


def with_branches(graphs: Sequence[Variable], outcomes: Sequence[Variable]) -> list[Variable]:
    """Return graphs in which fixed values of outcomes, for some states of discrete variables, are branches of switches.

    Parameters
    ----------
    graphs : sequence of Variable
        Graphs of random variables.
    outcomes : sequence of Variable
        Those of them that are observed.

    Examples
    --------
    >>> import pymc as pm
    >>> z = pm.Bernoulli.dist(0.5)
    >>> z.name = "z"
    >>> y = z * pm.Exponential.dist(1.0)
    >>> [switch] = with_branches([y], [y])
    >>> switch.owner.op
    Elemwise(scalar_op=Switch,inplace_pattern=<frozendict {}>)
    """
    measured = {node: parents for outcome in outcomes for node, parents in _measured(outcome).items()}

    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if node not in measured:
            return None
        if isinstance(node.op, Subtensor | AdvancedSubtensor):
            found = _chosen_row(node, inputs)
        else:
            places = [place for place, old in enumerate(node.inputs) if old in measured[node]]
            is_function = isinstance(node.op, Elemwise) and not isinstance(node.op.scalar_op, ps.Switch)
            found = _function_of_branches(node.op, inputs, places[0]) if is_function and len(places) == 1 else None
        return None if found is None else [found]

    memo = rebuild(graphs, rewrite) if measured else {}
    return [memo.get(graph, graph) for graph in graphs]


def _measured(outcome: Variable) -> dict[Apply, list[Variable]]:
    """Return what lies between an outcome and the random variables that it measures, with what is measured there."""
    found: dict[Apply, list[Variable]] = {}
    waiting = [outcome]
    while waiting:
        variable = waiting.pop()
        node = variable.owner
        is_part = node is not None and isinstance(node.op, PartialObservedRV)
        if node is None or node in found or not isinstance(variable, TensorVariable):
            continue
        if is_random(variable) and not is_part:
            continue
        found[node] = node.inputs[:1] if is_part else list(measured_parents(variable))
        waiting.extend(found[node])
    return found


def _function_of_branches(op: Elemwise, inputs: Sequence[Variable], place: int) -> TensorVariable | None:
    """Return a function of a draw, or of a switch, as a switch; None where it is none."""
    is_product = isinstance(op.scalar_op, ps.Mul)
    zeros = [_zeros(v) if is_product and i != place else None for i, v in enumerate(inputs)]
    are_zero = [zero for zero in zeros if zero is not None]
    if not are_zero:
        return _in_branches(op, inputs, place)
    # What is drawn is not multiplied by zero in a branch that is not taken: its slopes would be infinite.
    others = [v if zero is None else _without_zeros(v, zero) for v, zero in zip(inputs, zeros, strict=True)]
    kept = [v for v in others if v is not None]
    drawn = _in_branches(op, kept, kept.index(inputs[place])) or op(*kept)
    return pt.switch(reduce(pt.or_, are_zero), np.zeros((), dtype=drawn.type.dtype), drawn)


def _in_branches(op: Elemwise, inputs: Sequence[Variable], place: int) -> TensorVariable | None:
    """Return a function of a switch, one of whose branches is no draw, as a switch of functions."""
    switch = inputs[place].owner
    if switch is None or not _is_elementwise(switch, ps.Switch):
        return None
    condition, *branches = switch.inputs
    if all(has_random(branch) for branch in branches):
        return None
    values = [[*inputs[:place], branch, *inputs[place + 1 :]] for branch in branches]
    return pt.switch(condition, *(_in_branches(op, value, place) or op(*value) for value in values))


def _without_zeros(factor: Variable, zeros: TensorVariable) -> Variable | None:
    """Return a factor with ones where it is zero; None if there is nothing else."""
    values = values_at_all_states(pt.as_tensor(factor))
    if values is None and isinstance(factor, Constant):
        values = factor.data
    return None if values is not None and np.isin(values, (0, 1)).all() else pt.switch(zeros, 1, factor)


def _zeros(factor: Variable) -> TensorVariable | None:
    """Return where a factor is zero with positive probability; None if it is so nowhere."""
    node = factor.owner
    if isinstance(factor, Constant):
        return pt.eq(factor, 0) if np.any(np.asarray(factor.data) == 0) else None
    if node is None:
        return None
    if isinstance(node.op, DimShuffle) or _is_elementwise(node, ps.Cast, ps.Neg, ps.TrueDiv):
        return None if _zeros(node.inputs[0]) is None else pt.eq(factor, 0)
    if _is_elementwise(node, ps.Mul):
        found = [zero for zero in map(_zeros, node.inputs) if zero is not None]
        return reduce(pt.or_, found) if found else None
    if _is_elementwise(node, ps.Switch):
        zeros = [_zeros(branch) for branch in node.inputs[1:]]
        never = [pt.constant(False) if zero is None else zero for zero in zeros]
        return None if zeros == [None, None] else pt.switch(node.inputs[0], *never)
    sources = nearest_random(factor)
    is_discrete = bool(sources) and all(str(rv.type.dtype)[:3] in ("int", "uin", "boo") for rv in sources)
    if not is_discrete:
        value = known_value(factor)
        return None if value is None or np.all(value != 0) else pt.eq(factor, 0)
    values = values_at_all_states(pt.as_tensor(factor))
    return None if values is not None and np.all(values != 0) else pt.eq(factor, 0)


def _chosen_row(node: Apply, inputs: Sequence[Variable]) -> TensorVariable | None:
    """Return ``stack([a, b])[z, arange(n)]`` as a switch, where a or b is no draw; None for other indexing."""
    stack, *indices = inputs
    axis, rows = _rows_of(stack)
    if not rows or all(has_random(row) for row in rows):
        return None
    entries = list(indices_from_subtensor(indices, node.op.idx_list))
    entries += [slice(None)] * (stack.type.ndim - len(entries))
    if len(entries) != stack.type.ndim or not isinstance(entries[axis], Variable):
        return None
    chosen, shape = pt.as_tensor(entries.pop(axis)), node.outputs[0].type.shape
    is_whole = chosen.type.ndim == 0 and all(entry == slice(None) for entry in entries if isinstance(entry, slice))
    if not (is_whole and all(isinstance(entry, slice) for entry in entries)) and not _are_all(entries, shape):
        return None
    states = values_at_all_states(chosen)
    if shape != rows[0].type.shape or states is None or states.min() < 0 or states.max() >= len(rows):
        return None
    return reduce(lambda rest, k: pt.switch(pt.eq(chosen, k), rows[k], rest), range(len(rows) - 1), rows[-1])


def _rows_of(stack: Variable) -> tuple[int, list[Variable]]:
    """Return along which axis arrays are stacked, and the arrays; none for what is no stack."""
    node = stack.owner
    if node is not None and isinstance(node.op, MakeVector):
        return 0, list(node.inputs)
    if node is None or not isinstance(node.op, Join):
        return 0, []
    axis = node.op.axis % stack.type.ndim
    parts = [part.owner for part in node.inputs]
    kept = list(range(stack.type.ndim - 1))
    order = (*kept[:axis], "x", *kept[axis:])
    is_stack = all(
        part is not None and isinstance(part.op, DimShuffle) and part.op.new_order == order for part in parts
    )
    return axis, [part.inputs[0] for part in parts] if is_stack else []


def _are_all(entries: Sequence[Any], shape: tuple[int | None, ...]) -> bool:
    """Whether indices take every element of an array once, in order."""
    if None in shape or len(entries) != len(shape) or not all(isinstance(entry, Variable) for entry in entries):
        return False
    # No length is None here, which mypy does not see.
    pairs = zip(map(known_value, entries), np.indices(shape), strict=True)  # type: ignore[arg-type]
    return all(
        value is not None and np.array_equal(np.broadcast_to(value, index.shape), index) for value, index in pairs
    )


def _is_elementwise(node: Apply, *kinds: type) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kinds)
