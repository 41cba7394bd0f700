"""The log-likelihood of groups, their effects integrated out.

Answers: closed forms, by SciPy.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import logsumexp
from xarray import DataArray, Dataset, DataTree

import ppl
from graphs.errors import DerivationError, ModelError

# Three to six draws each; `test_likelihood.py` compiles.
pytestmark = pytest.mark.usefixtures("few_calls")

RNG = np.random.default_rng(11)
group = np.repeat(np.arange(4), [3, 5, 2, 6])
Y, X = RNG.normal(size=16), RNG.normal(size=16)
N = RNG.integers(1, 9, size=16)


def trace_of(**draws: np.ndarray) -> DataTree:
    """Return a trace of one chain."""
    arrays = {
        name: DataArray(d[None], dims=("chain", "draw", *(f"{name}_dim_{i}" for i in range(d.ndim - 1))))
        for name, d in draws.items()
    }
    return DataTree.from_dict({"posterior": Dataset(arrays)})


def log_likelihood(model: ppl.Model, trace: DataTree, integrated: object = True) -> Dataset:
    return ppl.log_likelihood(model, trace, integrated=integrated).log_likelihood.to_dataset()  # type: ignore[arg-type]


def normal(y: np.ndarray, mean: object, covariance: np.ndarray) -> float:
    return float(stats.multivariate_normal(np.broadcast_to(mean, y.shape), covariance).logpdf(y))


def test_intercepts_and_slopes_of_groups_go_together_and_their_mean_stays() -> None:
    mu, tau, scale = ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 1), ppl.HalfNormal("scale", 1)
    u, b = ppl.Normal("u", mu, tau, size=4, dims="school"), ppl.Normal("b", 0, 0.5, size=4, dims="school")
    y = ppl.Normal("y", u[group] + b[group] * X, scale, dims="pupil")
    model = ppl.Model({y: Y}, coords={"school": list("abcd")})
    mus, taus, scales = RNG.normal(size=6), RNG.uniform(0.1, 2, size=6), RNG.uniform(0.3, 2, size=6)
    found = log_likelihood(model, trace_of(mu=mus, tau=taus, scale=scales))["y"]
    assert found.dims == ("chain", "draw", "school")
    assert found.coords["school"].to_numpy().tolist() == list("abcd")
    for d in range(6):
        for g in range(4):
            rows = group == g
            slopes = 0.25 * np.outer(X[rows], X[rows])
            covariance = taus[d] ** 2 + slopes + scales[d] ** 2 * np.eye(rows.sum())
            np.testing.assert_allclose(found[0, d, g], normal(Y[rows], mus[d], covariance), rtol=1e-10)


def test_effects_of_single_rows_have_the_axes_of_the_rows_and_loo_takes_them() -> None:
    effects, errors = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    theta = ppl.Normal("theta", mu, tau, size=8, dims="school")
    model = ppl.Model({ppl.Normal("y", theta, errors, dims="school"): effects})
    mus, taus = RNG.normal(4, 3, size=200), RNG.gamma(2, 2, size=200)
    tree = ppl.log_likelihood(model, trace_of(mu=mus, tau=taus), integrated=["theta"])
    found = tree.log_likelihood["y"]
    assert found.dims == ("chain", "draw", "school")
    scale = np.hypot(taus[:, None], errors)
    np.testing.assert_allclose(found[0], stats.norm.logpdf(effects, mus[:, None], scale), rtol=1e-10)
    loo = az.loo(tree)
    assert loo.n_data_points == 8
    assert np.isfinite(loo.elpd)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_nothing_cancels_at_extreme_scales(scale: float) -> None:
    tau = ppl.HalfNormal("tau", 1)
    u = ppl.Normal("u", 0, tau, size=4)
    model = ppl.Model({ppl.Normal("y", u[group], 0.7): Y})
    found = log_likelihood(model, trace_of(tau=np.array([scale])))["y"]
    for g in range(4):
        y = Y[group == g]
        n, spread = len(y), scale**2 * len(y) / 0.49
        # The determinant and the inverse of 0.49 I + scale^2 1 1'.
        square = (np.square(y).sum() - scale**2 / 0.49 / (1 + spread) * y.sum() ** 2) / 0.49
        expected = -0.5 * (n * np.log(2 * np.pi * 0.49) + np.log1p(spread) + square)
        np.testing.assert_allclose(found[0, 0, g], expected, rtol=1e-9)


def test_chances_of_groups_give_beta_binomials() -> None:
    a, b = ppl.Gamma("a", 2, 1), ppl.Gamma("b", 2, 1)
    p = ppl.Beta("p", a, b, size=16)
    seen = RNG.binomial(N, 0.4)
    model = ppl.Model({ppl.Binomial("y", N, p): seen})
    shapes = RNG.uniform(0.2, 4, size=(2, 5))
    found = log_likelihood(model, trace_of(a=shapes[0], b=shapes[1]))["y"]
    expected = stats.betabinom.logpmf(seen, N, shapes[0][:, None], shapes[1][:, None])
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)


def test_correlated_effects_of_groups() -> None:
    covariance = np.array([[1.0, 0.4], [0.4, 0.5]])
    u = ppl.MvNormal("u", np.zeros(2), covariance, size=4, dims=("school", "effect"))
    scale = ppl.HalfNormal("scale", 1)
    model = ppl.Model({ppl.Normal("y", u[group, 0] + u[group, 1] * X, scale): Y})
    scales = RNG.uniform(0.3, 2, size=3)
    found = log_likelihood(model, trace_of(scale=scales))["y"]
    for d in range(3):
        for g in range(4):
            rows = group == g
            design = np.column_stack([np.ones(rows.sum()), X[rows]])
            marginal = design @ covariance @ design.T + scales[d] ** 2 * np.eye(rows.sum())
            np.testing.assert_allclose(found[0, d, g], normal(Y[rows], 0, marginal), rtol=1e-9)


def test_a_walk_of_each_series_is_one_group() -> None:
    step = ppl.HalfNormal("step", 1)
    noise = ppl.Normal("noise", 0, step, size=(3, 7))
    data = RNG.normal(size=(3, 7))
    model = ppl.Model({ppl.Normal("y", pt.cumsum(noise, axis=1), 0.8, dims=("series", "time")): data})
    steps = RNG.uniform(0.3, 2, size=3)
    found = log_likelihood(model, trace_of(step=steps))["y"]
    assert found.dims == ("chain", "draw", "series")
    earlier = np.minimum.outer(np.arange(1, 8), np.arange(1, 8))
    for d in range(3):
        expected = [normal(y, 0, steps[d] ** 2 * earlier + 0.64 * np.eye(7)) for y in data]
        np.testing.assert_allclose(found[0, d], expected, rtol=1e-9)


def test_outcomes_that_share_effects_have_a_joint_entry_and_others_their_own() -> None:
    tau = ppl.HalfNormal("tau", 1)
    u = ppl.Normal("u", 0, tau, size=4)
    y, z = ppl.Normal("y", u[group], 1), ppl.Normal("z", 2 * u, 0.5)
    other = ppl.Normal("other", tau, 1)
    data = RNG.normal(size=4)
    taus = RNG.uniform(0.3, 2, size=3)
    found = log_likelihood(ppl.Model({y: Y, z: data, other: X[:3]}), trace_of(tau=taus))
    assert set(found.data_vars) == {"y+z", "other"}
    np.testing.assert_allclose(found["other"][0], stats.norm.logpdf(X[:3], taus[:, None]), rtol=1e-10)
    for d in range(3):
        for g in range(4):
            both = np.append(Y[group == g], data[g])
            loads = np.append(np.ones(len(both) - 1), 2.0)
            noise = np.append(np.ones(len(both) - 1), 0.25)
            covariance = taus[d] ** 2 * np.outer(loads, loads) + np.diag(noise)
            np.testing.assert_allclose(found["y+z"][0, d, g], normal(both, 0, covariance), rtol=1e-10)


def test_rows_without_an_effect_are_groups_by_themselves() -> None:
    """The first group is the one that others are compared with."""
    mu = ppl.Normal("mu", 0, 1)
    u = ppl.Normal("u", 0, 0.6, size=3)
    model = ppl.Model({ppl.Normal("y", mu + pt.concatenate([[0.0], u])[group], 1): Y})
    found = log_likelihood(model, trace_of(mu=np.array([0.3, -1.0])))["y"]
    assert found.shape == (1, 2, 3 + 3)
    for d, mean in enumerate([0.3, -1.0]):
        rows = stats.norm.logpdf(Y[:3], mean, 1)
        groups = [normal(y := Y[group == g], mean, 0.36 + np.eye(len(y))) for g in (1, 2, 3)]
        np.testing.assert_allclose(np.sort(found[0, d]), np.sort([*rows, *groups]), rtol=1e-10)


def test_of_crossed_effects_those_of_the_most_groups_go_unless_others_are_named() -> None:
    person, item = np.divmod(np.arange(15), 3)
    u, v = ppl.Normal("u", 0, 1, size=5), ppl.Normal("v", 0, 1, size=3)
    model = ppl.Model({ppl.Normal("y", u[person] + v[item], 0.7): Y[:15]})
    us, vs = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 3))
    found = log_likelihood(model, trace_of(v=vs))["y"]
    for d in range(2):
        expected = [normal(Y[:15][person == g], vs[d], 1 + 0.49 * np.eye(3)) for g in range(5)]
        np.testing.assert_allclose(found[0, d], expected, rtol=1e-10)
    found = log_likelihood(model, trace_of(u=us), ["v"])["y"]
    for d in range(2):
        expected = [normal(Y[:15][item == g], us[d], 1 + 0.49 * np.eye(5)) for g in range(3)]
        np.testing.assert_allclose(found[0, d], expected, rtol=1e-10)
    with pytest.raises(ModelError, match=r"All of y share what is integrated out \(u, v\).*integrated"):
        log_likelihood(model, trace_of(u=us), ["u", "v"])


def test_what_else_tells_of_the_effects_is_given() -> None:
    """A latent variable that follows from the effects is part of what is left of the draw."""
    u = ppl.Normal("u", 0, 1, size=4)
    t = ppl.StudentT("t", 3, u, sigma=1)
    model = ppl.Model({ppl.Normal("y", u[group], 1): Y, ppl.Poisson("n", pt.exp(t)): N[:4]})
    with pytest.raises(DerivationError, match=r"u cannot be integrated out: .*integrated"):
        log_likelihood(model, trace_of(t=RNG.normal(size=(2, 4))), ["u"])
    w = ppl.Normal("w", u, 0.5)
    model = ppl.Model({ppl.Normal("y", u[group], 1): Y, ppl.Poisson("n", pt.exp(w)): N[:4]})
    ws = RNG.normal(size=(2, 4))
    found = log_likelihood(model, trace_of(w=ws))
    np.testing.assert_allclose(found["n"][0], stats.poisson.logpmf(N[:4], np.exp(ws)), rtol=1e-10)
    for d in range(2):
        for g in range(4):
            y = Y[group == g]
            # Given w = u + noise, u is normal with mean 0.8 w and variance 0.2.
            np.testing.assert_allclose(found["y"][0, d, g], normal(y, 0.8 * ws[d, g], 0.2 + np.eye(len(y))), rtol=1e-9)


def test_discrete_variables_beside_are_summed_out() -> None:
    u = ppl.Normal("u", 0, 1, size=4)
    k = ppl.Bernoulli("k", 0.3, size=5)
    y, z = ppl.Normal("y", u[group], 1), ppl.Normal("z", 2.0 * k, 1)
    model = ppl.Model({y: Y, z: X[:5]})
    found = log_likelihood(model, trace_of(unused=np.zeros(2)))
    mixture = logsumexp([np.log(0.7) + stats.norm.logpdf(X[:5]), np.log(0.3) + stats.norm.logpdf(X[:5], 2)], axis=0)
    np.testing.assert_allclose(found["z"][0, 1], mixture, rtol=1e-10)
    expected = [normal(Y[group == g], 0, 1 + np.eye((group == g).sum())) for g in range(4)]
    np.testing.assert_allclose(found["y"][0, 1], expected, rtol=1e-10)
    tied = ppl.Model({ppl.Normal("x", u + 2.0 * ppl.Bernoulli("j", 0.3, size=4), 1): X[:4]})
    with pytest.raises(ModelError, match=r"u cannot be integrated out: .*discrete variable j"):
        log_likelihood(tied, trace_of(u=np.zeros((2, 4))), ["u"])


def test_a_series_of_all_rows_leaves_no_groups() -> None:
    level = ppl.GaussianRandomWalk("level", 0, 1, init_dist=pm.Normal.dist(0, 1), steps=15)
    model = ppl.Model({ppl.Normal("y", level, 1): Y})
    trace = trace_of(level=RNG.normal(size=(2, 16)))
    with pytest.raises(ModelError, match="nothing to integrate out group by group"):
        log_likelihood(model, trace)
    with pytest.raises(ModelError, match="All of y share"):
        log_likelihood(model, trace, ["level"])
    with pytest.raises(ModelError, match="what can be asked for is level"):
        log_likelihood(model, trace, ["levels"])
    with pytest.raises(ModelError, match=r"write \['level'\]"):
        log_likelihood(model, trace, "level")


def test_by_default_nothing_is_integrated_out() -> None:
    u = ppl.Normal("u", 0, 1, size=4)
    model = ppl.Model({ppl.Normal("y", u[group], 1): Y})
    us = RNG.normal(size=(2, 4))
    found = ppl.log_likelihood(model, trace_of(u=us)).log_likelihood["y"]
    np.testing.assert_allclose(found[0], stats.norm.logpdf(Y, us[:, group]), rtol=1e-10)
