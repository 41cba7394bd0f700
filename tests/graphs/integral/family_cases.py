"""Models whose integrals are of matrices, of counts, between bounds, of scales, and one after the other."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytensor.tensor as pt

import ppl
from tests.graphs.integral import exact
from tests.graphs.integral.conjugate_cases import COUNTS, POSITIVES, REALS, _gamma_integral
from tests.graphs.integral.exact import lgamma, log, log_beta, log_cdf, number, total
from tests.laws.integrals import Case

VECTORS = np.array([[0.4, -1.1], [1.7, 0.3], [-0.6, 0.9], [0.2, 2.1]])
SCATTER = np.array([[1.3, 0.4], [0.4, 0.8]])
half = mp.mpf(1) / 2


def _log_multigamma(a: Any, p: int) -> Any:
    return mp.mpf(p * (p - 1)) / 4 * mp.log(mp.pi) + sum(mp.loggamma(a - mp.mpf(j) / 2) for j in range(p))


def _log_det(matrix: Any) -> Any:
    return 2 * total(log(np.diagonal(exact.factor(number(matrix)))))


def _inverse(m: Any) -> Any:
    return np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]]) / (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])


def _log_wishart(df: Any, inverse_scale: Any) -> Any:
    p = len(inverse_scale)
    return df * p / 2 * mp.log(2) - df / 2 * _log_det(inverse_scale) + _log_multigamma(df / 2, p)


def _normal_of_matrix(inverse_scale: Any) -> Any:
    def left(mu: Any) -> Any:
        around = number(VECTORS) - mu
        df, n = mp.mpf(6), len(VECTORS)
        after = _log_wishart(df + n, inverse_scale + around.T @ around)
        return exact.normal(mu, 0, 2) + after - _log_wishart(df, inverse_scale) - n * mp.log(2 * mp.pi)

    return left


def wishart() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=2)
    y = ppl.MvNormal("y", mu, tau=ppl.Wishart("precision", 6, SCATTER), size=4)
    left = _normal_of_matrix(_inverse(number(SCATTER)))
    return Case(ppl.Model({y: VECTORS}), ["precision"], left, {"mu": np.array([0.3, -0.2])}, ("Wishart",))


def inverse_wishart() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=2)
    y = ppl.MvNormal("y", mu, ppl.InverseWishart("cov", 6.0, SCATTER), size=4)
    left = _normal_of_matrix(number(SCATTER))
    return Case(ppl.Model({y: VECTORS}), ["cov"], left, {"mu": np.array([0.3, -0.2])}, ("InverseWishart",))


def half_normal_mean() -> Case:
    s, e = ppl.HalfNormal("s", 1.0), ppl.HalfNormal("e", 1.0)
    y = ppl.Normal("y", ppl.HalfNormal("x", s, size=5), e)

    def left(s: Any, e: Any) -> Any:
        y, variance = number(REALS), s**2 + e**2
        own = exact.half_normal(s, 1) + exact.half_normal(e, 1)
        return own + exact.normal(y, 0, mp.sqrt(variance)) + total(log_cdf(y * s / e / mp.sqrt(variance)) + mp.log(2))

    return Case(ppl.Model({y: REALS}), ["x"], left, {"s": 0.8, "e": 1.7}, ("TruncatedNormal",))


def uniform_mean() -> Case:
    e = ppl.HalfNormal("e", 1.0)
    y = ppl.Normal("y", ppl.Uniform("x", -0.5, 3.0), e, size=5)

    def left(e: Any) -> Any:
        data = number(REALS)
        mean, sd = total(data) / 5, e / mp.sqrt(5)
        mass = (mp.erf((3 - mean) / sd / mp.sqrt(2)) - mp.erf((-half - mean) / sd / mp.sqrt(2))) / 2
        inside = exact.normal(data, mean, e) + mp.log(sd) + mp.log(2 * mp.pi) / 2 + mp.log(mass)
        return exact.half_normal(e, 1) + inside - mp.log(number(3.5))

    return Case(ppl.Model({y: REALS}), ["x"], left, {"e": 1.7}, ("TruncatedNormal",))


def uniform_rate() -> Case:
    c = ppl.Gamma("c", 2.0, 1.0)
    y = ppl.Exponential("y", c * ppl.Uniform("rate", 0.0, 3.0), size=5)

    def left(c: Any) -> Any:
        amount = c * total(number(POSITIVES))
        inside = mp.log(mp.gammainc(6, 0, 3 * amount)) - 6 * mp.log(amount)
        return exact.gamma(c, 2, 1) + 5 * mp.log(c) + inside - mp.log(3)

    return Case(ppl.Model({y: POSITIVES}), ["rate"], left, {"c": 0.7}, ("TruncatedGamma",))


def log_normal() -> Case:
    m, s = ppl.Normal("m", 0, 1), ppl.HalfNormal("s", 1.0)
    y = ppl.LogNormal("y", pt.log(ppl.LogNormal("x", m, s, size=5)), 0.7)

    def left(m: Any, s: Any) -> Any:
        logs = log(number(POSITIVES))
        own = exact.normal(m, 0, 1) + exact.half_normal(s, 1)
        return own + exact.normal(logs, m, mp.sqrt(s**2 + number(0.7) ** 2)) - total(logs)

    return Case(ppl.Model({y: POSITIVES}), ["x"], left, {"m": 0.4, "s": 0.8}, ("LogNormal",))


def gamma_logarithm() -> Case:
    """The logarithm of a gamma number."""
    b = ppl.Gamma("b", 2.0, 1.0)
    x = ppl.Flat("x")
    prior = ppl.Potential("prior", 1.7 * x - b * pt.exp(x))

    def left(b: Any) -> Any:
        y = number(COUNTS)
        return exact.gamma(b, 2, 1) + _gamma_integral(number(1.7) + total(y), b + 5) - total(lgamma(y + 1))

    model = ppl.Model({ppl.Poisson("y", pt.exp(x), size=5): COUNTS}, prior)
    return Case(model, ["x"], left, {"b": 0.7}, ("LogGamma",))


def scale_of_normal() -> Case:
    """Exponential variances: generalised inverse Gaussian ones given data."""
    r = ppl.Gamma("r", 2.0, 1.0)
    y = ppl.Normal("y", 0.0, ppl.Exponential("v", r) ** 0.5, size=5)

    def left(r: Any) -> Any:
        squares, n = total(number(REALS) ** 2), 5
        power = 1 - mp.mpf(n) / 2
        bessel = mp.besselk(power, mp.sqrt(2 * r * squares))
        inside = mp.log(2) + mp.log(bessel) + power / 2 * mp.log(squares / (2 * r))
        return exact.gamma(r, 2, 1) + mp.log(r) + inside - mp.mpf(n) / 2 * mp.log(2 * mp.pi)

    return Case(ppl.Model({y: REALS}), ["v"], left, {"r": 0.8}, ("GIG",))


def rayleigh_scale() -> Case:
    """A half-normal prior of a standard deviation."""
    s = ppl.HalfNormal("s", 1.0)
    y = ppl.Normal("y", 0.0, ppl.HalfNormal("sigma", s), size=5)

    def left(s: Any) -> Any:
        squares, n = total(number(REALS) ** 2), 5
        power = mp.mpf(1 - n) / 2  # of the square of sigma, less one
        bessel = mp.besselk(power, mp.sqrt(squares) / s)
        inside = mp.log(bessel) + power / 2 * mp.log(squares * s**2)
        own = exact.half_normal(s, 1) + mp.log(2 / mp.pi) / 2 - mp.log(s)
        return own + inside - mp.mpf(n) / 2 * mp.log(2 * mp.pi)

    return Case(ppl.Model({y: REALS}), ["sigma"], left, {"s": 0.8}, ("GIG",))


def poisson_thinned() -> Case:
    rate, p = ppl.Gamma("rate", 2.0, 0.2, size=5), ppl.Beta("p", 2.0, 3.0)
    y = ppl.Binomial("y", ppl.Poisson("n", rate), p)

    def left(rate: Any, p: Any) -> Any:
        return exact.gamma(rate, 2, 0.2) + exact.beta(p, 2, 3) + exact.poisson(COUNTS, rate * p)

    at = {"rate": np.array([9.0, 2.3, 14.0, 6.1, 0.7]), "p": 0.37}
    return Case(ppl.Model({y: COUNTS}), ["n"], left, at)


def negative_binomial_thinned() -> Case:
    m, p = ppl.Gamma("m", 2.0, 0.2), ppl.Beta("p", 2.0, 3.0)
    y = ppl.Binomial("y", ppl.NegativeBinomial("n", mu=m, alpha=1.8, size=5), p)

    def left(m: Any, p: Any) -> Any:
        y, a, thinned = number(COUNTS), number(1.8), m * p
        counts = total(lgamma(y + a) - lgamma(y + 1)) - 5 * mp.loggamma(a)
        odds = total(a * mp.log(a / (a + thinned)) + y * mp.log(thinned / (a + thinned)))
        return exact.gamma(m, 2, 0.2) + exact.beta(p, 2, 3) + counts + odds

    return Case(ppl.Model({y: COUNTS}), ["n"], left, {"m": 6.3, "p": 0.37})


def thinned_then_rates() -> Case:
    """Counts, then their rates: negative binomial."""
    b, p = ppl.Gamma("b", 2.0, 1.0), ppl.Beta("p", 2.0, 3.0)
    rate = ppl.Gamma("rate", 2.4, b, size=5)
    y = ppl.Binomial("y", ppl.Poisson("n", rate), p)

    def left(b: Any, p: Any) -> Any:
        y, a = number(COUNTS), number(2.4)
        own = exact.gamma(b, 2, 1) + exact.beta(p, 2, 3) + 5 * (a * mp.log(b) - mp.loggamma(a))
        return own + total(lgamma(y + a) - (y + a) * log(b + p) + y * mp.log(p) - lgamma(y + 1))

    return Case(ppl.Model({y: COUNTS}), ["n", "rate"], left, {"b": 0.8, "p": 0.37})


def rates_of_groups() -> Case:
    a, b = ppl.Gamma("a", 2.0, 1.0), ppl.Gamma("b", 2.0, 0.5)
    group = np.array([0, 2, 2, 0, 2])
    y = ppl.Poisson("y", ppl.Gamma("rate", a, b, size=4)[group])

    def left(a: Any, b: Any) -> Any:
        found = exact.gamma(a, 2, 1) + exact.gamma(b, 2, 0.5) - total(lgamma(number(COUNTS) + 1))
        for g in range(4):
            mine = COUNTS[group == g]
            shape, rate = a + int(mine.sum()), b + len(mine)
            found += a * mp.log(b) - mp.loggamma(a) + mp.loggamma(shape) - shape * mp.log(rate)
        return found

    return Case(ppl.Model({y: COUNTS}), ["rate"], left, {"a": 1.4, "b": 2.7}, ("Gamma",))


def rate_of_rates() -> Case:
    b = ppl.Gamma("b", 2.1, 1.3)
    rate = ppl.Gamma("rate", 1.7, b, size=5)

    def left(rate: Any) -> Any:
        a, own = number(1.7), number(2.1)
        inside = _gamma_integral(own + 5 * a, number(1.3) + total(rate)) + own * log(number(1.3)) - mp.loggamma(own)
        return exact.poisson(COUNTS, rate) + total((a - 1) * log(rate)) - 5 * mp.loggamma(a) + inside

    at = {"rate": POSITIVES + 0.3}
    return Case(ppl.Model({ppl.Poisson("y", rate): COUNTS}), ["b"], left, at, ("Gamma",))


def transitions() -> Case:
    a = ppl.Gamma("a", 2.0, 1.0)
    states = np.array([0, 1, 1, 2, 0, 2, 2, 1])
    rows = ppl.Dirichlet("rows", a * np.ones(3), size=3)
    y = ppl.Categorical("y", rows[states[:-1]])

    def left(a: Any) -> Any:
        found = exact.gamma(a, 2, 1)
        for row in range(3):
            counts = np.bincount(states[1:][states[:-1] == row], minlength=3)
            found += total(lgamma(number(counts) + a)) - 3 * mp.loggamma(a)
            found += mp.loggamma(3 * a) - mp.loggamma(3 * a + int(counts.sum()))
        return found

    return Case(ppl.Model({y: states[1:]}), ["rows"], left, {"a": 0.7}, ("Dirichlet",))


def switched_chance() -> Case:
    """A chance, given discrete variables that are not summed out."""
    a = ppl.Gamma("a", 2.0, 1.0)
    z = ppl.Bernoulli("z", ppl.Beta("w", a, 2.3), size=5)
    y = ppl.Normal("y", 2.0 * z, 1.0)

    def left(a: Any, z: Any) -> Any:
        ones = total(z)
        inside = log_beta(a + ones, number(2.3) + 5 - ones) - log_beta(a, 2.3)
        return exact.gamma(a, 2, 1) + exact.normal(REALS, 2 * z, 1) + inside

    return Case(ppl.Model({y: REALS}), ["w"], left, {"a": 1.4, "z": np.array([0, 0, 1, 0, 1])}, ("Beta",))


def beside_a_sum() -> Case:
    """A rate by its law, while a switch of another term is summed out."""
    b, c = ppl.Gamma("b", 2.0, 1.0), ppl.Gamma("c", 2.0, 1.0)
    z = ppl.Bernoulli("z", 0.3)
    y = ppl.Poisson("y", ppl.Gamma("rate", 1.7, b, size=5))
    x = ppl.Exponential("x", pt.switch(z, c, 2.0 * c))

    def left(b: Any, c: Any) -> Any:
        k, a = number(COUNTS), number(1.7)
        rates = total(lgamma(k + a) - (k + a) * mp.log(b + 1) - lgamma(k + 1)) + 5 * (a * mp.log(b) - mp.loggamma(a))
        w, seen = number(0.3), number(0.9)
        mixed = exact.log_sum([mp.log(w) + mp.log(c) - c * seen, mp.log(1 - w) + mp.log(2 * c) - 2 * c * seen])
        return exact.gamma(b, 2, 1) + exact.gamma(c, 2, 1) + rates + mixed

    model = ppl.Model({y: COUNTS, x: 0.9})
    return Case(model, ["z", "rate"], left, {"b": 0.8, "c": 1.2}, ("Gamma",))


ALL = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and f.__name__[0] != "_"]
