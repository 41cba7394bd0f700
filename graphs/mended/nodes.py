"""Types of arrays and operations on elements, made in the time that PyTensor would take to write their names.

A plan makes thousands of them. For each operation on elements PyTensor makes one on numbers, to see of which kind the
result is, and for each type it asks NumPy for the name of its numbers, and by that for the numbers again: a fifth of
the time in which a model is planned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor import config
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.type import TensorType
from pytensor.tensor.utils import broadcast_static_dim_lengths
from pytensor.tensor.variable import TensorVariable

_make_type, _output_info = TensorType.__init__, Elemwise.get_output_info
_NUMBERS = {name: np.dtype(name) for name in TensorType.dtype_specs_map}
_LARGEST_RANK = 64
_KINDS: dict[tuple[Any, ...], list[str]] = {}
"""The kinds of numbers that operations on numbers give, by the operation and the kinds that it is given."""


def make_type(self: TensorType, dtype: Any, shape: Any = None, name: str | None = None, **options: Any) -> None:
    """Initialise a type of arrays; PyTensor does where its numbers or its shape are written in another way.

    Parameters
    ----------
    self, dtype, shape, name, **options
        As for ``TensorType``.
    """
    number = _NUMBERS.get(dtype) if type(dtype) is str else None
    is_plain = type(shape) in (tuple, list) and all(n is None or type(n) is int for n in shape)
    if number is None or not is_plain or options or len(shape) > _LARGEST_RANK:
        _make_type(self, dtype, shape, name, **options)
        return
    self.dtype, self.numpy_dtype, self.name = dtype, number, name
    self.shape = tuple(shape)
    self.broadcastable = tuple([n == 1 for n in shape])
    self.ndim = len(shape)


def output_info(self: Elemwise, *inputs: TensorVariable) -> tuple[list[str], list[list[int | None]], list[Any]]:
    """Return what an operation on elements gives: the kinds of numbers, the shapes, and its inputs, of as many axes.

    Parameters
    ----------
    self, *inputs
        As for ``Elemwise.get_output_info``.
    """
    scalar_op = self.scalar_op
    # What holds a graph of its own is not kept.
    if self.inplace_pattern or not inputs or not type(scalar_op).__module__.startswith("pytensor.scalar"):
        return _output_info(self, *inputs)
    if getattr(scalar_op, "fgraph", None) is not None:
        return _output_info(self, *inputs)
    key = (scalar_op, config.floatX, config.cast_policy, *(i.type.dtype for i in inputs))
    kinds = _KINDS.get(key)
    if kinds is None:
        kinds = _KINDS[key] = [o.type.dtype for o in self.make_scalar_node(*inputs).outputs]
    ndim = max(i.type.ndim for i in inputs)
    try:
        lengths = zip(*((1,) * (ndim - i.type.ndim) + i.type.shape for i in inputs), strict=True)
        shape = [broadcast_static_dim_lengths(each) for each in lengths]
    except ValueError:
        # PyTensor says what is wrong.
        return _output_info(self, *inputs)
    return list(kinds), [shape] * len(kinds), [_with_axes(i, ndim) for i in inputs]


def _with_axes(variable: TensorVariable, ndim: int) -> TensorVariable:
    missing = ndim - variable.type.ndim
    return variable.dimshuffle(["x"] * missing + list(range(variable.type.ndim))) if missing else variable


TensorType.__init__ = make_type
Elemwise.get_output_info = output_info
