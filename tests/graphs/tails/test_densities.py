"""Log-densities far out, of known and of latent parameters, of arrays and of one value, against mpmath.

Answers: mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import graphs
import ppl
from graphs.surgery.evaluating import evaluate


@dataclass(frozen=True)
class Density:
    """A distribution by its keyword parameters, its log-density by definition, and values far out."""

    parameters: dict[str, float]
    exact: Callable[..., Any]
    values: tuple[float, ...]


def log_normal(z: Any) -> Any:
    return -z * z / 2 - mp.log(2 * mp.pi) / 2


def exgaussian(x: Any, mu: Any, sigma: Any, nu: Any) -> Any:
    z, rate = (x - mu) / sigma, sigma / nu
    return -mp.log(nu) + rate * rate / 2 - rate * z + mp.log(mp.ncdf(z - rate))


def skew_student(x: Any, a: Any, b: Any, mu: Any, sigma: Any) -> Any:
    t = (x - mu) / sigma
    share = t / mp.sqrt(a + b + t * t)
    constant = (a + b - 1) * mp.log(2) + mp.log(mp.beta(a, b)) + mp.log(a + b) / 2 + mp.log(sigma)
    return (a + mp.mpf("0.5")) * mp.log(1 + share) + (b + mp.mpf("0.5")) * mp.log(1 - share) - constant


def rice(x: Any, nu: Any, sigma: Any) -> Any:
    return mp.log(x / sigma**2) - (x * x + nu * nu) / (2 * sigma**2) + mp.log(mp.besseli(0, x * nu / sigma**2))


def poisson(k: Any, mu: Any) -> Any:
    return k * mp.log(mu) - mu - mp.loggamma(k + 1)


def binomial(k: Any, n: Any, p: Any) -> Any:
    return mp.log(mp.binomial(n, k)) + k * mp.log(p) + (n - k) * mp.log(1 - p)


DENSITIES: dict[str, list[Density]] = {
    "Normal": [Density({"mu": 0.3, "sigma": 1.7}, lambda x, m, s: log_normal((x - m) / s) - mp.log(s), (-1e5, 1e8))],
    "Laplace": [Density({"mu": 0.3, "b": 1.7}, lambda x, m, b: -abs(x - m) / b - mp.log(2 * b), (-1e5, 50.0))],
    "Logistic": [
        Density(
            {"mu": 0.3, "s": 1.7},
            lambda x, m, s: -(x - m) / s - mp.log(s) - 2 * mp.log1p(mp.exp(-(x - m) / s)),
            (-2000.0, 2000.0),
        )
    ],
    "Gumbel": [
        Density({"mu": 0.3, "beta": 1.7}, lambda x, m, b: -(x - m) / b - mp.exp((m - x) / b) - mp.log(b), (-20.0, 2e3))
    ],
    "Moyal": [
        Density(
            {"mu": 0.3, "sigma": 1.7},
            lambda x, m, s: -(x - m) / s / 2 - mp.exp((m - x) / s) / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2,
            (-20.0, 2000.0),
        )
    ],
    "Cauchy": [
        Density(
            {"alpha": 0.3, "beta": 1.7}, lambda x, a, b: -mp.log(mp.pi * b * (1 + ((x - a) / b) ** 2)), (-1e60, 1e60)
        )
    ],
    "SkewNormal": [
        Density(
            {"mu": 0.5, "sigma": 1.7, "alpha": 4.0},
            lambda x, m, s, a: mp.log(2 / s) + log_normal((x - m) / s) + mp.log(mp.ncdf(a * (x - m) / s)),
            (-90.0, -9.0, 90.0),
        )
    ],
    "SkewStudentT": [Density({"a": 2.5, "b": 1.5, "mu": 0.5, "sigma": 1.7}, skew_student, (-1e12, -3.0, 1e12))],
    "ExGaussian": [
        Density({"mu": 0.5, "sigma": 1.7, "nu": 2.0}, exgaussian, (-90.0, 5000.0)),
        Density({"mu": 0.5, "sigma": 1.7, "nu": 0.05}, exgaussian, (-9.0, 1.0, 8.0)),
    ],
    "Rice": [Density({"nu": 2.5, "sigma": 1.7}, rice, (1e-100, 900.0))],
    "Kumaraswamy": [
        Density(
            {"a": 2.5, "b": 1.7},
            lambda x, a, b: mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x**a),
            (1e-200, 1 - 1e-15),
        )
    ],
    "Weibull": [
        Density(
            {"alpha": 2.5, "beta": 1.7},
            lambda x, a, b: mp.log(a / b) + (a - 1) * mp.log(x / b) - (x / b) ** a,
            (1e-100, 200.0),
        )
    ],
    "Wald": [
        Density(
            {"mu": 2.5, "lam": 1.7},
            lambda x, m, v: mp.log(v / (2 * mp.pi * x**3)) / 2 - v * (x - m) ** 2 / (2 * m * m * x),
            (1e-4, 5000.0),
        )
    ],
    "VonMises": [
        Density(
            {"mu": 0.5, "kappa": 900.0},
            lambda x, m, k: k * mp.cos(x - m) - mp.log(2 * mp.pi * mp.besseli(0, k)),
            (-3.1, 3.1),
        )
    ],
    "DiscreteWeibull": [
        Density({"q": 0.3, "beta": 1.4}, lambda k, q, b: mp.log(q ** (k**b) - q ** ((k + 1) ** b)), (0, 400))
    ],
    "Poisson": [Density({"mu": 1.7}, poisson, (0, 5000))],
    "Binomial": [Density({"n": 5000, "p": 0.3}, binomial, (0, 5000))],
    "Geometric": [Density({"p": 0.3}, lambda k, p: mp.log(p) + (k - 1) * mp.log(1 - p), (1, 50000))],
    "ZeroInflatedPoisson": [
        Density(
            {"psi": 0.3, "mu": 1.7},
            lambda k, w, m: mp.log((1 - w if k == 0 else 0) + w * mp.exp(poisson(k, m))),
            (0, 900),
        )
    ],
    "HurdlePoisson": [
        Density(
            {"psi": 0.3, "mu": 1.7},
            lambda k, w, m: mp.log(1 - w) if k == 0 else mp.log(w) + poisson(k, m) - mp.log(1 - mp.exp(-m)),
            (0, 900),
        )
    ],
    "HurdleLogNormal": [
        Density(
            {"psi": 0.3, "mu": 0.7, "sigma": 2.0},
            lambda x, w, m, s: mp.log(w) + log_normal((mp.log(x) - m) / s) - mp.log(s * x),
            (1e-100, 1e100),
        )
    ],
}


@pytest.mark.filterwarnings("ignore:No safe default transform found")
@pytest.mark.parametrize("name", DENSITIES)
def test_far_out(name: str) -> None:
    for density in DENSITIES[name]:
        with mp.workdps(400):
            truth = [float(density.exact(mp.mpf(x), *map(mp.mpf, density.parameters.values()))) for x in density.values]
        array = np.array(density.values)
        for latent in (False, True):
            np.testing.assert_allclose(_term(name, density, array, latent=latent), truth, rtol=1e-10)
        alone = [_term(name, density, array[i], latent=False) for i in range(array.size)]
        np.testing.assert_allclose(np.ravel(alone), truth, rtol=1e-10)


def _term(name: str, density: Density, data: Any, *, latent: bool) -> Any:
    """Return the log-density of data as the graph has it; of latent parameters, with gradients that are finite."""
    own = {
        key: ppl.Flat(f"p_{key}") if latent and isinstance(value, float) else value
        for key, value in density.parameters.items()
    }
    logprob = graphs.logprob(ppl.Model({getattr(ppl, name)("y", **own, size=np.shape(data) or None): data}))
    values = {v: np.asarray(density.parameters[n.removeprefix("p_")]) for n, v in logprob.values.items()}
    slopes = [pytensor.grad(pt.sum(logprob.terms["y"]), value) for value in values]
    found = evaluate([logprob.terms["y"], *slopes], values)
    assert found is not None
    assert np.all(np.isfinite(found[1:]))
    return found[0]
