"""Predictive draws against closed forms; what is drawn afresh and what is kept; what cannot be drawn.

Answers: closed forms, by SciPy.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from arviz_base import from_dict
from scipy import stats

import ppl
from graphs.errors import ModelError

# The probability of a false alarm of each test of Kolmogorov's or the chi-squared kind below.
FALSE_ALARM = 1e-4


def posterior(**values):
    """A trace of exact, independent posterior draws: arrays of the first axis of draws."""
    return from_dict({"posterior": {n: np.asarray(v)[None] for n, v in values.items()}})


def assert_follows(draws, law):
    assert stats.kstest(np.ravel(draws), law.cdf).pvalue > FALSE_ALARM


def assert_counts_follow(draws, law, largest):
    draws = np.ravel(draws)
    expected = law.pmf(np.arange(largest + 1)) * draws.size
    observed = np.bincount(draws, minlength=largest + 1)
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > FALSE_ALARM


def normal_model(size=6):
    mu = ppl.Normal("mu", 3, 2)
    y = ppl.Normal("y", mu, 0.5, size=size)
    return ppl.Model({y: np.linspace(1, 2, size)})


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_prior_predictive_of_a_normal_mean(backend):
    draws = ppl.prior_predictive(normal_model(), draws=2000, seed=1, backend=backend)
    assert_follows(draws.prior["mu"], stats.norm(3, 2))
    y = draws.prior_predictive["y"].to_numpy()
    assert y.shape == (1, 2000, 6)
    assert_follows(y[..., 0], stats.norm(3, np.hypot(2, 0.5)))
    # Elements share their mean, and nothing else.
    mean = draws.prior["mu"].to_numpy()[..., None]
    assert_follows(y - mean, stats.norm(0, 0.5))


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_posterior_predictive_of_a_normal_mean(backend):
    model = normal_model()
    data = model.observed_data["y"]
    variance = 1 / (1 / 4 + data.size / 0.25)
    mean = variance * (3 / 4 + data.sum() / 0.25)
    mu = np.random.default_rng(3).normal(mean, np.sqrt(variance), 2000)
    draws = ppl.posterior_predictive(model, posterior(mu=mu), seed=2, backend=backend)
    y = draws.posterior_predictive["y"].to_numpy()
    assert_follows(y[..., 2], stats.norm(mean, np.sqrt(variance + 0.25)))
    assert "posterior_predictive" not in posterior(mu=mu).children
    np.testing.assert_array_equal(draws.posterior["mu"], mu[None])


def test_posterior_predictive_of_a_sampled_model():
    """Beta-binomial: 7 of 20 under a Beta(2, 3) prior; of 12 more."""
    p = ppl.Beta("p", 2, 3)
    trace = ppl.sample(ppl.Model({ppl.Binomial("y", 20, p): 7}), seed=1, progress=False, thin=5)
    draws = ppl.posterior_predictive(ppl.Model(ppl.Binomial("new", 12, p)), trace, seed=2)
    assert list(draws.posterior_predictive.data_vars) == ["new"]
    assert_counts_follow(draws.posterior_predictive["new"].to_numpy(), stats.betabinom(12, 2 + 7, 3 + 13), 12)


def test_prior_predictive_of_counts():
    rate = ppl.Gamma("rate", 3, 0.5)
    model = ppl.Model({ppl.Poisson("y", rate): 4})
    y = ppl.prior_predictive(model, draws=4000, seed=4).prior_predictive["y"].to_numpy()
    assert_counts_follow(np.minimum(y, 30), stats.nbinom(3, 0.5 / 1.5), 30)


def mixture():
    mu = ppl.Normal("mu", 0, 5, size=2)
    k = ppl.Categorical("k", np.array([0.3, 0.7]), dims={"row": ["a", "b", "c"]})
    y = ppl.Normal("y", mu[k], 0.5, dims="row")
    return ppl.Model({y: np.array([-2.0, 2.0, 2.1])})


def test_what_was_summed_out_is_that_of_new_units():
    trace = posterior(mu=np.tile([-2.0, 2.0], (4000, 1)))
    draws = ppl.posterior_predictive(mixture(), trace, seed=1)
    y = draws.posterior_predictive["y"]
    assert y.dims == ("chain", "draw", "row")
    assert y.coords["row"].to_numpy().tolist() == ["a", "b", "c"]

    class Mixture:
        @staticmethod
        def cdf(x):
            return 0.3 * stats.norm(-2, 0.5).cdf(x) + 0.7 * stats.norm(2, 0.5).cdf(x)

    for row in "abc":
        assert_follows(y.sel(row=row), Mixture)
    index = ppl.posterior_predictive(mixture(), trace, var_names=["k"], seed=1).posterior_predictive["k"].to_numpy()
    assert stats.binomtest(int(index.sum()), index.size, 0.7).pvalue > FALSE_ALARM


def test_what_was_recovered_is_that_of_the_same_units():
    trace = posterior(mu=np.tile([-2.0, 2.0], (2000, 1)))
    draws = ppl.posterior_predictive(mixture(), ppl.recover(mixture(), trace, seed=1), seed=2)
    y = draws.posterior_predictive["y"]
    # The first row is of the lower component, with a probability of 1 - 1e-13 or so.
    assert_follows(y.sel(row="a"), stats.norm(-2, 0.5))
    assert_follows(y.sel(row="b"), stats.norm(2, 0.5))


def test_new_data_of_another_length():
    x = ppl.Data("x", np.arange(4.0), dims={"day": ["mo", "tu", "we", "th"]})
    b, y_dims = ppl.Normal("b", 0, 1), "day"
    y = ppl.Normal("y", b * x, 0.1, dims=y_dims)
    model = ppl.Model({y: np.arange(4.0)})
    trace = posterior(b=np.linspace(0.9, 1.1, 500))
    new = xr.DataArray([10.0, 20.0], dims="day", coords={"day": ["fr", "sa"]})
    draws = ppl.posterior_predictive(model, trace, data={"x": new}, seed=1).posterior_predictive["y"]
    assert draws.coords["day"].to_numpy().tolist() == ["fr", "sa"]
    residuals = draws.to_numpy()[0] - np.linspace(0.9, 1.1, 500)[:, None] * [10.0, 20.0]
    assert_follows(residuals, stats.norm(0, 0.1))
    plain = ppl.posterior_predictive(model, trace, data={"x": [1.0, 2.0, 3.0]}, seed=1).posterior_predictive["y"]
    assert plain.shape == (1, 500, 3)
    assert "day" not in plain.coords or len(plain.coords["day"]) == 3


def test_missing_elements_are_drawn_too():
    mu = ppl.Normal("mu", 0, 1)
    y = ppl.Normal("y", mu, 0.5, size=3)
    model = ppl.Model({y: np.array([0.1, np.nan, 0.3])})
    trace = posterior(mu=np.zeros(2000), y_missing=np.full((2000, 1), 7.0))
    draws = ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"].to_numpy()
    assert_follows(draws, stats.norm(0, 0.5))
    prior = ppl.prior_predictive(model, draws=2000, seed=1)
    assert set(prior.prior.data_vars) == {"mu", "y_missing", "y"}
    assert set(prior.prior_predictive.data_vars) == {"y_observed", "y"}
    assert_follows(prior.prior_predictive["y"][..., 1], stats.norm(0, np.hypot(1, 0.5)))


def test_observed_variables_that_are_not_named_stay_at_their_data():
    x = ppl.Normal("x", 0, 1, size=2)
    y = ppl.Normal("y", x + ppl.Normal("a", 0, 1), 0.1)
    model = ppl.Model({x: np.array([5.0, -5.0]), y: np.array([5.0, -5.0])})
    trace = posterior(a=np.zeros(1000))
    given = ppl.posterior_predictive(model, trace, var_names=["y"], seed=1).posterior_predictive
    assert_follows(given["y"][..., 0], stats.norm(5, 0.1))
    jointly = ppl.posterior_predictive(model, trace, seed=1).posterior_predictive
    assert_follows(jointly["y"][..., 0], stats.norm(0, np.hypot(1, 0.1)))
    assert_follows(jointly["y"].to_numpy() - jointly["x"].to_numpy(), stats.norm(0, 0.1))


def test_deterministics_of_what_is_drawn():
    y = ppl.Normal("y", ppl.Normal("m", 0, 1), 1, size=3)
    model = ppl.Model({y: np.zeros(3)}, ppl.Deterministic("largest", y.max()))
    draws = ppl.posterior_predictive(model, posterior(m=np.zeros(2000)), var_names=["y", "largest"], seed=1)
    group = draws.posterior_predictive
    np.testing.assert_array_equal(group["largest"], group["y"].max("y_dim_0"))


def test_pymc_models_and_distributions_that_are_made_of_others():
    with pm.Model(coords={"row": list("abc")}) as pm_model:
        s = pm.HalfNormal("s", 1)
        pm.Weibull("t", 2, s, observed=np.ones(3), dims="row")
        pm.Censored("c", pm.Normal.dist(0, s), lower=-1, upper=1, observed=np.zeros(2))
        pm.ZeroInflatedPoisson("z", 0.4, 3 * s, observed=[0, 1])
    draws = ppl.posterior_predictive(ppl.from_pymc(pm_model), posterior(s=np.full(2000, 0.8)), seed=1)
    group = draws.posterior_predictive
    assert_follows(group["t"], stats.weibull_min(2, scale=0.8))
    assert group["t"].dims == ("chain", "draw", "row")
    censored = group["c"].to_numpy().ravel()
    assert stats.binomtest(int((censored == 1).sum()), censored.size, stats.norm(0, 0.8).sf(1)).pvalue > FALSE_ALARM
    zeros = int((group["z"] == 0).sum())
    assert stats.binomtest(zeros, group["z"].size, 0.6 + 0.4 * np.exp(-2.4)).pvalue > FALSE_ALARM


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_each_variable_is_drawn_once(backend):
    """What a distribution made of others depends on is the draw that is returned, and no draw is used twice."""
    x = ppl.Normal("x", 0, 1)
    t = ppl.Weibull("t", 2, pt.exp(x))
    u = ppl.Weibull("u", 2, t)
    z = ppl.ZeroInflatedPoisson("z", 0.9999999, 5 + 1000 * u)
    w = ppl.Normal("w", 0, 1)
    model = ppl.Model({z: 3, w: 0.3})
    draws = ppl.prior_predictive(model, draws=2000, seed=8, backend=backend)
    values = {n: draws[g][n].to_numpy()[0] for g in ("prior", "prior_predictive") for n in draws[g].data_vars}
    uniform = {
        "x": stats.norm.cdf(values["x"]),
        "t": stats.weibull_min(2).cdf(values["t"] / np.exp(values["x"])),
        "u": stats.weibull_min(2).cdf(values["u"] / values["t"]),
        "w": stats.norm.cdf(values["w"]),
    }
    for a in uniform:
        assert_follows(uniform[a], stats.uniform)
        for b in uniform:
            assert a == b or stats.pearsonr(uniform[a], uniform[b]).pvalue > FALSE_ALARM
    rate = 5 + 1000 * values["u"]
    assert np.abs((values["z"] - rate) / np.sqrt(rate)).max() < 6


def test_a_seed_gives_the_same_draws():
    first, second = (ppl.prior_predictive(normal_model(), draws=10, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.prior_predictive["y"], second.prior_predictive["y"])
    assert set(first.children) == {"prior", "prior_predictive", "observed_data"}


def test_what_cannot_be_drawn():
    flat = ppl.Flat("b")
    model = ppl.Model({ppl.Normal("y", flat, 1): 0.3})
    with pytest.raises(ModelError, match="prior of b is improper"):
        ppl.prior_predictive(model)
    assert ppl.posterior_predictive(model, posterior(b=np.zeros(3)), seed=1).posterior_predictive["y"].size == 3
    with pytest.raises(ModelError, match="b is not in the trace: it is not one of this model"):
        ppl.posterior_predictive(model, posterior(c=np.zeros(3)))
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", m, 1)
    density = ppl.Density(lambda x: -(x**2), support={"x": (0, 1)})
    with pytest.raises(ModelError, match="prior of x is improper"):
        ppl.prior_predictive(ppl.Model(density))
    with pytest.raises(ModelError, match="y cannot be predicted: the potential soft depends on it"):
        ppl.posterior_predictive(ppl.Model({y: 0.3}, ppl.Potential("soft", -(y**4))), posterior(m=np.zeros(3)))


def test_potentials_are_ignored_in_the_prior(caplog):
    """As PyMC does: scale ~ Exponential(1) whatever the potential, and that is said."""
    scale = ppl.Exponential("scale", 1.0)
    model = ppl.Model({ppl.Normal("y", 0, scale): 0.3}, ppl.Potential("late", -6 / scale))
    with caplog.at_level("WARNING", logger="rvgraph"):
        drawn = ppl.prior_predictive(model, draws=2000, seed=1)
    assert [r.getMessage().partition(":")[0] for r in caplog.records] == ["The draws ignore the potential late"]
    assert_follows(drawn.prior["scale"], stats.expon())


def test_wrong_input():
    model = normal_model()
    trace = posterior(mu=np.zeros(3))
    with pytest.raises(ModelError, match=r"ppl\.Model is needed"):
        ppl.prior_predictive("model")
    with pytest.raises(ModelError, match=r"trace of ppl\.sample is needed"):
        ppl.posterior_predictive(model, {"mu": 1})
    with pytest.raises(ModelError, match="draws is a whole number"):
        ppl.prior_predictive(model, draws=0)
    with pytest.raises(ModelError, match="There is no variable 'z' to draw"):
        ppl.posterior_predictive(model, trace, var_names=["z"])
    with pytest.raises(ModelError, match="mu is in the trace"):
        ppl.posterior_predictive(model, trace, var_names=["mu"])
    with pytest.raises(ModelError, match="data names 'x'"):
        ppl.posterior_predictive(model, trace, data={"x": [1.0]})
    with pytest.raises(ModelError, match="nothing to predict"):
        ppl.posterior_predictive(ppl.Model(ppl.Normal("mu", 0, 1)), trace)
    with pytest.raises(ModelError, match="mu has shape"):
        ppl.posterior_predictive(model, posterior(mu=np.zeros((3, 2))))
    x = ppl.Data("x", np.arange(4))
    sized = ppl.Model({ppl.Normal("y", ppl.Normal("b", 0, 1) * x, 1, size=4): np.zeros(4)})
    for wrong, message in (([[1]], "1-dimensional"), ([0.5, 1.0], "whole numbers"), ([1, 2, 3], "declare the model")):
        with pytest.raises(ModelError, match=message):
            ppl.posterior_predictive(sized, posterior(b=np.zeros(3)), data={"x": wrong})
