"""Log-probabilities with what backends and derivations cannot run put right: sparse constants, sums of scalars."""

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
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.evaluate import evaluate
from graphs.rebuilding import rebuild


def repaired(graphs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return the same graphs with dense matrices for constant sparse ones, and without sums of scalars along axes.

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
        return [pt.dot(_as_dense(inputs[0]), _as_dense(inputs[1]))]
    return None


def _as_dense(variable: Variable) -> TensorVariable:
    is_sparse = isinstance(variable, Constant) and isinstance(variable.type, SparseTensorType)
    return pt.constant(_dense(variable.data)) if is_sparse else variable


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)
