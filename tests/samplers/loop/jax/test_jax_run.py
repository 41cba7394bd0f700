"""Sweeps in JAX draw from their targets, whatever their blocks, and report what went wrong.

Answers: closed forms, by SciPy.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
import pytest
import scipy.stats as st
from arviz_stats.base import array_stats

from graphs.density import LogDensity
from graphs.errors import SamplingError
from graphs.layout import Layout
from samplers import DrawBlock, NUTSBlock, RunSettings, Sweep
from samplers.trajectories.nuts import nuts

jax = pytest.importorskip("jax", reason="JAX is not installed")
pytest.importorskip("blackjax", reason="BlackJAX is not installed")

import jax.numpy as jnp  # noqa: E402
from blackjax.mcmc.hmc import HMCState  # noqa: E402

from samplers.chain.jax_density import logdensity_function  # noqa: E402
from samplers.loop.jax import chunks as jax_chunks  # noqa: E402
from samplers.loop.jax.run import compile_sweep_jax  # noqa: E402
from samplers.trajectories.jax_transition import nuts_transition  # noqa: E402
from samplers.tuning.adaptation import EARLY_FRACTION  # noqa: E402
from samplers.tuning.jax_adaptation import tuning_phases  # noqa: E402

# With fixed seeds; each comparison fails by chance once in 15 000 times.
STANDARD_ERRORS = 4.0
FALSE_ALARM = 1e-4
CORRELATION = 0.8
SHAPE = 1.5


def assert_mean(draws, expected):
    """Compare the mean of draws (chains, draws) with its expectation, by its effective sample size."""
    ess = array_stats.ess(draws, chain_axis=0, draw_axis=1, method="mean")
    assert abs(draws.mean() - expected) < STANDARD_ERRORS * draws.std() / np.sqrt(ess)


def assert_quantiles(draws, law):
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert_mean((draws < law.ppf(probability)).astype(float), probability)


def normal_of(mean, scale, rng):
    return ptr.normal(mean, scale, rng=rng, return_next_rng=True)


@pytest.fixture(scope="module")
def skewed():
    """Three logarithms of gamma variables of very different scales, and a correlated pair."""
    x, pair = pt.dvector("x", shape=(3,)), pt.dvector("pair", shape=(2,))
    scales = np.array([0.01, 1.0, 100.0])
    standardised = x / scales
    total = pt.sum(SHAPE * standardised - pt.exp(standardised)) - 0.5 * (
        (pair[0] ** 2 - 2 * CORRELATION * pair[0] * pair[1] + pair[1] ** 2) / (1 - CORRELATION**2)
    )
    block = NUTSBlock((x, pair), LogDensity(total, (pair, x)))
    compiled = compile_sweep_jax(Sweep((x, pair), (block,)))
    init = np.random.default_rng(0).normal(size=(4, 5)) * [0.01, 1.0, 100.0, 1.0, 1.0]
    return compiled, init, scales


@pytest.fixture(scope="module")
def skewed_result(skewed):
    compiled, init, _ = skewed
    # Averaged step sizes lag: after 300 sweeps four chains accepted 0.86 to 0.90 in 8 runs, after 600 0.85 to 0.87.
    return compiled.run(init, RunSettings(tune=600, draws=700, seed=1, keep_tuning=True))


def test_nuts_draws_a_skewed_target(skewed, skewed_result):
    _, _, scales = skewed
    for i in range(3):
        assert_quantiles(skewed_result.draws[:, :, i] / scales[i], st.loggamma(SHAPE))


def test_nuts_draws_a_correlated_normal(skewed_result):
    a, b = skewed_result.draws[:, :, 3], skewed_result.draws[:, :, 4]
    assert_quantiles(a, st.norm())
    assert_mean(a * b, CORRELATION)
    assert_mean((a + b) ** 2, 2 + 2 * CORRELATION)


def test_warm_up_finds_scales_and_step_size(skewed, skewed_result):
    _, _, scales = skewed
    found = skewed_result.inverse_mass_matrix
    assert found.shape == (4, 5)
    np.testing.assert_allclose(np.sqrt(found[:, :3]) / scales, st.loggamma(SHAPE).std(), rtol=0.6)
    assert abs(skewed_result.stats["acceptance_rate"].mean() - 0.8) < 0.1
    # The exponentials of XLA and of NumPy differ in the last digit.
    steps = np.broadcast_to(skewed_result.step_size[:, None], (4, 700))
    np.testing.assert_allclose(skewed_result.stats["step_size"], steps, rtol=1e-14)


def test_statistics_describe_the_draws(skewed, skewed_result):
    compiled, _, _ = skewed
    stats, tuning = skewed_result.stats, skewed_result.tuning_stats
    assert set(stats) == {
        *("lp", "diverging", "tree_depth", "n_steps", "acceptance_rate", "step_size", "energy", "index_in_trajectory")
    }
    assert {name: values.dtype.name for name, values in stats.items() if values.dtype != "float64"} == {
        "diverging": "bool",
        "tree_depth": "int64",
        "n_steps": "int64",
        "index_in_trajectory": "int64",
    }
    [block] = compiled.sweep.blocks
    pair, x = block.logdensity.inputs
    logdensity = pytensor.function([x, pair], block.logdensity.total)
    last = skewed_result.draws[2, -1]
    np.testing.assert_allclose(stats["lp"][2, -1], logdensity(last[:3], last[3:]))
    # The energy adds five squared momenta, on average one half each.
    assert_mean(stats["energy"] + stats["lp"], 2.5)
    # More only where a step was made in shorter ones, each of which costs a gradient.
    assert np.mean(stats["n_steps"] < 2 ** (stats["tree_depth"] + 1)) > 0.99
    assert np.all(np.abs(stats["index_in_trajectory"]) <= stats["n_steps"])
    assert skewed_result.num_gradients == stats["n_steps"].sum() + tuning["n_steps"].sum()
    assert skewed_result.tuning_draws.shape == (4, 600, 5)
    np.testing.assert_array_equal(skewed_result.num_draws, [700] * 4)


def test_the_same_seed_gives_the_same_draws_however_often_python_has_control(skewed, skewed_result, monkeypatch):
    compiled, init, _ = skewed
    monkeypatch.setattr(jax_chunks, "CHUNK_SECONDS", 1e-4)
    reports = []
    again = compiled.run(init, RunSettings(tune=600, draws=700, seed=1, callback=reports.append))
    np.testing.assert_array_equal(again.draws, skewed_result.draws)
    assert again.tuning_draws is None
    assert len(reports) > 20
    assert reports[-1][3]["draw"] == 700
    assert [report["chain"] for report in reports[0]] == [0, 1, 2, 3]
    assert reports[0][0]["tuning"]
    assert not reports[-1][0]["tuning"]
    other = compiled.run(init, RunSettings(tune=600, draws=700, seed=2))
    assert not np.array_equal(other.draws, again.draws)


def test_thinning_keeps_every_nth_draw(skewed):
    compiled, init, _ = skewed
    all_draws = compiled.run(init, RunSettings(tune=0, draws=30, seed=3))
    thinned = compiled.run(init, RunSettings(tune=0, draws=10, thin=3, seed=3))
    np.testing.assert_array_equal(thinned.draws, all_draws.draws[:, 2::3])
    assert thinned.num_gradients == all_draws.num_gradients


def test_interruption_returns_what_has_been_drawn(skewed):
    compiled, init, _ = skewed

    def interrupt(progress):
        if not progress[0]["tuning"]:
            raise KeyboardInterrupt

    result = compiled.run(init, RunSettings(tune=20, draws=100_000, seed=1, callback=interrupt))
    assert result.interrupted
    assert 0 < result.draws.shape[1] < 100_000
    assert result.stats["lp"].shape == result.draws.shape[:2]
    assert np.isfinite(result.draws).all()


def test_a_chain_that_cannot_start_is_named(skewed):
    compiled, init, _ = skewed
    bad = init.copy()
    bad[2, 1] = 1000.0
    with pytest.raises(SamplingError, match=r"Chain 2 cannot start: the log-density of .* is not finite"):
        compiled.run(bad, RunSettings(tune=10, draws=10, seed=1))


def test_blocks_of_all_kinds_together_draw_their_joint_target():
    x, y, z = pt.dvector("x", shape=(1,)), pt.dscalar("y"), pt.dscalar("z")
    k, scale = pt.lscalar("k"), pt.dscalar("scale")
    total = -0.5 * (x[0] ** 2 - 2 * CORRELATION * x[0] * y + y**2) / (1 - CORRELATION**2)
    rng = pt.random.rng("rng")
    next_y, new_y = normal_of(CORRELATION * x[0], np.sqrt(1 - CORRELATION**2), rng)
    next_k, new_k = ptr.bernoulli(pt.switch(x[0] > 0, 0.9, 0.2), rng=rng, return_next_rng=True)
    next_rng, proposal = normal_of(z, scale, rng)
    next_z, uniform = ptr.uniform(0.0, 1.0, rng=next_rng, return_next_rng=True)
    acceptance_rate = pt.minimum(1.0, pt.exp((z**2 - proposal**2) / 18))
    new_z = pt.switch(uniform < acceptance_rate, proposal, z)
    blocks = (
        NUTSBlock((x,), LogDensity(total, (x, y))),
        DrawBlock("gibbs", (y,), rng, next_y, (new_y,)),
        DrawBlock("rmh", (z,), rng, next_z, (new_z,), acceptance_rate, scale),
        DrawBlock("gibbs", (k,), rng, next_k, (new_k,)),
    )
    compiled = compile_sweep_jax(Sweep((y, x, z, scale, k), blocks))
    result = compiled.run(np.ones((4, 5)), RunSettings(tune=300, draws=1000, seed=1))
    y, x, z, scale, k = np.moveaxis(result.draws, -1, 0)
    # With the log-density cached from before y moved, the variance of x comes out as 0.73.
    assert_mean(x**2, 1.0)
    assert_mean(y**2, 1.0)
    assert_mean(x * y, CORRELATION)
    assert_mean(z**2, 9.0)
    assert_mean(k, 0.55)
    assert set(np.unique(k)) == {0.0, 1.0}
    assert abs(result.stats["acceptance_rate_z"].mean() - 0.44) < 0.05
    assert np.all(scale == scale[:, :1])
    np.testing.assert_array_equal(result.stats["scale"], scale)


def test_a_chain_whose_draws_are_not_finite_stops_alone():
    x, rng = pt.dscalar("x"), pt.random.rng("rng")
    next_rng, noise = normal_of(0.0, 1.0, rng)
    growing = x + 1 + 0 * noise
    new = pt.switch(growing > 100, np.nan, growing)
    compiled = compile_sweep_jax(Sweep((x,), (DrawBlock("gibbs", (x,), rng, next_rng, (new,)),)))
    result = compiled.run(np.array([[0.0], [95.0]]), RunSettings(tune=0, draws=10, seed=1))
    np.testing.assert_array_equal(result.draws[0, :, 0], np.arange(1.0, 11.0))
    np.testing.assert_array_equal(result.draws[1, :, 0], [96, 97, 98, 99, 100, *[np.nan] * 5])
    np.testing.assert_array_equal(result.num_draws, [10, 5])
    np.testing.assert_array_equal(result.status, [0, 2])


def transitions(logdensity, start, step_size, max_tree_depth):
    """Make one transition from each row of ``start``."""
    diagonal = jnp.ones(start.shape[1])

    def one(key, position):
        value, gradient = jax.value_and_grad(logdensity)(position)
        state = HMCState(position, value, gradient)
        return nuts_transition(key, state, logdensity, jnp.float64(step_size), diagonal, max_tree_depth)[:2]

    state, info = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), len(start)), start)
    return np.asarray(state.position), jax.tree.map(np.asarray, info)


def test_a_transition_is_reversible_on_a_skewed_target():
    law = st.loggamma(SHAPE)
    before = law.rvs(size=(20_000, 1), random_state=np.random.default_rng(1))
    after, _ = transitions(lambda x: jnp.sum(SHAPE * x - jnp.exp(x)), before, 0.4, 4)
    assert st.kstest(after[:, 0], law.cdf).pvalue > FALSE_ALARM
    # In equilibrium (before, after) and (after, before) have one distribution.
    for f, g in ((np.tanh, np.exp), (np.square, np.tanh), (np.exp, lambda x: x < -1.0)):
        difference = (f(before) * g(after) - g(before) * f(after))[:, 0]
        assert abs(difference.mean()) < STANDARD_ERRORS * difference.std() / np.sqrt(len(difference))


def test_a_trajectory_of_one_period_is_not_doubled_on():
    start = np.random.default_rng(1).normal(size=(500, 10))
    _, info = transitions(lambda x: -0.5 * jnp.sum(x**2), start, 0.87, 8)
    assert info.tree_depth.max() <= 3


def test_divergence_is_reported_and_the_chain_stays():
    start = np.full((3, 1), 1e-3)
    after, info = transitions(lambda x: -0.5 * jnp.sum(x**2) * 1e8, start, 1.0, 5)
    assert info.is_divergent.all()
    np.testing.assert_array_equal(after, start)
    np.testing.assert_array_equal(info.tree_depth, 0)


def test_a_gradient_that_only_jax_knows_is_used():
    a, b = pt.dscalar("a"), pt.dscalar("b")
    total = pm.logcdf(pm.Gamma.dist(a, 1.0), b)
    evaluate = logdensity_function(LogDensity(total, (b, a)), (a,), Layout.of((b,)))
    value, gradient = jax.value_and_grad(evaluate)(jnp.array([2.5]), jnp.array([1.2]))
    np.testing.assert_allclose(value, st.gamma(2.5).logcdf(1.2))
    difference = (st.gamma(2.5 + 1e-6).logcdf(1.2) - st.gamma(2.5 - 1e-6).logcdf(1.2)) / 2e-6
    np.testing.assert_allclose(gradient, [difference], rtol=1e-6)


@pytest.mark.parametrize("tune", [0, 1, 2, 3, 10, 100, 1000])
def test_phases_fill_the_warm_up(tune):
    phases = tuning_phases([tune], ceil(EARLY_FRACTION * tune))
    assert [len(field) for field in phases] == [tune] * len(phases)
    assert np.all(phases.is_learning[phases.is_switching])
    if tune >= 100:
        assert not phases.is_learning[-10:].any()


def test_a_nuts_kernel_steps_and_runs():
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=())
    kernel = nuts((-0.5 * ((x**2).sum() + (y / 3) ** 2), [x, y]), step_size=0.7, inverse_mass_matrix=[1, 1, 9])
    step = kernel.compile("jax")
    first, info = step(np.random.default_rng(1), kernel.init({"x": [0.0, 1.0], "y": 0.5}))
    expected = kernel.init(first.position)
    np.testing.assert_allclose(first.logdensity, expected.logdensity)
    np.testing.assert_allclose(first.gradient, expected.gradient)
    assert info.num_steps >= 1
    again, _ = step(np.random.default_rng(1), kernel.init({"x": [0.0, 1.0], "y": 0.5}))
    np.testing.assert_array_equal(again.position["x"], first.position["x"])
    last, draws, info = step.run(np.random.default_rng(2), first, 4000, thin=2)
    np.testing.assert_array_equal(draws["y"][-1], last.position["y"])
    assert_quantiles(draws["x"][None, :, 1], st.norm())
    assert_quantiles(draws["y"][None], st.norm(0, 3))
    assert 0.8 < info.acceptance_rate < 1.0
