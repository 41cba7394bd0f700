"""A graph evaluated at some of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.scalar.basic import Add, Switch
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.special import LogSumExp, logsumexp
from pytensor.tensor.variable import TensorConstant, TensorVariable

from graphs.compression.rows import ELEMENTWISE, Product, Rows, reduced_shape
from graphs.compression.shapes import is_uniform, positions_of, shape_of, size_of
from graphs.errors import DerivationError

_FEW = 8
"""Terms of a sum over states: so many are taken one by one, each as what its rows have in common."""
_NEVER = -np.inf
_FEWEST_VARIABLES, _MOST_FOLD = 1000, 16
"""A restriction takes so many variables, and so many times those of its graph, at most: each has to be compiled."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Which choices data make between branches, or what they rule out, for the rows that elements belong to.

    Parameters
    ----------
    num_rows : int
        How many rows there are.
    row : (size,) int64 array
        That of each element.
    found : list of bool arrays
        Of each choice, whether the rows take its first branch; of what is ruled out for some, whether it is.
    """

    num_rows: int
    row: NDArray[np.int64]
    found: list[NDArray[np.bool_]] = field(default_factory=list)

    def of(self, row: NDArray[np.int64]) -> Choices:
        """Return the same for other elements."""
        return replace(self, row=row)

    def note(self, condition: NDArray) -> None:
        """Note what the elements choose."""
        first = np.zeros(self.num_rows, bool)
        first[self.row] = condition.astype(bool)
        if not is_uniform(first):
            self.found.append(first)


@dataclass(eq=False)
class _Within:
    """What restrictions within one have in common: those that are known, and how many variables may still be taken."""

    left: int
    known: dict[Any, Restriction] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows) -> _Within:
        return cls(_FEWEST_VARIABLES + _MOST_FOLD * len(rows.varying))


class Restriction:
    """Graphs of arrays that broadcast to one shape, at some of its elements.

    Parameters
    ----------
    rows : Rows
        What is known of the graphs.
    shape : sequence of int
        The shape.
    elements : (size,) int64 array
        Positions in the flattened array of that shape.
    choices : Choices, optional
        Where choices that data make are noted.
    within : optional
        What restrictions within one have in common.
    """

    def __init__(
        self,
        rows: Rows,
        shape: Sequence[int],
        elements: NDArray[np.int64],
        choices: Choices | None = None,
        within: _Within | None = None,
    ):
        self.rows = rows
        self.places = np.unravel_index(elements, tuple(shape)) if shape else ()
        self.choices = choices
        self._memo: dict[TensorVariable, TensorVariable] = {}
        self._within = _Within.of(rows) if within is None else within

    def _of(self, shape: Sequence[int], elements: NDArray[np.int64], choices: Choices | None) -> Restriction:
        """Return a restriction within this one: the same for the same elements, since loops meet them again and again.

        The step of a recursion reads the one before it several times: without that a step would cost twice as much as
        the step before it.
        """
        key = tuple(shape), elements.tobytes(), None if choices is None else choices.row.tobytes()
        known = self._within.known
        if key not in known:
            known[key] = Restriction(self.rows, shape, elements, choices, self._within)
        return known[key]

    def __call__(self, variable: TensorVariable) -> TensorVariable:
        """Return the elements of a variable: a vector, or one of a single element that all rows share.

        Raises
        ------
        DerivationError
            If that takes many times as many variables as the whole.
        """
        if variable not in self._memo:
            self._within.left -= 1
            if self._within.left < 0:
                raise DerivationError(
                    "Rows of their own would need many times as many operations as all rows together."
                )
            self._memo[variable] = self._restricted(variable)
        return self._memo[variable]

    def elements(self, array: NDArray) -> NDArray:
        """Return the elements of an array along its leading axes; of a single place, where all rows share it."""
        leading = array.shape[: len(self.places)]
        if all(n == 1 for n in leading):
            return array.reshape((1, *array.shape[len(leading) :]))
        return array[tuple(where if n > 1 else 0 for n, where in zip(leading, self.places, strict=True))]

    def _restricted(self, variable: TensorVariable) -> TensorVariable:
        constant = self.rows.constant(variable)
        if constant is not None:
            values = self.elements(constant)
            if self.choices is not None and is_partly_never(values):
                self.choices.note(values == _NEVER)
            return pt.constant(values[:1] if is_uniform(values) else values)
        if size_of(variable) == 1:
            return variable.reshape((1,)) if variable.type.ndim != 1 else variable
        node = variable.owner
        if node is not None and isinstance(node.op, ELEMENTWISE):
            branch = self._branch(node)
            return node.op(*(self(i) for i in node.inputs)) if branch is None else branch
        product = self.rows.product(variable)
        if product is not None:
            return self._product(product)
        if self.rows.is_reduction(node):
            return self._reduced(node)
        joined = self.rows.joined(node)
        if joined is not None:
            return self._joined(variable, *joined)
        base = None if node is None else self.rows.moved_base(node)
        if base is None:
            return _picked(variable, self.elements(positions_of(variable)))
        places = self.elements(self.rows.move(node, positions_of(base)))
        if self.rows.is_array_of_parameters(base):
            return _picked(base, places)
        return self._of(shape_of(base), places, self.choices)(base)

    def _branch(self, node: Apply) -> TensorVariable | None:
        """Return the branch that all elements take because data say so, None where there is none."""
        if not (isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Switch)):
            return None
        condition = self.rows.constant(node.inputs[0])
        if condition is None:
            return None
        values = self.elements(condition)
        if self.choices is not None:
            self.choices.note(values)
        if not is_uniform(values.astype(bool)):
            return None
        return self(node.inputs[1 if values.all() else 2]).astype(node.outputs[0].type.dtype)

    def _reduced(self, node: Apply) -> TensorVariable:
        """Reduce the elements that belong to each of the rows."""
        source = node.inputs[0]
        count = prod(reduced_shape(node))
        last = np.moveaxis(positions_of(source), node.op.axis, range(-len(node.op.axis), 0))
        places = self.elements(last.reshape((*shape_of(node.outputs[0]), count)))
        if isinstance(node.op, LogSumExp) and count <= _FEW:
            return self._sum_of_exponentials(source, places)
        choices = self.choices and self.choices.of(np.repeat(self.choices.row, count))
        inner = self._of(shape_of(source), places.ravel(), choices)(source)
        if set(inner.type.shape) == {1}:
            inner = pt.broadcast_to(inner, (places.size,))
        elements = inner.reshape(places.shape)
        return logsumexp(elements, axis=1) if isinstance(node.op, LogSumExp) else node.op.clone(axis=(1,))(elements)

    def _sum_of_exponentials(self, source: TensorVariable, places: NDArray[np.int64]) -> TensorVariable:
        """Return the logarithm of the sum of the exponentials of a few elements of each row; of those that may be."""
        columns = [self._of(shape_of(source), column, self.choices)(source) for column in places.T]
        columns = [column for column in columns if not _is_never(column)] or columns[:1]
        if len(columns) == 1:
            return columns[0]
        size = max(shape_of(column)[0] for column in columns)
        return logsumexp(pt.stack([pt.broadcast_to(column, (size,)) for column in columns], axis=1), axis=1)

    def _joined(self, variable: TensorVariable, axis: int, parts: Sequence[TensorVariable]) -> TensorVariable:
        """Take the elements of each joined array, and put them in order."""
        places = list(np.unravel_index(self.elements(positions_of(variable)), shape_of(variable)))
        ends = np.cumsum([shape_of(part)[axis] for part in parts])
        source = np.searchsorted(ends, places[axis], side="right")
        found, order = [], []
        for index, part in enumerate(parts):
            rows = np.flatnonzero(source == index)
            if rows.size:
                start = ends[index] - shape_of(part)[axis]
                own = [where[rows] - (start if i == axis else 0) for i, where in enumerate(places)]
                shape = shape_of(part)
                choices = self.choices and self.choices.of(self.choices.row[rows])
                elements = self._of(shape, np.ravel_multi_index(own, shape), choices)(part)
                if rows.size == source.size:
                    return elements
                found.append(pt.broadcast_to(elements, (len(rows),)))
                order.append(rows)
        return pt.concatenate(found)[np.argsort(np.concatenate(order))]

    def _product(self, product: Product) -> TensorVariable:
        data, parameters = pt.constant(self.elements(product.data)), product.parameters
        if product.is_shared:
            return pt.dot(data, parameters.flatten())
        size = parameters.type.shape[-1]
        places = self.elements(positions_of(parameters))
        return (data * parameters.reshape((-1,))[places.reshape((-1, size))]).sum(axis=-1)


def is_partly_never(values: NDArray) -> bool:
    """Whether some of the logarithms of something are minus infinity, and others are not."""
    if values.dtype != np.float64:
        return False
    never = values == _NEVER
    return bool(never.any()) and not never.all()


def _is_never(variable: TensorVariable) -> bool:
    """Whether the logarithms of something are minus infinity, for all rows alike."""
    if isinstance(variable, TensorConstant):
        return bool((variable.data == _NEVER).all())
    node = variable.owner
    is_sum = node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)
    return is_sum and any(_is_never(i) for i in node.inputs)


def _picked(variable: TensorVariable, places: NDArray[np.int64]) -> TensorVariable:
    flat = variable.flatten() if variable.type.ndim != 1 else variable
    if is_uniform(places):
        # One element for all rows.
        return flat[places[:1]]
    is_whole = len(places) == size_of(variable) and np.array_equal(places, np.arange(len(places)))
    return flat if is_whole else flat[places]
