"""The log-density of multivariate normal vectors with given precision matrices, one matrix for each vector or for all.

PyMC's own multiplies matrices where it means vectors: it fails for more than one vector, or is of the wrong shape. And
it sees a covariance matrix that is the inverse of a precision matrix only where no axes were added to it for a batch.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.multivariate import MvNormalRV, PrecisionMvNormalRV
from pymc.logprob.abstract import _logprob
from pymc.logprob.rewriting import specialization_ir_rewrites_db
from pytensor.graph.basic import Apply
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.linalg import cholesky
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.variable import TensorVariable


@_logprob.register
def precision_normal_logprob(
    op: PrecisionMvNormalRV, values: Any, rng: Any, size: Any, mean: Any, precision: Any, **options: Any
) -> TensorVariable:
    """Return the log-density of each vector."""
    [value] = values
    factor = cholesky(precision, lower=True, on_error="nan")
    diagonal = pt.diagonal(factor, axis1=-2, axis2=-1)
    deviation = value - mean
    quadratic = (_times(deviation, precision) * deviation).sum(axis=-1)
    length = value.shape[-1].astype("float64")
    logprob = pt.log(diagonal).sum(axis=-1) - 0.5 * (quadratic + length * log(2 * pi))
    return check_parameters(logprob, pt.all(diagonal > 0, axis=-1), msg="positive definite precision")


def _times(vectors: TensorVariable, matrices: TensorVariable) -> TensorVariable:
    """Return vectors, on the last axis, times matrices: one product where there is one matrix for all."""
    batch = range(matrices.type.ndim - 2)
    if all(matrices.type.broadcastable[axis] for axis in batch):
        product: TensorVariable = vectors @ matrices.squeeze(axis=tuple(batch))
        return product
    return pt.matmul(vectors[..., None, :], matrices)[..., 0, :]


@node_rewriter(tracks=[MvNormalRV])
def precision_of_batch(fgraph: Any, node: Apply) -> Any:
    """Write normal vectors whose covariance is an inverse matrix, with added axes, by that matrix."""
    rng, size, mean, covariance = node.inputs
    expand = covariance.owner
    if expand is None or not isinstance(expand.op, DimShuffle) or not expand.op.is_left_expand_dims:
        return None
    inverse = expand.inputs[0].owner
    if inverse is None or not isinstance(getattr(inverse.op, "core_op", inverse.op), MatrixInverse):
        return None
    precision = expand.op(inverse.inputs[0])
    return PrecisionMvNormalRV.rv_op(mean, precision, size=size, rng=rng, method=node.op.method).owner.outputs


specialization_ir_rewrites_db.register(precision_of_batch.__name__, precision_of_batch, "basic")
