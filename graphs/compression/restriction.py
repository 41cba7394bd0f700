"""A graph evaluated at some of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.tensor.special import LogSumExp, logsumexp
from pytensor.tensor.variable import TensorVariable

from graphs.compression.rows import ELEMENTWISE, Product, Rows, reduced_shape
from graphs.compression.shapes import is_uniform, positions_of, shape_of, size_of


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
    """

    def __init__(self, rows: Rows, shape: Sequence[int], elements: NDArray[np.int64]):
        self.rows = rows
        self.places = np.unravel_index(elements, tuple(shape)) if shape else ()
        self._memo: dict[TensorVariable, TensorVariable] = {}

    def __call__(self, variable: TensorVariable) -> TensorVariable:
        """Return the elements of a variable: a vector, or one of a single element that all rows share."""
        if variable not in self._memo:
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
            return pt.constant(values[:1] if is_uniform(values) else values)
        if size_of(variable) == 1:
            return variable.reshape((1,)) if variable.type.ndim != 1 else variable
        node = variable.owner
        if node is not None and isinstance(node.op, ELEMENTWISE):
            return node.op(*(self(i) for i in node.inputs))
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
        return Restriction(self.rows, shape_of(base), places)(base)

    def _reduced(self, node: Apply) -> TensorVariable:
        """Reduce the elements that belong to each of the rows."""
        source = node.inputs[0]
        count = prod(reduced_shape(node))
        last = np.moveaxis(positions_of(source), node.op.axis, range(-len(node.op.axis), 0))
        places = self.elements(last.reshape((*shape_of(node.outputs[0]), count)))
        inner = Restriction(self.rows, shape_of(source), places.ravel())(source)
        if set(inner.type.shape) == {1}:
            inner = pt.broadcast_to(inner, (places.size,))
        elements = inner.reshape(places.shape)
        return logsumexp(elements, axis=1) if isinstance(node.op, LogSumExp) else node.op.clone(axis=(1,))(elements)

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
                elements = Restriction(self.rows, shape, np.ravel_multi_index(own, shape))(part)
                found.append(pt.broadcast_to(elements, (len(rows),)))
                order.append(rows)
        return pt.concatenate(found)[np.argsort(np.concatenate(order))] if len(found) > 1 else found[0]

    def _product(self, product: Product) -> TensorVariable:
        data, parameters = pt.constant(self.elements(product.data)), product.parameters
        if product.is_shared:
            return pt.dot(data, parameters.flatten())
        size = parameters.type.shape[-1]
        places = self.elements(positions_of(parameters))
        return (data * parameters.reshape((-1,))[places.reshape((-1, size))]).sum(axis=-1)


def _picked(variable: TensorVariable, places: NDArray[np.int64]) -> TensorVariable:
    flat = variable.flatten() if variable.type.ndim != 1 else variable
    is_whole = len(places) == size_of(variable) and np.array_equal(places, np.arange(len(places)))
    return flat if is_whole else flat[places]
