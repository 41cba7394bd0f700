"""Models of which states in time are integrated out, against a Kalman filter, and models of other makings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath as mp
import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from tests.graphs.integral import exact
from tests.graphs.integral.exact import diagonal, linear_normal, mv_normal, number, total
from tests.graphs.integral.normal_cases import EYE, GROUP, OTHER, X, Y, _half_normals, _scales
from tests.laws.integrals import Case

T = 10
SERIES = np.array([0.3, 1.1, 0.4, 1.9, 2.2, 1.4, 3.0, 2.6, 3.7, 3.1])


def kalman(series: Any, transition: Any, cov: Any, mean: Any, first: Any, read: Any, noise: Any) -> Any:
    """Log-density of a series that is read off a state, of which some elements may be missing."""
    transition, cov, mean, p, read = map(number, (transition, cov, mean, first, read))
    found = mp.mpf(0)
    for y in series:
        if y is not None:
            gain, spread = p @ read, read @ p @ read + noise**2
            around = number(y) - read @ mean
            found += -(mp.log(2 * mp.pi * spread) + around**2 / spread) / 2
            mean, p = mean + gain * around / spread, p - np.outer(gain, gain) / spread
        mean, p = transition @ mean, transition @ p @ transition.T + cov
    return found


def _level(q: Any, e: Any, series: Sequence[Any] = SERIES, rho: Any = 1, first: Any = 4) -> Any:
    return kalman(series, [[rho]], [[q**2]], [0], [[first]], [1], e)


def walk_of_pymc() -> Case:
    q, e = _half_normals("q", "e")
    x = ppl.GaussianRandomWalk("x", sigma=q, init_dist=pm.Normal.dist(0, 2.0), steps=T - 1)
    model = ppl.Model({ppl.Normal("y", x, e): SERIES})
    return Case(model, ["x"], lambda q, e: _scales(q=q, e=e) + _level(q, e), {"q": 0.7, "e": 0.5})


def walk_of_steps() -> Case:
    """Innovations, cumulated."""
    q, e = _half_normals("q", "e")
    steps = ppl.Normal("steps", 0, 1, size=T - 1)
    start = ppl.Normal("start", 0, 2)
    x = start + pt.concatenate([[0.0], q * pt.cumsum(steps)])
    model = ppl.Model({ppl.Normal("y", x, e): SERIES})
    return Case(model, ["steps", "start"], lambda q, e: _scales(q=q, e=e) + _level(q, e), {"q": 0.7, "e": 0.5})


def walk_in_a_loop() -> Case:
    """One variable for each time."""
    q, e = _half_normals("q", "e")
    states = [ppl.Normal("x0", 0, 2)]
    for t in range(1, 6):
        states.append(ppl.Normal(f"x{t}", states[-1], q))
    model = ppl.Model({ppl.Normal(f"y{t}", x, e): SERIES[t] for t, x in enumerate(states)})

    def left(q: Any, e: Any) -> Any:
        return _scales(q=q, e=e) + _level(q, e, SERIES[:6])

    return Case(model, [f"x{t}" for t in range(6)], left, {"q": 0.7, "e": 0.5})


def autoregression() -> Case:
    (q, e), rho = _half_normals("q", "e"), ppl.Uniform("rho", -1, 1)
    x = ppl.AR("x", pt.stack([rho]), sigma=q, init_dist=pm.Normal.dist(0, 2.0), steps=T - 1)
    model = ppl.Model({ppl.Normal("y", x, e): SERIES})

    def left(q: Any, e: Any, rho: Any) -> Any:
        return _scales(q=q, e=e) - mp.log(2) + _level(q, e, rho=rho)

    return Case(model, ["x"], left, {"q": 0.7, "e": 0.5, "rho": 0.83})


def gaps() -> Case:
    """A walk that is not seen at all times."""
    q, e = _half_normals("q", "e")
    x = ppl.GaussianRandomWalk("x", sigma=q, init_dist=pm.Normal.dist(0, 2.0), steps=T - 1)
    seen = np.array([0, 3, 4, 9])
    model = ppl.Model({ppl.Normal("y", x[seen], e): SERIES[seen]})
    series = [SERIES[t] if t in seen else None for t in range(T)]
    return Case(model, ["x"], lambda q, e: _scales(q=q, e=e) + _level(q, e, series), {"q": 0.7, "e": 0.5})


def trend_and_season() -> Case:
    """A local linear trend with a season of three, cumulated innovations all."""
    q, r, w, e = _half_normals("q", "r", "w", "e")
    level, slope = ppl.Normal("level", 0, 2, size=T), ppl.Normal("slope", 0, 1, size=T)
    turn, first = ppl.Normal("turn", 0, 1, size=T), ppl.Normal("first", 0, 1.5, size=2)
    slopes = pt.cumsum(pt.concatenate([slope[:1], r * slope[1:]]))
    trend = pt.cumsum(pt.concatenate([level[:1], q * level[1:] / 2 + slopes[:-1]]))
    season = [first[0], first[1]]
    for t in range(2, T):
        season.append(-season[-1] - season[-2] + w * turn[t])
    model = ppl.Model({ppl.Normal("y", trend + pt.stack(season), e): SERIES})

    def left(q: Any, r: Any, w: Any, e: Any) -> Any:
        # level, slope, season now, season next
        transition = [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, -1, -1]]
        cov, first = diagonal([q**2, r**2, 0, w**2]), diagonal([4, 1, 2.25, 2.25])
        return _scales(q=q, r=r, w=w, e=e) + kalman(SERIES, transition, cov, [0] * 4, first, [1, 0, 1, 0], e)

    at = {"q": 0.7, "r": 0.2, "w": 0.3, "e": 0.5}
    return Case(model, ["level", "slope", "turn", "first"], left, at)


def rows_by_the_million() -> Case:
    """Two million rows, as sufficient statistics; multiples of an eighth, whose sums are exact."""
    rng = np.random.default_rng(8)
    rows = 2_000_000
    group = rng.integers(0, 5, size=rows)
    eighths = rng.integers(-30, 40, size=rows) + np.array([3, -2, 9, 0, 5])[group]
    (tau, e), mu = _half_normals("tau", "e"), ppl.Normal("mu", 0, 5)
    y = ppl.Normal("y", ppl.Normal("theta", mu, tau, size=5)[group], e)
    parts = [eighths[group == g] for g in range(5)]

    def left(tau: Any, e: Any) -> Any:
        # Means of groups are normal numbers; what is left of their rows does not depend on them.
        n = number([len(p) for p in parts])
        sums = number([int(p.sum()) for p in parts]) / 8
        squares = number([int((p**2).sum()) for p in parts]) / 64
        within = total(squares - sums**2 / n)
        rest = -(rows - 5) * mp.log(2 * mp.pi * e**2) / 2 - total(exact.log(n)) / 2 - within / (2 * e**2)
        cov = np.full((5, 5), mp.mpf(25), dtype=object) + diagonal(tau**2 + e**2 / n)
        return _scales(tau=tau, e=e) + rest + mv_normal(sums / n, 0, cov)

    model = ppl.Model({y: eighths / 8})
    return Case(model, ["theta", "mu"], left, {"tau": 1.2, "e": 2.6}, is_compressed=True)


def missing_data() -> Case:
    (tau, e), mu = _half_normals("tau", "e"), ppl.Normal("mu", 0, 5)
    y = ppl.Normal("y", ppl.Normal("theta", mu, tau, size=5)[GROUP], e)
    data, is_seen = Y.copy(), np.arange(9) % 4 != 1
    data[~is_seen] = np.nan

    def left(tau: Any, e: Any) -> Any:
        design = np.hstack([np.ones((9, 1)), EYE[GROUP]])[is_seen]
        cov = diagonal([25, *[tau**2] * 5])
        return _scales(tau=tau, e=e) + linear_normal(Y[is_seen], design, np.zeros(6), cov, e)

    return Case(ppl.Model({y: data}), ["y_missing", "theta", "mu"], left, {"tau": 1.2, "e": 0.7})


def with_potential() -> Case:
    """A soft constraint that effects have the sum zero, and one that does not concern them."""
    tau, e = _half_normals("tau", "e")
    theta = ppl.Normal("theta", 0.3, tau, size=5)
    soft = ppl.Potential("soft", -0.5 * (theta.sum() / 0.2) ** 2)
    other = ppl.Potential("other", -e * tau)
    y = ppl.Normal("y", theta[GROUP], e)

    def left(tau: Any, e: Any) -> Any:
        # A constraint is one more observation, of zero.
        design = np.vstack([EYE[GROUP], np.ones((1, 5))])
        noise, data = [e] * 9 + [number(0.2)], [*Y, 0.0]
        seen = linear_normal(data, design, [0.3] * 5, diagonal([tau**2] * 5), np.array(noise))
        return _scales(tau=tau, e=e) + seen + mp.log(2 * mp.pi) / 2 + mp.log(number(0.2)) - e * tau

    return Case(ppl.Model({y: Y}, soft, other), ["theta"], left, {"tau": 1.2, "e": 0.7})


def with_deterministic_and_dims() -> Case:
    (tau, e), mu = _half_normals("tau", "e"), ppl.Normal("mu", 0, 5)
    theta = ppl.Deterministic("theta", mu + tau * ppl.Normal("z", 0, 1, dims="group"))
    y = ppl.Normal("y", theta[GROUP], e, dims="row")
    model = ppl.Model({y: Y}, coords={"group": list("abcde")})

    def left(tau: Any, e: Any) -> Any:
        design = np.hstack([np.ones((9, 1)), EYE[GROUP]])
        return _scales(tau=tau, e=e) + linear_normal(Y, design, np.zeros(6), diagonal([25, *[tau**2] * 5]), e)

    return Case(model, ["z", "mu"], left, {"tau": 1.2, "e": 0.7})


def normal_beside_a_sum() -> Case:
    """Effects, and the variant of another measurement, which is summed out first."""
    tau, e, c = _half_normals("tau", "e", "c")
    y = ppl.Normal("y", ppl.Normal("theta", 0.5, tau, size=5)[GROUP], e)
    x = ppl.Normal("x", ppl.Bernoulli("z", 0.3, size=2) * c, e)

    def left(tau: Any, e: Any, c: Any) -> Any:
        seen = linear_normal(Y, EYE[GROUP], [0.5] * 5, diagonal([tau**2] * 5), e)
        w = number(0.3)
        mixed = [
            exact.log_sum([mp.log(w) + exact.normal(x, c, e), mp.log(1 - w) + exact.normal(x, 0, e)])
            for x in (0.4, 1.9)
        ]
        return _scales(tau=tau, e=e, c=c) + seen + sum(mixed)

    return Case(ppl.Model({y: Y, x: [0.4, 1.9]}), ["theta", "z"], left, {"tau": 1.2, "e": 0.7, "c": 1.6})


def measured_with_error() -> Case:
    """True values of a regressor, given its slope."""
    (s, e, w), b = _half_normals("s", "e", "w"), ppl.Normal("b", 0, 2)
    x = ppl.Normal("x", 0.4, s, size=9)
    model = ppl.Model({ppl.Normal("seen", x, w): X, ppl.Normal("y", b * x, e): Y})

    def left(s: Any, e: Any, w: Any, b: Any) -> Any:
        found = _scales(s=s, e=e, w=w) + exact.normal(b, 0, 2)
        for seen, y in zip(X, Y, strict=True):
            design = np.array([[mp.mpf(1)], [b]])
            found += linear_normal([seen, y], design, [0.4], diagonal([s**2]), np.array([w, e]))
        return found

    return Case(model, ["x"], left, {"s": 1.2, "e": 0.7, "w": 0.3, "b": -0.8}, ("Normal",))


def effects_in_two_outcomes() -> Case:
    """One array of effects behind two kinds of data, of other scales."""
    tau, e, w = _half_normals("tau", "e", "w")
    theta = ppl.Normal("theta", 0, tau, size=5)
    model = ppl.Model({ppl.Normal("y", theta[GROUP], e): Y, ppl.Normal("x", 3.0 - theta[OTHER], w): X})

    def left(tau: Any, e: Any, w: Any) -> Any:
        design = np.vstack([EYE[GROUP], -EYE[OTHER]])
        data = np.concatenate([number(Y), number(X) - 3])
        noise = np.array([e] * 9 + [w] * 9)
        return _scales(tau=tau, e=e, w=w) + linear_normal(data, design, [0] * 5, diagonal([tau**2] * 5), noise)

    return Case(model, ["theta"], left, {"tau": 1.2, "e": 0.7, "w": 0.4}, ("Normal",))


ALL = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and f.__name__[0] != "_"]
ALL.remove(kalman)
