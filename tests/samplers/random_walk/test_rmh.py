"""Random-walk Metropolis-Hastings: exact invariance, and means and quantiles on a skewed target.

Answers: exact distributions, by SciPy.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import logsumexp

import graphs
import ppl
import samplers
from graphs.density import LogDensity
from graphs.errors import ModelError, SamplingError
from graphs.supports import interval
from graphs.surgery.interpreting import interpret
from samplers.move import move_block
from samplers.random_walk.proposal import elementwise_log_ratio

W, LOC, SCALE = np.array([0.2, 0.3, 0.1, 0.4]), np.array([-2, 0, 3.2, 2.5]), np.array([1.2, 1, 5, 2.8])


def mixture():
    rng, n = pt.random.shared_rng(seed=1).normal(LOC, SCALE)
    rng, i = rng.categorical(W)
    return graphs.logprob({n[i]: pt.dscalar("y")})


@pytest.fixture(scope="module")
def chains():
    kernel = samplers.rmh(mixture(), scale=6.0, chains=500)
    step = graphs.compile(kernel, backend="numba")
    state = kernel.init({"y": 0.0})
    state, draws, info = step.run(np.random.default_rng(1), state, 2000, thin=20)
    return kernel, step, state, draws, info


def test_quantiles_of_many_chains_against_the_exact_distribution(chains):
    *_, draws, _ = chains
    final = draws["y"][20:].ravel() if isinstance(draws, dict) else draws.position["y"][20:].ravel()
    for q in (0.05, 0.5, 0.95):
        grid = np.linspace(-15, 25, 40001)
        cdf = (W * stats.norm.cdf(grid[:, None], LOC, SCALE)).sum(1)
        x = grid[np.searchsorted(cdf, q)]
        # 500 chains, 80 draws each, 20 steps apart at an acceptance rate near 0.4: at least 10 per chain are worth one
        # independent draw, so the standard error is below sqrt(q (1 - q) / 5000); 4 of them allowed.
        assert abs((final < x).mean() - q) < 4 * np.sqrt(q * (1 - q) / 5000)


def test_state_keeps_the_log_density_of_its_position(chains):
    _, _, state, *_ = chains
    y = state.position["y"]
    expected = logsumexp(np.log(W) + stats.norm.logpdf(y[:, None], LOC, SCALE), axis=1)
    np.testing.assert_allclose(state.logdensity, expected, rtol=1e-12)


def test_a_step_moves_or_stays_as_its_info_says(chains):
    _, step, state, *_ = chains
    new, info = step(np.random.default_rng(3), state)
    moved = new.position["y"] != state.position["y"]
    np.testing.assert_array_equal(moved, np.asarray(info.is_accepted, bool))
    assert 0 < info.acceptance_rate.mean() < 1
    again, _ = step(np.random.default_rng(3), state)
    np.testing.assert_array_equal(again.position["y"], new.position["y"])


def test_integers_move_by_whole_steps_and_have_the_right_distribution():
    k = pt.lscalar("k")
    logdensity = pt.switch(k >= 0, k * np.log(3.5) - pt.gammaln(k + 1.0), -np.inf)
    kernel = samplers.rmh((logdensity, [k]), scale=2.0, chains=400)
    step = graphs.compile(kernel, backend="numba")
    _, draws, _ = step.run(np.random.default_rng(2), kernel.init({"k": 3}), 600, thin=20)
    final = (draws["k"] if isinstance(draws, dict) else draws.position["k"])[5:].ravel()
    assert final.dtype == np.int64
    expected = stats.poisson(3.5)
    n_effective = 400 * 10
    assert abs(final.mean() - 3.5) < 4 * np.sqrt(3.5 / n_effective)
    assert abs((final == 0).mean() - expected.pmf(0)) < 4 * np.sqrt(expected.pmf(0) / n_effective)


def test_elements_of_a_separable_density_are_accepted_one_by_one():
    n = ppl.Poisson("n", 3.0, size=5)
    y = ppl.Normal("y", n, 1.0)
    density = graphs.logprob(ppl.Model({y: np.arange(5.0)})).logdensity
    [value] = density.inputs
    block = move_block(samplers.RandomWalk(), density, {"n": value}, str)
    proposal = pt.vector("proposal", dtype="int64", shape=(5,))
    ratio = elementwise_log_ratio(density.total, value, proposal)
    old, new = np.array([3, 3, 3, 3, 3]), np.array([2, 3, 4, 5, 1])
    expected = stats.poisson.logpmf(new, 3) - stats.poisson.logpmf(old, 3)
    expected += stats.norm.logpdf(np.arange(5.0), new) - stats.norm.logpdf(np.arange(5.0), old)
    np.testing.assert_allclose(ratio.eval({value: old, proposal: new}), expected, atol=1e-12)
    assert block.draws[0].type.shape == (5,)


def test_each_element_of_an_array_has_the_ratio_of_moving_it_alone():
    x = ppl.Normal("x", 0.3, 1.2, size=(2, 3))
    y = ppl.Normal("y", x[[0, 1, 1, 0, 1], [0, 1, 2, 2, 0]] * 1.1, 0.8)
    joint = graphs.logprob(ppl.Model({y: np.arange(5.0)}))
    value = joint.values["x"]
    proposal = value + 0.3 * pt.sin(value)
    evaluate = interpret([value], [elementwise_log_ratio(joint.total, value, proposal), joint.total])
    at = np.random.default_rng(1).normal(size=(2, 3))
    ratios, before = evaluate(at)
    for place in np.ndindex(at.shape):
        moved = at.copy()
        moved[place] += 0.3 * np.sin(at[place])
        assert ratios[place] == pytest.approx(evaluate(moved)[1] - before, abs=1e-12)


def test_bounded_integers_stay_within_their_bounds():
    """A finite variable that indexes a table: three states of unequal weight, against the exact probabilities."""
    weights = np.array([0.15, 0.6, 0.25])
    k = ppl.Categorical("k", weights, size=3)
    y = ppl.Normal("y", pt.constant(np.array([-1.0, 0.4, 1.3]))[k], 1.1)
    data = np.array([0.2, -0.9, 1.5])
    trace = ppl.sample(
        ppl.Model({y: data}), draws=20_000, tune=500, chains=2, seed=4, sampler={"k": "rmh"}, progress=False
    )
    found = trace.posterior["k"].to_numpy().reshape(-1, 3)
    assert found.min() >= 0
    assert found.max() <= 2
    exact = weights * stats.norm.pdf(data[:, None], [-1.0, 0.4, 1.3], 1.1)
    exact /= exact.sum(1, keepdims=True)
    for state in range(3):
        # A step of a three-state chain is worth at least a tenth of an independent draw.
        error = np.sqrt(exact[:, state] * (1 - exact[:, state]) / 4000)
        assert (np.abs((found == state).mean(0) - exact[:, state]) < 4.5 * error).all()


def test_bad_input():
    x = pt.dscalar("x")
    with pytest.raises(SamplingError, match="proposal of x needs a positive scale"):
        samplers.rmh((-(x**2), [x]), scale=0.0)
    with pytest.raises(SamplingError, match="lacks x"):
        samplers.rmh((-(x**2), [x])).init({})
    with pytest.raises(SamplingError, match="log-density at the initial position"):
        samplers.rmh((pt.log(x), [x])).init({"x": -1.0})
    with pytest.raises(ModelError, match="also depends on s"):
        samplers.rmh((-(x**2) * pt.dscalar("s"), [x]))


def test_bounds_hold_where_the_log_density_does_not_know_them():
    x = pt.tensor("x", shape=(2,), dtype="float64")
    kernel = samplers.rmh(LogDensity(-0.5 * pt.sqr(x).sum(), (x,), {x: interval(0.3, 1.9)}), scale=0.8, chains=50)
    _, draws, _ = graphs.compile(kernel).run(np.random.default_rng(2), kernel.init({"x": np.ones(2)}), 2000, thin=10)
    values = draws["x"][20:]
    assert values.min() > 0.3
    assert values.max() < 1.9
    # 180 draws of 100 independent elements, ten steps apart: at least one in five is worth an independent one.
    error = stats.truncnorm(0.3, 1.9).std() / np.sqrt(values.size / 5)
    assert abs(values.mean() - stats.truncnorm(0.3, 1.9).mean()) < 4 * error
