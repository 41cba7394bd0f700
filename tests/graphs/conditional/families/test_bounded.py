"""Generalised inverse Gaussian laws, and normal and gamma laws between bounds: densities, moments and draws.

Answers: the joint log-density (tests/laws), and SciPy's quadrature of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import special, stats

import ppl
from graphs.conditional import conditional, find_conditional
from graphs.conditional.families.gig import log_bessel
from graphs.density import LogDensity
from graphs.supports import POSITIVE, Support, interval
from graphs.surgery.interpreting import interpret
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_distribution, assert_is_full_conditional

DATA = np.array([0.3, -1.2, 2.2, 0.9, 1.4])
COUNTS = np.array([2, 0, 4, 1, 3])


def mean_between_bounds() -> LogDensity:
    x = pm.Uniform.dist(-1, 0.6)
    return joint({"x": (x, interval(-1, 0.6))}, {pm.Normal.dist(x, 1.3, shape=5): DATA})


def positive_mean() -> LogDensity:
    x, s = pm.HalfNormal.dist(2.0), pm.HalfNormal.dist(1.3)
    return joint({"x": (x, POSITIVE), "s": (s, POSITIVE)}, {pm.Normal.dist(x - 4.0, s, shape=5): DATA})


def means_with_bounds_in_a_regression() -> LogDensity:
    x = pm.Uniform.dist(0, 2, shape=3)
    return joint({"x": (x, interval(0, 2))}, {pm.Normal.dist(x[np.array([0, 1, 1, 2, 0])], 0.7): DATA})


def standard_deviation_below_a_bound() -> LogDensity:
    x, m = pm.Uniform.dist(0, 2.5), pm.Normal.dist(0, 2)
    return joint({"x": (x, interval(0, 2.5)), "m": (m, Support())}, {pm.Normal.dist(m, x, shape=5): DATA})


def rate_between_bounds() -> LogDensity:
    x = pm.Uniform.dist(0.4, 3.0)
    return joint({"x": (x, interval(0.4, 3.0))}, {pm.Poisson.dist(x, shape=5): COUNTS})


def precision_below_a_bound() -> LogDensity:
    x = pm.Uniform.dist(0, 0.9)
    return joint({"x": (x, interval(0, 0.9))}, {pm.Normal.dist(0.2, tau=x, shape=5): DATA})


def variance_between_bounds() -> LogDensity:
    x = pm.Uniform.dist(0.5, 4.0)
    return joint({"x": (x, interval(0.5, 4.0))}, {pm.Normal.dist(0.2, pt.sqrt(x), shape=5): DATA})


def variance_with_a_gamma_prior() -> LogDensity:
    x, m = pm.Gamma.dist(2.3, 1.7), pm.Normal.dist(0, 2)
    return joint({"x": (x, POSITIVE), "m": (m, Support())}, {pm.Normal.dist(m, pt.sqrt(x), shape=5): DATA})


def standard_deviation_with_a_half_normal_prior() -> LogDensity:
    x, m = pm.HalfNormal.dist(1.4), pm.Normal.dist(0, 2)
    return joint({"x": (x, POSITIVE), "m": (m, Support())}, {pm.Normal.dist(m, x, shape=5): DATA})


def rates_in_both_directions() -> LogDensity:
    """Waiting times of a mean and counts of the same mean."""
    x = pm.Gamma.dist(2.3, 1.7, shape=2)
    children = {pm.Exponential.dist(scale=x): np.abs(DATA[:2]), pm.Poisson.dist(3.0 * x): COUNTS[:2]}
    return joint({"x": (x, POSITIVE)}, children)


def inverse_gaussian() -> LogDensity:
    x = pm.Wald.dist(1.3, 0.8)
    return joint({"x": (x, POSITIVE)}, {pm.Exponential.dist(x): 0.7, pm.Exponential.dist(x): 1.9})


CASES: dict[Callable[[], LogDensity], str] = {
    mean_between_bounds: "TruncatedNormal[-1, 0.6]",
    positive_mean: "TruncatedNormal[0, inf]",
    means_with_bounds_in_a_regression: "TruncatedNormal[0, 2]",
    standard_deviation_below_a_bound: "TruncatedGamma^(1/-2)[0, 2.5]",
    rate_between_bounds: "TruncatedGamma[0.4, 3]",
    precision_below_a_bound: "TruncatedGamma[0, 0.9]",
    variance_between_bounds: "TruncatedInverseGamma[0.5, 4]",
    variance_with_a_gamma_prior: "GIG",
    standard_deviation_with_a_half_normal_prior: "GIG^(1/2)",
    rates_in_both_directions: "GIG",
    inverse_gaussian: "GIG",
}


@pytest.mark.parametrize("case", list(CASES), ids=lambda c: c.__name__)
def test_law_is_the_full_conditional(case: Callable[[], LogDensity]) -> None:
    density = case()
    x = with_values(density)["x"]
    law, reason = find_conditional(density, x)
    assert law is not None, reason
    assert law.family == CASES[case]
    assert_is_full_conditional(density, x, law)


def at_a_point(case: Callable[[], LogDensity]):
    """Return a law of one element with numbers for all other variables, and its bounds."""
    density = case()
    x = with_values(density)["x"]
    law, _ = find_conditional(density, x)
    assert law is not None
    others = [v for v in density.inputs if v is not x]
    values = [np.asarray(1.3)] * len(others)
    support = density.supports[x]
    return law, others, values, (support.lower, support.upper), x


@pytest.mark.parametrize("case", [c for c in CASES if c().inputs[0].type.ndim == 0], ids=lambda c: c.__name__)
def test_density_and_moments_against_quadrature(case) -> None:
    law, others, values, bounds, x = at_a_point(case)
    given = dict(zip(others, values, strict=True))
    evaluate = interpret([x, *others], [law.logprob(x), law.mean(), law.mode()])

    def density(v: float) -> float:
        return float(np.exp(evaluate(np.asarray(v), *given.values())[0]))

    _, mean, mode = (float(r) for r in evaluate(np.asarray(0.5), *given.values()))
    points = [mode] if bounds[0] < mode < bounds[1] else None
    high = bounds[1] if bounds[1] < np.inf else 60.0
    assert_is_distribution(density, mean, (bounds[0], high), points=points)
    inside = [v for v in (mode * 0.99, mode * 1.01, mode - 0.01) if bounds[0] < v < bounds[1]]
    # The mode may lie on a bound, where the density ends.
    near = min(max(mode, bounds[0] + 1e-9), bounds[1] - 1e-9)
    assert all(density(v) <= density(near) * (1 + 1e-6) for v in inside)


@pytest.mark.parametrize(
    ("backend", "draws"),
    [
        ("numba", 3000),
        pytest.param("c", 500, marks=pytest.mark.slow),
        pytest.param("jax", 3000, marks=pytest.mark.slow),
    ],
)
def test_sweeps_of_these_laws(backend, draws) -> None:
    """A scale below a bound, a positive mean and a variance with a gamma prior; against quadrature.

    Python calls the C backend for every sweep: it draws fewer.
    """
    m, s, v = ppl.HalfNormal("m", 2.0), ppl.Uniform("s", 0, 2.5), ppl.Gamma("v", 2.3, 1.7)
    y, z = ppl.Normal("y", m, s, size=5), ppl.Normal("z", 0.4, pt.sqrt(v), size=5)
    model = ppl.Model({y: DATA, z: DATA})
    plan = ppl.plan(model, sampler="gibbs")
    assert {plan.method_of(n) for n in ("m", "s", "v")} == {"gibbs"}
    trace = ppl.sample(
        model, draws=draws, tune=100, chains=2, seed=3, sampler="gibbs", backend=backend, progress=False
    ).posterior
    grid_m, grid_s = np.ogrid[0.0005:7:700j, 0.0005:2.5:700j]
    weight = stats.halfnorm.pdf(grid_m, scale=2)
    for d in DATA:
        weight = weight * stats.norm.pdf(d, grid_m, grid_s)
    grid_v = np.linspace(1e-3, 25, 20_001)
    weight_v = stats.gamma.pdf(grid_v, 2.3, scale=1 / 1.7)
    for d in DATA:
        weight_v = weight_v * stats.norm.pdf(d, 0.4, np.sqrt(grid_v))
    expected = {
        "m": (weight * grid_m).sum() / weight.sum(),
        "s": (weight * grid_s).sum() / weight.sum(),
        "v": (weight_v * grid_v).sum() / weight_v.sum(),
    }
    for name, value in expected.items():
        draws = trace[name].to_numpy()
        # Sweeps of two tied variables: at worst one independent draw in four, five standard errors.
        assert abs(draws.mean() - value) < 5 * draws.std() / np.sqrt(draws.size / 4), name


@pytest.mark.parametrize("order", [50.0, -63.5, 120.0, 250.0])
def test_bessel_functions_of_large_orders_are_those_of_scipy(order: float) -> None:
    at = np.array([5.0, 37.0, 240.0, 3100.0])
    expected = np.log(special.kve(abs(order), at)) - at
    is_finite = np.isfinite(expected)
    assert is_finite.sum() >= 2
    found = log_bessel(pt.constant(order), pt.constant(at)).eval()
    np.testing.assert_allclose(found[is_finite], expected[is_finite], rtol=1e-11, atol=1e-10)


def test_laws_of_scales_exist_for_many_rows() -> None:
    """A half-normal standard deviation of 5000 rows: the normaliser's Bessel function overflows by itself."""
    x = pm.HalfNormal.dist(3.0)
    data = np.random.default_rng(2).normal(0, 1.7, size=5000)
    density = joint({"x": (x, POSITIVE)}, {pm.Normal.dist(0.2, x, shape=5000): data})
    law = conditional(density, density.inputs[0])
    assert law is not None
    assert law.family == "GIG^(1/2)"
    [mean] = interpret([], [law.mean()])()
    grid = np.linspace(1.5, 1.9, 4001)
    log_weights = stats.norm.logpdf(data[:, None], 0.2, grid).sum(axis=0) + stats.halfnorm.logpdf(grid, scale=3.0)
    weights = np.exp(log_weights - log_weights.max())
    np.testing.assert_allclose(mean, (weights * grid).sum() / weights.sum(), rtol=1e-9)
