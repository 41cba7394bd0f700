"""Log-probabilities with sparse constants and sums of scalars put right: few backends and no derivation know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.sparse.basic import DenseFromSparse
from pytensor.sparse.math import Dot, SpSum, StructuredDot
from pytensor.sparse.type import SparseTensorType
from pytensor.tensor.elemwise import CAReduce
from pytensor.tensor.math import Dot as DenseDot
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate
from graphs.surgery.rebuilding import rebuild

_MOST_FILLED = 0.15


def repaired(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return the same graphs without sparse matrices, and without sums of scalars along axes.

    Products of rows with constant matrices of few elements, sparse or not, are added up element by element.

    PyMC's log-probability of a conditional autoregression has both: ``log(tau).sum(axis=-1)`` of a scalar runs in C
    and nowhere else.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.dscalar("x")
    >>> repaired([x.sum(axis=-1)]) == [x]
    True
    """
    memo = rebuild(graphs, _repaired)
    return [memo.get(g, g) for g in graphs]


def _repaired(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
    op: Any = node.op
    if isinstance(op, CAReduce) and node.inputs[0].type.ndim == 0:
        return [pt.cast(inputs[0], node.outputs[0].type.dtype)]
    if isinstance(op, DenseDot):
        scattered = _scattered(*inputs)
        return None if scattered is None else [scattered]
    if not any(isinstance(v.type, SparseTensorType) for v in [*node.inputs, *node.outputs]):
        return None
    if all(isinstance(i, Constant) for i in explicit_graph_inputs(node.outputs)):
        values = evaluate(node.outputs, {})
        return None if values is None else [pt.constant(_dense(value)) for value in values]
    if isinstance(op, DenseFromSparse):
        return [_as_dense(inputs[0])]
    if isinstance(op, SpSum):
        return [_as_dense(inputs[0]).sum(axis=op.axis)]
    if isinstance(op, Dot | StructuredDot):
        left, right = _as_dense(inputs[0]), _as_dense(inputs[1])
        scattered = _scattered(left, right)
        return [pt.dot(left, right) if scattered is None else scattered]
    return None


def _scattered(row: Variable, matrix: Variable) -> TensorVariable | None:
    """Return the product of a row with a constant matrix of few elements, added up element by element.

    That few elements depend on each other is then seen: a lattice of 1000 places has a sparse law.
    """
    if not isinstance(matrix, Constant) or matrix.type.ndim != 2 or None in row.type.shape:
        return None
    is_row = row.type.ndim == 1 or (row.type.ndim == 2 and row.type.shape[0] == 1)
    rows, columns = np.nonzero(matrix.data)
    if not is_row or len(rows) > _MOST_FILLED * matrix.data.size:
        return None
    flat = pt.as_tensor(row).reshape((matrix.data.shape[0],))
    values = matrix.data[rows, columns].astype("float64")
    product = pt.zeros(matrix.data.shape[1])[columns].inc(flat[rows] * values)
    scattered: TensorVariable = product.reshape((*row.type.shape[:-1], matrix.data.shape[1]))
    return scattered


def _as_dense(variable: Variable) -> TensorVariable:
    is_sparse = isinstance(variable, Constant) and isinstance(variable.type, SparseTensorType)
    return pt.constant(_dense(variable.data)) if is_sparse else variable


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)
