"""Predictive draws of variables of many kinds: unknown shapes, densities with draws of their own, chains of states.

Answers: closed forms, by SciPy, and PyMC's names.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError
from tests.ppl.predicting.test_predictive import FALSE_ALARM, assert_follows, posterior


@pytest.mark.filterwarnings("ignore::pymc.exceptions.ImputationWarning")
def test_imputed_variables_have_pymcs_names():
    with pm.Model() as pm_model:
        x = pm.Normal("x", pm.Normal("m"), 1.0, observed=[0.1, np.nan, -0.4])
        pm.Normal("y", x, 1.0, observed=[0.2, 0.1, -0.3])
    drawn = ppl.prior_predictive(ppl.from_pymc(pm_model), draws=10, seed=1)
    # Those of pm.sample_prior_predictive; there prior_predictive lacks the completed x.
    assert set(drawn.prior.data_vars) == {"m", "x_unobserved", "x"}
    assert set(drawn.prior_predictive.data_vars) == {"x_observed", "y", "x"}
    x = drawn.prior["x"].to_numpy()
    np.testing.assert_array_equal(x[..., [0, 2]], drawn.prior_predictive["x_observed"])
    np.testing.assert_array_equal(x[..., [1]], drawn.prior["x_unobserved"])


# PyMC knows none of their shapes before they are computed.
UNKNOWN_SHAPES = {
    "AR": lambda: pm.AR("v", rho=[0.5], sigma=1.0, dims="g", init_dist=pm.Normal.dist(shape=1)),
    "LogitNormal": lambda: pm.LogitNormal("v", dims="g"),
    "ZeroSumNormal": lambda: pm.ZeroSumNormal("v", dims="g"),
    "EulerMaruyama": lambda: pm.EulerMaruyama(
        "v", 0.1, lambda x, s: (-x, s), (0.5,), init_dist=pm.Normal.dist(), dims="g"
    ),
}


@pytest.mark.parametrize("name", UNKNOWN_SHAPES)
def test_shapes_that_are_known_only_at_run_time(name):
    """y ~ Normal(v, tiny) repeats the v of the trace; its log-likelihood is SciPy's."""
    with pm.Model(coords={"g": list("abc")}) as pm_model:
        v = UNKNOWN_SHAPES[name]()
        pm.Normal("y", v, 1e-9, observed=np.full(3, 0.25), dims="g")
    model = ppl.from_pymc(pm_model)
    draws = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    trace = posterior(v=draws)
    predicted = ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"]
    np.testing.assert_allclose(predicted[0], draws, atol=1e-8)
    found = ppl.log_likelihood(model, trace).log_likelihood["y"]
    np.testing.assert_allclose(found[0], stats.norm.logpdf(0.25, draws, 1e-9), rtol=1e-9)
    with pytest.raises(ModelError, match=r"v has shape \(3,\), there \(2,\)"):
        ppl.posterior_predictive(model, posterior(v=draws[:, :2]))


def test_volatility_that_follows_the_last_value():
    """Unconditional variance of GARCH(1, 1): omega / (1 - alpha - beta)."""
    model = ppl.Model(ppl.GARCH11("g", 0.5, 0.2, 0.3, 1.0, steps=30))
    last = ppl.prior_predictive(model, draws=8000, seed=2).prior["g"].to_numpy()[0, :, -1]
    error = np.sqrt(((last**2).var()) / last.size)
    assert abs((last**2).mean() - 0.5 / (1 - 0.2 - 0.3)) < 4.5 * error


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_density_alone_cannot_be_drawn_from(backend):
    """PyMC says so when it is asked for a draw."""
    custom = ppl.CustomDist("x", 0.3, logp=lambda value, location: -((value - location) ** 4))
    with pytest.raises(ModelError, match="cannot be drawn from: it was declared by its density alone"):
        ppl.prior_predictive(ppl.Model(custom), draws=2, backend=backend)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_density_with_its_own_draws(backend):
    """Called back where compiled: logistic draws at a location and a scale that are drawn themselves."""
    location = ppl.Normal("location", 1, 1e-9)
    y = ppl.CustomDist(
        "y",
        location,
        logp=lambda value, mu: pm.logp(pm.Logistic.dist(mu, 1.0), value),
        random=lambda mu, rng=None, size=None: rng.logistic(mu, 1.0, size),
        size=1500,
    )
    drawn = ppl.prior_predictive(ppl.Model({y: np.zeros(1500)}), draws=2, seed=1, backend=backend)
    draws = drawn.prior_predictive["y"].to_numpy()
    assert_follows(draws, stats.logistic(1, 1))
    assert (draws[0, 0] != draws[0, 1]).all()


def test_a_hidden_markov_model_draws_new_series():
    """Stays in a state with probability 0.9 or 0.8, whatever the data were."""
    s = ppl.MarkovChain("s", np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0.5, 0.5]), steps=6)
    mu = ppl.Normal("mu", np.array([-3.0, 3.0]), 1)
    model = ppl.Model({ppl.Normal("y", mu[s], 0.1): np.array([-3.0, -3, 3, 3, 3, -3])})
    trace = posterior(mu=np.tile([-3.0, 3.0], (1000, 1)))
    is_high = ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"].to_numpy()[0] > 0
    before, after = is_high[:, :-1], is_high[:, 1:]
    for state, stays in ((False, 0.9), (True, 0.8)):
        kept = int((after[before == state] == state).sum())
        assert stats.binomtest(kept, int((before == state).sum()), stays).pvalue > FALSE_ALARM
    same = ppl.posterior_predictive(model, ppl.recover(model, trace, seed=1), seed=2).posterior_predictive["y"] > 0
    np.testing.assert_array_equal(same[0], np.tile([False, False, True, True, True, False], (1000, 1)))
