"""Deterministic variational inference: fixed draws make the bound a function that second-order methods maximise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from samplers.approximations.families.base import Base
from samplers.approximations.families.family import HALF_LOG_TWO_PI
from samplers.approximations.target import Evaluate

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

MOST_ITERATIONS = 500
_IMPOSSIBLE = 1e300
_STILL = 1e-6


@dataclass(frozen=True, eq=False)
class LinearResponse:
    """Independent normal distributions, and the covariance that goes with their means.

    Parameters
    ----------
    mean : array, shape (d,), float64
        Of positions.
    scales : array, shape (d,), float64
        Standard deviations of the independent distributions: as a rule too small.
    factor : array, shape (d, d), float64, or None
        Lower triangle whose product with its transpose is the linear-response covariance; None where the bound is not
        concave at its end.
    errors : array, shape (d,), float64
        Of the means, because draws are a few: standard errors.
    elbo : float
        The bound of the independent distributions, on these draws.
    trace : array, float64
        The bound after each iteration.
    is_converged : bool
        Whether its gradient is zero.
    """

    mean: Vector
    scales: Vector
    factor: Matrix | None
    errors: Vector
    elbo: float
    trace: Vector
    is_converged: bool

    def draw(self, number: int, rng: np.random.Generator) -> tuple[Matrix, Vector]:
        """Return positions (number, d) of the linear-response normal distribution, and the log-density of each."""
        factor = np.diag(self.scales) if self.factor is None else self.factor
        noise = rng.normal(size=(number, len(self.mean)))
        constant = HALF_LOG_TWO_PI * len(self.mean) + np.log(np.diag(factor)).sum()
        return self.mean + noise @ factor.T, -constant - 0.5 * (noise**2).sum(axis=1)


def fixed_draws(number: int, size: int, rng: np.random.Generator) -> Matrix:
    """Return standard normal draws, an even number of them, in opposite pairs, of variance one in each element.

    Of these the first three moments are exact, element by element: where the density is normal, so is the mean, and the
    linear-response covariance.
    """
    half = rng.normal(size=(-(-number // 2), size))
    half /= np.sqrt((half**2).mean(axis=0))
    return np.concatenate([half, -half])


class _Objective:
    """The negative bound on fixed draws, of means and logarithms of scales in coordinates of a base."""

    def __init__(self, evaluate: Evaluate, along: Callable[[Vector, Vector], Vector], base: Base, noise: Matrix):
        self._evaluate, self._along = evaluate, along
        self._base, self._noise = base, noise

    def places(self, parameters: Vector) -> tuple[Matrix, Matrix]:
        """Return positions (n, d), and the slopes of coordinates with respect to logarithms of scales."""
        means, log_scales = np.split(parameters, 2)
        away = np.exp(log_scales) * self._noise
        return self._base.positions(means + away), away

    def gradients(self, parameters: Vector) -> tuple[Vector, Matrix]:
        """Return the log-density at each draw (n,), and its gradients with respect to the parameters (n, 2 d)."""
        positions, away = self.places(parameters)
        found = [self._evaluate(position) for position in positions]
        slopes = np.array([slope for _, slope in found]) * self._base.factor[0]
        return np.array([value for value, _ in found]), np.concatenate([slopes, slopes * away], axis=1)

    def __call__(self, parameters: Vector) -> tuple[float, Vector]:
        """Return the negative bound, up to a constant, and its gradient."""
        values, slopes = self.gradients(parameters)
        if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
            return _IMPOSSIBLE, np.zeros_like(parameters)
        size = parameters.size // 2
        gradient = slopes.mean(axis=0)
        gradient[size:] += 1.0
        return -float(values.mean() + parameters[size:].sum()), -gradient

    def product(self, parameters: Vector, direction: Vector) -> Vector:
        """Return the product of the second derivatives with a direction."""
        positions, away = self.places(parameters)
        first, second = np.split(direction, 2)
        scale, total = self._base.factor[0], np.zeros_like(direction)
        for position, own in zip(positions, away, strict=True):
            bent = self._along(position, scale * (first + own * second)) * scale
            slope = self._evaluate(position)[1] * scale
            total -= np.concatenate([bent, own * bent + own * slope * second])
        return total / len(positions)


def dadvi(
    evaluate: Evaluate, along: Callable[[Vector, Vector], Vector], base: Base, noise: Matrix, most_dense: int
) -> LinearResponse:
    """Maximise the bound of independent normal distributions on fixed draws, by Newton's method in a trust region.

    Parameters
    ----------
    evaluate : callable
        ``position -> (log-density, gradient)``.
    along : callable
        ``(position, direction) -> product`` with the second derivatives of the log-density.
    base : Base
        Where it begins; a diagonal.
    noise : array, shape (n, d), float64
        `fixed_draws`.
    most_dense : int
        Numbers of which the covariance is computed.

    References
    ----------
    .. [1] Giordano, Ingram and Broderick (2023). Black box variational inference with a deterministic objective:
       faster, more accurate, and even more black box. arXiv:2304.05527.
    """
    objective, size = _Objective(evaluate, along, base, noise), len(base.centre)
    trace: list[float] = []
    ended = minimize(
        objective,
        np.zeros(2 * size),
        jac=True,
        hessp=objective.product,
        method="trust-ncg",
        callback=lambda parameters: trace.append(-objective(parameters)[0]),
        options={"gtol": 1e-8, "maxiter": MOST_ITERATIONS},
    )
    means, log_scales = np.split(ended.x, 2)
    value, gradient = objective(ended.x)
    constant = size * (0.5 + HALF_LOG_TWO_PI) + base.log_determinant
    factor, errors = None, np.full(size, np.nan)
    if size <= most_dense:
        factor, errors = _responses(objective, ended.x, base)
    return LinearResponse(
        base.positions(means),
        base.factor[0] * np.exp(log_scales),
        factor,
        errors,
        constant - value,
        np.array(trace) + constant,
        is_converged=bool(np.abs(gradient).max() < _STILL * max(1.0, abs(value))),
    )


def _responses(objective: _Objective, parameters: Vector, base: Base) -> tuple[Matrix | None, Vector]:
    """Return the factor of the linear-response covariance of positions, and the standard errors of means."""
    size = parameters.size // 2
    bent = np.array([objective.product(parameters, unit) for unit in np.eye(2 * size)])
    try:
        np.linalg.cholesky(0.5 * (bent + bent.T))
        inverse = np.linalg.inv(0.5 * (bent + bent.T))
        factor = base.factor[0][:, None] * np.linalg.cholesky(inverse[:size, :size])
    except np.linalg.LinAlgError:
        return None, np.full(size, np.nan)
    _, slopes = objective.gradients(parameters)
    half = len(slopes) // 2
    pairs = 0.5 * (slopes[:half] + slopes[half:])
    spread = np.atleast_2d(np.cov(pairs.T)) / half
    errors = np.sqrt(np.maximum(np.diag(inverse @ spread @ inverse)[:size], 0.0)) * base.factor[0]
    return factor, errors
