"""Draws that replace those of PyMC, where its own do not follow its density, or need a further package."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray
from pymc.distributions.continuous import PolyaGammaRV as PyMCPolyaGammaRV
from pymc.distributions.continuous import TruncatedNormalRV
from pymc.distributions.multivariate import CARRV
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from scipy.special import log_ndtr, ndtri_exp

from graphs.variables.polya_gamma import PolyaGammaRV


class ConditionalAutoregressionRV(CARRV):
    """Draws of a normal vector with precision ``tau (D - alpha W)``, ``D`` the numbers of neighbours.

    PyMC 6.4.0 solves with both Cholesky factors of the precision ``Q``, which gives the covariance ``inv(Q) inv(Q)``. A
    draw is ``mu + inv(L') z`` with ``Q = L L'`` (Rue, "Fast sampling of Gaussian Markov random fields", Journal of the
    Royal Statistical Society B 63, 2001, algorithm 2.1).
    """

    @classmethod
    def rng_fn(cls, rng: np.random.Generator, *arguments: Any) -> NDArray[np.float64]:
        """Draw by NumPy."""
        mu, neighbours, alpha, tau, is_valid, size = arguments
        if not np.all(is_valid) or np.any(np.abs(alpha) >= 1):
            raise ValueError("W is not a symmetric adjacency matrix, or alpha is not between -1 and 1")
        dense = neighbours.toarray() if scipy.sparse.issparse(neighbours) else np.asarray(neighbours)
        dense = dense.reshape(dense.shape[-2:])
        precision = np.ravel(tau) * (np.diag(dense.sum(axis=0)) - np.ravel(alpha) * dense)
        factor = np.linalg.cholesky(precision)
        shape = (*(mu.shape[:-1] if size is None else size), mu.shape[-1])
        noise = rng.normal(size=shape).reshape(-1, shape[-1])
        return np.asarray(mu + scipy.linalg.solve_triangular(factor.T, noise.T, lower=False).T.reshape(shape))


class BoundedNormalRV(TruncatedNormalRV):
    """Draws of normal variables between bounds; NaN where there is nothing between them, where SciPy raises an error.

    By inversion on the log scale of the tail in which the nearer bound lies. Where both bounds have the same tail but
    for a part of 1e-8, the density is as good as constant between them.
    """

    @classmethod
    def rng_fn(cls, rng: np.random.Generator, *arguments: Any) -> NDArray[np.float64]:
        """Draw by NumPy."""
        *parameters, size = arguments
        mu, sigma, lower, upper = (np.asarray(p, "float64") for p in parameters)
        shape = np.broadcast_shapes(*map(np.shape, parameters)) if size is None else tuple(size)
        depth = rng.exponential(size=shape)
        with np.errstate(all="ignore"):
            left, right = (lower - mu) / sigma, (upper - mu) / sigma
            is_mirrored = left + right > 0
            low, high = np.where(is_mirrored, -right, left), np.where(is_mirrored, -left, right)
            log_low, log_high = log_ndtr(low), log_ndtr(high)
            gap = log_low - log_high
            inverse = ndtri_exp(np.logaddexp(log_low, log_high + np.log(-np.expm1(gap)) - depth))
            z = np.where(gap > -1e-8, low + (high - low) * np.exp(-depth), np.clip(inverse, low, high))
            drawn = np.clip(mu + sigma * np.where(is_mirrored, -z, z), lower, upper)
        return np.asarray(np.where((sigma > 0) & (lower < upper), drawn, np.nan))


EXACT: dict[type[Op], Op] = {
    CARRV: ConditionalAutoregressionRV(),
    TruncatedNormalRV: BoundedNormalRV(),
    # PyMC's needs the package polyagamma.
    PyMCPolyaGammaRV: PolyaGammaRV(),
}
"""What draws in the place of each operation of PyMC; of the same inputs."""


def exact_node(op: Op, inputs: list[Variable]) -> Apply:
    """Return the node that draws from what an operation names."""
    return EXACT.get(type(op), op).make_node(*inputs)
