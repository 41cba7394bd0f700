"""Truncated, censored, rounded and mixed variables far out, against SciPy's tails.

Answers: SciPy's tails.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.variable import TensorVariable
from scipy import stats

import graphs
import ppl
from graphs.surgery.evaluating import evaluate

Frozen = Any
DISTRIBUTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[float], Frozen], float]] = {
    "normal": (lambda s: pm.Normal.dist(0.0, s), lambda s: stats.norm(0, s), 1.3),
    "gamma": (lambda s: pm.Gamma.dist(3.0, s), lambda s: stats.gamma(3.0, scale=1 / s), 1.3),
    "inverse gamma": (lambda s: pm.InverseGamma.dist(s, 2.0), lambda s: stats.invgamma(s, scale=2.0), 2.5),
    "beta": (lambda s: pm.Beta.dist(s, 4.0), lambda s: stats.beta(s, 4.0), 2.5),
    "student": (lambda s: pm.StudentT.dist(3.0, mu=0.0, sigma=s), lambda s: stats.t(3.0, 0, s), 1.3),
    "logistic": (lambda s: pm.Logistic.dist(0.0, s), lambda s: stats.logistic(0, s), 1.3),
    "poisson": (lambda s: pm.Poisson.dist(s), stats.poisson, 3.5),
    "binomial": (lambda s: pm.Binomial.dist(400, s / 10), lambda s: stats.binom(400, s / 10), 2.5),
    "negative binomial": (lambda s: pm.NegativeBinomial.dist(n=s, p=0.3), lambda s: stats.nbinom(s, 0.3), 2.5),
}

TRUNCATED: list[tuple[str, float | None, float | None, list[float]]] = [
    ("normal", 40.0, 41.0, [40.1, 40.9]),
    ("normal", None, -40.0, [-40.1, -43.0]),
    ("gamma", 60.0, None, [60.5, 62.0]),
    ("gamma", None, 1e-6, [1e-7]),
    ("inverse gamma", None, 0.01, [0.009]),
    ("inverse gamma", 1e5, 1e6, [2e5]),
    ("beta", 0.9999, None, [0.99995]),
    ("beta", 0.2, 0.6, [0.3, 0.59]),
    ("student", 1e5, 2e5, [1.5e5]),
    ("logistic", 200.0, None, [201.0]),
    ("poisson", 50, 55, [50, 55]),
    ("poisson", 1, None, [1, 3]),
    ("binomial", 300, None, [300, 310]),
    ("binomial", None, 20, [3, 20]),
    ("negative binomial", 200, None, [200, 240]),
    ("negative binomial", 0, 3, [0, 3]),
]


def with_slope(function: Callable[[float], float], point: float) -> tuple[float, float]:
    """Return a value, and the slope by Richardson's extrapolation of central differences."""
    step = 1e-3 * point
    slope = [(function(point + h) - function(point - h)) / (2 * h) for h in (step, step / 2, step / 4)]
    once = [(4 * b - a) / 3 for a, b in pairwise(slope)]
    return function(point), (16 * once[1] - once[0]) / 15


def log_density(model: ppl.Model, name: str, point: float) -> tuple[float, float]:
    """Return the term of the data and its gradient, of the graph as it is."""
    logprob = graphs.logprob(model)
    term = pt.sum(logprob.terms["y"])
    value = logprob.values[name]
    found = evaluate([term, pytensor.grad(term, value)], {value: np.asarray(point)})
    assert found is not None
    return float(found[0]), float(found[1])


def log_interval(exact: Frozen, lower: float | None, upper: float | None) -> float:
    """Return ``log P(lower < X <= upper)`` by the smaller tails."""
    below, above = (-np.inf, 0.0) if lower is None else (exact.logcdf(lower), exact.logsf(lower))
    to_upper, beyond = (0.0, -np.inf) if upper is None else (exact.logcdf(upper), exact.logsf(upper))
    larger, smaller = (to_upper, below) if to_upper < above else (above, beyond)
    return float(larger + np.log1p(-np.exp(smaller - larger)))


@pytest.mark.filterwarnings("ignore:RandomVariables .* were found in the derived graph")
@pytest.mark.parametrize(("name", "lower", "upper", "data"), TRUNCATED)
def test_truncated(name: str, lower: float | None, upper: float | None, data: list[float]) -> None:
    make, exact, point = DISTRIBUTIONS[name]
    s = ppl.HalfNormal("s", 10.0)
    model = ppl.Model({ppl.Truncated("y", make(s), lower=lower, upper=upper, size=len(data)): np.array(data)})
    is_discrete = hasattr(exact(point), "pmf") and isinstance(data[0], int)

    def truth(value: float) -> float:
        frozen = exact(value)
        density = frozen.logpmf(data) if is_discrete else frozen.logpdf(data)
        below = lower - 1 if is_discrete and lower is not None else lower
        return float(np.sum(density - log_interval(frozen, below, upper)))

    np.testing.assert_allclose(log_density(model, "s", point), with_slope(truth, point), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("name", "bound"), [("normal", 45.0), ("gamma", 90.0), ("logistic", 900.0), ("poisson", 60)])
def test_censored_on_the_right(name: str, bound: float) -> None:
    make, exact, point = DISTRIBUTIONS[name]
    s = ppl.HalfNormal("s", 10.0)
    model = ppl.Model({ppl.Censored("y", make(s), lower=None, upper=bound, size=2): np.array([bound, bound])})

    def truth(value: float) -> float:
        return 2.0 * float(exact(value).logsf(bound - 1 if name == "poisson" else bound))

    np.testing.assert_allclose(log_density(model, "s", point), with_slope(truth, point), rtol=1e-7, atol=1e-9)


def test_bounds_that_are_infinite_for_some() -> None:
    """An array of bounds, of which some are none: no gradient is NaN."""
    m = ppl.Normal("m", 0.0, 1.0)
    data = np.array([2.1, 5.2])
    model = ppl.Model({ppl.Censored("y", pm.Logistic.dist(m, 0.006), lower=None, upper=np.array([np.inf, 5.2])): data})

    def truth(value: float) -> float:
        return float(stats.logistic.logpdf(2.1, value, 0.006) + stats.logistic.logsf(5.2, value, 0.006))

    np.testing.assert_allclose(log_density(model, "m", 0.4), with_slope(truth, 0.4), rtol=1e-7)


def test_rounded_in_the_tail() -> None:
    [found] = evaluate([pm.logp(pt.round(pm.Normal.dist(0.0, 1.3)), np.float64(45.0))], {}) or [None]
    np.testing.assert_allclose(found, log_interval(stats.norm(0, 1.3), 44.5, 45.5), rtol=1e-10)


def test_mixture_beyond_its_components() -> None:
    weights, rates = np.array([0.3, 0.7]), np.array([1.0, 0.4])
    mixture = pm.Mixture.dist(weights, [pm.Exponential.dist(rate) for rate in rates])
    [found] = evaluate([pm.logccdf(mixture, np.float64(2000.0))], {}) or [None]
    np.testing.assert_allclose(found, np.log(0.7) - 800.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("made", "value", "truth"),
    [
        (lambda x: pt.exp(x), 1e9, stats.norm.logsf(np.log(1e9))),
        (lambda x: -3.0 * x, 120.0, stats.norm.logsf(40.0)),
        (lambda x: pt.sigmoid(x), 1.0 - 1e-12, stats.norm.logsf(-np.log(1e-12))),
    ],
)
def test_functions(made: Callable[[TensorVariable], TensorVariable], value: float, truth: float) -> None:
    variable = made(pm.Normal.dist(0.0, 1.0))
    [found] = evaluate([pm.logccdf(variable, np.float64(value))], {}) or [None]
    np.testing.assert_allclose(found, truth, rtol=1e-4)


def test_a_distribution_that_is_a_graph() -> None:
    m = ppl.Normal("m", 0.0, 1.0)
    bound = 0.99
    censored = ppl.Censored("y", pm.LogitNormal.dist(m, 0.05), lower=None, upper=bound, size=1)
    model = ppl.Model({censored: np.array([bound])})

    def truth(value: float) -> float:
        return float(stats.norm.logsf(np.log(bound / (1 - bound)), value, 0.05))

    np.testing.assert_allclose(log_density(model, "m", 0.4), with_slope(truth, 0.4), rtol=1e-7)


def test_without_a_cumulative_probability_it_is_said() -> None:
    model = ppl.Model(
        {ppl.Censored("y", pm.VonMises.dist(0.0, 1.0), lower=None, upper=2.0, size=2): np.array([1.0, 2])}
    )
    with pytest.raises(ppl.DerivationError, match=r"y.*cumulative"):
        graphs.logprob(model)
