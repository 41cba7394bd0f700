"""Inverse Wishart random variables: covariance matrices whose inverses have Wishart distributions. PyMC has none."""

from __future__ import annotations

from math import log, pi
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.distribution import SymbolicRandomVariable, _support_point
from pymc.distributions.shape_utils import implicit_size_from_params, rv_size_is_none
from pymc.distributions.transforms import CholeskyCovTransform, _default_transform
from pymc.logprob.abstract import _logprob
from pytensor.tensor.linalg import cholesky, inv, solve_triangular
from pytensor.tensor.random.utils import normalize_size_param
from pytensor.tensor.variable import TensorVariable


class InverseWishartRV(SymbolicRandomVariable):
    """Draws of positive definite matrices; parameters: degrees of freedom and a scale matrix."""

    name = "inverse_wishart"
    extended_signature = "[rng],[size],(),(p,p)->[rng],(p,p)"
    _print_name = ("InverseWishart", "\\operatorname{InverseWishart}")

    @classmethod
    def rv_op(cls, nu: Any, scale: Any, *, size: Any = None, rng: Any = None) -> TensorVariable:
        """Return a variable of these parameters."""
        nu, scale = pt.as_tensor(nu, dtype="float64"), pt.as_tensor(scale, dtype="float64")
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        size = normalize_size_param(size)
        length = scale.shape[-1]
        batch = implicit_size_from_params(nu, scale, ndims_params=[0, 2]) if rv_size_is_none(size) else size
        shapes = 0.5 * (nu[..., None] - pt.arange(length))
        next_rng, squares = pt.random.gamma(
            shapes, scale=2.0, size=(*tuple(batch), length), rng=rng, return_next_rng=True
        )
        next_rng, noise = pt.random.normal(
            0.0, 1.0, size=(*tuple(batch), length, length), rng=next_rng, return_next_rng=True
        )
        bartlett = pt.tril(noise, -1) + pt.sqrt(squares)[..., None] * pt.eye(length)
        # A draw is R'R, where A R = F' with the factors A of a Wishart matrix and F of the scale.
        factor = cholesky(scale, lower=True)
        root = solve_triangular(bartlett, pt.broadcast_to(factor.mT, noise.shape), lower=True, b_ndim=2)
        draw = root.mT @ root
        node = cls(inputs=[rng, size, nu, scale], outputs=[next_rng, draw])
        variable: TensorVariable = node(rng, size, nu, scale)
        return variable


@_logprob.register
def inverse_wishart_logprob(
    op: InverseWishartRV, values: Any, rng: Any, size: Any, nu: Any, scale: Any, **options: Any
) -> TensorVariable:
    """Return the log-density of each matrix."""
    [value] = values
    length = value.shape[-1]
    factor = cholesky(value, lower=True, on_error="nan")
    scale_factor = cholesky(scale, lower=True, on_error="nan")
    logdet, scale_logdet = (
        2.0 * pt.log(pt.diagonal(f, axis1=-2, axis2=-1)).sum(axis=-1) for f in (factor, scale_factor)
    )
    trace = (scale * inv(value)).sum(axis=(-2, -1))
    d = pt.cast(length, "float64")
    log_gamma = d * (d - 1.0) * (0.25 * log(pi)) + pt.gammaln(0.5 * (nu[..., None] - pt.arange(length))).sum(axis=-1)
    total = 0.5 * (nu * (scale_logdet - d * log(2.0)) - (nu + d + 1.0) * logdet - trace) - log_gamma
    return check_parameters(total, nu > length - 1, msg="nu > p - 1")


@_default_transform.register(InverseWishartRV)
def inverse_wishart_transform(op: InverseWishartRV, rv: TensorVariable) -> CholeskyCovTransform:
    """Return the change of variables to the logarithmic factor."""
    scale = rv.owner.inputs[-1]
    return CholeskyCovTransform(n=scale.shape[-1] if scale.type.shape[-1] is None else scale.type.shape[-1])


@_support_point.register(InverseWishartRV)
def inverse_wishart_support_point(
    op: InverseWishartRV, rv: TensorVariable, rng: Any, size: Any, nu: Any, scale: Any
) -> TensorVariable:
    """Return the mode of each matrix."""
    return pt.broadcast_to(scale / (nu + scale.shape[-1] + 1.0)[..., None, None], rv.shape)
