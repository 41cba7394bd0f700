"""Expectation-maximisation of a Gaussian mixture with full covariance matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import logsumexp

import graphs
import ppl
from benchmarks.measure import Contender, Row, is_installed, rows_of, skipped, timed
from benchmarks.processes import compile_rows
from samplers.maximising.em import climb
from samplers.maximising.steps import EMSteps

TITLE = "EM of a Gaussian mixture: one iteration, 20 components, full covariances, n=10^4, one core"
REACH = 5.0
NUM_COMPONENTS, NUM_POINTS, NUM_ITERATIONS = 20, 10_000, 20
Floats = NDArray[np.float64]
Point = tuple[Floats, Floats, Floats]


def data(num_points: int, length: int, num_components: int = NUM_COMPONENTS) -> Floats:
    rng = np.random.default_rng(1)
    kind = rng.integers(num_components, size=num_points)
    factors = rng.normal(size=(num_components, length, length)) + 2 * np.eye(length)
    noise = (factors[kind] @ rng.normal(size=(num_points, length, 1)))[..., 0]
    return 8 * rng.normal(size=(num_components, length))[kind] + noise


def start(y: Floats, num_components: int = NUM_COMPONENTS) -> Point:
    """Return equal weights, rows of the data as means, and unit covariances."""
    means = y[np.random.default_rng(2).choice(len(y), num_components, replace=False)]
    covariances = np.broadcast_to(4 * np.eye(y.shape[1]), (num_components, y.shape[1], y.shape[1]))
    return np.full(num_components, 1 / num_components), means, covariances.copy()


def declare(y: Floats, num_components: int = NUM_COMPONENTS) -> ppl.Model:
    num_points, length = y.shape
    w = ppl.Dirichlet("w", np.ones(num_components))
    mu = ppl.Flat("mu", size=(num_components, length))
    cov = ppl.Flat("cov", size=(num_components, length, length))
    k = ppl.Categorical("k", w, size=num_points)
    return ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): y})


def by_model(y: Floats, first: Point, num_iterations: int) -> Callable[[], Any]:
    steps = EMSteps(graphs.logprob(declare(y, len(first[0])), marginalize=False), None, "likelihood", "numba", 2**24)
    point = steps.given_start(dict(zip(("w", "mu", "cov"), first, strict=True)))
    return lambda: climb(steps, point, num_iterations, -math.inf, lambda iteration, value: None)


def by_numpy(y: Floats, first: Point, num_iterations: int) -> Point:
    """Return the parameters after some iterations: an array of all densities, sums by products of matrices."""
    weights, means, covariances = first
    length = y.shape[1]
    for _ in range(num_iterations):
        logs = np.empty((len(y), len(weights)))
        for j in range(len(weights)):
            factor = np.linalg.cholesky(covariances[j])
            whitened = np.linalg.solve(factor, (y - means[j]).T)
            log_determinant = 2 * np.log(np.diagonal(factor)).sum()
            logs[:, j] = np.log(weights[j]) - 0.5 * (
                (whitened**2).sum(axis=0) + log_determinant + length * np.log(2 * np.pi)
            )
        r = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        totals = r.sum(axis=0)
        weights, means = totals / len(y), r.T @ y / totals[:, None]
        covariances = np.empty_like(covariances)
        for j in range(len(weights)):
            centred = y - means[j]
            covariances[j] = (r[:, j] * centred.T) @ centred / totals[j]
    return weights, means, covariances


@njit(cache=True)
def _densities(row: Any, means: Any, factors: Any, constants: Any, logs: Any) -> float:
    """Fill in the log-density of a row under each component; return the largest."""
    count, d = means.shape
    largest = -math.inf
    for j in range(count):
        square = 0.0
        for a in range(d):
            whitened = 0.0
            for b in range(a + 1):
                whitened += factors[j, a, b] * (row[b] - means[j, b])
            square += whitened**2
        logs[j] = constants[j] - 0.5 * square
        largest = max(largest, logs[j])
    return largest


@njit(cache=True)
def _add(row: Any, means: Any, r: Any, totals: Any, firsts: Any, seconds: Any) -> None:
    """Add a row to the statistics of each component."""
    count, d = means.shape
    for j in range(count):
        totals[j] += r[j]
        for a in range(d):
            first = r[j] * (row[a] - means[j, a])
            firsts[j, a] += first
            for b in range(a + 1):
                seconds[j, a, b] += first * (row[b] - means[j, b])


@njit(cache=True)
def _by_hand(y: Any, weights: Any, means: Any, covariances: Any, num_iterations: int) -> Any:
    n, d = y.shape
    count = len(weights)
    r = np.empty(count)
    for _ in range(num_iterations):
        factors, constants = np.empty((count, d, d)), np.empty(count)
        for j in range(count):
            lower = np.linalg.cholesky(covariances[j])
            constants[j] = math.log(weights[j]) - 0.5 * d * math.log(2 * math.pi) - np.log(np.diag(lower)).sum()
            factors[j] = np.linalg.inv(lower)
        totals, firsts, seconds = np.zeros(count), np.zeros((count, d)), np.zeros((count, d, d))
        for i in range(n):
            largest = _densities(y[i], means, factors, constants, r)
            total = 0.0
            for j in range(count):
                r[j] = math.exp(r[j] - largest)
                total += r[j]
            r /= total
            _add(y[i], means, r, totals, firsts, seconds)
        weights, covariances = totals / n, np.empty((count, d, d))
        shifts = firsts / totals[:, None]
        means = means + shifts
        for j in range(count):
            lower = seconds[j] / totals[j]
            full = lower + lower.T - np.diag(np.diag(lower))
            covariances[j] = full - np.outer(shifts[j], shifts[j])
    return weights, means, covariances


def by_hand(y: Floats, first: Point, num_iterations: int) -> Point:
    """Return the same from one loop over the rows."""
    return _by_hand(y, *first, num_iterations)


def by_scikit(y: Floats, first: Point, num_iterations: int) -> Callable[[], Point]:
    """Return a function that makes the same iterations by the steps of scikit-learn's GaussianMixture."""
    from sklearn.mixture import GaussianMixture

    precisions = np.linalg.inv(first[2])
    model = GaussianMixture(
        len(first[0]), reg_covar=0.0, weights_init=first[0], means_init=first[1], precisions_init=precisions
    )

    def run() -> Point:
        model._initialize(y, np.full((len(y), len(first[0])), 1 / len(first[0])))
        for _ in range(num_iterations):
            model._m_step(y, model._e_step(y)[1])
        return model.weights_, model.means_, model.covariances_

    return run


def first_call() -> None:
    y = data(NUM_POINTS, 2)
    by_model(y, start(y), 1)()


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    for length in (2, 10):
        what = f"one iteration, {length} dimensions"
        y = data(NUM_POINTS, length)
        first = start(y)
        # The climb evaluates the objective once more than it iterates.
        contenders: dict[str, Contender] = {
            "rvgraph: samplers.em": timed(by_model(y, first, NUM_ITERATIONS - 1), NUM_ITERATIONS),
            "hand-written Numba": timed(lambda y=y, first=first: by_hand(y, first, NUM_ITERATIONS), NUM_ITERATIONS),
            "NumPy": timed(lambda y=y, first=first: by_numpy(y, first, NUM_ITERATIONS), NUM_ITERATIONS),
        }
        if is_installed("sklearn"):
            contenders["scikit-learn"] = timed(by_scikit(y, first, NUM_ITERATIONS), NUM_ITERATIONS)
        yield from rows_of(what, contenders, repeats, "ms", 1e3, REACH if length == 2 else None)
        if not is_installed("sklearn"):
            yield skipped(what, "scikit-learn", "sklearn is not installed")
    yield from compile_rows("em_gaussian_mixture", compile_repeats)
