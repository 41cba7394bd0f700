"""Partial centring of sequences: random walks and autoregressions, many at once.

Answers: what the declarations say of locations and scales, in NumPy; given what coordinates take as observed, the mean
and covariance of normal variables, by matrices; the Jacobian of these; densities as they were declared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

import ppl
from graphs.centring import partial_centring, why_as_declared, why_not_located
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob, unconstrain
from graphs.surgery.random_graph import static_shape
from tests.laws.transforms import interpreted

S, RHO = 0.7, 0.4


def walk(s, rho):
    return ppl.GaussianRandomWalk("x", mu=0.3, sigma=s, init_dist=pm.Normal.dist(0.5, 2), steps=4)


def heavy_walk(s, rho):
    start, step = pm.Laplace.dist(0.5, 2), pm.StudentT.dist(nu=4, mu=0.3, sigma=s)
    return ppl.RandomWalk("x", init_dist=start, innovation_dist=step, steps=4)


def autoregression(s, rho):
    return ppl.AR("x", rho=[0.4, rho], sigma=s, constant=True, init_dist=pm.Normal.dist(0.5, 2), steps=4)


def walks(s, rho):
    start = pm.Normal.dist(np.array([0.5, -1.0]), 2.0)
    return ppl.GaussianRandomWalk("x", mu=[0.3, 0.1], sigma=s * np.array([1.0, 2]), init_dist=start, steps=2, size=2)


def walks_of_two_axes(s, rho):
    start, step = pm.Cauchy.dist(rho, 1.5), pm.Logistic.dist(np.array([0.1, 0.2, 0.3]), s)
    return ppl.RandomWalk("x", init_dist=start, innovation_dist=step, steps=1, size=(2, 3))


def walks_of_scales_of_their_own(s, rho):
    sigma = s * np.array([[1.0, 1.5], [2.0, 2.5]])
    start = pm.Normal.dist(rho, sigma)
    return ppl.GaussianRandomWalk("x", mu=0.2, sigma=sigma, init_dist=start, steps=2)


def autoregressions(s, rho):
    coefficients = pm.math.stack([pm.math.stack([0.1, rho]), pm.math.stack([0.2, rho / 2])])
    start = pm.Normal.dist(0.5, 2.0)
    return ppl.AR("x", rho=coefficients, sigma=s * np.array([1, 3.0]), constant=True, init_dist=start, steps=2, size=2)


def autoregressions_of_two_axes(s, rho):
    start = pm.StudentT.dist(nu=5, mu=1.0, sigma=s)
    return ppl.AR("x", rho=pm.math.stack([rho]), sigma=s, init_dist=start, steps=1, size=(3, 2))


# Locations, scales and ratios as declared.
CASES = {
    walk: ([0.5, *[0.3] * 4], [2, *[S] * 4], [0, *[1] * 4]),
    heavy_walk: ([0.5, *[0.3] * 4], [2, *[S] * 4], [0, *[1] * 4]),
    autoregression: ([0.5, *[0.4] * 4], [2, *[S] * 4], [0, *[RHO] * 4]),
    walks: ([[0.5, 0.3, 0.3], [-1, 0.1, 0.1]], [[2, S, S], [2, 2 * S, 2 * S]], [[0, 1, 1]] * 2),
    walks_of_two_axes: ([[[RHO, 0.1], [RHO, 0.2], [RHO, 0.3]]] * 2, [[[1.5, S]] * 3] * 2, [[[0, 1]] * 3] * 2),
    walks_of_scales_of_their_own: (
        [[[RHO, 0.2, 0.2]] * 2] * 2,
        [[[S] * 3, [1.5 * S] * 3], [[2 * S] * 3, [2.5 * S] * 3]],
        [[[0, 1, 1]] * 2] * 2,
    ),
    autoregressions: (
        [[0.5, 0.1, 0.1], [0.5, 0.2, 0.2]],
        [[2, S, S], [2, 3 * S, 3 * S]],
        [[0, RHO, RHO], [0, RHO / 2, RHO / 2]],
    ),
    autoregressions_of_two_axes: ([[[1, 0]] * 2] * 3, [[[S, S]] * 2] * 3, [[[0, RHO]] * 2] * 3),
}


def joint(model: ppl.Model) -> LogProb:
    return unconstrain(logprob(model, marginalize=False))


def centred(declare) -> tuple[LogProb, Any]:
    s, rho = ppl.HalfNormal("s", 1), ppl.Uniform("rho", -1, 1)
    x = declare(s, rho)
    density = joint(ppl.Model({ppl.Poisson("y", pm.math.exp(x)): np.ones(static_shape(x), np.int64)}))
    return density, partial_centring(density, list(density.values), list(density.values))


@pytest.mark.parametrize("declare", CASES)
def test_positions_and_density(declare):
    density, centring = centred(declare)
    assert centring.names == ("x",)
    [value], rng = centring.values, np.random.default_rng(1)
    shape = value.type.shape
    size = int(np.prod(shape))
    share, unit, pull = rng.uniform(0.1, 0.9, size), rng.uniform(0.3, 2, size), rng.normal(size=size)
    floor = (1 - share) * unit**2
    others = dict(zip(centring.data, (share, floor, pull), strict=True))
    for v in density.logdensity.inputs:
        if v is not value:
            others[v] = np.array({"s_log__": np.log(S), "rho_interval__": np.log((1 + RHO) / (1 - RHO))}[v.name])

    def positions(z):
        [found] = interpreted([centring.undone[value]], {**others, centring.coordinates[value]: z.reshape(shape)})
        assert found.shape == shape
        return found.ravel()

    location, scale, ratio = (np.asarray(part, float).ravel() for part in CASES[declare])
    found = interpreted(list(centring.located[0].graphs), {**others, value: np.zeros(shape)})
    for got, expected in zip(found, (location, scale, ratio), strict=True):
        np.testing.assert_allclose(np.broadcast_to(got, shape).ravel(), expected, rtol=1e-12)
    # The prior's precision, and that of what is observed; coordinates have the variances of observations.
    back = np.eye(size) - np.diag(ratio[1:], -1)
    covariance = np.linalg.inv(back.T @ np.diag(1 / scale**2) @ back + np.diag(share / floor))
    mean = covariance @ (back.T @ (location / scale**2) + pull / floor)
    slopes = np.array([positions(e) - positions(np.zeros(size)) for e in np.eye(size)]).T
    np.testing.assert_allclose(positions(np.zeros(size)), mean, rtol=1e-9)
    # An inverse is right to so much of its largest elements.
    np.testing.assert_allclose(slopes @ np.diag(floor) @ slopes.T, covariance, rtol=1e-9, atol=1e-14)
    z = rng.normal(size=size)
    at = {v: g for v, g in others.items() if v not in centring.data}
    [expected] = interpreted([density.total], at | {value: positions(z).reshape(shape)})
    [found] = interpreted([centring.logdensity.total], others | {centring.coordinates[value]: z.reshape(shape)})
    np.testing.assert_allclose(found, expected + np.linalg.slogdet(slopes)[1], rtol=1e-9)


@pytest.mark.parametrize(
    "declare",
    [
        lambda s, rho: ppl.AR("x", rho=[rho, 0.1], sigma=s, init_dist=pm.Normal.dist(0, 1), steps=3),
        lambda s, rho: ppl.RandomWalk("x", init_dist=pm.Normal.dist(), innovation_dist=pm.Gamma.dist(s, 1), steps=3),
    ],
)
def test_sequences_that_have_none(declare):
    density, centring = centred(declare)
    assert centring is None
    assert "one after the other" in why_not_located(density, "x")
    assert "of first order" in why_as_declared(density, "x", density.values)
    assert why_as_declared(density, "s", density.values) == ""
