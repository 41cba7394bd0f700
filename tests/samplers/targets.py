"""Targets of samplers, whose answers are closed forms, SciPy's distributions and quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from scipy import integrate, special, stats

from graphs.density import LogDensity
from graphs.supports import POSITIVE, integers
from tests.laws.kernels import assert_means

SHAPE = 2.0
FALSE_ALARM = 1e-4
"""Of each comparison, of which there are about sixty: one run in 160, were the seeds not fixed."""
WEIGHTS = np.array([0.55, 0.25, 0.05, 0.15])


class Target(NamedTuple):
    """A log-density, exact draws of it, and exact expectations."""

    logdensity: LogDensity
    draws: Callable[[np.random.Generator, int], dict[str, NDArray]]
    expected: list[tuple[Callable[[dict[str, NDArray]], NDArray], float]]


def skewed() -> Target:
    """Logarithms of gamma variables of shape 2, and a normal one: on the real line, from SciPy."""
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=())
    total = (SHAPE * x - pt.exp(x)).sum() - 0.5 * y**2
    quantiles = [np.log(stats.gamma.ppf(p, SHAPE)) for p in (0.05, 0.9)]
    return Target(
        LogDensity(total, (x, y)),
        lambda rng, n: {"x": np.log(rng.gamma(SHAPE, size=(n, 2))), "y": rng.normal(size=n)},
        [
            (lambda d: d["x"][:, 0], float(special.digamma(SHAPE))),
            (lambda d: d["x"][:, 1] <= quantiles[0], 0.05),
            (lambda d: d["x"][:, 1] <= quantiles[1], 0.9),
            (lambda d: d["y"] ** 2, 1.0),
        ],
    )


def conjugate() -> Target:
    """A gamma variable, and a normal one whose variance it is one over, both with laws; moments by quadrature."""
    x, y = pt.dscalars("x", "y")
    total = 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x

    def marginal(y: NDArray) -> NDArray:
        return np.exp(-(y**2) + 2 * y) / (y**2 + 4) ** 3

    def mean(f: Callable[[Any], Any]) -> float:
        return integrate.quad(lambda y: f(y) * marginal(y), -8, 10)[0] / integrate.quad(marginal, -8, 10)[0]

    def draws(rng: np.random.Generator, n: int) -> dict[str, NDArray]:
        grid = np.linspace(-8, 10, 200_001)
        y = np.interp(rng.uniform(size=n), np.cumsum(marginal(grid)) / marginal(grid).sum(), grid)
        return {"x": rng.gamma(3, 1 / (y**2 + 4)), "y": y}

    expected = [
        (lambda d: d["y"], mean(lambda y: y)),
        (lambda d: d["y"] ** 2, mean(lambda y: y**2)),
        (lambda d: d["x"], mean(lambda y: 3 / (y**2 + 4))),
        (lambda d: d["x"] <= 0.3, mean(lambda y: stats.gamma.cdf(0.3, 3, scale=1 / (y**2 + 4)))),
    ]
    return Target(LogDensity(total, (x, y), {x: POSITIVE}), draws, expected)


def finite() -> Target:
    """Four states of unequal weight."""
    k = pt.lscalar("k")
    total = pt.constant(np.log(WEIGHTS))[k]
    expected = [(lambda d, i=i: d["k"] == i, float(w)) for i, w in enumerate(WEIGHTS)]
    return Target(
        LogDensity(total, (k,), {k: integers(0, 3)}), lambda rng, n: {"k": rng.choice(4, size=n, p=WEIGHTS)}, expected
    )


def row(values: dict[str, NDArray], i: int) -> dict[str, NDArray]:
    return {name: array[i] for name, array in values.items()}


def assert_stationary(after: dict[str, NDArray], target: Target) -> None:
    """Independent draws of the target: means within the error of independent draws."""
    assert_means(after, target.expected, FALSE_ALARM)
