"""Steps of the same form that read what earlier ones left: one step, and the loop that repeats it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from graphs.rolling.rolling import Stacker
from graphs.surgery.rebuilding import substitute

MOST_BEFORE = 4
"""So many steps back may be read."""
MOST_NODES = 100
"""Operations of a step."""

type Column = tuple[Variable, ...]
"""What stands at the same place in each step."""


class IrregularError(Exception):
    """The steps have not the same form."""


@dataclass(eq=False)
class State:
    """What is carried along.

    Parameters
    ----------
    before : list of Variable
        What it is before the first step, the latest last.
    column : tuple of Variable
        What it is after each step.
    lags : set of int
        How many steps back it is read.
    """

    before: list[Variable]
    column: Column
    lags: set[int] = field(default_factory=set)

    def lag_of(self, column: Column) -> int | None:
        """Return how many steps back a column is this one; None where it is another."""
        for lag in range(1, MOST_BEFORE + 1):
            if not _are_same(column[lag:], self.column[:-lag]):
                continue
            known = self.before[-lag:]
            if _are_same(column[lag - len(known) : lag], known):
                self.before = [*column[: lag - len(known)], *self.before]
                self.lags.add(lag)
                return lag
        return None

    def info(self, values: Mapping[Any, Variable]) -> Any:
        """Return what ``pytensor.scan`` takes for it; values stand in the place of random variables."""
        kind = self.column[0].type
        initial = [pt.cast(v, kind.dtype) for v in substitute(self.before[-max(self.lags) :], values)]
        if max(self.lags) == 1:
            return initial[0]
        return {"initial": pt.stack(initial), "taps": self.taps}

    @property
    def taps(self) -> list[int]:
        """Return the steps back as negative numbers, the furthest first."""
        return sorted(-lag for lag in self.lags)


@dataclass(frozen=True, eq=False)
class Role:
    """What a column is to a step: the same in all steps, a row for each, what an earlier step left, or computed.

    Parameters
    ----------
    column : tuple of Variable
        The column.
    state, lag : State and int
        Which state it was so many steps ago.
    inputs : tuple of Role
        What it is computed from.
    """

    column: Column
    state: State | None = None
    lag: int = 0
    inputs: tuple[Role, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same in all steps."""
        return self.state is None and not self.inputs and all(v is self.column[0] for v in self.column)

    @property
    def is_carried(self) -> bool:
        """Whether it depends on earlier steps."""
        return self.state is not None or bool(self.inputs)


class Steps:
    """Steps of the same form.

    Parameters
    ----------
    before : sequence of Variable
        What one of the variables that are carried along is before the first step.
    column : tuple of Variable
        What it is after each step.
    values : mapping of Variable to Variable
        What stands in the place of random variables. So it is put there only where it is read: to make all steps again
        would take longer than to find them.

    Raises
    ------
    IrregularError
        If the steps have not the same form.
    """

    def __init__(self, before: Sequence[Variable], column: Column, values: Mapping[Any, Variable]):
        self.count = len(column)
        self._values = values
        self.states = [State(list(before), column)]
        self._stacker = Stacker(self.count, values=values)
        self._open: list[Column] = []
        self._roles: dict[bytes, Role] = {}
        self._rows: dict[Role, Variable] = {}
        self.root = self._role(column, is_root=True)
        if not all(state.lags for state in self.states):
            raise IrregularError
        for role in self._roles.values():
            if not role.is_carried and not role.is_fixed:
                self._rows[role] = self._stacked(role.column)

    @property
    def computed(self) -> list[Column]:
        """What each step computes from earlier ones."""
        return [role.column for role in self._roles.values() if role.inputs]

    @property
    def nodes(self) -> set[Apply]:
        """What the loop takes the place of."""
        return {v.owner for column in self.computed for v in column if v.owner is not None}

    @property
    def is_sum(self) -> bool:
        """Whether a step adds something to what was there, and does nothing else."""
        node = self.root.column[0].owner
        is_addition = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Add)
        return (
            is_addition
            and sum(role.is_carried for role in self.root.inputs) == 1
            and not any(role.inputs for role in self.root.inputs)
        )

    def _role(self, column: Column, is_root: bool = False) -> Role:
        key = _key(column)
        if key not in self._roles:
            found = None if is_root else self._simple(column)
            if found is None:
                found = self._computed(column)
            self._roles[key] = found
            if len(self._roles) > MOST_NODES:
                raise IrregularError
        return self._roles[key]

    def _simple(self, column: Column) -> Role | None:
        """Return the role of what a step does not compute."""
        if all(v is column[0] for v in column):
            self._check_continuous(column[:1])
            return Role(column)
        for state in self.states:
            if (lag := state.lag_of(column)) is not None:
                return Role(column, state, lag)
        for waiting in self._open:
            state = State([], waiting)
            if (lag := state.lag_of(column)) is not None:
                self.states.append(state)
                return Role(column, state, lag)
        if any(v.owner is None for v in column):
            if any(v.owner is not None or type(v.type) is not type(column[0].type) for v in column):
                raise IrregularError
            self._check_continuous(column)
            return Role(column)
        return None

    def _computed(self, column: Column) -> Role:
        first = column[0]
        nodes = [v.owner for v in column]
        place = nodes[0].outputs.index(first)
        for v, node in zip(column, nodes, strict=True):
            is_alike = v.type == first.type and node.op == nodes[0].op and len(node.inputs) == len(nodes[0].inputs)
            if not is_alike or node.outputs[place] is not v:
                raise IrregularError
        self._open.append(column)
        inputs = tuple(self._role(self._given(c)) for c in zip(*(node.inputs for node in nodes), strict=True))
        self._open.pop()
        return Role(column, inputs=inputs if any(i.is_carried for i in inputs) else ())

    def _given(self, column: Column) -> Column:
        """Return a column with values in the place of random variables."""
        return tuple(self._values.get(v, v) for v in column)

    def _check_continuous(self, column: Column) -> None:
        """Raise if something discrete is read that is not known: it may have to be summed out, which no loop is."""
        known = [self._values.get(v, v) for v in ancestors(list(column), blockers=self._values)]
        for leaf in (v for v in known if v.owner is None and not isinstance(v, Constant | SharedVariable)):
            if not str(getattr(leaf.type, "dtype", "float64")).startswith("float"):
                raise IrregularError

    def _stacked(self, column: Column) -> Variable:
        """Return what has a row for each step; without rows where they turn out to be equal."""
        # What cannot be vectorised says so in as many ways as there are operations; the loop then stays as it is.
        try:
            return self._stacker.batched(column)
        except (NotImplementedError, ValueError, TypeError, AttributeError) as error:
            raise IrregularError from error

    def arrays(self, columns: Sequence[Column]) -> list[TensorVariable]:
        """Return arrays whose rows are what the steps compute."""
        wanted = [self._roles[_key(column)] for column in columns]
        has_rows = {role: _has_rows(role, array) for role, array in self._rows.items()}
        rows = [role for role in self._rows if has_rows[role]]
        fixed = [role for role in self._rows if not has_rows[role]]
        given = {role: self._rows[role] for role in fixed}
        same = [role for role in self._roles.values() if role.is_fixed and not role.is_carried]
        given |= dict(zip(same, substitute([role.column[0] for role in same], self._values), strict=True))
        passed = [role for role, v in given.items() if not isinstance(v, Constant)]
        if not all(isinstance(given[role].type, TensorType) for role in passed):
            raise IrregularError

        def one(*arguments: Variable) -> list[Variable]:
            left = iter(arguments)
            known = dict(given)
            known |= {role: _as_type(next(left), role) for role in rows}
            earlier = {(state, -tap): next(left) for state in self.states for tap in state.taps}
            known |= {role: next(left) for role in passed}
            outs = [*(self._roles[_key(state.column)] for state in self.states), *wanted]
            return [pt.cast(_value(role, known, earlier), role.column[0].type.dtype) for role in outs]

        found = pytensor.scan(
            one,
            sequences=[self._rows[role] for role in rows],
            outputs_info=[*(state.info(self._values) for state in self.states), *(None for _ in wanted)],
            non_sequences=[given[role] for role in passed],
            n_steps=self.count,
            return_updates=False,
        )
        results = list(found) if isinstance(found, list | tuple) else [found]
        shapes = [(self.count, *column[0].type.shape) for column in columns]
        return [pt.specify_shape(a, s) for a, s in zip(results[len(self.states) :], shapes, strict=True)]


def _value(role: Role, known: dict[Role, Variable], earlier: dict[tuple[State, int], Variable]) -> Variable:
    """Return what a column is inside of the loop."""
    if role not in known:
        if role.state is not None:
            known[role] = earlier[role.state, role.lag]
        else:
            node = role.column[0].owner
            assert node is not None
            inputs = [_value(i, known, earlier) for i in role.inputs]
            known[role] = node.op.make_node(*inputs).outputs[node.outputs.index(role.column[0])]
    return known[role]


def _key(column: Column) -> bytes:
    return np.fromiter(map(id, column), np.int64, len(column)).tobytes()


def _are_same(a: Sequence[Variable], b: Sequence[Variable]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _has_rows(role: Role, array: Variable) -> bool:
    return getattr(array.type, "ndim", 0) > getattr(role.column[0].type, "ndim", 0)


def _as_type(row: Variable, role: Role) -> Variable:
    """Return a row as what it stands for: indices are numbers that are no arrays."""
    if isinstance(role.column[0].type, ScalarType) and isinstance(row, TensorVariable):
        scalar: Variable = pt.scalar_from_tensor(row)
        return scalar
    return row
