"""Pathfinder: a starting point from a normal approximation found on the way to the mode."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.program import call_program
from graphs.errors import SamplingError
from samplers.chain.programs import Programs

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]
type Evaluate = Callable[[Vector], tuple[float, Vector]]

_HISTORY = 6
_NUM_ELBO_DRAWS = 10
_NUM_TRIES = 20
_MAX_ITERATIONS = 1000
_LEAST_CURVATURE = 1e-12
# In the place of what is not finite: the line search then turns back.
_IMPOSSIBLE = 1e300


class Approximation(NamedTuple):
    """A normal distribution with covariance ``D^(1/2) (1 + Q (L L^T - 1) Q^T) D^(1/2)``."""

    mean: Vector  # (d,)
    scale: Vector  # (d,): square roots of the diagonal D
    basis: Matrix  # (d, k): Q, orthonormal columns
    lower: Matrix  # (k, k): L

    def draw(self, rng: np.random.Generator) -> tuple[Vector, float]:
        """Return a draw and its log-density, up to a constant common to all approximations."""
        noise = rng.normal(size=self.mean.size)
        inside = self.basis.T @ noise
        point = self.mean + self.scale * (noise + self.basis @ (self.lower @ inside - inside))
        return point, float(-self.log_determinant - 0.5 * noise @ noise)

    @property
    def log_determinant(self) -> float:
        """Half the logarithm of the determinant of the covariance."""
        return float(np.log(self.scale).sum() + np.log(np.diag(self.lower)).sum())

    @property
    def covariance(self) -> Matrix:
        """The covariance, (d, d)."""
        factor = np.eye(self.mean.size) + self.basis @ (self.lower - np.eye(len(self.lower))) @ self.basis.T
        scaled = self.scale[:, None] * factor
        return scaled @ scaled.T

    @property
    def precisions(self) -> Vector:
        """The diagonal of the inverse covariance, (d,)."""
        outside = np.linalg.solve(self.lower, self.basis.T)
        return (1.0 - (self.basis**2).sum(axis=1) + (outside**2).sum(axis=0)) / self.scale**2

    def log_density(self, points: Matrix) -> Vector:
        """Return the log-density at points (n, d), up to the constant of `draw`."""
        y = (points - self.mean) / self.scale
        inside = y @ self.basis
        outside = np.linalg.solve(self.lower, inside.T).T
        squares = (y**2).sum(axis=1) - (inside**2).sum(axis=1) + (outside**2).sum(axis=1)
        return -self.log_determinant - 0.5 * squares


def pathfinder(evaluate: Evaluate, start: Vector, rng: np.random.Generator) -> Vector:
    """Return a draw from the best normal approximation along an optimisation path.

    L-BFGS climbs from the start towards a mode. At each of its points the curvature seen so far gives a normal
    distribution; the one with the highest evidence lower bound is chosen. Where the density has no mode inside, on the
    way up a funnel, the best approximation lies before the end of the path.

    Parameters
    ----------
    evaluate : callable
        ``position -> (log-density, gradient)``.
    start : array, shape (d,), float64
        Where the log-density is finite.
    rng : numpy.random.Generator
        Advanced.

    Returns
    -------
    array, shape (d,), float64
        A point with a finite log-density.

    Raises
    ------
    SamplingError
        If no approximation has draws of finite log-density.

    References
    ----------
    Zhang, Carpenter, Gelman and Vehtari (2022), Pathfinder: parallel quasi-Newton variational inference, JMLR 23(306).
    """
    best = best_approximation(evaluate, start, rng)
    for _ in range(_NUM_TRIES if best is not None else 0):
        assert best is not None
        point, _ = best.draw(rng)
        if np.isfinite(evaluate(point)[0]):
            return point
    raise SamplingError(
        "init='pathfinder' found no normal approximation with draws of finite log-density; start otherwise, as with "
        "init='jitter'."
    )


def best_approximation(evaluate: Evaluate, start: Vector, rng: np.random.Generator) -> Approximation | None:
    """Return the normal approximation of highest evidence lower bound along a path; None if none has a finite one.

    Parameters
    ----------
    evaluate, start, rng
        As of `pathfinder`.
    """
    best, highest = None, -np.inf
    for approximation in _approximations(_climb(evaluate, start)):
        bound = evidence_bound(evaluate, approximation, rng)
        if bound > highest:
            best, highest = approximation, bound
    return best


def _climb(evaluate: Evaluate, start: Vector) -> list[tuple[Vector, Vector]]:
    """Return the points of an optimisation path and the gradients there."""
    # Imported where it is used: it takes a tenth of what `import ppl` does.
    from scipy.optimize import minimize

    seen: dict[bytes, Vector] = {}
    path: list[tuple[Vector, Vector]] = []

    def minus(x: Vector) -> tuple[float, Vector]:
        value, gradient = evaluate(x)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return _IMPOSSIBLE, np.zeros_like(x)
        seen[x.tobytes()] = gradient.copy()
        return -value, -gradient

    def keep(x: Vector) -> None:
        if x.tobytes() in seen:
            path.append((x.copy(), seen[x.tobytes()]))

    minus(start)
    keep(start)
    with np.errstate(all="ignore"):
        minimize(minus, start, jac=True, method="L-BFGS-B", callback=keep, options={"maxiter": _MAX_ITERATIONS})
    return path


def _approximations(path: list[tuple[Vector, Vector]]) -> list[Approximation]:
    """Return a normal distribution for each point of the path at which curvature has been seen."""
    found = []
    diagonal = np.ones(path[0][0].size)
    history: list[tuple[Vector, Vector]] = []
    for (old, old_gradient), (new, gradient) in pairwise(path):
        step, change = new - old, old_gradient - gradient
        if step @ change > _LEAST_CURVATURE * (change @ change):
            diagonal = _updated(diagonal, step, change)
            history = [*history, (step, change)][-_HISTORY:]
        approximation = _approximation(new, gradient, diagonal, history) if history else None
        if approximation is not None:
            found.append(approximation)
    return found


def _updated(diagonal: Vector, step: Vector, change: Vector) -> Vector:
    """Return the diagonal of the inverse Hessian after another step; Zhang et al., algorithm 3."""
    a, b, c = change @ (diagonal * change), change @ step, step @ (step / diagonal)
    return 1.0 / (a / (b * diagonal) + change**2 / b - a * step**2 / (b * c * diagonal**2))


def _approximation(
    position: Vector, gradient: Vector, diagonal: Vector, history: list[tuple[Vector, Vector]]
) -> Approximation | None:
    """Return the normal distribution of a diagonal and a history of steps; Zhang et al., algorithm 4."""
    if not ((diagonal > 0).all() and np.isfinite(diagonal).all()):
        return None
    steps, changes = (np.array(columns).T for columns in zip(*history, strict=True))
    products = steps.T @ changes
    try:
        inverse = np.linalg.inv(np.triu(products))
        corner = inverse.T @ (np.diag(np.diag(products)) + changes.T @ (diagonal[:, None] * changes)) @ inverse
        inner = np.block([[np.zeros_like(inverse), -inverse], [-inverse.T, corner]])
        outer = np.concatenate([diagonal[:, None] * changes, steps], axis=1)
        scale = np.sqrt(diagonal)
        basis, upper = np.linalg.qr(outer / scale[:, None])
        lower = np.linalg.cholesky(np.eye(len(upper)) + upper @ inner @ upper.T)
    except np.linalg.LinAlgError:
        return None
    mean = position + diagonal * gradient + outer @ (inner @ (outer.T @ gradient))
    return Approximation(mean, scale, basis, lower) if np.isfinite(mean).all() else None


def evidence_bound(
    evaluate: Evaluate, approximation: Approximation, rng: np.random.Generator, num_draws: int = _NUM_ELBO_DRAWS
) -> float:
    """Return an estimate of the evidence lower bound, up to a constant; minus infinity where draws are impossible."""
    total = 0.0
    for _ in range(num_draws):
        point, log_density = approximation.draw(rng)
        total += evaluate(point)[0] - log_density
    return total / num_draws if np.isfinite(total) else -np.inf


def evaluator(programs: Programs, block: int, state: Vector) -> Evaluate:
    """Return ``position -> (log-density, gradient)`` of a NUTS block; what it does not move is held at a joint state.

    Parameters
    ----------
    programs : Programs
        Of one chain.
    block : int
        Number of the block.
    state : array, shape (size,), float64
        The joint state.
    """
    program, words = programs.callables[block], np.zeros(4, np.uint64)
    state = np.ascontiguousarray(state, np.float64)

    def evaluate(position: Vector) -> tuple[float, Vector]:
        gradient = np.empty(position.size)
        position = np.ascontiguousarray(position, np.float64)
        with np.errstate(all="ignore"):
            if isinstance(program, np.ndarray):
                return call_program(program, position, state, gradient, words), gradient
            return program(position, state, gradient), gradient

    # What the program points to has to live as long.
    evaluate.owner = programs  # type: ignore[attr-defined]
    return evaluate
