"""Graphs of some rows: what a graph computes of an array along one axis, from the rows that are asked for alone.

To take rows of an array is to take rows of what it is computed from, until data are reached, of which rows are read, or
an array of parameters, of which elements are. Operations that look at several rows at once have no rows that could be
computed alone: they are obstacles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.rewriting import inline_ofg_node
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate


@dataclass(frozen=True, eq=False)
class RowObstacle:
    """Why rows cannot be computed alone.

    Parameters
    ----------
    reason : str
        Goes on from "it does not factor over its rows: ".
    """

    reason: str


_LATER = RowObstacle("it is not known yet")

type Taken = TensorVariable | RowObstacle
type Rule = Callable[["TakenRows", Apply, int, TensorVariable], Taken]
"""Of the rows, a node, an axis of its output and the positions along it: what the node computes there."""

RULES: dict[type, Rule] = {}
"""By the class of the operation, or one that it is derived from."""


class TakenRows:
    """Rows of graphs.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs.
    rows : TensorVariable
        Shape (size,), int64: the numbers of rows.
    number : int
        Of which they are.
    order : array, shape (number,), int64, optional
        Which row of the data each is: the data are put into this order, once.
    """

    def __init__(
        self,
        outputs: list[TensorVariable],
        rows: TensorVariable,
        number: int,
        order: NDArray[np.int64] | None = None,
    ):
        self.rows, self.number, self.order = rows, number, order
        self.size = int(rows.type.shape[0])
        self._varying: set[Variable] = set()
        for node in toposort(outputs):
            if any(self.is_varying(i) for i in node.inputs):
                self._varying.update(node.outputs)
        self._folded: dict[Variable, NDArray | None] = {}
        self._taken: dict[tuple[Variable, int, Variable], Taken] = {}
        self._gathered: list[tuple[NDArray, TensorVariable, TensorVariable]] = []
        self._places: dict[Variable, list[TensorVariable]] = {}
        self._constants: dict[Variable, Variable] = {}
        self._inlined: dict[Apply, Any] = {}
        self._waiting: list[tuple[Any, int, TensorVariable]] = []

    def is_varying(self, variable: Variable) -> bool:
        """Whether a variable depends on anything but data."""
        return variable in self._varying or (variable.owner is None and not isinstance(variable, Constant))

    def data(self, variable: Variable) -> NDArray | None:
        """Return the value of what depends on data alone, None of all else."""
        if self.is_varying(variable):
            return None
        if variable not in self._folded:
            is_known = isinstance(variable, Constant)
            values = [variable.data] if is_known else evaluate([variable], {})
            self._folded[variable] = None if values is None else np.asanyarray(values[0])
        return self._folded[variable]

    def constant(self, variable: Variable) -> Variable:
        """Return what depends on data alone as a constant, and all else as it is."""
        data = None if isinstance(variable, Constant) else self.data(variable)
        if data is None:
            return variable
        return self._constants.setdefault(variable, pt.constant(data))

    def places(self, mask: Variable) -> list[TensorVariable]:
        """Return where a mask of data is true, an array for each axis; the same ones where that is asked again."""
        if mask not in self._places:
            data = self.data(mask)
            assert data is not None
            self._places[mask] = [pt.constant(where) for where in data.nonzero()]
        return self._places[mask]

    def taken(self, variable: Any, axis: int, positions: TensorVariable) -> Taken:
        """Return a variable at positions along an axis, or why that cannot be computed alone.

        Where the axis has length one and is repeated the variable is returned as it is. Rules that ask for what is not
        known yet are told of an obstacle, and asked again later: graphs are deeper than Python calls functions.
        """
        if variable.type.shape[axis] == 1:
            return variable
        key = (variable, axis, positions)
        if key in self._taken:
            return self._taken[key]
        if self._waiting:
            self._waiting.append(key)
            return _LATER
        self._waiting = [key]
        while self._waiting:
            key = self._waiting[-1]
            if key not in self._taken:
                found = self._find(*key)
                if key is not self._waiting[-1]:
                    continue
                self._taken[key] = found
            self._waiting.pop()
        return self._taken[key]

    def all_taken(self, variables: list[Any], axes: list[int | None], positions: TensorVariable) -> Any:
        """Return variables, each at positions along an axis of its own, None for those left alone; or an obstacle."""
        found = [
            variable if axis is None else self.taken(variable, axis, positions)
            for variable, axis in zip(variables, axes, strict=True)
        ]
        return next((new for new in found if isinstance(new, RowObstacle)), found)

    def at(self, array: NDArray, positions: TensorVariable) -> TensorVariable:
        """Return elements of a vector of positions, at some; the same graph where the same is asked again."""
        if len(array) == self.number and np.array_equal(array, np.arange(len(array))):
            return positions
        for known, where, found in self._gathered:
            if where is positions and np.array_equal(known, array):
                return found
        picked = self.of_data(np.asarray(array, np.int64), 0, positions)
        self._gathered.append((array, positions, picked))
        return picked

    def of_data(self, data: NDArray, axis: int, positions: TensorVariable) -> TensorVariable:
        """Return data at positions along an axis."""
        along: tuple[Any, ...] = (slice(None),) * axis
        if _is_repeated(data, axis):
            lengths = [self.size if i == axis else n for i, n in enumerate(data.shape)]
            repeated: TensorVariable = pt.alloc(pt.constant(data[(*along, slice(0, 1))]), *lengths)
            return repeated
        if positions is self.rows and self.order is not None:
            data = np.take(data, self.order, axis)
        return at_positions(pt.constant(data), axis, positions)

    def _find(self, variable: TensorVariable, axis: int, positions: TensorVariable) -> Taken:
        if None in variable.type.shape:
            return RowObstacle("the shape of an array is not known")
        data = self.data(variable)
        if data is not None:
            return self.of_data(data, axis, positions)
        node = variable.owner
        if node is None:
            return self._of_parameters(variable, axis, positions)
        rule = next((RULES[kind] for kind in type(node.op).__mro__ if kind in RULES), None)
        if rule is not None and variable is node.outputs[0]:
            return rule(self, node, axis, positions)
        if isinstance(node.op, OpFromGraph):
            return self.taken(self._opened(variable), axis, positions)
        return RowObstacle(f"{operation_name(node.op)} looks at several rows at once")

    def _opened(self, variable: TensorVariable) -> Variable:
        """Return the graph that a node holds."""
        node = variable.owner
        if node not in self._inlined:
            self._inlined[node] = inline_ofg_node(node)
        opened: Variable = self._inlined[node][node.outputs.index(variable)]
        for above in toposort([opened]):
            if any(self.is_varying(i) for i in above.inputs):
                self._varying.update(above.outputs)
        return opened

    def _of_parameters(self, variable: TensorVariable, axis: int, positions: TensorVariable) -> Taken:
        if variable.type.shape[axis] >= self.number:
            return RowObstacle(
                f"{variable.name} has an element for each of the {self.number} rows, of which a step would move some "
                "and leave the others where they are"
            )
        return at_positions(variable, axis, positions)


def at_positions(variable: TensorVariable, axis: int, positions: TensorVariable) -> TensorVariable:
    """Return a variable read at positions along an axis."""
    picked: TensorVariable = variable[(slice(None),) * axis + (positions,)]
    return picked


def _is_repeated(data: NDArray, axis: int) -> bool:
    """Whether all rows are the same."""
    first = data[(slice(None),) * axis + (slice(0, 1),)]
    few = data[(slice(None),) * axis + (slice(0, 8),)]
    return bool((few == first).all()) and bool((data == first).all())


def operation_name(op: Any) -> str:
    """Return what an operation is operation_name in messages."""
    core = op.core_op if isinstance(op, Blockwise) else op
    return str(getattr(core, "name", None) or type(core).__name__)
