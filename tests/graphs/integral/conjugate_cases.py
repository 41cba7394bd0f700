"""Models whose integrals have closed forms that are no normal ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

import ppl
from tests.graphs.integral import exact
from tests.graphs.integral.exact import lgamma, log, log_beta, log_choose, number, total
from tests.laws.integrals import Case

REALS = np.array([0.31, -1.27, 2.4, 0.83, 1.19])
POSITIVES = np.array([0.41, 1.7, 2.3, 0.09, 3.1])
COUNTS = np.array([3, 0, 7, 2, 1])
TRIALS = np.array([9, 4, 8, 5, 6])


def _gamma_integral(shape: Any, rate: Any) -> Any:
    """Logarithm of the integral of ``x^(shape - 1) exp(-rate x)``."""
    return total(lgamma(number(shape)) - number(shape) * log(number(rate)))


def student_of_inverse_gamma() -> Case:
    a, b, mu = ppl.Gamma("a", 2.5, 1.5), ppl.Gamma("b", 2.0, 1.0), ppl.Normal("mu", 0.3, 2.0)
    y = ppl.Normal("y", mu, ppl.InverseGamma("v", a, b, size=5) ** 0.5)

    def left(a: Any, b: Any, mu: Any) -> Any:
        own = exact.gamma(a, 2.5, 1.5) + exact.gamma(b, 2, 1) + exact.normal(mu, 0.3, 2)
        squares = (number(REALS) - mu) ** 2 / 2
        each = a * mp.log(b) - mp.loggamma(a) + lgamma(a + 0 * squares + mp.mpf(1) / 2)
        return own + total(each - (a + mp.mpf(1) / 2) * log(b + squares) - mp.log(2 * mp.pi) / 2)

    return Case(ppl.Model({y: REALS}), ["v"], left, {"a": 1.9, "b": 0.7, "mu": 0.4}, ("InverseGamma",))


def student_of_shared_variance() -> Case:
    mu = ppl.Normal("mu", 0.3, 2.0)
    y = ppl.Normal("y", mu, ppl.InverseGamma("v", 3.2, 1.4) ** 0.5, size=5)

    def left(mu: Any) -> Any:
        squares = total((number(REALS) - mu) ** 2) / 2
        a, b = number(3.2), number(1.4)
        prior = exact.normal(mu, 0.3, 2) + a * mp.log(b) - mp.loggamma(a)
        return prior + _gamma_integral(a + 2.5, b + squares) - 5 * mp.log(2 * mp.pi) / 2

    return Case(ppl.Model({y: REALS}), ["v"], left, {"mu": 0.4}, ("InverseGamma",))


def student_of_precision() -> Case:
    b = ppl.Gamma("b", 2.0, 1.0)
    mu = ppl.Normal("mu", 0.3, 2.0)
    y = ppl.Normal("y", mu, tau=ppl.Gamma("tau", 3.2, b), size=5)

    def left(b: Any, mu: Any) -> Any:
        squares = total((number(REALS) - mu) ** 2) / 2
        prior = exact.normal(mu, 0.3, 2) + exact.gamma(b, 2, 1) + number(3.2) * mp.log(b) - mp.loggamma(number(3.2))
        return prior + _gamma_integral(number(3.2) + 2.5, b + squares) - 5 * mp.log(2 * mp.pi) / 2

    return Case(ppl.Model({y: REALS}), ["tau"], left, {"b": 0.8, "mu": 0.4}, ("Gamma",))


def normal_inverse_gamma() -> Case:
    k, b = ppl.Gamma("k", 2.0, 1.0), ppl.Gamma("b", 2.0, 1.5)
    v = ppl.InverseGamma("v", 2.7, b)
    mu = ppl.Normal("mu", 0.6, (v / k) ** 0.5)
    y = ppl.Normal("y", mu, v**0.5, size=5)

    def left(k: Any, b: Any) -> Any:
        data, a, m = number(REALS), number(2.7), number(0.6)
        mean, n = total(data) / 5, 5
        rate = b + total((data - mean) ** 2) / 2 + k * n * (mean - m) ** 2 / (2 * (k + n))
        own = exact.gamma(k, 2, 1) + exact.gamma(b, 2, 1.5) + a * mp.log(b) - mp.loggamma(a)
        whole = own + _gamma_integral(a + mp.mpf(n) / 2, rate)
        return whole + mp.log(k / (k + n)) / 2 - mp.mpf(n) / 2 * mp.log(2 * mp.pi)

    return Case(ppl.Model({y: REALS}), ["v", "mu"], left, {"k": 0.6, "b": 1.3}, ("Normal", "InverseGamma"))


def beta_binomial() -> Case:
    a, b = ppl.Gamma("a", 2.0, 1.0), ppl.Gamma("b", 2.0, 0.5)
    y = ppl.Binomial("y", TRIALS, ppl.Beta("p", a, b, size=5))

    def left(a: Any, b: Any) -> Any:
        y, n = number(np.minimum(COUNTS, TRIALS)), number(TRIALS)
        own = exact.gamma(a, 2, 1) + exact.gamma(b, 2, 0.5)
        return own + total(log_choose(n, y) + log_beta(a + y, b + n - y) - log_beta(a, b))

    return Case(ppl.Model({y: np.minimum(COUNTS, TRIALS)}), ["p"], left, {"a": 1.4, "b": 2.7}, ("Beta",))


def beta_bernoulli() -> Case:
    a, b = ppl.Gamma("a", 2.0, 1.0), ppl.Gamma("b", 2.0, 0.5)
    y = ppl.Bernoulli("y", ppl.Beta("p", a, b), size=7)

    def left(a: Any, b: Any) -> Any:
        own = exact.gamma(a, 2, 1) + exact.gamma(b, 2, 0.5)
        return own + log_beta(a + 3, b + 4) - log_beta(a, b)

    return Case(ppl.Model({y: [1, 0, 0, 1, 1, 0, 0]}), ["p"], left, {"a": 1.4, "b": 2.7}, ("Beta",))


def beta_geometric() -> Case:
    a = ppl.Gamma("a", 2.0, 1.0)
    y = ppl.Geometric("y", ppl.Beta("p", a, 2.3), size=5)

    def left(a: Any) -> Any:
        b = number(2.3)
        return exact.gamma(a, 2, 1) + log_beta(a + 5, b + int(COUNTS.sum())) - log_beta(a, b)

    return Case(ppl.Model({y: COUNTS + 1}), ["p"], left, {"a": 1.4}, ("Beta",))


def beta_negative_binomial() -> Case:
    n, a = ppl.Gamma("n", 2.0, 1.0), ppl.Gamma("a", 2.0, 1.0)
    y = ppl.NegativeBinomial("y", n=n, p=ppl.Beta("p", a, 2.3), size=5)

    def left(n: Any, a: Any) -> Any:
        y, b = number(COUNTS), number(2.3)
        counts = total(lgamma(y + n) - lgamma(y + 1) - mp.loggamma(n))
        own = exact.gamma(a, 2, 1) + exact.gamma(n, 2, 1)
        return own + counts + log_beta(a + 5 * n, b + total(y)) - log_beta(a, b)

    return Case(ppl.Model({y: COUNTS}), ["p"], left, {"n": 1.7, "a": 1.4}, ("Beta",))


def negative_binomial() -> Case:
    a, b = ppl.Gamma("a", 2.0, 1.0), ppl.Gamma("b", 2.0, 0.5)
    exposures = np.array([0.7, 1.9, 3.3, 1.0, 2.2])
    y = ppl.Poisson("y", exposures * ppl.Gamma("rate", a, b, size=5))

    def left(a: Any, b: Any) -> Any:
        y, e = number(COUNTS), number(exposures)
        own = exact.gamma(a, 2, 1) + exact.gamma(b, 2, 0.5) + 5 * (a * mp.log(b) - mp.loggamma(a))
        return own + total(lgamma(y + a) - (y + a) * log(b + e) + y * log(e) - lgamma(y + 1))

    return Case(ppl.Model({y: COUNTS}), ["rate"], left, {"a": 1.4, "b": 2.7}, ("Gamma",))


def _compound_rate(child: Callable[[Any], Any], shape: float, data: Any, count: float, amount: Any, rest: Any) -> Case:
    """A gamma rate b of prior shape a and rate 1.3: the density of data is ``b^count exp(-b amount) rest``."""
    a = ppl.Gamma("a", 2.0, 1.0)
    y = child(ppl.Gamma("rate", a, 1.3))

    def left(a: Any) -> Any:
        b = number(1.3)
        own = exact.gamma(a, 2, 1) + a * mp.log(b) - mp.loggamma(a)
        return own + _gamma_integral(a + number(count), b + amount) + rest

    return Case(ppl.Model({y: data}), ["rate"], left, {"a": shape}, ("Gamma",))


def lomax() -> Case:
    def child(rate: Any) -> Any:
        return ppl.Exponential("y", rate, size=5)

    return _compound_rate(child, 1.6, POSITIVES, 5, total(number(POSITIVES)), 0)


def gamma_of_gamma() -> Case:
    x, shape = number(POSITIVES), number(2.2)
    rest = total((shape - 1) * log(x)) - 5 * mp.loggamma(shape)
    return _compound_rate(lambda rate: ppl.Gamma("y", 2.2, rate, size=5), 1.6, POSITIVES, 5 * 2.2, total(x), rest)


def pareto_of_gamma() -> Case:
    data = POSITIVES + 0.7
    logs = total(log(number(data) / number(0.7)))
    rest = -total(log(number(data)))
    return _compound_rate(lambda rate: ppl.Pareto("y", rate, 0.7, size=5), 1.6, data, 5, logs, rest)


def inverse_gamma_of_gamma() -> Case:
    x, shape = number(POSITIVES), number(2.2)
    rest = -total((shape + 1) * log(x)) - 5 * mp.loggamma(shape)
    return _compound_rate(
        lambda rate: ppl.InverseGamma("y", 2.2, rate, size=5), 1.6, POSITIVES, 5 * 2.2, total(1 / x), rest
    )


def laplace_of_gamma() -> Case:
    x = number(REALS)
    return _compound_rate(
        lambda rate: ppl.Laplace("y", 0.0, 1 / rate, size=5), 1.6, REALS, 5, total(abs(x)), -5 * mp.log(2)
    )


def weibull_scale() -> Case:
    """Weibull numbers of a known shape, whose scale has an inverse power of a gamma number."""
    a = ppl.Gamma("a", 2.0, 1.0)
    rate = ppl.Gamma("rate", a, 1.3)
    y = ppl.Weibull("y", 1.5, rate ** (-1 / 1.5), size=5)

    def left(a: Any) -> Any:
        x, b, k = number(POSITIVES), number(1.3), number(1.5)
        own = exact.gamma(a, 2, 1) + a * mp.log(b) - mp.loggamma(a)
        return own + _gamma_integral(a + 5, b + total(x**k)) + total(mp.log(k) + (k - 1) * log(x))

    return Case(ppl.Model({y: POSITIVES}), ["rate"], left, {"a": 1.6}, ("Gamma",))


def dirichlet_multinomial() -> Case:
    a = ppl.Gamma("a", 2.0, 1.0, size=4)
    counts = np.array([[3, 0, 2, 1], [1, 1, 4, 0]])
    y = ppl.Multinomial("y", 6, ppl.Dirichlet("p", a, size=2))

    def left(a: Any) -> Any:
        y = number(counts)
        found = exact.gamma(a, 2, 1)
        for row in y:
            found += total(lgamma(row + a) - lgamma(a) - lgamma(row + 1)) + mp.loggamma(total(a))
            found += mp.loggamma(mp.mpf(7)) - mp.loggamma(total(a) + 6)
        return found

    at = {"a": np.array([1.4, 0.6, 2.2, 0.9])}
    return Case(ppl.Model({y: counts}), ["p"], left, at, ("Dirichlet",))


def dirichlet_categorical() -> Case:
    a = ppl.Gamma("a", 2.0, 1.0)
    y = ppl.Categorical("y", ppl.Dirichlet("p", a * np.array([1.0, 2.0, 0.5])), size=6)

    def left(a: Any) -> Any:
        alpha, counts = a * number(np.array([1.0, 2.0, 0.5])), number(np.array([2, 3, 1]))
        found = exact.gamma(a, 2, 1) + total(lgamma(alpha + counts) - lgamma(alpha))
        return found + mp.loggamma(total(alpha)) - mp.loggamma(total(alpha) + 6)

    return Case(ppl.Model({y: [0, 1, 1, 2, 0, 1]}), ["p"], left, {"a": 1.4}, ("Dirichlet",))


ALL = [
    student_of_inverse_gamma,
    student_of_shared_variance,
    student_of_precision,
    normal_inverse_gamma,
    beta_binomial,
    beta_bernoulli,
    beta_geometric,
    beta_negative_binomial,
    negative_binomial,
    lomax,
    gamma_of_gamma,
    pareto_of_gamma,
    inverse_gamma_of_gamma,
    laplace_of_gamma,
    weibull_scale,
    dirichlet_multinomial,
    dirichlet_categorical,
]
