"""The pointwise log-likelihood: the log of the sum over the discrete variables of each independent part of the data.

Answers: sums of SciPy's densities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import logsumexp
from xarray import Dataset, DataTree

import ppl
from graphs.errors import ModelError

W = np.array([0.2, 0.5, 0.3])
RNG = np.random.default_rng(3)
Y = RNG.normal(size=7)


def run(model: ppl.Model, **options: Any) -> tuple[DataTree, DataTree]:
    trace = ppl.sample(model, draws=8, tune=30, chains=2, seed=1, progress=False, **options)
    return trace, ppl.log_likelihood(model, trace)


def mean_parameter() -> Any:
    return ppl.Normal("mu", 0, 1, size=3)


def component_logs(trace: DataTree, y: Any) -> np.ndarray:
    """Log of weight times density: axes chain, draw, row, state."""
    mu = trace.posterior["mu"].to_numpy()[:, :, None, :]
    return np.log(W) + stats.norm.logpdf(np.asarray(y)[:, None], mu, 0.9)


def test_a_mixture_has_one_number_per_row():
    k = ppl.Categorical("k", W, size=7, dims="row")
    model = ppl.Model({ppl.Normal("y", mean_parameter()[k], 0.9, dims="row"): Y}, coords={"row": list("abcdefg")})
    trace, tree = run(model)
    found = tree.log_likelihood["y"]
    assert found.dims == ("chain", "draw", "row")
    np.testing.assert_allclose(found, logsumexp(component_logs(trace, Y), axis=-1), rtol=1e-10)
    assert "log_likelihood" not in trace


@pytest.mark.usefixtures("few_calls")
def test_it_is_the_same_after_the_index_was_drawn():
    k = ppl.Categorical("k", W, size=7)
    model = ppl.Model({ppl.Normal("y", mean_parameter()[k], 0.9): Y})
    trace, tree = run(model)
    again = ppl.log_likelihood(model, ppl.recover(model, trace, seed=1))
    np.testing.assert_allclose(again.log_likelihood["y"], tree.log_likelihood["y"], rtol=1e-12)


@pytest.mark.usefixtures("few_calls")
def test_a_group_has_one_number():
    group = np.array([2, 0, 0, 2, 2, 0, 1])
    k = ppl.Categorical("k", W, size=3, dims="class")
    model = ppl.Model({ppl.Normal("y", mean_parameter()[k[group]], 0.9): Y})
    trace, tree = run(model)
    rows = component_logs(trace, Y) - np.log(W)
    expected = [logsumexp(np.log(W) + rows[:, :, group == g].sum(axis=2), axis=-1) for g in range(3)]
    assert tree.log_likelihood["y"].dims == ("chain", "draw", "class")
    np.testing.assert_allclose(tree.log_likelihood["y"], np.stack(expected, axis=-1), rtol=1e-10)


@pytest.mark.usefixtures("few_calls")
def test_visits_to_a_site_have_one_number_and_two_variables_a_joint_one():
    z = ppl.Bernoulli("z", 0.3, size=3, dims="site")
    p = ppl.Beta("p", 2, 3)
    seen = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    y = ppl.Bernoulli("y", (z * p)[:, None], size=(3, 4), dims=("site", "visit"))
    trace, tree = run(ppl.Model({y: seen}))
    p_drawn = trace.posterior["p"].to_numpy()[..., None]
    successes = seen.sum(axis=1)
    found = np.log(0.3) + successes * np.log(p_drawn) + (4 - successes) * np.log1p(-p_drawn)
    absent = np.where(successes == 0, np.log(0.7), -np.inf)
    assert tree.log_likelihood["y"].dims == ("chain", "draw", "site")
    np.testing.assert_allclose(tree.log_likelihood["y"], np.logaddexp(found, absent), rtol=1e-10)
    x = ppl.Normal("x", 1.5 * z, 1.0)
    trace, tree = run(ppl.Model({y: seen, x: Y[:3]}))
    p_drawn = trace.posterior["p"].to_numpy()[..., None]
    found = np.log(0.3) + successes * np.log(p_drawn) + (4 - successes) * np.log1p(-p_drawn)
    found = found + stats.norm.logpdf(Y[:3], 1.5)
    assert list(tree.log_likelihood.data_vars) == ["y+x"]
    np.testing.assert_allclose(
        tree.log_likelihood["y+x"], np.logaddexp(found, absent + stats.norm.logpdf(Y[:3])), rtol=1e-10
    )


def test_a_series_has_one_number():
    table = np.array([[0.7, 0.3], [0.2, 0.8]])
    s = ppl.MarkovChain("s", table, steps=15, size=3)
    level = ppl.Normal("level", 0, 1, size=2)
    y = RNG.normal(size=(3, 15))
    trace, tree = run(ppl.Model({ppl.Normal("y", level[s], 0.9): y}))
    assert tree.log_likelihood["y"].shape == (2, 8, 3)
    at = trace.posterior["level"].to_numpy()[1, 5]
    for series in range(3):
        alpha = np.log([0.5, 0.5]) + stats.norm.logpdf(y[series, 0], at, 0.9)
        for t in range(1, 15):
            alpha = logsumexp(alpha[:, None] + np.log(table), axis=0) + stats.norm.logpdf(y[series, t], at, 0.9)
        np.testing.assert_allclose(tree.log_likelihood["y"][1, 5, series], logsumexp(alpha), rtol=1e-10)


@pytest.mark.usefixtures("few_calls")
def test_what_a_continuous_variable_tells_about_the_index_is_no_likelihood():
    """Both theta and y depend on k: the likelihood of y is p(y | theta), the sum over k given theta."""
    k = ppl.Categorical("k", W, size=4)
    theta = ppl.Normal("theta", pt.constant(np.array([-1.0, 0.3, 2.0]))[k], 0.5)
    y = ppl.Normal("y", theta * (1.0 + k), 1.1)
    trace, tree = run(ppl.Model({y: Y[:4]}))
    drawn = trace.posterior["theta"].to_numpy()[..., None]
    prior = np.log(W) + stats.norm.logpdf(drawn, np.array([-1.0, 0.3, 2.0]), 0.5)
    joint = prior + stats.norm.logpdf(Y[:4, None], drawn * (1.0 + np.arange(3)), 1.1)
    np.testing.assert_allclose(
        tree.log_likelihood["y"], logsumexp(joint, axis=-1) - logsumexp(prior, axis=-1), rtol=1e-9
    )


@pytest.mark.usefixtures("few_calls")
def test_without_discrete_variables_it_is_the_density_of_each_row():
    trace, tree = run(ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1.3): Y}))
    expected = stats.norm.logpdf(Y, trace.posterior["m"].to_numpy()[..., None], 1.3)
    np.testing.assert_allclose(tree.log_likelihood["y"], expected, rtol=1e-10)


@pytest.mark.slow
def test_what_was_drawn_because_it_could_not_be_summed_is_given():
    z = ppl.Bernoulli("z", 0.3, size=30)
    weights = np.linspace(0.5, 2, 30)
    model = ppl.Model({ppl.Normal("y", (z * weights).sum(), 1.3): 6.0})
    trace, tree = run(model)
    total = (trace.posterior["z"].to_numpy() * weights).sum(axis=-1)
    np.testing.assert_allclose(tree.log_likelihood["y"], stats.norm.logpdf(6.0, total, 1.3), rtol=1e-10)


def test_no_data_no_likelihood():
    m = ppl.Normal("m", 0, 1)
    model = ppl.Model(ppl.Potential("tilt", -(m**2)))
    trace = ppl.sample(model, draws=5, tune=5, chains=1, seed=1, progress=False)
    with pytest.raises(ModelError, match="no data"):
        ppl.log_likelihood(model, trace)
    with pytest.raises(ModelError, match=r"trace of ppl\.sample"):
        ppl.log_likelihood(model, None)


def test_discrete_variables_without_elements_are_no_sum():
    mu, k = ppl.Normal("mu", 0, 1), ppl.Bernoulli("k", 0.3, size=0)
    rows = ppl.Categorical("rows", [0.5, 0.5], size=0)
    y = ppl.Normal("y", mu + k.sum(), 1)
    none = ppl.Normal("none", ppl.Normal("each", 0, 1, size=2)[rows], 1)
    draws = {"mu": (("chain", "draw"), [[0.3]]), "each": (("chain", "draw", "two"), [[[0.1, 0.2]]])}
    trace = DataTree.from_dict({"posterior": Dataset(draws)})
    found = ppl.log_likelihood(ppl.Model({y: [1.0, 2.0], none: np.zeros(0)}), trace).log_likelihood
    np.testing.assert_allclose(found["y"][0, 0], stats.norm.logpdf([1.0, 2.0], 0.3), rtol=1e-12)
    assert found["none"].shape == (1, 1, 0)
