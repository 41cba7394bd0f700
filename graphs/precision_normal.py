"""The log-density of multivariate normal vectors with given precision matrices, one matrix for each vector or for all.

PyMC's own multiplies matrices where it means vectors: it fails for more than one vector, or is of the wrong shape.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.multivariate import PrecisionMvNormalRV
from pymc.logprob.abstract import _logprob
from pytensor.tensor.linalg import cholesky
from pytensor.tensor.variable import TensorVariable


@_logprob.register
def precision_normal_logprob(
    op: PrecisionMvNormalRV, values: Any, rng: Any, size: Any, mean: Any, precision: Any, **options: Any
) -> TensorVariable:
    """Return the log-density of each vector."""
    [value] = values
    factor = cholesky(precision, lower=True, on_error="nan")
    diagonal = pt.diagonal(factor, axis1=-2, axis2=-1)
    # One row times the factor: the same sum of squares for one matrix and for many.
    whitened = pt.matmul((value - mean)[..., None, :], factor)[..., 0, :]
    length = value.shape[-1].astype("float64")
    logprob = pt.log(diagonal).sum(axis=-1) - 0.5 * (pt.sqr(whitened).sum(axis=-1) + length * log(2 * pi))
    return check_parameters(logprob, pt.all(diagonal > 0, axis=-1), msg="positive definite precision")
