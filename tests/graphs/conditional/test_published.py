"""The published examples: their conditionals, from raw densities and from declared models.

Answers: laws in print, and the joint log-density (tests/laws).
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.conditional import InverseGamma, conditional, find_conditional
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_full_conditional

NU = 6.4
X = np.random.default_rng(3).normal(-3.1, 5.0, size=9)


def bivariate(form: str) -> LogDensity:
    x, y = pt.dscalars("x", "y")
    total = {
        "sum": 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x,
        "log of a product": pt.log(x**2 * pt.exp(-x * y**2 - y**2 + 2 * y - 4 * x)),
        "guarded": pt.switch(x > 0, pt.log(x * x) - (x + 1) * pt.sqr(y) + 2 * y - 4 * x, -np.inf),
    }[form]
    return LogDensity(total, (x, y), {x: POSITIVE})


@pytest.mark.parametrize("form", ["sum", "log of a product", "guarded"])
def test_bivariate_density(form: str) -> None:
    density = bivariate(form)
    x, y = density.inputs
    x_law, y_law = conditional(density, x), conditional(density, y)
    assert x_law is not None
    assert y_law is not None
    assert str(x_law) == "x | rest ~ Gamma(shape=3, rate=y**2 + 4)"
    assert str(y_law) == "y | rest ~ Normal(mean=1/(x + 1), variance=1/(2*x + 2))"
    assert_is_full_conditional(density, x, x_law)
    assert_is_full_conditional(density, y, y_law)
    at = {x: pt.constant(0.7), y: pt.constant(1.9)}
    rate, mean, variance = pytensor.graph.replace.graph_replace(
        [x_law.parameters["rate"], y_law.parameters["mean"], y_law.parameters["variance"]], at, strict=False
    )
    assert rate.eval() == pytest.approx(1.9**2 + 4)
    assert mean.eval() == pytest.approx(1 / 1.7)
    assert variance.eval() == pytest.approx(1 / 3.4)


def scaled_t() -> LogDensity:
    """Scaled-t model, flat on mu, log alpha2 and log tau2."""
    mu, alpha2, tau2 = pm.Flat.dist(), pm.HalfFlat.dist(), pm.HalfFlat.dist()
    u = pm.InverseGamma.dist(NU / 2, NU * tau2 / 2, shape=X.size)
    latent = {"u": (u, POSITIVE), "mu": (mu, REAL), "tau2": (tau2, POSITIVE), "alpha2": (alpha2, POSITIVE)}
    density = joint(latent, {pm.Normal.dist(mu, pt.sqrt(alpha2 * u)): X})
    v = with_values(density)
    return LogDensity(density.total - pt.log(v["alpha2"]) - pt.log(v["tau2"]), density.inputs, density.supports)


def raw_scaled_t() -> LogDensity:
    """The same, as a formula."""
    u, (mu, tau2, alpha2) = pt.dvector("u", shape=(X.size,)), pt.dscalars("mu", "tau2", "alpha2")
    total = (
        pt.sum(-0.5 * pt.log(alpha2 * u) - (X - mu) ** 2 / (2 * alpha2 * u))
        + pt.sum(NU / 2 * pt.log(NU * tau2 / 2) - (NU / 2 + 1) * pt.log(u) - NU * tau2 / (2 * u))
        - pt.log(alpha2)
        - pt.log(tau2)
    )
    return LogDensity(total, (u, mu, tau2, alpha2), {u: POSITIVE, tau2: POSITIVE, alpha2: POSITIVE})


@pytest.mark.parametrize("model", [scaled_t, raw_scaled_t])
def test_scaled_t(model) -> None:
    density = model()
    v = with_values(density)
    laws = {name: conditional(density, x) for name, x in v.items()}
    assert {name: law.family for name, law in laws.items()} == {
        "u": "InverseGamma",
        "mu": "Normal",
        "tau2": "Gamma",
        "alpha2": "InverseGamma",
    }
    for name, law in laws.items():
        assert_is_full_conditional(density, v[name], law)

    point = {"u": np.linspace(0.3, 4.0, X.size), "mu": -2.2, "tau2": 1.7, "alpha2": 23.0}
    u, mu, tau2, alpha2 = point["u"], point["mu"], point["tau2"], point["alpha2"]

    def value(graph) -> np.ndarray:
        given = {v[name]: pt.constant(np.asarray(value)) for name, value in point.items()}
        return pytensor.graph.replace.graph_replace([graph], given, strict=False)[0].eval()

    assert isinstance(laws["u"], InverseGamma)
    assert isinstance(laws["alpha2"], InverseGamma)
    np.testing.assert_allclose(value(laws["u"].degrees_of_freedom), NU + 1)
    np.testing.assert_allclose(value(laws["u"].squared_scale), (NU * tau2 + (X - mu) ** 2 / alpha2) / (NU + 1))
    np.testing.assert_allclose(value(laws["mu"].precision), np.sum(1 / (alpha2 * u)))
    np.testing.assert_allclose(value(laws["mu"].mean()), np.sum(X / u) / np.sum(1 / u))
    np.testing.assert_allclose(value(laws["tau2"].parameters["shape"]), NU * X.size / 2)
    np.testing.assert_allclose(value(laws["tau2"].parameters["rate"]), NU / 2 * np.sum(1 / u))
    np.testing.assert_allclose(value(laws["alpha2"].degrees_of_freedom), X.size)
    np.testing.assert_allclose(value(laws["alpha2"].squared_scale), np.mean((X - mu) ** 2 / u))


def test_flat_on_the_logarithms() -> None:
    """The scaled-t model in log alpha: the law of a logarithm of a scale."""
    log_alpha, mu = pt.dscalars("log_alpha", "mu")
    total = pt.sum(-log_alpha - (X - mu) ** 2 / (2 * pt.exp(log_alpha) ** 2))
    density = LogDensity(total, (log_alpha, mu))
    law, reason = find_conditional(density, log_alpha)
    assert law is not None, reason
    assert law.family == "LogGamma/-2"
    assert_is_full_conditional(density, log_alpha, law)


def test_scale_of_a_normal() -> None:
    """Flat on sigma: sigma^-2 has a gamma distribution."""
    sigma, mu = pt.dscalars("sigma", "mu")
    density = LogDensity(pt.sum(-pt.log(sigma) - ((X - mu) / sigma) ** 2 / 2), (sigma, mu), {sigma: POSITIVE})
    law, reason = find_conditional(density, sigma)
    assert law is not None, reason
    assert law.family == "Gamma^(1/-2)"
    assert_is_full_conditional(density, sigma, law)


def test_everything_of_a_scaled_t_has_a_law() -> None:
    density = scaled_t()
    for x in density.inputs:
        assert conditional(density, x) is not None
