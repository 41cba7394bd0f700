"""Cumulative probabilities by definition, in as many digits as it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import pymc as pm

DIGITS = 450
"""So many that one minus a lower probability has all those of a double down to exp(-950)."""

SMALLEST = mp.mpf(10) ** (20 - DIGITS)

half, one = mp.mpf("0.5"), mp.mpf(1)


@dataclass(frozen=True)
class Family:
    """A distribution with its definition.

    Parameters
    ----------
    make : callable
        PyMC's distribution of its parameters.
    lower : callable
        ``P(X <= value)`` of the value and the parameters.
    points : sequence
        Parameters, then values far on both sides and between.
    """

    make: Callable[..., Any]
    lower: Callable[..., Any]
    parameters: tuple[float, ...]
    values: tuple[float, ...]
    is_discrete: bool = False
    fixed: tuple[int, ...] = ()


def beta(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


def gamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def normal(z: Any) -> Any:
    return mp.erfc(-z / mp.sqrt(2)) / 2


def student(t: Any, a: Any, b: Any) -> Any:
    return beta(a, b, (1 + t / mp.sqrt(a + b + t * t)) / 2)


def wald(x: Any, mu: Any, lam: Any) -> Any:
    root = mp.sqrt(lam / x)
    return normal(root * (x / mu - 1)) + mp.exp(2 * lam / mu) * normal(-root * (x / mu + 1))


def exgaussian(x: Any, mu: Any, sigma: Any, nu: Any) -> Any:
    z, rate = (x - mu) / sigma, sigma / nu
    return normal(z) - mp.exp(rate * rate / 2 - rate * z) * normal(z - rate)


def triangular(x: Any, a: Any, c: Any, b: Any) -> Any:
    return (x - a) ** 2 / ((b - a) * (c - a)) if x <= c else 1 - (b - x) ** 2 / ((b - a) * (b - c))


def laplace(x: Any, mu: Any, b: Any) -> Any:
    z = (x - mu) / b
    return mp.exp(z) / 2 if z < 0 else 1 - mp.exp(-z) / 2


def lower_sum(pmf: Callable[..., Any]) -> Callable[..., Any]:
    return lambda k, *parameters: mp.fsum(pmf(j, *parameters) for j in range(int(k) + 1))


def beta_binomial_pmf(k: Any, n: Any, a: Any, b: Any) -> Any:
    return mp.binomial(n, k) * mp.beta(k + a, n - k + b) / mp.beta(a, b)


def hypergeometric_pmf(k: Any, good: Any, bad: Any, n: Any) -> Any:
    return mp.binomial(good, k) * mp.binomial(bad, n - k) / mp.binomial(good + bad, n)


FAMILIES: dict[str, Family] = {
    "normal": Family(pm.Normal.dist, lambda x, m, s: normal((x - m) / s), (0.3, 1.7), (-50.0, -1.9, 0.1, 50.0)),
    "lognormal": Family(
        pm.LogNormal.dist, lambda x, m, s: normal((mp.log(x) - m) / s), (0.3, 1.2), (1e-20, 0.4, 9.0, 1e18)
    ),
    "half normal": Family(pm.HalfNormal.dist, lambda x, s: mp.erf(x / s / mp.sqrt(2)), (1.3,), (1e-9, 0.5, 3.0, 50.0)),
    "uniform": Family(pm.Uniform.dist, lambda x, a, b: (x - a) / (b - a), (-1.0, 3.0), (-1 + 1e-12, 0.1, 3 - 1e-12)),
    "wald": Family(lambda mu, lam: pm.Wald.dist(mu=mu, lam=lam), wald, (1.2, 3.1), (0.003, 1.1, 1.3, 300.0)),
    "beta": Family(pm.Beta.dist, lambda x, a, b: beta(a, b, x), (2.5, 4.5), (1e-60, 0.02, 0.4, 0.9, 1 - 1e-9)),
    "kumaraswamy": Family(
        pm.Kumaraswamy.dist, lambda x, a, b: 1 - (1 - x**a) ** b, (2.5, 4.5), (1e-60, 0.02, 0.4, 0.9, 1 - 1e-9)
    ),
    "exponential": Family(
        lambda m: pm.Exponential.dist(scale=m), lambda x, m: 1 - mp.exp(-x / m), (1.7,), (1e-50, 0.3, 5.0, 1e3)
    ),
    "laplace": Family(pm.Laplace.dist, laplace, (0.2, 1.3), (-900.0, -1.0, 0.25, 2.0, 900.0)),
    "student": Family(
        lambda nu, mu, s: pm.StudentT.dist(nu=nu, mu=mu, sigma=s),
        lambda x, nu, mu, s: student((x - mu) / s, nu / 2, nu / 2),
        (3.5, 0.4, 1.3),
        (-1e20, -30.0, 0.4, 0.5, 25.0, 1e20),
    ),
    "half student": Family(
        lambda nu, s: pm.HalfStudentT.dist(nu=nu, sigma=s),
        lambda x, nu, s: beta(half, nu / 2, (x / s) ** 2 / (nu + (x / s) ** 2)),
        (3.5, 1.3),
        (1e-30, 0.4, 2.4, 2.5, 25.0, 1e20),
    ),
    "skew student": Family(
        lambda a, b, mu, s: pm.SkewStudentT.dist(a=a, b=b, mu=mu, sigma=s),
        lambda x, a, b, mu, s: student((x - mu) / s, a, b),
        (2.5, 1.2, 0.4, 1.3),
        (-1e20, -30.0, 0.5, 25.0, 1e20),
    ),
    "pareto": Family(pm.Pareto.dist, lambda x, a, m: 1 - (m / x) ** a, (2.3, 1.5), (1.5 + 1e-12, 2.0, 90.0, 1e40)),
    "cauchy": Family(
        pm.Cauchy.dist, lambda x, a, b: half + mp.atan((x - a) / b) / mp.pi, (0.3, 1.4), (-1e30, -4.0, 0.3, 5.0, 1e30)
    ),
    "half cauchy": Family(pm.HalfCauchy.dist, lambda x, b: 2 * mp.atan(x / b) / mp.pi, (1.4,), (1e-30, 1.0, 5.0, 1e30)),
    "gamma": Family(
        lambda a, s: pm.Gamma.dist(alpha=a, beta=1 / s),
        lambda x, a, s: gamma(a, x / s),
        (3.5, 0.7),
        (1e-60, 0.2, 2.4, 2.6, 20.0, 600.0),
    ),
    "inverse gamma": Family(
        pm.InverseGamma.dist, lambda x, a, b: 1 - gamma(a, b / x), (3.5, 0.7), (1e-3, 0.1, 0.3, 4.0, 1e40)
    ),
    "weibull": Family(
        pm.Weibull.dist, lambda x, a, b: 1 - mp.exp(-((x / b) ** a)), (2.5, 1.7), (1e-90, 0.1, 2.0, 20.0)
    ),
    "ex-gaussian": Family(
        lambda mu, s, nu: pm.ExGaussian.dist(mu=mu, sigma=s, nu=nu),
        exgaussian,
        (0.3, 1.2, 2.1),
        (-30.0, 0.2, 0.9, 900.0),
    ),
    "narrow ex-gaussian": Family(
        lambda mu, s, nu: pm.ExGaussian.dist(mu=mu, sigma=s, nu=nu), exgaussian, (0.3, 1.2, 0.05), (-30.0, 0.3, 3.0)
    ),
    "triangular": Family(
        lambda a, c, b: pm.Triangular.dist(lower=a, c=c, upper=b),
        triangular,
        (-1.0, 0.5, 2.0),
        (-1 + 1e-12, 0.0, 0.7, 2 - 1e-12),
    ),
    "gumbel": Family(
        pm.Gumbel.dist, lambda x, m, b: mp.exp(-mp.exp((m - x) / b)), (0.4, 1.3), (-6.0, 0.3, 9.0, 1000.0)
    ),
    "logistic": Family(
        pm.Logistic.dist, lambda x, m, s: 1 / (1 + mp.exp((m - x) / s)), (0.4, 1.3), (-900.0, -2.0, 0.4, 3.0, 900.0)
    ),
    "moyal": Family(
        pm.Moyal.dist,
        lambda x, m, s: mp.erfc(mp.exp((m - x) / (2 * s)) / mp.sqrt(2)),
        (0.4, 1.3),
        (-9.0, 0.0, 9.0, 1500.0),
    ),
    "truncated normal": Family(
        lambda m, s: pm.TruncatedNormal.dist(mu=m, sigma=s, lower=20.0, upper=24.0),
        lambda x, m, s: (normal((x - m) / s) - normal((20 - m) / s)) / (normal((24 - m) / s) - normal((20 - m) / s)),
        (0.3, 1.2),
        (20.1, 23.9),
    ),
    "binomial": Family(
        lambda n, p: pm.Binomial.dist(n=n, p=p),
        lambda k, n, p: one if k >= n else 1 - beta(k + 1, n - k, p),
        (500.0, 0.3),
        (0, 5, 150, 499, 500),
        is_discrete=True,
        fixed=(0,),
    ),
    "negative binomial": Family(
        lambda n, p: pm.NegativeBinomial.dist(n=n, p=p),
        lambda k, n, p: beta(n, k + 1, p),
        (2.5, 0.3),
        (0, 4, 60, 2000),
        is_discrete=True,
    ),
    "poisson": Family(
        pm.Poisson.dist, lambda k, mu: 1 - gamma(k + 1, mu), (90.0,), (0, 3, 89, 120, 700), is_discrete=True
    ),
    "geometric": Family(
        pm.Geometric.dist, lambda k, p: 1 - (1 - p) ** k, (0.3,), (0, 1, 2, 40, 2000), is_discrete=True
    ),
    "discrete Weibull": Family(
        pm.DiscreteWeibull.dist, lambda k, q, b: 1 - q ** ((k + 1) ** b), (0.8, 1.4), (0, 3, 90), is_discrete=True
    ),
    "discrete uniform": Family(
        pm.DiscreteUniform.dist,
        lambda k, a, b: (k - a + 1) / (b - a + 1),
        (-3, 9),
        (-3, 0, 8, 9),
        is_discrete=True,
        fixed=(0, 1),
    ),
    "bernoulli": Family(pm.Bernoulli.dist, lambda k, p: 1 - p if k < 1 else one, (0.3,), (0, 1), is_discrete=True),
    "beta-binomial": Family(
        lambda n, a, b: pm.BetaBinomial.dist(n=n, alpha=a, beta=b),
        lower_sum(beta_binomial_pmf),
        (12, 2.5, 3.5),
        (0, 3, 11, 12),
        is_discrete=True,
        fixed=(0,),
    ),
    "hypergeometric": Family(
        lambda good, bad, n: pm.HyperGeometric.dist(N=good + bad, k=good, n=n),
        lower_sum(hypergeometric_pmf),
        (60, 30, 25),
        (0, 3, 16, 24, 25),
        is_discrete=True,
        fixed=(0, 1, 2),
    ),
}


def logarithms(family: Family, value: float, parameters: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the logarithms of the lower and the upper probability."""
    with mp.workdps(DIGITS):
        lower = family.lower(mp.mpf(value), *map(mp.mpf, parameters))
        upper = 1 - lower
        return (mp.log(lower) if lower > 0 else -mp.inf), (mp.log(upper) if upper > SMALLEST else -mp.inf)


def slopes(family: Family, value: float, parameters: tuple[float, ...]) -> tuple[list[Any], list[Any]]:
    """Return the derivatives of both with respect to the parameters that are not fixed."""
    lower, upper = [], []
    with mp.workdps(DIGITS):
        for i, parameter in enumerate(parameters):
            if i in family.fixed:
                continue
            step = mp.mpf(10) ** -60
            ends = [
                logarithms(family, value, (*parameters[:i], mp.mpf(parameter) + sign * step, *parameters[i + 1 :]))
                for sign in (1, -1)
            ]
            for found, (ahead, behind) in zip((lower, upper), zip(*ends, strict=True), strict=True):
                found.append((ahead - behind) / (2 * step) if mp.isfinite(ahead) else mp.mpf(0))
    return lower, upper
