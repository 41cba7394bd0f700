"""Partial centring of variables that have a location and a scale.

Answers: the law of centring (tests/laws/transforms.py): densities as they were declared, the formula of the map in
NumPy, and its Jacobian by differences; SciPy's normal distribution at the two ends.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from pymc.distributions.transforms import Interval
from scipy import stats

import ppl
from graphs.centring import is_located, partial_centring, why_not_located
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob, unconstrain
from tests.laws.transforms import assert_is_centring, interpreted

FAMILIES = {
    "Normal": lambda mu, tau: ppl.Normal("x", mu, tau, size=3),
    "StudentT": lambda mu, tau: ppl.StudentT("x", nu=3.5, mu=mu, sigma=tau, size=3),
    "Laplace": lambda mu, tau: ppl.Laplace("x", mu, tau, size=3),
    "Logistic": lambda mu, tau: ppl.Logistic("x", mu, tau, size=3),
    "Cauchy": lambda mu, tau: ppl.Cauchy("x", mu, tau, size=3),
    "Gumbel": lambda mu, tau: ppl.Gumbel("x", mu, tau, size=3),
    "Moyal": lambda mu, tau: ppl.Moyal("x", mu, tau, size=3),
    "SkewNormal": lambda mu, tau: ppl.SkewNormal("x", mu=mu, sigma=tau, alpha=1.5, size=3),
    "LogNormal": lambda mu, tau: ppl.LogNormal("x", mu, tau, size=3),
    "of many scales": lambda mu, tau: ppl.Normal("x", mu * np.array([1.0, 2.0, 0.5]), tau * np.array([0.3, 1.0, 2.0])),
}


def joint(model: ppl.Model) -> LogProb:
    return unconstrain(logprob(model, marginalize=False))


def effects(name: str) -> LogProb:
    mu, tau = ppl.Normal("mu", 1, 2), ppl.HalfNormal("tau", 1.5)
    x = FAMILIES[name](mu, tau)
    rate = x if name == "LogNormal" else pm.math.exp(x)
    return joint(ppl.Model({ppl.Poisson("y", rate): np.array([2, 0, 3])}))


def somewhere(density: LogProb, centring, seed: int = 0, share=None) -> dict:
    rng = np.random.default_rng(seed)
    inputs = [centring.coordinates.get(v, v) for v in density.logdensity.inputs]
    size = sum(centring.sizes)
    share = rng.uniform(size=size) if share is None else np.full(size, share)
    data = (share, (1 - share) * rng.uniform(0.3, 2, size) ** 2, rng.normal(size=size) * (share < 1))
    return {v: rng.normal(size=v.type.shape) for v in inputs} | dict(zip(centring.data, data, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_density_in_coordinates(name):
    density = effects(name)
    centring = partial_centring(density, list(density.values), list(density.values))
    assert centring.names == ("x",)
    for seed in range(3):
        assert_is_centring(density.logdensity, centring, somewhere(density, centring, seed))


def test_of_one_below_the_other():
    """Groups of groups: a location that has coordinates itself, declared after a variable that has none."""
    tau = ppl.HalfNormal("tau", 1.0)
    top = ppl.Normal("top", 0.5, tau, size=2)
    beta = ppl.Normal("beta", 0, 1)
    low = ppl.Laplace("low", top[np.array([0, 0, 1])] + beta, pm.math.exp(top[0] / 3), size=3)
    y = ppl.Poisson("y", pm.math.exp(low))
    density = joint(ppl.Model({y: np.array([1, 0, 4])}))
    centring = partial_centring(density, list(density.values), list(density.values))
    assert dict(zip(centring.names, centring.levels, strict=True)) == {"top": 0, "low": 1}
    for seed in range(3):
        assert_is_centring(density.logdensity, centring, somewhere(density, centring, seed))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_both_ends(share):
    mu, tau = ppl.Normal("mu", 1, 2), ppl.HalfNormal("tau", 1.5)
    density = joint(ppl.Model(ppl.Normal("x", mu, tau, size=3)))
    centring = partial_centring(density, list(density.values), list(density.values))
    at = somewhere(density, centring, share=share)
    at[centring.data[1]], at[centring.data[2]] = np.full(3, 1.0 - share), np.zeros(3)
    of = {v.name: given for v, given in at.items()}
    scale = np.exp(of["tau_log__"])
    expected = stats.norm(1, 2).logpdf(of["mu"]) + stats.halfnorm(scale=1.5).logpdf(scale) + of["tau_log__"]
    normal = stats.norm(of["mu"], scale) if share else stats.norm(0, 1)
    [found] = interpreted([centring.logdensity.total], at)
    np.testing.assert_allclose(found, expected + normal.logpdf(of["x"]).sum(), rtol=1e-12)


def test_a_small_scale_loses_no_digits():
    """Coordinates that are not centred: the density of a standard normal, wherever the location is."""
    mu, omega = ppl.Normal("mu", 1e6, 1e6), ppl.Normal("omega", 0, 30)
    density = joint(ppl.Model(ppl.Normal("x", mu, pm.math.exp(omega), size=2)))
    centring = partial_centring(density, list(density.values), list(density.values))
    at = somewhere(density, centring, share=0.0)
    by_name = {v.name: v for v in at}
    at |= {by_name["mu"]: np.array(1e6), by_name["omega"]: np.array(-40.0), by_name["x"]: np.array([0.3, -1.2])}
    at |= {centring.data[1]: np.ones(2), centring.data[2]: np.zeros(2)}
    normal = stats.norm(1e6, 1e6).logpdf(1e6) + stats.norm(0, 30).logpdf(-40.0)
    [found] = interpreted([centring.logdensity.total], at)
    np.testing.assert_allclose(found, normal + stats.norm.logpdf([0.3, -1.2]).sum(), rtol=1e-13)


def test_what_has_none():
    mu, tau = ppl.Normal("mu", 0, 1), ppl.HalfNormal("tau", 1)
    gamma, fixed = ppl.Gamma("gamma", tau, 1.0), ppl.Normal("fixed", 0.0, 2.0)
    ordered = ppl.Normal("ordered", mu, tau, size=2, transform="ordered")
    y = ppl.Normal("y", gamma + fixed + ordered.sum(), 1.0)
    density = joint(ppl.Model({y: 1.0}))
    names = list(density.values)
    assert partial_centring(density, names, names) is None
    assert partial_centring(density, names, names, always=["fixed"]).names == ("fixed",)
    assert "location plus a scale" in why_not_located(density, "gamma")
    assert "transform" in why_not_located(density, "ordered")
    assert not why_not_located(density, "fixed")
    assert not is_located(gamma)


@pytest.mark.parametrize("transform", [None, Interval(0.0, None)])
def test_exponentials_that_are_not_moved_on_the_scale_of_logarithms(transform):
    mu, tau = ppl.Normal("mu", 0, 1), ppl.HalfNormal("tau", 1)
    x = ppl.LogNormal("x", mu, tau, size=2, transform=transform)
    density = joint(ppl.Model({ppl.Poisson("y", x): np.array([1, 2])}))
    names = list(density.values)
    assert "not its logarithm" in why_not_located(density, "x")
    assert partial_centring(density, names, names) is None
