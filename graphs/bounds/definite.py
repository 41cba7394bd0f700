"""Which graphs are positive definite matrices, whatever the values of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.basic import Alloc
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

from graphs.supports import Support


def is_factor_of_definite(
    variable: Variable, supports: Mapping[Variable, Support], is_positive: Callable[[Variable], bool]
) -> bool:
    """Whether a variable holds Cholesky factors of matrices that are positive definite.

    Parameters
    ----------
    variable : Variable
        The graph.
    supports : mapping of Variable to Support
        Supports of the inputs.
    is_positive : callable
        Whether all elements of a graph are positive.
    """
    node = variable.owner
    if node is None:
        return False
    op: Any = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if isinstance(op, Cholesky):
        return _is_definite(node.inputs[0], supports, is_positive)
    return _keeps_matrices(variable) and is_factor_of_definite(node.inputs[0], supports, is_positive)


def _is_definite(
    variable: Variable, supports: Mapping[Variable, Support], is_positive: Callable[[Variable], bool]
) -> bool:
    if isinstance(variable, Constant):
        return _has_factor(variable.data)
    node = variable.owner
    if node is None:
        return variable in supports and supports[variable].kind == "positive_definite"
    op: Any = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if isinstance(op, MatrixInverse) or _keeps_matrices(variable):
        return _is_definite(node.inputs[0], supports, is_positive)
    if not isinstance(op, Elemwise):
        return False
    scalars = [i for i in node.inputs if all(i.type.broadcastable[-2:])]
    matrices = [i for i in node.inputs if i not in scalars]
    kind = type(op.scalar_op)
    if kind is ps.Mul or (kind is ps.TrueDiv and node.inputs[0] in matrices):
        return (
            len(matrices) == 1 and all(map(is_positive, scalars)) and _is_definite(matrices[0], supports, is_positive)
        )
    return kind is ps.Add and not scalars and all(_is_definite(i, supports, is_positive) for i in matrices)


def _keeps_matrices(variable: Variable) -> bool:
    """Whether an operation repeats or chooses whole matrices, or transposes them."""
    node: Any = variable.owner
    if isinstance(node.op, DimShuffle):
        ndim = node.inputs[0].type.ndim
        return ndim >= 2 and set(node.op.new_order[-2:]) == {ndim - 2, ndim - 1}
    if isinstance(node.op, Alloc):
        return bool(node.inputs[0].type.ndim >= 2 and node.inputs[0].type.shape[-2:] == variable.type.shape[-2:])
    if not isinstance(node.op, Subtensor | AdvancedSubtensor):
        return False
    # Indices of the leading axes alone: what is left of the list are whole axes.
    indices = node.op.idx_list
    num_chosen = len(indices)
    while num_chosen and indices[num_chosen - 1] == slice(None):
        num_chosen -= 1
    return bool(num_chosen <= node.inputs[0].type.ndim - 2)


def _has_factor(matrices: Any) -> bool:
    array = np.asarray(matrices)
    if array.ndim < 2 or array.dtype.kind != "f" or not np.allclose(array, np.swapaxes(array, -1, -2)):
        return False
    try:
        np.linalg.cholesky(array)
    except np.linalg.LinAlgError:
        return False
    return True
