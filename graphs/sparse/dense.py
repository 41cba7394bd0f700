"""Log-determinants and inverses of dense symmetric matrices, one or many, with gradients that differentiate no factor.

Each operation takes matrices, with respect to which it has gradients, and their factors, from which it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.machine_code.plain import performing
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.sparse.dense_kernels import inverses, log_determinants


def log_determinants_of(matrices: TensorVariable, factors: TensorVariable) -> TensorVariable:
    """Return log-determinants; not a number where a matrix is not positive definite.

    Parameters
    ----------
    matrices : TensorVariable
        Symmetric; shape (n, n) or (b, n, n).
    factors : TensorVariable
        Their lower triangular Cholesky factors, of the same shape.

    Returns
    -------
    TensorVariable
        Shape () or (b,). The gradients with respect to the matrices are their inverses, and have gradients.
    """
    if matrices.type.ndim == 2:
        return log_determinants_of(matrices[None], factors[None])[0]
    found: TensorVariable = LogDeterminants()(matrices, factors)
    return found


class _OfMatrices(Op):
    """What is computed from the factors of matrices: shape (b, n, n) both."""

    __props__ = ()

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Call the factors disconnected: their part of the gradient is in that of the matrices."""
        return [[True], [False]]


class LogDeterminants(_OfMatrices):
    """``(matrices, factors) -> log-determinants``, shape (b,)."""

    gufunc_signature = "(b,n,n),(b,n,n)->(b)"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        matrices, factors = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [matrices, factors], [pt.tensor(dtype="float64", shape=factors.type.shape[:1])])

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the number of the matrices."""
        return [tuple(shapes[1][:1])]

    perform = performing(log_determinants)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients."""
        return [cotangents[0][:, None, None] * Inverses()(*inputs), DisconnectedType()()]


class Inverses(_OfMatrices):
    """``(matrices, factors) -> inverses``, shape (b, n, n)."""

    gufunc_signature = "(b,n,n),(b,n,n)->(b,n,n)"

    def make_node(self, *inputs: Any) -> Apply:
        """Return the node."""
        matrices, factors = (pt.as_tensor(i) for i in inputs)
        return Apply(self, [matrices, factors], [pt.tensor(dtype="float64", shape=factors.type.shape)])

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple]:
        """Return the shape of the matrices."""
        return [tuple(shapes[1])]

    perform = performing(inverses)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients."""
        [found] = outputs
        return [-(found @ cotangents[0] @ found), DisconnectedType()()]


@register_funcify_and_cache_key(LogDeterminants)
def _numba_log_determinants(op: LogDeterminants, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return log_determinants, digest_of(log_determinants)


@register_funcify_and_cache_key(Inverses)
def _numba_inverses(op: Inverses, node: Apply, **options: Any) -> tuple[Any, str | None]:
    return inverses, digest_of(inverses)
