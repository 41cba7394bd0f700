"""Variables that were declared one by one in a loop, taken together again.

A thousand scalars ``x_t ~ Bernoulli(p[x_{t-1}])`` are a thousand graphs of the same form. Their log-probability is
derived once, for vectors: where the graphs of the members differ, in constants, data or values, the differing leaves
are stacked. What is the same variable in all of them stays as it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from graphs.joint.preparation import as_parameter
from graphs.limits.infinite_parameters import Ends, with_limits
from graphs.optional import optional
from graphs.rolling.gathering import Places, below_each_other
from graphs.surgery.batching import aligned_parameter, apply_batched
from graphs.surgery.rebuilding import nodes_above, substitute
from graphs.tails.ordered import with_stable_categories

FEWEST = 20
"""Fewer variables of the same form keep terms of their own."""
_LARGEST_SIGNATURE = 60


@dataclass(frozen=True, eq=False)
class Roll:
    """Variables of the same form.

    Parameters
    ----------
    variables : tuple of TensorVariable
        The random variables.
    logprob : TensorVariable
        Shape (m, ...): their log-probabilities.
    """

    variables: tuple[TensorVariable, ...]
    logprob: TensorVariable


@optional("variables of the same form", otherwise=lambda why, rv_values, candidates: ([], {rv: rv for rv in rv_values}))
def find_rolls(
    rv_values: Mapping[TensorVariable, Variable], candidates: Sequence[TensorVariable]
) -> tuple[list[Roll], dict[TensorVariable, TensorVariable]]:
    """Find the variables of the same form and derive their log-probabilities together.

    Parameters
    ----------
    rv_values : mapping of TensorVariable to Variable
        Random variables and their values.
    candidates : sequence of TensorVariable
        The variables among them that may be taken together.

    Returns
    -------
    rolls : list of Roll
        The groups.
    left : dict of TensorVariable to TensorVariable
        The other variables, with the values of those in groups in place of these.
    """
    eligible = [rv for rv in candidates if rv.owner is not None and isinstance(rv.owner.op, RandomVariable)]
    if len(eligible) < FEWEST:
        return [], {rv: rv for rv in rv_values}
    parameters = conditional_parameters(eligible, rv_values)
    signatures = Signatures()
    groups: dict[Hashable, list[TensorVariable]] = {}
    for rv in eligible:
        signature = signatures.of(rv, parameters[rv], rv_values[rv])
        if signature is not None:
            groups.setdefault(signature, []).append(rv)
    rolls = []
    for members in groups.values():
        if len(members) >= FEWEST:
            logprob = _joint_logprob(members, parameters, rv_values)
            if logprob is not None:
                rolls.append(Roll(tuple(members), logprob))
    rolled: dict[Variable, Variable] = {rv: rv_values[rv] for roll in rolls for rv in roll.variables}
    left = [rv for rv in rv_values if rv not in rolled]
    if not rolled:
        return [], {rv: rv for rv in rv_values}
    replaced = substitute(left, rolled)
    return rolls, dict(zip(left, replaced, strict=True))


def conditional_parameters(
    rvs: Sequence[TensorVariable], rv_values: Mapping[TensorVariable, Variable]
) -> dict[TensorVariable, list[Variable]]:
    """Return the parameters of each variable as graphs of the values of the others."""
    inputs = [list(rv.owner.op.dist_params(rv.owner)) for rv in rvs]
    flat = [i for own in inputs for i in own]
    new = iter(with_stable_categories(substitute(flat, rv_values)))
    return {rv: [next(new) for _ in own] for rv, own in zip(rvs, inputs, strict=True)}


class Signatures:
    """What the form of a graph is: equal for graphs that differ only in their leaves."""

    def __init__(self) -> None:
        self._known: dict[Variable, tuple[int, int]] = {}
        self._numbers: dict[Hashable, int] = {}

    def of(self, rv: TensorVariable, parameters: Sequence[Variable], value: Variable) -> Hashable | None:
        """Return the form of a variable with its parameters and value; None where it is large."""
        forms = [self._form(p) for p in (*parameters, value)]
        if any(size > _LARGEST_SIGNATURE for _, size in forms):
            return None
        return (rv.owner.op, rv.type, tuple(number for number, _ in forms))

    def of_graph(self, variable: Variable) -> Hashable:
        """Return the form of a graph; that of a large one is no other's."""
        number, size = self._form(variable)
        return number if size <= _LARGEST_SIGNATURE else variable

    def _form(self, variable: Variable) -> tuple[int, int]:
        """Return the number of a form, and how many nodes it has."""
        if variable not in self._known:
            # Not by calling itself: graphs of loops are deeper than Python calls functions.
            for node in nodes_above(variable, self._known):
                self._known.update({out: self._form_of(node, i) for i, out in enumerate(node.outputs)})
        return self._known[variable] if variable in self._known else self._leaf(variable)

    def _form_of(self, node: Apply, index: int) -> tuple[int, int]:
        forms = [self._known.get(i) or self._leaf(i) for i in node.inputs]
        key = (node.op, index, tuple(number for number, _ in forms))
        return self._numbers.setdefault(key, len(self._numbers)), 1 + sum(size for _, size in forms)

    def _leaf(self, variable: Variable) -> tuple[int, int]:
        key = ("leaf", isinstance(variable, Constant), variable.type)
        return self._numbers.setdefault(key, len(self._numbers)), 1


def _joint_logprob(
    members: Sequence[TensorVariable],
    parameters: Mapping[TensorVariable, Sequence[Variable]],
    rv_values: Mapping[TensorVariable, Variable],
) -> TensorVariable | None:
    """Return the log-probabilities of variables of the same form; None where that cannot be done."""
    first = members[0]
    op: Any = first.owner.op
    stacker = Stacker(len(members))
    try:
        value = stacker.stacked_values([rv_values[rv] for rv in members])
        columns = zip(*(parameters[rv] for rv in members), strict=True)
        stacked = [stacker.batched(tuple(column)) for column in columns]
    except (NotImplementedError, ValueError, TypeError):
        return None
    batch_ndim = first.type.ndim - op.ndim_supp
    integer = "float64" if str(first.type.dtype).startswith("float") else "int64"
    aligned = [
        as_parameter(aligned_parameter(now, old, batch_ndim + core), integer)
        for now, old, core in zip(stacked, parameters[first], op.ndims_params, strict=True)
    ]
    logprob = _logprob(op, (value,), first.owner.inputs[0], first.owner.inputs[1], *aligned)
    is_one_each = isinstance(logprob, TensorVariable) and logprob.type.ndim == batch_ndim + 1
    if not is_one_each:
        return None
    if Ends({}).may_be_reached(first.owner, aligned):
        logprob = with_limits(op, value, aligned, logprob)
    if logprob.type.shape[0] != len(members):
        logprob = pt.broadcast_to(logprob, (len(members), *value.shape[1 : batch_ndim + 1]))
    return logprob


class Stacker:
    """Evaluate the graphs of all members at once, node by node.

    Parameters
    ----------
    count : int
        The number of members.
    places : mapping of Variable to (TensorVariable, int), optional
        Of values that are elements of an array, the array, and which element.
    values : mapping of Variable to Variable, optional
        What stands in the place of random variables, where they are still in the graphs.
    """

    def __init__(self, count: int, places: Places | None = None, values: Mapping[Any, Variable] | None = None):
        self.count = count
        self.places = places or {}
        self.values = values or {}
        self._memo: dict[tuple[Variable, ...], Variable] = {}

    def batched(self, members: tuple[Variable, ...]) -> Variable:
        """Return a variable with a first axis for the members; without it where all are the same variable."""
        if self.values:
            members = tuple(self.values.get(m, m) for m in members)
        first = members[0]
        if all(m is first for m in members):
            return substitute([first], self.values)[0] if self.values and first.owner is not None else first
        if members in self._memo:
            return self._memo[members]
        if first.owner is None:
            result = self._stacked(members)
        else:
            columns = zip(*(m.owner.inputs for m in members), strict=True)
            inputs = [self.batched(tuple(column)) for column in columns]
            outputs = apply_batched(first.owner, inputs, self.count)
            result = outputs[first.owner.outputs.index(first)]
        self._memo[members] = result
        return result

    def stacked_values(self, values: Sequence[Variable]) -> TensorVariable:
        """Return values with a first axis for the members."""
        if all(isinstance(v, Constant) for v in values):
            constant: TensorVariable = pt.constant(np.stack([v.data for v in values]))
            return constant
        return pt.stack(list(values))

    def _stacked(self, members: tuple[Variable, ...]) -> Variable:
        if not isinstance(members[0].type, TensorType | ScalarType):
            raise TypeError(f"{members[0]} is no array")
        if all(isinstance(m, Constant) for m in members):
            data = np.stack([m.data for m in members])
            if np.all(data == data[0]):
                return members[0]
            return pt.constant(data)
        return below_each_other(members, self.places)
