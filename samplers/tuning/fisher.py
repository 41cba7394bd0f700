"""Metrics learnt from draws and gradients.

All minimise the Fisher divergence between the posterior and a normal distribution [1]_: with the covariances ``A`` of
draws and ``B`` of gradients, the best inverse mass matrix is the ``M`` with ``M B M = A``, the geometric mean of ``A``
and ``B^-1``. For a normal density it is exact as soon as there are more draws than dimensions, however they lie.

What draws do not tell is taken from the metric in use: both covariances are drawn a little towards what it says.

References
----------
.. [1] Seyboldt, Carlson and Carpenter (2026), Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular

from samplers.chain.metric import Metric

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

# The metric in use counts as this many draws for each dimension.
_PRIOR_DRAWS = 0.05
_LEAST_SHRINKAGE = 1e-6
# Directions whose variance is wrong by less than this factor are left alone.
_CUTOFF = 2.0
_MIN_VARIANCE = 1e-40
_MAX_VARIANCE = 1e40

MOST_DENSE = 200
"""With more dimensions than this, ``metric="auto"`` remains diagonal: a dense one costs more than it can gain."""
# Times of one gradient: what a dense metric adds for each of its numbers, what NUTS takes at least, and for each
# dimension; in nanoseconds.
_DENSE_TIME = 0.34
_LEAST_TIME = 200.0
_DIMENSION_TIME = 20.0
_LEAST_GAIN = 1.5
_EARLY_GAIN = 25.0
_TRAINING_SHARE = 2 / 3


def learn_diagonal(draws: Matrix, gradients: Matrix, previous: Metric) -> Metric:
    """Return the diagonal metric of draws and gradients; elements that have not varied keep their value.

    Parameters
    ----------
    draws, gradients : array, shape (n, d), float64
        All finite.
    previous : Metric
        The metric in use.
    """
    with np.errstate(all="ignore"):
        ratio = draws.var(axis=0) / gradients.var(axis=0)
    is_known = (ratio > _MIN_VARIANCE) & (ratio < _MAX_VARIANCE)
    known = np.sqrt(np.where(is_known, ratio, 1.0))
    before = previous.inverse_mass_matrix
    return Metric.diagonal(np.where(is_known, known, before if before.ndim == 1 else np.diag(before)))


def learn_dense(draws: Matrix, gradients: Matrix, previous: Metric) -> Metric:
    """Return the dense metric of draws and gradients; the parameters are those of `learn_diagonal`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If draws and gradients are too degenerate for one.
    """
    if previous.kind == "diag":
        previous = learn_diagonal(draws, gradients, previous)
    shrinkage = _shrinkage(draws)
    a, b = _covariance(previous.coordinates(draws)), _covariance(previous.transformed(gradients))
    identity = np.eye(len(a))
    # The identity is the metric in use, in its own coordinates.
    factor = _geometric_mean(a + shrinkage * identity, b + shrinkage * identity)
    return Metric.dense(previous.factor @ factor)


def learn_low_rank(draws: Matrix, gradients: Matrix, previous: Metric) -> Metric:
    """Return the metric of a diagonal and few directions; the parameters are those of `learn_diagonal`."""
    scale = learn_diagonal(draws, gradients, previous).scale
    x, g = (draws - draws.mean(axis=0)) / scale, (gradients - gradients.mean(axis=0)) * scale
    size = scale.size
    subspace = np.eye(size) if 2 * len(x) >= size else np.linalg.qr(np.concatenate([x, g]).T)[0].T
    shrinkage = _shrinkage(x @ subspace.T)
    before = previous.transformed(subspace / scale), previous.coordinates(subspace * scale)
    a, b = _covariance(x @ subspace.T), _covariance(g @ subspace.T)
    factor = _geometric_mean(a + shrinkage * before[0] @ before[0].T, b + shrinkage * before[1] @ before[1].T)
    eigenvalues, vectors = np.linalg.eigh(factor @ factor.T)
    is_far = (eigenvalues > _CUTOFF) | (eigenvalues < 1.0 / _CUTOFF)
    rows = np.ascontiguousarray((subspace.T @ vectors[:, is_far]).T)
    return Metric("low_rank", scale, rows, np.sqrt(eigenvalues[is_far]) - 1.0)


def choose_metric(draws: Matrix, gradients: Matrix, previous: Metric, *, is_early: bool = False) -> Metric:
    """Return the dense metric where it pays, else the diagonal one; the parameters are those of `learn_diagonal`.

    In the coordinates of a diagonal metric a normal density has standard deviations from ``s`` to ``S``, and a
    trajectory takes in proportion to ``S / s`` steps: this is what a dense metric gains, against the time that it takes
    for each. It has to describe draws that it was not learnt from, with a smaller Fisher divergence than the diagonal
    one, and less than that of a wrong location by one standard deviation in every direction: few draws make a sphere
    look like an ellipsoid, and those on the way from one region to another look like one that does not exist.

    With a metric that fits, trajectories are short, and a chain that has not found its way yet finds it in more
    iterations. Early, the gain has to be so large that there is no way without it.

    Parameters
    ----------
    draws, gradients, previous
        As in `learn_diagonal`.
    is_early : bool
        Whether the chain may still be on its way.
    """
    diagonal = learn_diagonal(draws, gradients, previous)
    if previous.kind == "diag" and _seem_independent(draws):
        return diagonal
    dense = learn_dense(draws, gradients, previous)
    num_draws, size = draws.shape
    spread = np.linalg.svd(dense.rows / diagonal.scale[:, None], compute_uv=False)
    gain = spread[0] / spread[-1] / (1.0 + _DENSE_TIME * size**2 / (_LEAST_TIME + _DIMENSION_TIME * size))
    # Going to and fro would cost more than it gains.
    if gain < (1.0 if previous.kind == "dense" else _EARLY_GAIN if is_early else _LEAST_GAIN):
        return diagonal
    known = int(_TRAINING_SHARE * num_draws)
    train, test = (draws[:known], gradients[:known]), (draws[known:], gradients[known:])
    divergence = fisher_divergence(learn_dense(*train, previous), *test)
    is_better = divergence < min(fisher_divergence(learn_diagonal(*train, previous), *test), size)
    return dense if is_better else diagonal


def _seem_independent(draws: Matrix) -> bool:
    """Return whether correlations are no larger than those of independent draws: there is nothing to gain.

    The eigenvalues of the sample covariance of independent variables spread over ``(1 -+ sqrt(d / n))**2`` (Marchenko
    and Pastur, 1967).
    """
    num_draws, size = draws.shape
    noise = (size / num_draws) ** 0.5
    if noise >= 1.0:
        return False
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(draws, rowvar=False))
    spread = np.sqrt(eigenvalues[-1] / max(eigenvalues[0], 1e-300))
    return bool(spread < (1.0 + noise) / (1.0 - noise))


def fisher_divergence(metric: Metric, draws: Matrix, gradients: Matrix) -> float:
    """Return the mean squared difference between the gradient and that of a normal density with this covariance."""
    difference = metric.coordinates(draws) + metric.transformed(gradients)
    return float(difference.var(axis=0).sum())


def _shrinkage(values: Matrix) -> float:
    num_draws, size = values.shape
    return _LEAST_SHRINKAGE + _PRIOR_DRAWS * size / num_draws


def _covariance(values: Matrix) -> Matrix:
    centred = values - values.mean(axis=0)
    return centred.T @ centred / len(values)


def _geometric_mean(a: Matrix, b: Matrix) -> Matrix:
    """Return a factor of the geometric mean of ``a`` and the inverse of ``b``.

    With ``b = L L^T`` it is ``L^-T (L^T a L)^(1/2) L^-1``.
    """
    lower = np.linalg.cholesky(b)
    eigenvalues, vectors = eigh(lower.T @ a @ lower, check_finite=False)
    if not eigenvalues[0] > 0.0:
        raise np.linalg.LinAlgError("The covariance of the draws is not positive definite.")
    # The fourth root, of all its factors, does not depend on the signs of eigenvectors, which rounding decides.
    root = vectors * eigenvalues**0.25 @ vectors.T
    return solve_triangular(lower, root, trans="T", lower=True, check_finite=False)
