"""Elements that are missing where the others of their row, series or chain are not: right answers by hand.

Answers: densities of all elements by SciPy, and paths by hand.
"""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
from graphs.errors import ModelError
from graphs.surgery.interpreting import INTERPRETED

MISSING = np.array([False, True, True, False, True])
X = np.array([0.3, 0.5, 0.2, 0.6, 0.8])
NORMAL, GAMMA = pm.Normal.dist, pm.Gamma.dist


def scan():
    def step(last, rng):
        return pt.random.normal(last, 0.5, rng=rng, return_next_rng=True)[::-1]

    start = [pt.zeros(()), pt.random.shared_rng(seed=1)]
    return pytensor.scan(step, outputs_info=start, n_steps=5, return_updates=False)[0]


# A variable of five elements, the support of the missing ones, and values.
VARIABLES = {
    "logit-normal": (lambda: ppl.LogitNormal("y", 0.0, 1.0, size=5), "unit", X),
    "truncated, array of bounds": (
        lambda: ppl.Truncated("y", pm.StudentT.dist(3.0), lower=0.01 * np.arange(5), upper=np.arange(5) + 2.0, size=5),
        "other",
        X,
    ),
    "truncated, both sides": (lambda: ppl.Truncated("y", GAMMA(2.0, 1.0), lower=0.1, upper=5.0, size=5), "(0.1, 5)", X),
    "truncated above": (lambda: ppl.Truncated("y", GAMMA(2.0, 1.0), upper=5.0, size=5), "(0, 5)", X),
    "mixture": (lambda: ppl.Mixture("y", [0.4, 0.6], [GAMMA(2.0, 1.0), GAMMA(2.0, 3.0)], size=5), "positive", X),
    "zero-inflated": (
        lambda: ppl.ZeroInflatedPoisson("y", 0.7, 2.0, size=5),
        "integers [0, inf]",
        np.array([0, 2, 1, 0, 3]),
    ),
    "truncated counts": (
        lambda: ppl.Truncated("y", pm.Poisson.dist(2.0), lower=1, upper=6, size=5),
        "integers [1, 6]",
        np.array([1, 2, 1, 4, 3]),
    ),
    "random walk": (lambda: ppl.GaussianRandomWalk("y", 0.0, 0.5, init_dist=NORMAL(0, 0.5), steps=4), "real", X),
    "autoregression": (lambda: ppl.AR("y", [0.5, 0.2], 1.0, init_dist=NORMAL(0, 1, shape=2), steps=3), "real", X),
    "scan": (scan, "real", X),
    "cumulated": (lambda: pt.cumsum(NORMAL(0, 0.5, size=5)), "real", X),
    "cumulated, positive": (lambda: pt.cumsum(GAMMA(2.0, 0.5, size=5)), "positive", X.cumsum()),
    "exponential of a normal": (lambda: pt.exp(NORMAL(0, 0.5, size=5)), "positive", X),
    "shifted": (lambda: 1.0 + 2.0 * GAMMA(2.0, 0.5, size=5), "(1, inf)", 1.0 + X),
    "multivariate": (lambda: ppl.MvNormal("y", np.zeros(5), np.eye(5) + 0.2), "real", X),
    "chain": (lambda: ppl.MarkovChain("y", [[0.9, 0.1], [0.2, 0.8]], steps=5), "integers [0, 1]", [0, 0, 1, 1, 0]),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_the_density_is_that_of_all_elements(name):
    """At any values of the missing ones, which have the support that the variable has when it is latent."""
    declare, support, values = VARIABLES[name]
    values = np.asarray(values)
    model = ppl.Model({declare(): np.where(MISSING, np.nan, values)})
    found = graphs.logprob(model, marginalize=False)
    [(missing, value)] = found.values.items()
    point = values if name == "chain" else values[MISSING].reshape(value.type.shape)
    expected = graphs.logprob({declare(): values}).total.eval(mode=INTERPRETED)
    np.testing.assert_allclose(
        found.total.eval({value: point.astype(value.type.dtype)}, mode=INTERPRETED), expected, rtol=1e-12
    )
    assert str(found.supports[missing]) == support
    if not support.startswith("integers"):
        [free] = graphs.logprob(model, space="unconstrained").values.values()
        assert (free.name == missing) == (support == "real")


@pytest.mark.parametrize("name", ["random walk", "scan", "cumulated", "multivariate normal"])
def test_gaps_of_series_are_conditional_normals(name):
    """A walk from zero with steps of 0.5, of which three values are missing, one at the end."""
    covariance = 0.25 * np.minimum.outer(np.arange(1, 6), np.arange(1, 6))
    declare = VARIABLES[name][0] if name in VARIABLES else lambda: ppl.MvNormal("y", np.zeros(5), covariance)
    seen = ~MISSING
    gain = covariance[:, seen] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    mean, spread = (gain @ X[seen])[MISSING], (covariance - gain @ covariance[seen])[np.ix_(MISSING, MISSING)]
    model = ppl.Model({declare(): np.where(MISSING, np.nan, X)})
    found = graphs.logprob(model)
    [value] = found.values.values()
    density = pytensor.function([value], found.total, mode=INTERPRETED)
    # A normal density of the missing values times the evidence of the others, at every point.
    points = np.random.default_rng(1).normal(size=(4, 3))
    ours = [float(density(point)) for point in points]
    evidence = stats.multivariate_normal.logpdf(X[seen], np.zeros(2), covariance[np.ix_(seen, seen)])
    np.testing.assert_allclose(ours, evidence + stats.multivariate_normal.logpdf(points, mean, spread), rtol=1e-10)


P, START = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]]), np.array([0.6, 0.3, 0.1])
KNOWN = np.array([[0, np.nan, np.nan, 1, np.nan], [np.nan, np.nan, np.nan, 2, np.nan], [np.nan] * 5])
OUTCOMES = np.array([[0.1, 0.9, 1.2, 0.8, 0.3], [0.0, 1.5, 1.7, 2.2, 2.4], [0.2, -0.3, 1.1, 0.4, 0.8]])


def chain_model(mu=None):
    mu = ppl.Normal("mu", 0, 1) if mu is None else mu
    s = ppl.MarkovChain("s", P, START, steps=5, size=3)
    return ppl.Model({s: KNOWN, ppl.Normal("y", mu + s, 1.0): OUTCOMES})


def path_weights(row, mu):
    """Every path that agrees with what is known of a chain, and its log-density with the outcomes."""
    paths = [
        p for p in product(range(3), repeat=5) if all(np.isnan(k) or k == s for k, s in zip(KNOWN[row], p, strict=True))
    ]
    with np.errstate(divide="ignore"):
        weights = [
            np.log(START[p[0]])
            + sum(np.log(P[a, b]) for a, b in pairwise(p))
            + stats.norm.logpdf(OUTCOMES[row], mu + np.array(p), 1.0).sum()
            for p in paths
        ]
    return np.array(paths), np.array(weights)


def test_chains_of_which_some_states_are_known():
    """Value and gradient of the sum over the paths that are left; nothing is left of a known state but that state."""
    found = graphs.logprob(chain_model())
    assert found.summed == ("s",)
    [mu] = found.values.values()
    function = pytensor.function([mu], [found.total, pytensor.grad(found.total, mu)], mode=INTERPRETED)
    for at in (-0.4, 0.7):
        sums = [np.logaddexp.reduce(path_weights(row, at)[1]) for row in range(3)]
        total, slope = function(at)
        np.testing.assert_allclose(total, np.sum(sums) + stats.norm.logpdf(at), rtol=1e-12)
        states = []
        for row in range(3):
            paths, weights = path_weights(row, at)
            states.append(np.exp(weights - sums[row]) @ paths)
        np.testing.assert_allclose(slope, (OUTCOMES - at - np.array(states)).sum() - at, rtol=1e-10)


@pytest.mark.usefixtures("few_calls")
def test_states_that_are_not_known_are_recovered():
    model = chain_model()
    trace = ppl.sample(model, draws=40, tune=100, chains=2, seed=1, progress=False)
    found = ppl.recover(model, trace, seed=1)["posterior"]
    known = ~np.isnan(KNOWN)
    assert (found["s"].to_numpy()[..., known] == KNOWN[known]).all()
    for draw in range(0, 40, 13):
        for row in range(3):
            paths, weights = path_weights(row, float(found["mu"][1, draw]))
            weights = np.exp(weights - np.logaddexp.reduce(weights))
            expected = np.array([[weights @ (paths[:, t] == k) for k in range(3)] for t in range(5)])
            np.testing.assert_allclose(found["s_probability"][1, draw, row], expected, atol=1e-12)
    data = model.observed_data["s"]
    np.testing.assert_array_equal(data, KNOWN)
    # One entry for each chain; of one of them nothing is known.
    entries = ppl.log_likelihood(model, trace)["log_likelihood"]
    assert {name: entries[name].shape[2:] for name in entries.data_vars} == {"s_observed+y": (2,), "y": (1,)}
    drawn = ppl.posterior_predictive(model, ppl.recover(model, trace, seed=1), seed=1)["posterior_predictive"]
    assert drawn["y"].shape == (2, 40, 3, 5)


def test_chains_that_are_drawn_start_and_stay_at_the_known_states():
    model = chain_model()
    trace = ppl.sample(model, draws=20, tune=20, chains=1, seed=1, progress=False, marginalize=False)
    known = ~np.isnan(KNOWN)
    assert (trace["posterior"]["s"].to_numpy()[..., known] == KNOWN[known]).all()


def test_counts_that_sum_to_what_is_known():
    """A multinomial row of which two counts of three are missing: binomial given the one that is known."""
    p = np.array([0.2, 0.3, 0.5])
    model = ppl.Model({ppl.Multinomial("y", 5, p, size=2): np.array([[1, 2, 2], [1, np.nan, np.nan]])})
    found = graphs.logprob(model)
    assert found.summed == ("y_missing",)
    expected = stats.multinomial.logpmf([1, 2, 2], 5, p) + stats.binom.logpmf(1, 5, p[0])
    np.testing.assert_allclose(found.total.eval(mode=INTERPRETED), expected, rtol=1e-12)


@pytest.mark.usefixtures("few_calls")
def test_predictions_of_a_series_with_gaps_are_whole():
    sigma = ppl.HalfNormal("sigma", 1.0)
    y = ppl.GaussianRandomWalk("y", 0.0, sigma, init_dist=NORMAL(0, 0.5), steps=4)
    model = ppl.Model({y: np.where(MISSING, np.nan, X)})
    trace = ppl.sample(model, draws=50, tune=100, chains=2, seed=1, progress=False)
    assert set(trace["posterior"].data_vars) == {"sigma", "y_missing", "y"}
    np.testing.assert_array_equal(trace["posterior"]["y"].to_numpy()[..., ~MISSING], np.full((2, 50, 2), X[~MISSING]))
    drawn = ppl.posterior_predictive(model, trace, seed=1)["posterior_predictive"]["y"]
    assert drawn.shape == (2, 50, 5)
    assert (drawn.std(("chain", "draw")) > 0).all()
    assert np.isfinite(ppl.log_likelihood(model, trace)["log_likelihood"]["y_observed"]).all()


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        (lambda: ppl.Dirichlet("y", np.ones(5)), "misses elements inside a row"),
        (lambda: ppl.ZeroSumNormal("y", 1.0, shape=5), "misses elements inside a row"),
        (lambda: ppl.Censored("y", NORMAL(0, 1), lower=-1.0, upper=1.0, size=5), "a probability and no density"),
        (
            lambda: ppl.Mixture("y", [0.4, 0.6], [pm.DiracDelta.dist(0.0), NORMAL(0, 1)], size=5),
            "a probability and no density",
        ),
        (lambda: pt.clip(NORMAL(0, 1, size=5), -1.0, 1.0), "a probability and no density"),
    ],
)
def test_what_has_no_density_of_its_elements_is_refused(variable, reason):
    with pytest.raises(ModelError, match=reason):
        ppl.Model({variable(): np.where(MISSING, np.nan, [0.1, 0.2, 0.3, 0.1, 0.3])})


@pytest.mark.parametrize("declare", [ppl.Normal, lambda *args, **of: ppl.MarkovChain("y", P, steps=5, dims=of["dims"])])
def test_axes_keep_their_names(declare):
    model = ppl.Model({declare("y", 0, 1, dims="year"): KNOWN[0]}, coords={"year": range(2001, 2006)})
    assert model.dims == {"y": ("year",)}
