"""Models whose integrals are normal: groups, levels, crossed effects, designs, processes, as one normal vector."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from tests.graphs.integral import exact
from tests.graphs.integral.exact import diagonal, linear_normal, mv_normal, number, total
from tests.laws.integrals import Case

EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
GROUP = np.array([0, 0, 1, 3, 3, 3, 1, 4, 0])
OTHER = np.array([0, 1, 2, 2, 0, 1, 1, 0, 2])
Y = np.array([1.3, -0.4, 2.2, 0.7, 1.9, -1.1, 3.0, 0.2, 0.9])
X = np.array([0.3, -1.2, 0.8, 1.7, -0.5, 0.1, 2.1, -0.9, 0.6])
EYE = np.eye(5)


def _scales(**sds: Any) -> Any:
    """Log-density of scales with half-normal priors of scale 2."""
    return sum(exact.half_normal(s, 2) for s in sds.values())


def _half_normals(*names: str) -> list[Any]:
    return [ppl.HalfNormal(n, 2.0) for n in names]


def one_mean() -> Case:
    s, e = _half_normals("s", "e")
    y = ppl.Normal("y", ppl.Normal("mu", 0.7, s), e, size=9)

    def left(s: Any, e: Any) -> Any:
        return _scales(s=s, e=e) + linear_normal(Y, np.ones((9, 1)), [0.7], diagonal([s**2]), e)

    return Case(ppl.Model({y: Y}), ["mu"], left, {"s": 1.4, "e": 0.6}, ("Normal",))


def element_by_element() -> Case:
    m = ppl.Normal("m", 0, 2)
    s, e = _half_normals("s", "e")
    y = ppl.Normal("y", 2.5 * ppl.Normal("x", m, s, size=9) - X, e)

    def left(m: Any, s: Any, e: Any) -> Any:
        sd = mp.sqrt(number(2.5) ** 2 * s**2 + e**2)
        return _scales(s=s, e=e) + exact.normal(m, 0, 2) + exact.normal(Y, number(2.5) * m - number(X), sd)

    return Case(ppl.Model({y: Y}), ["x"], left, {"m": 0.4, "s": 1.4, "e": 0.6}, ("Normal",))


def _groups(tau: Any, e: Any) -> Any:
    design = EYE[GROUP]
    return diagonal(np.full(5, 1)) * tau**2, design, e


def groups() -> Case:
    mu = ppl.Normal("mu", 0.5, 2)
    tau, e = _half_normals("tau", "e")
    y = ppl.Normal("y", ppl.Normal("theta", mu, tau, size=5)[GROUP], e)

    def left(mu: Any, tau: Any, e: Any) -> Any:
        cov, design, noise = _groups(tau, e)
        return _scales(tau=tau, e=e) + exact.normal(mu, 0.5, 2) + linear_normal(Y, design, [mu] * 5, cov, noise)

    return Case(ppl.Model({y: Y}), ["theta"], left, {"mu": 0.3, "tau": 1.2, "e": 0.7}, ("Normal",))


def _schools(theta: Any, mu: Any) -> Any:
    return ppl.Model({ppl.Normal("y", theta, ERRORS): EFFECTS})


def _schools_left(tau: Any) -> Any:
    cov = number(np.ones((8, 8))) * 25 + diagonal(number(ERRORS) ** 2 + tau**2)
    return exact.half_normal(tau, 2) + mv_normal(EFFECTS, 0, cov)


def schools() -> Case:
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 2.0)
    model = _schools(ppl.Normal("theta", mu, tau, size=8), mu)
    return Case(model, ["theta", "mu"], _schools_left, {"tau": 3.2}, ("Normal", "Normal"))


def schools_not_centred() -> Case:
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 2.0)
    model = _schools(mu + tau * ppl.Normal("z", 0, 1, size=8), mu)
    return Case(model, ["z", "mu"], _schools_left, {"tau": 3.2})


def schools_of_one_name() -> Case:
    """Effects alone, then their mean by its own law."""
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 2.0)

    def left(tau: Any, mu: Any) -> Any:
        own = exact.half_normal(tau, 2) + exact.normal(mu, 0, 5)
        return own + exact.normal(EFFECTS, mu, exact.sqrt(number(ERRORS) ** 2 + tau**2))

    model = _schools(ppl.Normal("theta", mu, tau, size=8), mu)
    return Case(model, ["theta"], left, {"tau": 3.2, "mu": 4.1}, ("Normal",))


def named_scalars() -> Case:
    """Twenty-four scalars of one form, and their mean."""
    mu, tau, e = ppl.Normal("mu", 0, 5), *_half_normals("tau", "e")
    data = np.random.default_rng(3).normal(1.0, 2.0, size=24)
    effects = [ppl.Normal(f"theta{i}", mu, tau) for i in range(24)]
    model = ppl.Model({ppl.Normal(f"y{i}", effects[i], e): data[i] for i in range(24)})

    def left(tau: Any, e: Any) -> Any:
        cov = number(np.ones((24, 24))) * 25 + diagonal([tau**2 + e**2] * 24)
        return _scales(tau=tau, e=e) + mv_normal(data, 0, cov)

    return Case(model, "require", left, {"tau": 1.2, "e": 0.7}, apart=("tau", "e", "mu"))


def three_levels() -> Case:
    mu, (a, b, e) = ppl.Normal("mu", 0, 5), _half_normals("a", "b", "e")
    region = np.array([0, 1, 1, 0, 1])
    regions = ppl.Normal("regions", mu, a, size=2)
    y = ppl.Normal("y", ppl.Normal("towns", regions[region], b, size=5)[GROUP], e)

    def left(a: Any, b: Any, e: Any) -> Any:
        design = np.hstack([np.ones((9, 1)), np.eye(2)[region][GROUP], EYE[GROUP]])
        cov = diagonal([25, *[a**2] * 2, *[b**2] * 5])
        return _scales(a=a, b=b, e=e) + linear_normal(Y, design, np.zeros(8), cov, e)

    at = {"a": 0.8, "b": 1.7, "e": 0.6}
    return Case(ppl.Model({y: Y}), ["towns", "regions", "mu"], left, at)


def crossed() -> Case:
    (a, b, e), mu = _half_normals("a", "b", "e"), ppl.Normal("mu", 0, 5)
    first, second = ppl.Normal("first", 0, a, size=5), ppl.Normal("second", 0, b, size=3)
    y = ppl.Normal("y", mu + first[GROUP] + second[OTHER], e)

    def left(a: Any, b: Any, e: Any) -> Any:
        design = np.hstack([np.ones((9, 1)), EYE[GROUP], np.eye(3)[OTHER]])
        return _scales(a=a, b=b, e=e) + linear_normal(
            Y, design, np.zeros(9), diagonal([25, *[a**2] * 5, *[b**2] * 3]), e
        )

    at = {"a": 0.8, "b": 1.7, "e": 0.6}
    return Case(ppl.Model({y: Y}), ["first", "second", "mu"], left, at)


def crossed_of_which_one_stays() -> Case:
    (a, b, e), mu = _half_normals("a", "b", "e"), ppl.Normal("mu", 0, 5)
    first, second = ppl.Normal("first", mu, a, size=5), ppl.Normal("second", 0, b, size=3)
    y = ppl.Normal("y", first[GROUP] + second[OTHER], e)

    def left(a: Any, b: Any, e: Any, mu: Any, second: Any) -> Any:
        own = _scales(a=a, b=b, e=e) + exact.normal(mu, 0, 5) + exact.normal(second, 0, b)
        return own + linear_normal(number(Y) - second[OTHER], EYE[GROUP], [mu] * 5, diagonal([a**2] * 5), e)

    at = {"a": 0.8, "b": 1.7, "e": 0.6, "mu": 0.4, "second": np.array([0.3, -0.7, 1.1])}
    return Case(ppl.Model({y: Y}), ["first"], left, at, ("Normal",))


def intercepts_and_slopes() -> Case:
    """Correlated by an LKJ factor."""
    e, sd = ppl.HalfNormal("e", 2.0), pm.Exponential.dist(1.0, size=2)
    packed = ppl.LKJCholeskyCov("packed", n=2, eta=2.0, sd_dist=sd, compute_corr=False)
    rows = [[packed[0], pt.constant(0.0)], [packed[1], packed[2]]]
    lower = pt.stack([pt.stack(row) for row in rows])
    both = ppl.Normal("z", 0, 1, size=(5, 2)) @ lower.T
    y = ppl.Normal("y", both[GROUP, 0] + both[GROUP, 1] * X, e)

    def left(e: Any, packed: Any) -> Any:
        lower = np.array([[packed[0], mp.mpf(0)], [packed[1], packed[2]]])
        one = lower @ lower.T
        zero = np.full((10, 10), mp.mpf(0), dtype=object)
        for g in range(5):
            zero[2 * g : 2 * g + 2, 2 * g : 2 * g + 2] = one
        design = np.zeros((9, 10))
        design[np.arange(9), 2 * GROUP], design[np.arange(9), 2 * GROUP + 1] = 1.0, X
        return exact.half_normal(e, 2) + _lkj(packed) + linear_normal(Y, design, np.zeros(10), zero, e)

    at = {"e": 0.8, "packed": np.array([1.1, -0.4, 0.7])}
    return Case(ppl.Model({y: Y}), ["z"], left, at)


def _lkj(packed: Any) -> Any:
    """Log-density of the factor of a 2 by 2 covariance matrix: eta is 2, deviations are exponential ones of rate 1."""
    first, second = packed[0], mp.sqrt(packed[1] ** 2 + packed[2] ** 2)
    correlation = packed[1] / second
    lkj = mp.log(1 - correlation**2) + mp.log(mp.mpf(3) / 4)  # (1 - r^2)^(eta - 1), normalised on (-1, 1)
    # From (first, second, correlation) to the elements: the determinant is packed[2] / second^2.
    return lkj - first - second + mp.log(packed[2]) - 2 * mp.log(second)


def regression() -> Case:
    (s, e), a = _half_normals("s", "e"), ppl.Normal("a", 0, 3)
    design = np.random.default_rng(4).normal(size=(9, 4))
    y = ppl.Normal("y", a + design @ ppl.Normal("b", 0, s, size=4), e)

    def left(s: Any, e: Any) -> Any:
        cov = diagonal([9, *[s**2] * 4])
        return _scales(s=s, e=e) + linear_normal(Y, np.hstack([np.ones((9, 1)), design]), np.zeros(5), cov, e)

    return Case(ppl.Model({y: Y}), ["a", "b"], left, {"s": 1.4, "e": 0.6})


def more_columns_than_rows() -> Case:
    s, e = _half_normals("s", "e")
    design = np.random.default_rng(4).normal(size=(9, 14))
    y = ppl.Normal("y", pt.dot(design, ppl.Normal("b", 0.2, s, size=14)), e)

    def left(s: Any, e: Any) -> Any:
        return _scales(s=s, e=e) + linear_normal(Y, design, [0.2] * 14, diagonal([s**2] * 14), e)

    return Case(ppl.Model({y: Y}), ["b"], left, {"s": 1.4, "e": 0.6})


def flat_coefficients() -> Case:
    """With an improper prior, what is left is the density of residuals."""
    e = ppl.HalfNormal("e", 2.0)
    design = np.column_stack([np.ones(9), X])
    y = ppl.Normal("y", design @ ppl.Flat("b", size=2), e)

    def left(e: Any) -> Any:
        x, data = number(design), number(Y)
        lower = exact.factor(x.T @ x)
        z = exact.solve(lower, x.T @ data)
        rss = np.dot(data, data) - np.dot(z, z)
        free = 9 - 2
        own = exact.half_normal(e, 2) - total(exact.log(np.diagonal(lower)))
        return own - free * (mp.log(e) + mp.log(2 * mp.pi) / 2) - rss / (2 * e**2)

    return Case(ppl.Model({y: Y}), ["b"], left, {"e": 0.6})


def shrunken_coefficients() -> Case:
    """Each with a scale of its own."""
    s, e = ppl.HalfNormal("s", 2.0, size=4), ppl.HalfNormal("e", 2.0)
    design = np.random.default_rng(5).normal(size=(9, 4))
    y = ppl.Normal("y", design @ ppl.Normal("b", 0, s), e)

    def left(s: Any, e: Any) -> Any:
        return _scales(s=s, e=e) + linear_normal(Y, design, np.zeros(4), diagonal(s**2), e)

    return Case(ppl.Model({y: Y}), ["b"], left, {"s": np.array([1.4, 0.02, 7.0, 0.5]), "e": 0.6})


def gaussian_process() -> Case:
    """By its values, with noise."""
    length, e = ppl.InverseGamma("length", 3.0, 2.0), ppl.HalfNormal("e", 2.0)
    distances = (X[:, None] - X[None, :]) ** 2
    cov = 1.7 * pt.exp(-0.5 * distances / length**2) + 0.01 * np.eye(9)
    y = ppl.Normal("y", ppl.MvNormal("f", np.zeros(9), cov), e)

    def left(length: Any, e: Any) -> Any:
        x = number(X)
        k = number(1.7) * exact.exp(-((x[:, None] - x[None, :]) ** 2) / (2 * length**2))
        own = exact.half_normal(e, 2) + exact.inverse_gamma(length, 3, 2)
        return own + mv_normal(Y, 0, k + diagonal([number(0.01) + e**2] * 9))

    return Case(ppl.Model({y: Y}), ["f"], left, {"length": 0.9, "e": 0.6})


def vector_of_normals() -> Case:
    """Means with a known covariance matrix, and vectors around them."""
    s = ppl.HalfNormal("s", 2.0)
    cov = np.array([[1.3, 0.4], [0.4, 0.8]])
    y = ppl.MvNormal("y", ppl.MvNormal("mu", [0.3, -0.2], s * cov), cov, size=4)
    data = Y[:8].reshape(4, 2)

    def left(s: Any) -> Any:
        blocks = number(np.kron(np.ones((4, 4)), cov)) * s + number(np.kron(np.eye(4), cov))
        return exact.half_normal(s, 2) + mv_normal(data.ravel(), [number(0.3), number(-0.2)] * 4, blocks)

    return Case(ppl.Model({y: data}), ["mu"], left, {"s": 1.4})


def rows_of_a_precision() -> Case:
    """Intercepts and slopes of each group, with a precision matrix: groups are independent of each other."""
    q = ppl.HalfNormal("q", 2.0)
    precision = np.array([[1.3, 0.4], [0.4, 0.8]])
    beta = ppl.MvNormal("beta", [0.3, -0.2], tau=q * pt.constant(precision), size=12)
    times = np.array([-0.7, 1.1])
    y = ppl.Normal("y", beta[:, 0, None] + beta[:, 1, None] * times, 0.6)
    data = np.sin(np.arange(24.0)).reshape(12, 2)

    def left(q: Any) -> Any:
        design = np.column_stack([np.ones(2), times])
        blocks = number(np.kron(np.eye(12), design @ np.linalg.inv(precision) @ design.T)) / q
        mean = [number(m) for m in design @ [0.3, -0.2]] * 12
        return exact.half_normal(q, 2) + mv_normal(data.ravel(), mean, blocks + diagonal([number(0.6) ** 2] * 24))

    return Case(ppl.Model({y: data}), ["beta"], left, {"q": 1.4})


ALL = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and f.__name__[0] != "_"]
