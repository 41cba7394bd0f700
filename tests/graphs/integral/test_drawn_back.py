"""What was integrated out is drawn back from its posterior given the rest, all variables together.

Answers: posteriors in closed form, by SciPy and matrix algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from scipy import stats

from graphs.integral import drawn_back
from graphs.surgery.interpreting import interpret
from tests.graphs.integral import conjugate_cases, family_cases, normal_cases
from tests.graphs.integral.conjugate_cases import COUNTS, POSITIVES, REALS, TRIALS
from tests.graphs.integral.family_cases import SCATTER, VECTORS
from tests.graphs.integral.normal_cases import EFFECTS, ERRORS, EYE, GROUP, OTHER, Y
from tests.laws.integrals import Case, derived

DRAWS = 1000
LEAST = 1e-5
"""Probability of a distance as large by chance; some sixty are compared, with fixed seeds."""
DEVIATIONS = 4.9
"""As far in standard errors."""

Draws = Mapping[str, NDArray[Any]]


def drawn(case: Case) -> Draws:
    """Return draws of all that was integrated out, at the values of a case."""
    joint = derived(case)
    rng = pt.random.rng("rng")
    next_rng, graphs = drawn_back(joint.integrals, rng, {})
    sample = interpret([rng, *joint.values.values()], [next_rng, *graphs.values()])
    generator = np.random.default_rng(20261201)
    rest = [np.asarray(case.at[n], v.type.dtype) for n, v in joint.values.items()]
    found: list[list[Any]] = []
    for _ in range(DRAWS):
        generator, *numbers = sample(generator, *rest)
        found.append(numbers)
    return {n: np.array([row[i] for row in found]) for i, n in enumerate(graphs)}


def assert_follows(draws: NDArray[Any], law: Any) -> None:
    """Assert that draws are of a continuous distribution, elements along the last axis."""
    columns = draws.reshape(DRAWS, -1)
    for i, column in enumerate(columns.T):
        cdf = law(i).cdf if callable(law) else law.cdf
        assert stats.kstest(column, cdf).pvalue > LEAST


def assert_moments(draws: NDArray[Any], mean: Any, cov: Any) -> None:
    """Assert that vectors have the mean and the covariance matrix of a normal law."""
    around = draws - mean
    errors = np.sqrt(np.diagonal(cov) / DRAWS)
    np.testing.assert_array_less(np.abs(around.mean(0)), DEVIATIONS * errors)
    spread = np.sqrt((np.outer(np.diagonal(cov), np.diagonal(cov)) + cov**2) / DRAWS)
    np.testing.assert_array_less(np.abs(around.T @ around / DRAWS - cov), DEVIATIONS * spread)


def posterior(design: Any, prior: Any, y: Any, noise: Any) -> tuple[Any, Any]:
    """Return mean and covariance matrix of coefficients of prior mean zero."""
    weights = design.T / np.square(noise)
    cov = np.linalg.inv(np.linalg.inv(prior) + weights @ design)
    return cov @ weights @ y, cov


def schools(draws: Draws, at: Mapping[str, Any]) -> None:
    design = np.hstack([np.ones((8, 1)), np.eye(8)])
    mean, cov = posterior(design, np.diag([25.0, *[at["tau"] ** 2] * 8]), EFFECTS, ERRORS)
    # From mean and distances to mean and effects, which the mean is correlated with.
    turn = np.hstack([np.eye(9)[:, :1] + np.eye(9)[:, 1:].sum(1)[:, None], np.eye(9)[:, 1:]])
    together = np.column_stack([draws["mu"], draws["theta"]])
    assert_moments(together, turn @ mean, turn @ cov @ turn.T)


def schools_not_centred(draws: Draws, at: Mapping[str, Any]) -> None:
    design = np.hstack([np.ones((8, 1)), at["tau"] * np.eye(8)])
    mean, cov = posterior(design, np.diag([25.0, *[1.0] * 8]), EFFECTS, ERRORS)
    assert_moments(np.column_stack([draws["mu"], draws["z"]]), mean, cov)


def crossed(draws: Draws, at: Mapping[str, Any]) -> None:
    design = np.hstack([np.ones((9, 1)), EYE[GROUP], np.eye(3)[OTHER]])
    prior = np.diag([25.0, *[at["a"] ** 2] * 5, *[at["b"] ** 2] * 3])
    mean, cov = posterior(design, prior, Y, at["e"])
    assert_moments(np.column_stack([draws["mu"], draws["first"], draws["second"]]), mean, cov)


def normal_inverse_gamma(draws: Draws, at: Mapping[str, Any]) -> None:
    k, n, mean = at["k"] + 5, 5, REALS.mean()
    spread = np.square(REALS - mean).sum() / 2 + at["k"] * n * (mean - 0.6) ** 2 / (2 * k)
    assert_follows(draws["v"], stats.invgamma(2.7 + n / 2, scale=at["b"] + spread))
    centre = (at["k"] * 0.6 + n * mean) / k
    distance = (draws["mu"] - centre) / np.sqrt(draws["v"] / k)
    assert_follows(distance, stats.norm())
    # What is standardised by the variance of its own draw does not depend on it.
    assert stats.spearmanr(np.abs(distance), draws["v"]).pvalue > LEAST


def beta_binomial(draws: Draws, at: Mapping[str, Any]) -> None:
    y = np.minimum(COUNTS, TRIALS)
    assert_follows(draws["p"], lambda i: stats.beta(at["a"] + y[i], at["b"] + TRIALS[i] - y[i]))


def rates_of_groups(draws: Draws, at: Mapping[str, Any]) -> None:
    group = np.array([0, 2, 2, 0, 2])
    shape, rate = at["a"] + np.bincount(group, COUNTS, 4), at["b"] + np.bincount(group, minlength=4)
    assert_follows(draws["rate"], lambda i: stats.gamma(shape[i], scale=1 / rate[i]))


def student_of_inverse_gamma(draws: Draws, at: Mapping[str, Any]) -> None:
    scale = at["b"] + np.square(REALS - at["mu"]) / 2
    assert_follows(draws["v"], lambda i: stats.invgamma(at["a"] + 0.5, scale=scale[i]))


def dirichlet_categorical(draws: Draws, at: Mapping[str, Any]) -> None:
    alpha = at["a"] * np.array([1.0, 2.0, 0.5]) + np.array([2, 3, 1])
    assert_follows(draws["p"], lambda i: stats.beta(alpha[i], alpha.sum() - alpha[i]))


def half_normal_mean(draws: Draws, at: Mapping[str, Any]) -> None:
    variance = 1 / (1 / at["s"] ** 2 + 1 / at["e"] ** 2)
    mean, sd = variance * REALS / at["e"] ** 2, np.sqrt(variance)
    assert_follows(draws["x"], lambda i: stats.truncnorm(-mean[i] / sd, np.inf, mean[i], sd))


def uniform_rate(draws: Draws, at: Mapping[str, Any]) -> None:
    law = stats.gamma(6, scale=1 / (at["c"] * POSITIVES.sum()))
    assert_follows(law.cdf(draws["rate"]) / law.cdf(3.0), stats.uniform())


def log_normal(draws: Draws, at: Mapping[str, Any]) -> None:
    variance = 1 / (1 / at["s"] ** 2 + 1 / 0.49)
    mean = variance * (at["m"] / at["s"] ** 2 + np.log(POSITIVES) / 0.49)
    assert_follows(np.log(draws["x"]), lambda i: stats.norm(mean[i], np.sqrt(variance)))


def gamma_logarithm(draws: Draws, at: Mapping[str, Any]) -> None:
    assert_follows(np.exp(draws["x"]), stats.gamma(1.7 + COUNTS.sum(), scale=1 / (at["b"] + 5)))


def scale_of_normal(draws: Draws, at: Mapping[str, Any]) -> None:
    squares = np.square(REALS).sum()
    root = np.sqrt(2 * at["r"] * squares)
    law = stats.geninvgauss(1 - 2.5, root, scale=np.sqrt(squares / (2 * at["r"])))
    assert_follows(draws["v"], law)


def thinned_then_rates(draws: Draws, at: Mapping[str, Any]) -> None:
    shape, rate = 2.4 + COUNTS, at["b"] + at["p"]
    assert_follows(draws["rate"], lambda i: stats.gamma(shape[i], scale=1 / rate))
    hidden, expected = draws["n"] - COUNTS, (1 - at["p"]) * draws["rate"]
    # Poisson given the rates of the same draw.
    distance = (hidden - expected) / np.sqrt(expected)
    assert np.abs(distance.mean(0)).max() < DEVIATIONS / np.sqrt(DRAWS)
    kurtosis = 2 + (1 / expected).mean(0)
    assert np.all(np.abs((distance**2).mean(0) - 1) < DEVIATIONS * np.sqrt(kurtosis / DRAWS))
    assert np.abs((distance * (draws["rate"] - draws["rate"].mean(0)) / draws["rate"].std(0)).mean(0)).max() < (
        DEVIATIONS / np.sqrt(DRAWS)
    )


def wishart(draws: Draws, at: Mapping[str, Any]) -> None:
    around = VECTORS - at["mu"]
    scale, df = np.linalg.inv(np.linalg.inv(SCATTER) + around.T @ around), 6 + len(VECTORS)
    for i in range(2):
        assert_follows(draws["precision"][:, i, i] / scale[i, i], stats.chi2(df))
    error = np.sqrt(df * (scale[0, 1] ** 2 + scale[0, 0] * scale[1, 1]) / DRAWS)
    assert abs(draws["precision"][:, 0, 1].mean() - df * scale[0, 1]) < DEVIATIONS * error


CHECKS = [
    schools,
    schools_not_centred,
    crossed,
    normal_inverse_gamma,
    beta_binomial,
    rates_of_groups,
    student_of_inverse_gamma,
    dirichlet_categorical,
    half_normal_mean,
    uniform_rate,
    log_normal,
    gamma_logarithm,
    scale_of_normal,
    thinned_then_rates,
    wishart,
]


LONG = {scale_of_normal, uniform_rate, half_normal_mean, schools_not_centred}
"""Of most, draws are loops, which take long in Python."""


@pytest.mark.parametrize(
    "check", [pytest.param(c, id=c.__name__, marks=[pytest.mark.slow] * (c in LONG)) for c in CHECKS]
)
def test_draws_are_those_of_the_posterior(check: Callable[[Draws, Mapping[str, Any]], None]) -> None:
    rooms = (normal_cases, conjugate_cases, family_cases)
    make = next(getattr(m, check.__name__) for m in rooms if hasattr(m, check.__name__))
    case = make()
    check(drawn(case), case.at)
