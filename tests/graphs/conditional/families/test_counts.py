"""Laws of unbounded counts: Poisson, negative binomial, geometric and binomial kernels, shifted by what others need.

Answers: the enumeration of the joint, and SciPy's distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.conditional import conditional, find_conditional, find_discrepancy
from graphs.conditional.families.counts import Binomial, CountLaw, NegativeBinomial, Poisson
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL, UNIT, integers
from graphs.surgery.interpreting import INTERPRETED, interpret
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import generic_value

COUNTS = integers(0, np.inf)
SEEN = np.array([3, 4, 0])
EFFORT = np.array([0.8, 1.9, 1.3])
LARGEST = 600


def alone() -> LogDensity:
    rate = pm.Gamma.dist(2, 1)
    return joint({"x": (pm.Poisson.dist(rate * EFFORT, shape=3), COUNTS), "rate": (rate, POSITIVE)}, {})


def thinned() -> LogDensity:
    rate, p = pm.Gamma.dist(2, 1), pm.Beta.dist(2, 3)
    x = pm.Poisson.dist(rate * EFFORT, shape=3)
    latent = {"x": (x, COUNTS), "rate": (rate, POSITIVE), "p": (p, UNIT)}
    return joint(latent, {pm.Binomial.dist(x, p, shape=3): SEEN})


def thinned_by_a_regression() -> LogDensity:
    b = pm.Normal.dist(0, 1)
    x = pm.Poisson.dist(pt.exp(0.4 * b), shape=3)
    return joint({"x": (x, COUNTS), "b": (b, REAL)}, {pm.Binomial.dist(x, logit_p=b * EFFORT, shape=3): SEEN})


def thinned_twice() -> LogDensity:
    """The smallest value is another latent count."""
    x = pm.Poisson.dist(5.3)
    k = pm.Binomial.dist(x, 0.3)
    return joint({"x": (x, COUNTS), "k": (k, COUNTS)}, {pm.Binomial.dist(k, 0.6): 2})


def between_two_counts() -> LogDensity:
    """A binomial count that is itself thinned."""
    n = pm.Poisson.dist(5.3)
    x = pm.Binomial.dist(n, 0.3)
    return joint({"x": (x, COUNTS), "n": (n, COUNTS)}, {pm.Binomial.dist(x, 0.6): 2})


def classes() -> LogDensity:
    x = pm.Poisson.dist(pt.as_tensor([0.7, 6.3])[np.array([0, 1, 1])], shape=3)
    return joint({"x": (x, COUNTS)}, {pm.Binomial.dist(x, 0.4, shape=3): SEEN})


def part_of_a_total() -> LogDensity:
    a = pm.Gamma.dist(2, 1)
    x = pm.Poisson.dist(a, shape=3)
    density = joint({"x": (x, COUNTS), "a": (a, POSITIVE)}, {})
    value, total = with_values(density)["x"], np.array([5, 9, 2])
    rest = pt.switch(value > total, -np.inf, (total - value) * np.log(2.3) - pt.gammaln(total - value + 1))
    return LogDensity(density.total + rest.sum(), density.inputs, density.supports)


def with_a_potential() -> LogDensity:
    density = alone()
    x = with_values(density)["x"]
    return LogDensity(density.total - (0.3 * EFFORT * x).sum(), density.inputs, density.supports)


def negative_binomial() -> LogDensity:
    r, q, p = pm.Gamma.dist(2, 1), pm.Beta.dist(2, 3), pm.Beta.dist(3, 2)
    x = pm.NegativeBinomial.dist(n=r, p=q, shape=3)
    latent = {"x": (x, COUNTS), "r": (r, POSITIVE), "q": (q, UNIT), "p": (p, UNIT)}
    return joint(latent, {pm.Binomial.dist(x, p, shape=3): SEEN})


def negative_binomial_of_a_mean() -> LogDensity:
    m = pm.Gamma.dist(2, 1)
    return joint({"x": (pm.NegativeBinomial.dist(mu=m, alpha=1.7, shape=3), COUNTS), "m": (m, POSITIVE)}, {})


def geometric() -> LogDensity:
    q = pm.Beta.dist(2, 3)
    return joint({"x": (pm.Geometric.dist(q, shape=3), integers(1, np.inf)), "q": (q, UNIT)}, {})


def truncated_above_what_was_seen() -> LogDensity:
    x = pm.Truncated.dist(pm.Poisson.dist(3.2), lower=1)
    return joint({"x": (x, integers(1, np.inf))}, {pm.Binomial.dist(x, 0.6): 3})


CASES: dict[Callable[[], LogDensity], tuple[type[CountLaw], str]] = {
    alone: (Poisson, "x | rest ~ Poisson(rate=rate*[0.8, 1.9, 1.3])"),
    thinned: (Poisson, "x | rest ~ Poisson(rate=rate*[0.8, 1.9, 1.3]*(1 - p), shift=[3., 4., 0.])"),
    thinned_by_a_regression: (Poisson, ""),
    thinned_twice: (Poisson, "x | rest ~ Poisson(rate=3.71, shift=k)"),
    between_two_counts: (Binomial, "x | rest ~ Binomial(number=n - 2, probability=0.146341, shift=2)"),
    classes: (Poisson, "x | rest ~ Poisson(rate=[0.42, 3.78, 3.78], shift=[3., 4., 0.])"),
    part_of_a_total: (Binomial, ""),
    with_a_potential: (Poisson, ""),
    negative_binomial: (NegativeBinomial, ""),
    negative_binomial_of_a_mean: (NegativeBinomial, ""),
    geometric: (NegativeBinomial, "x | rest ~ NegativeBinomial(number=1, probability=q, shift=1)"),
    truncated_above_what_was_seen: (Poisson, "x | rest ~ Poisson(rate=1.28, shift=3)"),
}


@pytest.mark.parametrize("model", list(CASES), ids=lambda m: m.__name__)
def test_probabilities_are_those_of_the_joint_by_enumeration(model: Callable[[], LogDensity]) -> None:
    """Every element in turn takes all values up to 600, beyond which nothing is left; the others stay."""
    density = model()
    x = with_values(density)["x"]
    family, written = CASES[model]
    law = conditional(density, x)
    assert type(law) is family
    assert not written or str(law) == written
    rng = np.random.default_rng(3)
    others = [v for v in density.inputs if v is not x]
    function = pytensor.function([*others, x], [density.total, law.logprob(x).sum()], mode=INTERPRETED)
    largest = {v: generic_value(rng, v, density.supports[v]) for v in others}
    rest = [np.asarray(17 if v.name == "n" else 4 if v.name == "k" else largest[v], v.type.dtype) for v in others]
    inside = np.asarray(interpret(others, pt.as_tensor(law.shift))(*rest)).astype("int64") + 1
    inside = np.broadcast_to(inside, x.type.shape)
    for index in np.ndindex(x.type.shape):
        found = []
        for value in range(LARGEST):
            point = inside.copy()
            point[index] = value
            found.append(function(*rest, point))
        exact, ours = (np.exp(np.array(f) - np.max(f)) for f in np.array(found, dtype="float64").T)
        np.testing.assert_allclose(ours / ours.sum(), exact / exact.sum(), rtol=1e-9, atol=1e-300)
        assert exact[-1] < 1e-12 * exact.sum(), "the range of the enumeration is too small"


@pytest.mark.parametrize(
    ("family", "parameters", "distribution"),
    [
        (Poisson, {"rate": 2.7, "shift": 3.0}, stats.poisson(2.7, loc=3)),
        (Poisson, {"rate": 37.0, "shift": 0.0}, stats.poisson(37.0)),
        (NegativeBinomial, {"number": 2.3, "probability": 0.3, "shift": 1.0}, stats.nbinom(2.3, 0.3, loc=1)),
        (Binomial, {"number": 19.0, "probability": 0.37, "shift": 2.0}, stats.binom(19, 0.37, loc=2)),
    ],
)
def test_draws_moments_and_probabilities_are_those_of_scipy(family, parameters, distribution) -> None:
    """Chi-squared of 20,000 draws in cells of 20 or more; one false alarm in a million."""
    size = 20_000
    x = pt.tensor("x", shape=(size,), dtype="int64")
    law = family(x, {name: pt.constant(np.full(size, value)) for name, value in parameters.items()})
    rng = pytensor.shared(np.random.default_rng(8))
    draws, mean, mode = pytensor.function([], [law.draw(rng)[1], law.mean(), law.mode()])()
    assert draws.dtype == "int64"
    np.testing.assert_allclose(mean[0], distribution.mean())
    values = np.arange(200)
    assert mode[0] == values[np.argmax(distribution.pmf(values))]
    logprobs = interpret([x], law.logprob(x))(np.resize(values, size))[:200]
    np.testing.assert_allclose(np.exp(logprobs), distribution.pmf(values), rtol=1e-9, atol=1e-300)
    expected = size * distribution.pmf(values)
    cells = np.flatnonzero(expected >= 20)
    counts = np.bincount(draws, minlength=200)
    observed = np.append(counts[cells], size - counts[cells].sum())
    expected = np.append(expected[cells], size - expected[cells].sum())
    assert stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(cells)) > 1e-6


def shape_of_a_gamma() -> LogDensity:
    x = pm.Poisson.dist(3.2)
    return joint({"x": (x, COUNTS)}, {pm.Gamma.dist(x + 1, 2.0): 1.3})


def below_a_bound_that_is_no_support() -> LogDensity:
    density = alone()
    x = with_values(density)["x"]
    return LogDensity(density.total + pt.switch(x > 40, -np.inf, 0.0).sum(), density.inputs, density.supports)


def above_a_bound_that_is_no_support() -> LogDensity:
    density = alone()
    x = with_values(density)["x"]
    return LogDensity(density.total + pt.switch(x >= 2, 0.0, -np.inf).sum(), density.inputs, density.supports)


def many_of_one() -> LogDensity:
    x = pm.Poisson.dist(3.2)
    return joint({"x": (x, COUNTS)}, {pm.Binomial.dist(x, 0.6, shape=3): SEEN})


def truncated_below() -> LogDensity:
    x = pm.Truncated.dist(pm.Poisson.dist(3.2, shape=3), lower=1)
    return joint({"x": (x, integers(1, np.inf))}, {pm.Binomial.dist(x, 0.6, shape=3): SEEN})


def improper() -> LogDensity:
    x = pt.vector("x", shape=(3,), dtype="int64")
    return LogDensity((0.2 * x).sum(), (x,), {x: COUNTS})


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (shape_of_a_gamma, "no family is known that has the features {log(gamma(x + 1)), x}"),
        (below_a_bound_that_is_no_support, "it is at most 40, but not by its Poisson law"),
        (above_a_bound_that_is_no_support, "it is at least 2, but not by its Poisson law"),
        (many_of_one, "it is compared in the condition data > x of a switch"),
        (truncated_below, "it is at least 1, and its Poisson law begins at [3., 4., 0.]"),
        (improper, "its density is improper"),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_no_law_and_why(model: Callable[[], LogDensity], reason: str) -> None:
    density = model()
    law, why = find_conditional(density, with_values(density)["x"])
    assert law is None
    assert reason in why


@pytest.mark.parametrize(
    "mutation",
    [
        {"shift": lambda g: g - 1},
        {"shift": lambda g: g + 1},
        {"rate": lambda g: 1 / g},
        {"rate": lambda g: 1.001 * g},
    ],
)
def test_wrong_laws_are_rejected(mutation) -> None:
    density = thinned()
    law = conditional(density, with_values(density)["x"])
    assert law is not None
    assert find_discrepancy(density.total, law, density.supports) is None
    wrong = Poisson(law.variable, {n: mutation.get(n, lambda g: g)(g) for n, g in law.parameters.items()})
    assert find_discrepancy(density.total, wrong, density.supports) is not None


def test_parameters_of_what_thins_have_laws_too() -> None:
    """The check has to look where the counts are as large as what was seen of them."""
    density = thinned()
    values = with_values(density)
    assert str(conditional(density, values["rate"])).startswith("rate | rest ~ Gamma(")
    assert str(conditional(density, values["p"])).startswith("p | rest ~ Beta(")


def test_whole_sweep_against_enumeration() -> None:
    """Poisson counts with a gamma rate, half of them seen: the start is raised to what was seen.

    Marginally ``seen ~ Poisson(rate p)``, so that the rate is gamma distributed, and what was not seen adds its own.
    """
    seen = np.array([300, 340, 290])
    rate = ppl.Gamma("rate", 2.0, 0.01)
    n = ppl.Poisson("n", rate, size=3)
    model = ppl.Model({ppl.Binomial("y", n, 0.6, size=3): seen})
    plan = ppl.plan(model, sampler="gibbs")
    assert [a.method for a in plan.assignments] == ["gibbs", "gibbs"]
    trace = ppl.sample(model, draws=20_000, tune=200, chains=2, seed=4, sampler="gibbs", progress=False).posterior
    rate_law = stats.gamma(2 + seen.sum(), scale=1 / (0.01 + 3 * 0.6))
    # The rate forgets 60 % of itself in a sweep: an autocorrelation of 0.4 leaves 3 draws in 7.
    error = rate_law.std() / np.sqrt(40_000 * 3 / 7)
    assert abs(float(trace["rate"].mean()) - rate_law.mean()) < 5 * error
    expected = seen + 0.4 * rate_law.mean()
    np.testing.assert_allclose(trace["n"].mean(("chain", "draw")), expected, atol=5 * 25 / np.sqrt(40_000 * 3 / 7))


def test_counts_without_a_law_start_where_the_data_are_possible() -> None:
    n = ppl.Poisson("n", 20.0)
    model = ppl.Model({ppl.Binomial("y", n, 0.6, size=3): np.array([70, 55, 61])})
    trace = ppl.sample(model, draws=5000, tune=500, chains=2, seed=4, progress=False).posterior
    values = np.arange(70, 400)
    weights = stats.poisson.pmf(values, 20) * stats.binom.pmf([[70], [55], [61]], values, 0.6).prod(axis=0)
    mean = (weights * values).sum() / weights.sum()
    sd = np.sqrt((weights * values**2).sum() / weights.sum() - mean**2)
    # Draws within windows: at worst one independent draw in ten.
    assert abs(float(trace["n"].mean()) - mean) < 5 * sd / np.sqrt(1000)
