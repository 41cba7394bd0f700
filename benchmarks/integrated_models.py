"""Models whose continuous variables can be integrated out: as one declares them, and as they are by hand, for peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt


@dataclass(frozen=True)
class Pair:
    """A model twice.

    Parameters
    ----------
    declare : callable
        Returns the PyMC model with all its variables.
    by_hand : callable
        Returns the PyMC model from which they were integrated out by hand; parameters have the same names.
    names : tuple of str
        Parameters of both.
    """

    declare: Callable[[], Any]
    by_hand: Callable[[], Any]
    names: tuple[str, ...]


def _eight_schools(is_centred: bool) -> pm.Model:
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    scale = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        if is_centred:
            theta = pm.Normal("theta", mu, tau, shape=8)
        else:
            theta = pm.Deterministic("theta", mu + tau * pm.Normal("z", 0, 1, shape=8))
        pm.Normal("y", theta, scale, observed=y)
    return model


def _radon_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(919)
    county = np.concatenate([np.arange(85), rng.choice(85, 919 - 85, p=rng.dirichlet(np.full(85, 1.0)))])
    floor = (rng.uniform(size=919) < 0.17).astype(float)
    y = 1.5 + 0.3 * rng.normal(size=85)[county] - 0.7 * floor + 0.75 * rng.normal(size=919)
    return county, floor, y


def _radon() -> pm.Model:
    county, floor, y = _radon_data()
    with pm.Model() as model:
        mu, tau, b = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 1), pm.Normal("b", 0, 10)
        a, s = pm.Normal("a", mu, tau, shape=85), pm.HalfNormal("s", 1)
        pm.Normal("y", a[county] + b * floor, s, observed=y)
    return model


def _radon_by_hand() -> pm.Model:
    county, floor, y = _radon_data()
    count = np.bincount(county).astype(float)
    with pm.Model() as model:
        mu, tau, b = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 1), pm.Normal("b", 0, 10)
        s = pm.HalfNormal("s", 1)
        means = np.bincount(county, y) / count - b * np.bincount(county, floor) / count
        within = y - (np.bincount(county, y) / count)[county]
        within_floor = floor - (np.bincount(county, floor) / count)[county]
        # Within groups by three numbers, between them by the means.
        yy, yf, ff = within @ within, within @ within_floor, within_floor @ within_floor
        residual = yy - 2 * b * yf + b**2 * ff
        free = 919 - 85
        pm.Potential(
            "within", -0.5 * residual / s**2 - free * (pt.log(s) + 0.5 * log(2 * pi)) - 0.5 * np.log(count).sum()
        )
        pm.Potential("between", pm.logp(pm.Normal.dist(mu, pt.sqrt(tau**2 + s**2 / count)), means).sum())
    return model


def _crossed_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(60)
    student, lecturer = rng.integers(0, 60, 1200), rng.integers(0, 40, 1200)
    y = 3.0 + 0.8 * rng.normal(size=60)[student] + 0.5 * rng.normal(size=40)[lecturer] + rng.normal(size=1200)
    return student, lecturer, y


def _crossed() -> pm.Model:
    student, lecturer, y = _crossed_data()
    with pm.Model() as model:
        mu, s = pm.Normal("mu", 0, 10), pm.HalfNormal("s", 2)
        ta, tb = pm.HalfNormal("ta", 2), pm.HalfNormal("tb", 2)
        a, b = pm.Normal("a", 0, ta, shape=60), pm.Normal("b", 0, tb, shape=40)
        pm.Normal("y", mu + a[student] + b[lecturer], s, observed=y)
    return model


def _gaussian(design: np.ndarray, y: np.ndarray, scales: Any, mean: Any, s: Any) -> Any:
    """Return the log-density of ``y ~ N(mean, Z diag(scales^2) Z' + s^2)`` from sums over rows (Woodbury)."""
    gram, cross, ones = design.T @ design, design.T @ y, design.T @ np.ones(len(y))
    inner = pt.eye(design.shape[1]) + scales[:, None] * gram * scales[None, :] / s**2
    factor = pt.linalg.cholesky(inner)
    residual = (cross - mean * ones) * scales / s**2
    white = pt.linalg.solve_triangular(factor, residual, lower=True)
    square = y @ y - 2 * mean * y.sum() + mean**2 * len(y)
    logdet = 2 * pt.log(pt.diagonal(factor)).sum() + 2 * len(y) * pt.log(s)
    return -0.5 * (square / s**2 - pt.sqr(white).sum() + logdet + len(y) * log(2 * pi))


def _crossed_by_hand() -> pm.Model:
    student, lecturer, y = _crossed_data()
    design = np.concatenate([np.eye(60)[student], np.eye(40)[lecturer]], axis=1)
    with pm.Model() as model:
        mu, s = pm.Normal("mu", 0, 10), pm.HalfNormal("s", 2)
        ta, tb = pm.HalfNormal("ta", 2), pm.HalfNormal("tb", 2)
        scales = pt.concatenate([pt.repeat(ta, 60), pt.repeat(tb, 40)])
        pm.Potential("y", _gaussian(design, y, scales, mu, s))
    return model


def _slopes_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(50)
    group, x = np.repeat(np.arange(50), 10), rng.normal(size=500)
    effects = rng.multivariate_normal([1.0, -0.5], [[0.5, 0.2], [0.2, 0.3]], size=50)
    return group, x, effects[group, 0] + effects[group, 1] * x + 0.7 * rng.normal(size=500)


def _slopes_lkj() -> pm.Model:
    group, x, y = _slopes_data()
    with pm.Model() as model:
        factor, _, _ = pm.LKJCholeskyCov("factor", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, shape=2))
        mu, s = pm.Normal("mu", 0, 2, shape=2), pm.HalfNormal("s", 1)
        effects = pm.MvNormal("effects", mu, chol=factor, shape=(50, 2))
        pm.Normal("y", effects[group, 0] + effects[group, 1] * x, s, observed=y)
    return model


def _slopes_lkj_by_hand() -> pm.Model:
    _, x, y = _slopes_data()
    design = np.stack([np.ones(500), x], axis=1).reshape(50, 10, 2)
    with pm.Model() as model:
        factor, _, _ = pm.LKJCholeskyCov("factor", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, shape=2))
        mu, s = pm.Normal("mu", 0, 2, shape=2), pm.HalfNormal("s", 1)
        half = pt.dot(design, factor)
        covariance = pt.matmul(half, half.transpose(0, 2, 1)) + s**2 * np.eye(10)
        pm.MvNormal("y", pt.dot(design, mu), cov=covariance, observed=y.reshape(50, 10))
    return model


def _rats_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(30)
    age = np.array([8.0, 15, 22, 29, 36]) - 22
    a, b = 242 + 14 * rng.normal(size=30), 6.2 + 0.5 * rng.normal(size=30)
    return age, a[:, None] + b[:, None] * age + 6 * rng.normal(size=(30, 5))


def _rats() -> pm.Model:
    age, y = _rats_data()
    with pm.Model() as model:
        ma, mb = pm.Normal("ma", 200, 100), pm.Normal("mb", 0, 10)
        ta, tb, s = pm.HalfNormal("ta", 30), pm.HalfNormal("tb", 5), pm.HalfNormal("s", 20)
        a, b = pm.Normal("a", ma, ta, shape=30), pm.Normal("b", mb, tb, shape=30)
        pm.Normal("y", a[:, None] + b[:, None] * age, s, observed=y)
    return model


def _rats_by_hand() -> pm.Model:
    age, y = _rats_data()
    with pm.Model() as model:
        ma, mb = pm.Normal("ma", 200, 100), pm.Normal("mb", 0, 10)
        ta, tb, s = pm.HalfNormal("ta", 30), pm.HalfNormal("tb", 5), pm.HalfNormal("s", 20)
        covariance = ta**2 + tb**2 * np.outer(age, age) + s**2 * np.eye(5)
        pm.MvNormal("y", ma + mb * age, cov=covariance, observed=y)
    return model


def _trend_data() -> np.ndarray:
    rng = np.random.default_rng(200)
    slope = np.cumsum(0.02 * rng.normal(size=200))
    level = np.cumsum(slope + 0.2 * rng.normal(size=200))
    return level + 2.0 * np.sin(2 * pi * np.arange(200) / 12) + 0.5 * rng.normal(size=200)


SEASON = 12


def _walk(name: str, drift: Any, scale: Any) -> Any:
    """Return a random walk of 200 steps with a drift, as a distribution of all its values."""

    def logp(value: Any, drift: Any, scale: Any) -> Any:
        first = pm.logp(pm.Normal.dist(0, 10), value[0])
        return first + pm.logp(pm.Normal.dist(value[:-1] + drift[:-1], scale), value[1:]).sum()

    return pm.CustomDist(name, drift, scale, logp=logp, shape=200, signature="(n),()->(n)")


def _trend() -> pm.Model:
    y = _trend_data()
    with pm.Model() as model:
        sl, sb, ss, s = (pm.HalfNormal(name, scale) for name, scale in (("sl", 1), ("sb", 0.1), ("ss", 0.5), ("s", 1)))
        slope = pm.GaussianRandomWalk("slope", 0.0, sb, init_dist=pm.Normal.dist(0, 1), steps=199)
        level = _walk("level", slope, sl)
        season = pm.GaussianRandomWalk("season", 0.0, ss, init_dist=pm.Normal.dist(0, 2), steps=16, shape=(12, 17))
        pm.Normal("y", level + season.T.ravel()[:200], s, observed=y)
    return model


def _gp_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(100)
    x = np.sort(rng.uniform(0, 10, 100))
    return x, np.sin(x) + 0.3 * rng.normal(size=100)


def _kernel(x: np.ndarray, length: Any, eta: Any) -> Any:
    return eta**2 * pt.exp(-0.5 * (x[:, None] - x[None, :]) ** 2 / length**2)


def _gp() -> pm.Model:
    x, y = _gp_data()
    with pm.Model() as model:
        length, eta = pm.InverseGamma("length", 5, 5), pm.HalfNormal("eta", 2)
        s = pm.HalfNormal("s", 1)
        f = pm.MvNormal("f", np.zeros(100), cov=_kernel(x, length, eta) + 1e-6 * np.eye(100))
        pm.Normal("y", f, s, observed=y)
    return model


def _gp_by_hand() -> pm.Model:
    x, y = _gp_data()
    with pm.Model() as model:
        length, eta = pm.InverseGamma("length", 5, 5), pm.HalfNormal("eta", 2)
        s = pm.HalfNormal("s", 1)
        pm.MvNormal("y", np.zeros(100), cov=_kernel(x, length, eta) + (s**2 + 1e-6) * np.eye(100), observed=y)
    return model


def _trend_by_hand() -> pm.Model:
    y = _trend_data()
    at = np.arange(200)
    earlier = np.minimum(at[:, None], at[None, :]).astype(float)
    # Covariances of walks: of the level, of the level that a walking slope sums up to, and of each month.
    sums = np.tril(np.ones((200, 200)), -1)
    drift = sums @ np.minimum(at[:, None], at[None, :]) @ sums.T
    constant = 100.0 + sums @ np.ones((200, 200)) @ sums.T
    month = (at[:, None] % SEASON == at[None, :] % SEASON).astype(float)
    seasons = month * np.minimum(at[:, None] // SEASON, at[None, :] // SEASON)
    with pm.Model() as model:
        sl, sb, ss, s = (pm.HalfNormal(name, scale) for name, scale in (("sl", 1), ("sb", 0.1), ("ss", 0.5), ("s", 1)))
        covariance = constant + 4.0 * month + sl**2 * earlier + sb**2 * drift + ss**2 * seasons + s**2 * np.eye(200)
        pm.MvNormal("y", np.zeros(200), cov=covariance, observed=y)
    return model


PAIRS = {
    "eight_schools": Pair(lambda: _eight_schools(True), lambda: _eight_schools(False), ("mu", "tau", "theta")),
    "radon": Pair(_radon, _radon_by_hand, ("mu", "tau", "b", "s")),
    "crossed_effects": Pair(_crossed, _crossed_by_hand, ("mu", "s", "ta", "tb")),
    "slopes_lkj": Pair(_slopes_lkj, _slopes_lkj_by_hand, ("mu", "s")),
    "rats": Pair(_rats, _rats_by_hand, ("ma", "mb", "ta", "tb", "s")),
    "trend_and_season": Pair(_trend, _trend_by_hand, ("sl", "sb", "ss", "s")),
    "gaussian_process": Pair(_gp, _gp_by_hand, ("length", "eta", "s")),
}
