"""Positive scales taken out of factors, inverses and solutions of matrices: ``chol(s K)`` is ``sqrt(s) chol(K)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.basic import ExtractDiag
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.bounds.signs import Signs
from graphs.supports import Support
from graphs.surgery.rebuilding import rebuild


def with_scales_outside(total: TensorVariable, supports: Mapping[Any, Support]) -> TensorVariable:
    """Return the same log-density, each matrix being factored, inverted or solved without its scale.

    Parameters
    ----------
    total : TensorVariable
        The log-density.
    supports : mapping of Variable to Support
        Supports of its inputs: a scale has to be positive by these.
    """
    signs = Signs(supports, almost_surely=True)
    memo = rebuild([total], lambda node, inputs: _moved(node, inputs, signs))
    moved = memo.get(total, total)
    if moved is total:
        return total
    stripped: TensorVariable = strip_guards(moved, supports, almost_surely=True)
    return stripped


def _moved(node: Apply, inputs: list[Variable], signs: Signs) -> list[Variable] | None:
    op: Any = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if not isinstance(op, Cholesky | MatrixInverse | SolveTriangular | ExtractDiag):
        return None
    parts = _split(inputs[0], signs)
    if parts is None:
        return None
    scale, matrix = parts
    if isinstance(op, Cholesky):
        return [pt.sqrt(scale) * node.op(matrix)]
    if isinstance(op, MatrixInverse):
        return [node.op(matrix) / scale]
    if isinstance(op, SolveTriangular):
        ndim = op.b_ndim
        return [node.op(matrix, inputs[1]) / (scale if ndim == 2 else scale[..., 0])]
    is_last = op.offset == 0 and {op.axis1, op.axis2} == {matrix.type.ndim - 2, matrix.type.ndim - 1}
    return [scale[..., 0] * node.op(matrix)] if is_last else None


def _split(variable: Variable, signs: Signs) -> tuple[TensorVariable, TensorVariable] | None:
    """Return a positive scale and the matrices that it multiplies; None where there is no such scale."""
    node = variable.owner
    if node is not None and isinstance(node.op, DimShuffle):
        inner = _split(node.inputs[0], signs)
        scale = None if inner is None else node.op(inner[0])
        return (scale, node.op(inner[1])) if inner is not None and _is_scalar(scale) else None
    if node is None or not isinstance(node.op, Elemwise) or variable.type.ndim < 2:
        return None
    kind = type(node.op.scalar_op)
    if kind is ps.TrueDiv:
        matrix, divisor = node.inputs
        is_scale = _is_scalar(divisor) and signs.of(divisor).is_positive and not _is_scalar(matrix)
        return (pt.reciprocal(divisor), matrix) if is_scale else None
    if kind is not ps.Mul:
        return None
    scales = [i for i in node.inputs if _is_scalar(i) and signs.of(i).is_positive]
    others = [i for i in node.inputs if i not in scales]
    if not scales or not others or all(_is_scalar(i) for i in others):
        return None
    scale = pt.mul(*scales) if len(scales) > 1 else scales[0]
    matrix = pt.mul(*others) if len(others) > 1 else others[0]
    inner = _split(matrix, signs)
    return (scale, matrix) if inner is None else (scale * inner[0], inner[1])


def _is_scalar(variable: Variable) -> bool:
    return all(variable.type.broadcastable[-2:])
