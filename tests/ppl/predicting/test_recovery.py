"""Recovered variables have their exact conditional distribution.

Answers: Bayes' rule by SciPy, and the enumeration.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax
from xarray import Dataset, DataTree

import ppl
from graphs.errors import ModelError

Y = np.array([-1.3, 0.4, 2.2, 0.7])
W = np.array([0.25, 0.75])


def mixture():
    mu = ppl.Normal("mu", 0, 3, size=2, transform="ordered")
    k = ppl.Categorical("k", W, size=4, dims="row")
    y = ppl.Normal("y", mu[k], 1.1, dims="row")
    return ppl.Model({y: Y}, ppl.Deterministic("centre", mu[k]), coords={"row": list("abcd")})


@pytest.fixture(scope="module")
def traces():
    model = mixture()
    trace = ppl.sample(model, draws=1500, tune=500, chains=2, seed=2, progress=False)
    return model, trace, ppl.recover(model, trace, seed=1)


def test_probabilities_are_bayes_rule_draw_by_draw(traces):
    _, trace, recovered = traces
    mu = trace.posterior["mu"].to_numpy()[..., None, :]
    expected = softmax(np.log(W) + stats.norm.logpdf(Y[:, None], mu, 1.1), axis=-1)
    np.testing.assert_allclose(recovered.posterior["k_probability"], expected, rtol=1e-9)
    assert recovered.posterior["k_probability"].dims == ("chain", "draw", "row", "k_state")
    assert recovered.posterior["k"].dims == ("chain", "draw", "row")


def test_draws_follow_the_probabilities(traces):
    *_, recovered = traces
    k, p = recovered.posterior["k"].to_numpy(), recovered.posterior["k_probability"].to_numpy()[..., 1]
    assert set(np.unique(k)) <= {0, 1}
    # Each draw is an independent Bernoulli trial given the others: the error of the mean is known exactly.
    error = np.sqrt((p * (1 - p)).sum(axis=(0, 1))) / k[..., 0].size
    assert (np.abs(k.mean(axis=(0, 1)) - p.mean(axis=(0, 1))) < 4.5 * error).all()


def test_deterministics_of_summed_variables_are_computed(traces):
    _, trace, recovered = traces
    assert "centre" not in trace.posterior
    mu, k = recovered.posterior["mu"].to_numpy(), recovered.posterior["k"].to_numpy()
    np.testing.assert_allclose(recovered.posterior["centre"], np.take_along_axis(mu, k, axis=-1))


def test_the_trace_itself_is_unchanged_and_seeds_repeat(traces):
    model, trace, recovered = traces
    assert "k" not in trace.posterior
    again = ppl.recover(model, trace, seed=1)
    np.testing.assert_array_equal(again.posterior["k"], recovered.posterior["k"])
    assert "k_probability" not in ppl.recover(model, trace, seed=1, probs=False).posterior


def test_nested_indices_are_drawn_jointly():
    """Inner given outer: joint frequencies against the enumerated joint distribution."""
    outer = ppl.Bernoulli("outer", 0.4)
    table = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    import pytensor.tensor as pt

    inner = ppl.Categorical("inner", pt.constant(table)[outer])
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", pt.constant(np.array([-1.0, 0.5, 2.0]))[inner] + 0.0 * m, 1.0)
    model = ppl.Model({y: 0.9})
    trace = ppl.sample(model, draws=4000, tune=200, chains=2, seed=2, progress=False)
    recovered = ppl.recover(model, trace, seed=3).posterior
    prior = np.array([0.6, 0.4])[:, None] * table
    joint = prior * stats.norm.pdf(0.9, [-1.0, 0.5, 2.0], 1.0)
    joint /= joint.sum()
    counts = np.zeros((2, 3))
    np.add.at(counts, (recovered["outer"].to_numpy().ravel(), recovered["inner"].to_numpy().ravel()), 1)
    found = counts / counts.sum()
    # The draws are independent: m has no influence.
    assert (np.abs(found - joint) < 4.5 * np.sqrt(joint * (1 - joint) / 8000)).all()


def test_nothing_to_recover_and_wrong_traces():
    y = ppl.Normal("y", ppl.Normal("m", 0, 1), 1.0)
    model = ppl.Model({y: 0.3})
    trace = ppl.sample(model, draws=10, tune=10, chains=1, seed=1, progress=False)
    assert ppl.recover(model, trace) is trace
    with pytest.raises(ModelError, match=r"not one of this model: mu"):
        ppl.recover(mixture(), trace)


def stopped(trace):
    """The trace of a run whose second chain stopped: its draws are missing from the tenth on."""
    posterior = trace["posterior"].to_dataset().copy(deep=True)
    for name in ("mu", "n"):
        posterior[name] = posterior[name].astype(float)
        posterior[name].values[1, 10:] = np.nan
    tree = trace.copy()
    tree["posterior"] = DataTree(posterior)
    return tree


@pytest.mark.usefixtures("few_calls")
def test_what_is_computed_from_missing_draws_is_missing():
    """Of a run in which a chain stops: states, probabilities, deterministics, predictions, log-likelihoods."""
    mu, n = ppl.Normal("mu", 0, 3, size=2), ppl.Poisson("n", 3.0)
    k = ppl.Categorical("k", W, size=4)
    y, c = ppl.Normal("y", mu[k], 1.1), ppl.Poisson("c", 1.0 + n)
    model = ppl.Model({y: Y, c: 4}, ppl.Deterministic("centre", mu[k]))
    trace = ppl.sample(model, draws=30, tune=100, chains=2, seed=2, progress=False)
    found = ppl.recover(model, stopped(trace), most_probable=True, seed=1)
    found = ppl.log_likelihood(model, ppl.posterior_predictive(model, found, seed=1))
    missing = np.zeros((2, 30), bool)
    missing[1, 10:] = True
    arrays = {n: found["posterior"][n] for n in ("k", "k_probability", "k_most_probable", "centre")}
    arrays |= {f"{group}/{n}": found[group][n] for group in ("posterior_predictive", "log_likelihood") for n in "yc"}
    for name, array in arrays.items():
        values = array.to_numpy().reshape(2, 30, -1)
        np.testing.assert_array_equal(np.isnan(values), np.broadcast_to(missing[..., None], values.shape), name)
    probabilities = softmax(
        np.log(W) + stats.norm.logpdf(Y[:, None], trace.posterior["mu"].to_numpy()[..., None, :], 1.1), -1
    )
    np.testing.assert_allclose(arrays["k_probability"].to_numpy()[~missing], probabilities[~missing], rtol=1e-9)
    of_counts = stats.poisson.logpmf(4, 1.0 + trace.posterior["n"].to_numpy())
    np.testing.assert_allclose(found["log_likelihood"]["c"].to_numpy()[~missing], of_counts[~missing], rtol=1e-9)
    with pytest.raises(ModelError, match="Every draw of the trace is missing"):
        ppl.recover(model, stopped(trace).isel(chain=[1], draw=slice(10, None)))


def tree_of(**draws):
    """A trace of one chain, with draws that are numbered from a hundred as after a burn-in was cut off."""
    variables = {
        name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 1))), values[None])
        for name, values in draws.items()
    }
    numbers = 100 + np.arange(len(next(iter(draws.values()))))
    return DataTree.from_dict({"posterior": Dataset(variables, coords={"chain": [3], "draw": numbers})})


@pytest.mark.usefixtures("few_calls")
def test_draws_of_a_trace_that_was_cut_keep_their_numbers():
    """And so in every group; xarray would take others for other draws."""
    mu = np.random.default_rng(1).normal(size=(6, 2))
    trace = tree_of(mu=mu).isel(draw=slice(2, None)).map_over_datasets(lambda dataset: dataset.transpose())
    found = ppl.recover(mixture(), trace, seed=1)
    found = ppl.log_likelihood(mixture(), ppl.posterior_predictive(mixture(), found, seed=1))
    expected = softmax(np.log(W) + stats.norm.logpdf(Y[:, None], mu[None, 2:, None, :], 1.1), axis=-1)
    np.testing.assert_allclose(found.posterior["k_probability"], expected, rtol=1e-9)
    for group in ("posterior", "posterior_predictive", "log_likelihood"):
        np.testing.assert_array_equal(found[group]["draw"], [102, 103, 104, 105])
        np.testing.assert_array_equal(found[group]["chain"], [3])


@pytest.mark.usefixtures("few_calls")
def test_variables_of_length_zero_are_part_of_a_trace():
    """And a trace without draws has nothing to compute from."""
    mu, empty = ppl.Normal("mu", 0, 3, size=2), ppl.Dirichlet("empty", np.ones((0, 2)))
    k = ppl.Categorical("k", W, size=4)
    model = ppl.Model({ppl.Normal("y", mu[k] + empty.sum(), 1.1): Y})
    values = np.random.default_rng(1).normal(size=(3, 2))
    trace = tree_of(mu=values, empty=np.zeros((3, 0, 2)))
    found = ppl.log_likelihood(model, ppl.posterior_predictive(model, ppl.recover(model, trace, seed=1), seed=1))
    density = W @ stats.norm.pdf(Y[None, None], values[:, :, None], 1.1)
    np.testing.assert_allclose(found.log_likelihood["y"][0], np.log(density), rtol=1e-9)
    assert found.posterior_predictive["y"].shape == (1, 3, 4)
    for use in (ppl.recover, ppl.posterior_predictive, ppl.log_likelihood):
        with pytest.raises(ModelError, match="The trace has no draws"):
            use(model, trace.isel(draw=slice(0, 0)))


@pytest.mark.parametrize("dim", ["chain", "draw"])
def test_traces_without_an_axis(dim):
    trace = tree_of(mu=np.zeros((6, 2))).isel({dim: 0})
    for use in (ppl.recover, ppl.posterior_predictive, ppl.log_likelihood, lambda _, trace: ppl.diagnose(trace)):
        with pytest.raises(ModelError, match=rf"no axis '{dim}' any more.*trace.isel\({dim}=\[0\]\)"):
            use(mixture(), trace)


@pytest.mark.usefixtures("few_calls")
def test_names_that_the_model_has_itself(caplog):
    """The probability of success is called k_probability, an axis k_state: neither is what is recovered."""
    p = ppl.Beta("k_probability", 1, 1)
    k = ppl.Bernoulli("k", p, size=4)
    mu = ppl.Normal("mu", 0, 3, dims={"k_state": ["low", "high"]})
    model = ppl.Model({ppl.Normal("y", mu[k], 1.1): Y})
    draws = {"k_probability": np.array([0.75, 0.3]), "mu": np.array([[-1.0, 2.0], [0.5, 0.1]])}
    trace = tree_of(**draws)
    trace["posterior"] = (
        trace["posterior"].to_dataset().rename(mu_dim_0="k_state").assign_coords(k_state=["low", "high"])
    )
    found = ppl.recover(model, trace, seed=1).posterior
    weights = np.stack([1 - draws["k_probability"], draws["k_probability"]], axis=-1)[:, None]
    expected = softmax(np.log(weights) + stats.norm.logpdf(Y[:, None], draws["mu"][:, None], 1.1), axis=-1)
    np.testing.assert_allclose(found["k_probability_"][0], expected, rtol=1e-9)
    assert found["k_probability_"].dims == ("chain", "draw", "k_dim_0", "k_state_")
    assert found["k_state_"].to_numpy().tolist() == [0, 1]
    np.testing.assert_array_equal(found["k_probability"][0], draws["k_probability"])
    np.testing.assert_array_equal(found["mu"][0], draws["mu"])
    assert "k_probability of its own: what is recovered is named k_probability_" in caplog.text
