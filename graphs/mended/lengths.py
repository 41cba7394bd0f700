"""Lengths of axes, read off the types of variables where these say them.

To find how often an array is repeated PyTensor copies all that the numbers are computed from, arrays and not only
lengths, and rewrites the copy: a fifth of the time in which a model with factors of matrices is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import walk
from pytensor.tensor import basic
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.type import integer_dtypes

from graphs.surgery.evaluating import evaluate

_infer_static_shape = basic.infer_static_shape


def static_lengths(shape: Variable | Sequence[Any]) -> tuple[Sequence[Any], Sequence[int | None]]:
    """Return the lengths as graphs, and those that are known; PyTensor's own function where types do not tell all.

    Parameters
    ----------
    shape : vector, or sequence of scalars
        Lengths of axes.
    """
    lengths = [basic.as_tensor_variable(length, ndim=0) for length in shape]
    if all(isinstance(v, Constant) or v.type.dtype not in integer_dtypes for v in lengths):
        return _infer_static_shape(lengths)
    known = _shapes_above(lengths)
    values = None if known is None else evaluate(lengths, known)
    return _infer_static_shape(lengths) if values is None else (lengths, tuple(int(v) for v in values))


def _shapes_above(lengths: Sequence[Variable]) -> dict[Variable, NDArray[np.int64]] | None:
    """Return the shapes that graphs are made of, by their variables; None where they are made of something else."""
    known: dict[Variable, NDArray[np.int64]] = {}

    def inputs(variable: Variable) -> list[Variable]:
        node = variable.owner
        if node is None or variable in known:
            return []
        if isinstance(node.op, Shape | Shape_i):
            shape = node.inputs[0].type.shape
            wanted = shape if isinstance(node.op, Shape) else (shape[node.op.i],)
            if None not in wanted:
                known[variable] = np.array(wanted if isinstance(node.op, Shape) else wanted[0], np.int64)
                return []
        return list(node.inputs)

    for variable in walk(lengths, inputs):
        if variable.owner is None and not isinstance(variable, Constant):
            return None
    return known


basic.infer_static_shape = static_lengths
