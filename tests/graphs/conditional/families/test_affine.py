"""Shifted, scaled and reflected versions of laws, and Pareto laws: against quadrature of the density they come from.

Answers: SciPy's quadrature of the density.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats

import ppl
from graphs.conditional import conditional, find_conditional
from graphs.surgery.interpreting import INTERPRETED, interpret
from tests.laws.conditionals import assert_draws_follow

X, Y = pt.dscalars("x", "y")
CASES = {
    "3 + Gamma(shape=3, rate=y**2)": (2 * pt.log(X - 3) - X * Y**2, (3, np.inf)),
    "5 - Gamma(shape=3, rate=y**2 + 1)": (2 * pt.log(5 - X) + X * Y**2 + X, (-np.inf, 5)),
    "5*Beta(alpha=2.5, beta=3)": (2 * pt.log(5 - X) + 1.5 * pt.log(X), (0, 5)),
    "-1.3 + 6.3*Beta(alpha=2.5, beta=3)": (2 * pt.log(5 - X) + 1.5 * pt.log(X + 1.3), (-1.3, 5)),
    "3 + InverseGamma(shape=3, scale=y**2)": (-4 * pt.log(X - 3) - Y**2 / (X - 3), (3, np.inf)),
    "3 + LogNormal(log_mean=y, log_variance=0.5)": (-((pt.log(X - 3) - Y) ** 2) - pt.log(X - 3), (3, np.inf)),
    "0.7 + GIG(power=-0.5, rate=0.4625, scale=0.65)": (
        pm.logp(pm.Wald.dist(mu=2.0, lam=1.3, alpha=0.7), X) - 0.3 * X,
        (0.7, np.inf),
    ),
    "1.7 + Gamma^(1/2)(shape=1, rate=0.591716)": (pm.logp(pm.Weibull.dist(2.0, 1.3), X - 1.7), (1.7, np.inf)),
    "Pareto(3, inf)(shape=2.4)": (-3.4 * pt.log(X), (3, np.inf)),
}


@pytest.mark.parametrize("written", list(CASES))
def test_density_mean_and_draws(written: str) -> None:
    """Draws through their distribution function by quadrature are uniform: one false alarm in a million."""
    total, support = CASES[written]
    law = conditional(pt.cast(total, "float64"), X, support=support)
    assert law is not None
    assert str(law) == f"x | rest ~ {written}"
    y = 1.4
    density, ours = (pytensor.function([X, Y], g, on_unused_input="ignore") for g in (pt.exp(total), law.logprob(X)))
    mass = integrate.quad(lambda v: density(v, y), *support, epsabs=0, epsrel=1e-11)[0]
    for value in np.add(support[0] if np.isfinite(support[0]) else support[1] - 4.0, [0.3, 1.1, 2.4]):
        np.testing.assert_allclose(np.exp(ours(value, y)), density(value, y) / mass, rtol=1e-8)
    mean = integrate.quad(lambda v: v * density(v, y), *support)[0] / mass
    found = interpret([Y], law.mean())(y)
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    rng = pytensor.shared(np.random.default_rng(3))
    next_rng, drawn = law.draw(rng)
    draw = pytensor.function([Y], drawn, updates={rng: next_rng}, on_unused_input="ignore", mode=INTERPRETED)
    assert_draws_follow(np.array([draw(y) for _ in range(500)]), lambda v: density(v, y), support)


def test_improper_with_its_parameters() -> None:
    law, reason = find_conditional(-3 * pt.log(X - 3) - X * Y**2, X, support=(3, np.inf))
    assert law is None
    assert reason == "its density is improper: 3 + Gamma(shape=-2, rate=y**2) needs shape > 0 and rate > 0"


def test_shifted_inverse_gaussian_waiting_times() -> None:
    """The posterior of a shifted Wald variable given an exponential time of that rate, by quadrature."""
    x = ppl.Wald("x", mu=2.0, lam=1.3, alpha=0.7)
    model = ppl.Model({ppl.Exponential("y", x - 0.7): 0.4})
    [assignment] = ppl.plan(model, sampler="gibbs").assignments
    assert (str(assignment.support), assignment.method) == ("(0.7, inf)", "gibbs")

    def weight(v: float) -> float:
        prior = stats.invgauss.pdf(v, 2 / 1.3, loc=0.7, scale=1.3)
        return float(prior * stats.expon.pdf(0.4, scale=1 / (v - 0.7)))

    mass, mean, square = (integrate.quad(lambda v, k=k: v**k * weight(v), 0.7, np.inf)[0] for k in range(3))
    sd = np.sqrt(square / mass - (mean / mass) ** 2)
    for sampler, size in (("gibbs", 8000), ("nuts", 2000)):
        trace = ppl.sample(model, draws=4000, tune=500, chains=2, seed=1, sampler=sampler, progress=False)
        # Independent draws by Gibbs; NUTS yields at least one in four.
        assert abs(float(trace.posterior["x"].mean()) - mean / mass) < 5 * sd / np.sqrt(size)
