"""What the rows of a log-density read: data, and elements of arrays of parameters."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedGrad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc, Join
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.special import LogSumExp
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.compression.shapes import are_equal, equality_key, is_uniform, positions_of, shape_of, size_of
from graphs.surgery.evaluating import evaluate

_MOVES = (DimShuffle, Alloc, SpecifyShape, Subtensor, AdvancedSubtensor, Reshape)
ELEMENTWISE = (Elemwise, DisconnectedGrad)
_ROW_BY_ROW = (*ELEMENTWISE, *_MOVES, CAReduce, LogSumExp, Join)
_LONGEST_REDUCED = 64


@dataclass(frozen=True, eq=False)
class Key:
    """An array whose equal elements mark rows that read the same.

    Parameters
    ----------
    array : array
        Broadcasts to the variable that it belongs to.
    is_data : bool
        Whether it holds data rather than positions in an array of parameters.
    """

    array: NDArray
    is_data: bool


@dataclass(frozen=True, eq=False)
class Product:
    """A matrix product with a constant, as a sum over a new last axis of ``data * parameters``.

    Parameters
    ----------
    data : array
        Broadcasts to the product, with the new axis.
    parameters : TensorVariable
        The same.
    """

    data: NDArray[np.float64]
    parameters: TensorVariable

    @property
    def is_shared(self) -> bool:
        """Whether all rows have the same parameters."""
        return prod(self.parameters.type.shape[:-1]) == 1


class Rows:
    """The graph of a log-density, seen row by row.

    Parameters
    ----------
    output : TensorVariable
        The log-density.
    givens : mapping of Variable to array, optional
        Inputs that count as the data that they are given here.

    Attributes
    ----------
    size : int
        Elements of the largest array that depends on parameters.
    has_known_shapes : bool
        Whether the shape of all that can be read row by row is known; nothing can be said otherwise.
    """

    def __init__(self, output: TensorVariable, givens: Mapping[Variable, NDArray] | None = None):
        self._givens: dict[Variable, Any] = dict(givens or {})
        self.varying: set[Variable] = set()
        self.size = 1
        for node in toposort([output]):
            if any(self.is_varying(i) for i in node.inputs):
                self.varying.update(node.outputs)
                self.size = max([self.size, *(size_of(v) or 1 for v in node.outputs)])
        self.has_known_shapes = self._has_known_shapes(output)
        self._constants: dict[Variable, NDArray | None] = {}
        self._keys: dict[Variable, tuple[Key, ...]] = {}

    def _has_known_shapes(self, output: TensorVariable) -> bool:
        waiting: list[Variable] = [output]
        seen: set[Variable] = set()
        while waiting:
            variable = waiting.pop()
            if variable in seen or not self.is_varying(variable):
                continue
            seen.add(variable)
            if size_of(variable) is None:
                return False
            if variable.owner is not None and (
                isinstance(variable.owner.op, _ROW_BY_ROW) or is_matrix_product(variable.owner)
            ):
                waiting += variable.owner.inputs
        return True

    def is_varying(self, variable: Variable) -> bool:
        """Whether a variable depends on anything but constants."""
        if variable in self.varying:
            return True
        return variable.owner is None and not isinstance(variable, Constant) and variable not in self._givens

    def constant(self, variable: Variable) -> NDArray | None:
        """Return the value of a variable that depends on constants alone, None for another."""
        if self.is_varying(variable):
            return None
        if variable not in self._constants:
            values = evaluate([variable], self._known())
            self._constants[variable] = None if values is None else np.asarray(values[0])
        return self._constants[variable]

    def _known(self) -> dict[Variable, Any]:
        """Return what has a value already: of data that are given, nothing is computed twice."""
        known = {v: value for v, value in self._constants.items() if value is not None}
        return self._givens | known if self._givens else {}

    def keys(self, variable: TensorVariable) -> tuple[Key, ...]:
        """Return arrays that tell rows apart which read different things."""
        if variable not in self._keys:
            self._keys[variable] = () if size_of(variable) == 1 else _distinct(self._find_keys(variable))
        return self._keys[variable]

    def is_data_free(self, variable: TensorVariable) -> bool:
        """Whether rows read only elements of arrays of parameters."""
        return not any(key.is_data for key in self.keys(variable))

    def product(self, variable: TensorVariable) -> Product | None:
        """Return a matrix product with a constant in parts, None for another variable."""
        node = variable.owner
        if node is None or not is_matrix_product(node):
            return None
        left, right = node.inputs
        for data, parameters, is_left in ((left, right, True), (right, left, False)):
            constant = self.constant(data)
            if constant is not None and self.is_varying(parameters):
                return _product(constant, parameters, is_left)
        return None

    def moved_base(self, node: Apply) -> TensorVariable | None:
        """Return the array whose elements a node repeats or picks at fixed places, None for another node."""
        if not isinstance(node.op, _MOVES) or any(self.is_varying(i) for i in node.inputs[1:]):
            return None
        base = node.inputs[0]
        return base if isinstance(base, TensorVariable) and size_of(base) is not None else None

    def is_array_of_parameters(self, base: TensorVariable) -> bool:
        """Whether elements are best taken from an array as it is, because it is much smaller than the rows."""
        if base.owner is None:
            return True
        return not isinstance(base.owner.op, _MOVES) and (size_of(base) or 0) <= max(self.size // 4, 1)

    def is_reduction(self, node: Apply | None) -> bool:
        """Whether a node reduces a few elements of each row, as a sum over states does."""
        if node is None or not isinstance(node.op, CAReduce | LogSumExp) or size_of(node.inputs[0]) is None:
            return False
        return node.op.axis is not None and prod(reduced_shape(node)) <= _LONGEST_REDUCED

    def joined(self, node: Apply | None) -> tuple[int, list[TensorVariable]] | None:
        """Return the axis along which a node joins arrays, and these; None for another node."""
        if node is None or not isinstance(node.op, Join):
            return None
        parts = list(node.inputs)
        return None if any(size_of(part) is None for part in parts) else (node.op.axis % parts[0].type.ndim, parts)

    def _keys_of_reduced(self, node: Apply) -> list[Key]:
        """Tell rows apart by all the elements that are reduced."""
        keys = []
        for key in self.keys(node.inputs[0]):
            last = np.moveaxis(key.array, node.op.axis, range(-len(node.op.axis), 0))
            parts = last.reshape((*last.shape[: last.ndim - len(node.op.axis)], -1))
            keys += [Key(parts[..., i], key.is_data) for i in range(parts.shape[-1])]
        return [key for key in keys if not is_uniform(key.array)]

    def _find_keys(self, variable: TensorVariable) -> list[Key]:
        constant = self.constant(variable)
        if constant is not None:
            return [] if is_uniform(constant) else [Key(constant, is_data=True)]
        node = variable.owner
        if node is not None and isinstance(node.op, ELEMENTWISE):
            return [key for i in node.inputs for key in self.keys(i)]
        product = self.product(variable)
        if product is not None:
            columns = [Key(product.data[..., i], is_data=True) for i in range(product.data.shape[-1])]
            own = [] if product.is_shared else [Key(positions_of(product.parameters)[..., 0], False)]
            return columns + own
        if self.is_reduction(node):
            return self._keys_of_reduced(node)
        joined = self.joined(node)
        if joined is not None:
            return _keys_of_joined([(part, self.keys(part)) for part in joined[1]], *joined, shape_of(variable))
        base = None if node is None else self.moved_base(node)
        if base is None:
            return [Key(positions_of(variable), is_data=False)]
        if size_of(base) == 1:
            return []
        keys = [Key(positions_of(base), False)] if self.is_array_of_parameters(base) else self.keys(base)
        moved = [Key(self.move(node, np.broadcast_to(k.array, shape_of(base))), k.is_data) for k in keys]
        return [key for key in moved if not is_uniform(key.array)]

    def move(self, node: Apply, array: NDArray) -> NDArray:
        """Repeat or pick the elements of another array as a node does those of its first input."""
        if isinstance(node.op, DimShuffle):
            return reordered(array, node.op)
        if isinstance(node.op, SpecifyShape):
            return array
        if isinstance(node.op, Alloc):
            return np.broadcast_to(array, shape_of(node.outputs[0]))
        moved = node.op.make_node(pt.constant(np.ascontiguousarray(array)), *node.inputs[1:]).outputs
        values = evaluate(moved, self._known())
        assert values is not None
        return np.asarray(values[0])


def _keys_of_joined(
    keys: Sequence[tuple[TensorVariable, tuple[Key, ...]]], axis: int, parts: Sequence[TensorVariable], shape: Any
) -> list[Key]:
    """Tell elements of joined arrays apart by the array, and by what tells those of that array apart."""
    lengths = [shape_of(part)[axis] for part in parts]
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    found = [Key(np.searchsorted(ends, places, side="right"), is_data=False)]
    for (part, own), length, end in zip(keys, lengths, ends, strict=True):
        where = tuple(slice(end - length, end) if i == axis else slice(None) for i in range(len(shape)))
        for key in own:
            array = np.zeros(shape, key.array.dtype)
            array[where] = np.broadcast_to(key.array, shape_of(part))
            found.append(Key(array, key.is_data))
    return found


def reduced_shape(node: Apply) -> tuple[int, ...]:
    """Return the lengths of the axes that a reduction takes away."""
    return tuple(int(node.inputs[0].type.shape[axis]) for axis in node.op.axis)


def is_matrix_product(node: Apply) -> bool:
    """Whether a node is a matrix product, of stacks of matrices too."""
    return isinstance(node.op.core_op if isinstance(node.op, Blockwise) else node.op, Dot)


def reordered(array: NDArray, op: DimShuffle) -> NDArray:
    """Reorder, drop and add the leading axes of an array; further ones stay last."""
    kept = [axis for axis in op.new_order if axis != "x"]
    further = list(range(op.input_ndim, array.ndim))
    array = array.squeeze(tuple(op.drop)).transpose(_ranks([*kept, *further]))
    return np.expand_dims(array, tuple(i for i, axis in enumerate(op.new_order) if axis == "x"))


def _ranks(numbers: Sequence[int]) -> list[int]:
    ordered = sorted(numbers)
    return [ordered.index(n) for n in numbers]


def _product(constant: NDArray, parameters: TensorVariable, is_left: bool) -> Product:
    """Put the axis that a matrix product sums over last."""
    data = np.asarray(constant, "float64")
    ndim = parameters.type.ndim
    batch = list(range(ndim - 2))
    if is_left:
        rows = data[..., :, None, :] if data.ndim > 1 and ndim > 1 else data
        order = [*batch, "x", ndim - 1, ndim - 2] if ndim > 1 else ["x", 0][2 - data.ndim :]
    else:
        rows = np.swapaxes(data, -1, -2) if data.ndim > 1 else data
        rows = rows[..., None, :, :] if data.ndim > 1 and ndim > 1 else rows
        order = [*batch, ndim - 2, "x", ndim - 1] if ndim > 1 else ["x", 0][2 - data.ndim :]
    return Product(rows, parameters.dimshuffle(*order))


def _distinct(keys: Sequence[Key]) -> tuple[Key, ...]:
    """Drop keys that repeat another one."""
    kept: list[Key] = []
    alike: dict[Hashable, list[Key]] = {}
    for key in keys:
        # There is one for each column of a design: comparing all with each other would take the square of their number.
        same = alike.setdefault(equality_key(key.array), [])
        known = [k for k in same if are_equal(k.array, key.array)]
        if not known or (key.is_data and not known[0].is_data):
            kept.append(key)
            same.append(key)
    return tuple(kept)
