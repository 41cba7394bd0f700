"""Draws that replace those of PyMC, where its own do not follow its density, or need a further package."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray
from pymc.distributions.continuous import PolyaGammaRV as PyMCPolyaGammaRV
from pymc.distributions.multivariate import CARRV
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from graphs.polya_gamma_rv import PolyaGammaRV


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


EXACT: dict[type[Op], Op] = {
    CARRV: ConditionalAutoregressionRV(),
    # PyMC's needs the package polyagamma.
    PyMCPolyaGammaRV: PolyaGammaRV(),
}
"""What draws in the place of each operation of PyMC; of the same inputs."""


def exact_node(op: Op, inputs: list[Variable]) -> Apply:
    """Return the node that draws from what an operation names."""
    return EXACT.get(type(op), op).make_node(*inputs)
