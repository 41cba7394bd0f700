"""The loop over sweeps: right distributions, reproducible, interruptible, whatever the backend and the threads.

Answers: closed forms, and SciPy's distributions.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

import samplers
from graphs.density import LogDensity
from samplers import DrawBlock, NUTSBlock, RunSettings, Sweep, compile_sweep
from samplers.loop import chain_run, compiled_loop

SCALE = np.logspace(-2, 2, 10)


def nuts_sweep(total: Any, *variables: Any) -> Sweep:
    return Sweep(variables, (NUTSBlock(variables, LogDensity(total, variables)),))


def normal_sweep() -> Sweep:
    x = pt.tensor("x", shape=(10,))
    return nuts_sweep(-0.5 * ((x / SCALE) ** 2).sum(), x)


def conditional_sweep() -> Sweep:
    """Standard normal ``x``, and ``y | x ~ N(x, 1)`` drawn exactly: var(y) = 2."""
    x, y = pt.tensor("x", shape=()), pt.tensor("y", shape=())
    rng = pt.random.rng("rng")
    next_rng, draw = rng.normal(x, 1.0)
    density = LogDensity(-0.5 * x**2 - 0.5 * (y - x) ** 2, (x, y))
    return Sweep((x, y), (NUTSBlock((x,), density), DrawBlock("gibbs", (y,), rng, next_rng, (draw,))))


def assert_mean(values: np.ndarray, expected: float) -> None:
    """Compare the mean of ``values``, shape (chains, draws), within five Monte Carlo errors."""
    size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(size)


def test_skewed_target_has_right_mean_and_quantiles() -> None:
    """The logarithm of a gamma variable of shape 0.7."""
    shape = 0.7
    x = pt.tensor("x", shape=(2,))
    compiled = compile_sweep(nuts_sweep((shape * x - pt.exp(x)).sum(), x))
    result = compiled.run(np.zeros((4, 2)), RunSettings(tune=500, draws=3000, seed=1))
    assert result.stats["diverging"].mean() < 0.01
    for i in range(2):
        draws = result.draws[:, :, i]
        assert_mean(draws, float(special.digamma(shape)))
        assert_mean(draws**2, float(special.polygamma(1, shape) + special.digamma(shape) ** 2))
        for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
            quantile = np.log(stats.gamma.ppf(probability, shape))
            assert_mean((draws <= quantile).astype(float), probability)


def test_correlated_normal() -> None:
    random = np.random.default_rng(8)
    factor = random.normal(size=(4, 4))
    covariance = factor @ factor.T + 0.1 * np.eye(4)
    x = pt.tensor("x", shape=(4,))
    total = -0.5 * x @ pt.as_tensor(np.linalg.inv(covariance)) @ x
    result = compile_sweep(nuts_sweep(total, x)).run(np.ones((4, 4)), RunSettings(tune=500, draws=2000, seed=2))
    for i in range(4):
        for j in range(i + 1):
            assert_mean(result.draws[:, :, i] * result.draws[:, :, j], covariance[i, j])


def test_scales_are_learnt() -> None:
    compiled = compile_sweep(normal_sweep())
    result = compiled.run(np.ones((2, 10)), RunSettings(tune=300, draws=1000, seed=3))
    np.testing.assert_allclose(result.inverse_mass_matrix, np.tile(SCALE**2, (2, 1)), rtol=1e-6)
    assert 0.7 < result.stats["acceptance_rate"].mean() < 0.9
    np.testing.assert_allclose(result.stats["step_size"] / result.step_size[:, None], 1.0)
    num_steps = result.stats["n_steps"].sum()
    for i in range(10):
        size = array_stats.ess(result.draws[:, :, i], chain_axis=0, draw_axis=1, method="bulk")
        assert size > 0.1 * num_steps


def test_other_blocks_refresh_the_cached_density() -> None:
    result = compile_sweep(conditional_sweep()).run(np.zeros((4, 2)), RunSettings(tune=200, draws=5000, seed=4))
    x, y = result.draws[:, :, 0], result.draws[:, :, 1]
    assert_mean(x**2, 1.0)
    assert_mean(y**2, 2.0)
    assert_mean(x * y, 1.0)


def test_statistics_describe_the_draws() -> None:
    result = compile_sweep(normal_sweep()).run(
        np.ones((2, 10)), RunSettings(tune=100, draws=50, seed=5, keep_tuning=True)
    )
    lp = -0.5 * ((result.draws / SCALE) ** 2).sum(axis=-1)
    np.testing.assert_allclose(result.stats["lp"], lp)
    assert np.all(result.stats["energy"] > -result.stats["lp"])
    assert np.all(result.stats["n_steps"] < 2 ** (result.stats["tree_depth"] + 1))
    assert np.all(np.abs(result.stats["index_in_trajectory"]) <= result.stats["n_steps"])
    assert result.tuning_draws is not None
    assert result.tuning_draws.shape == (2, 100, 10)
    assert result.tuning_stats is not None
    num_steps = result.tuning_stats["n_steps"].sum() + result.stats["n_steps"].sum()
    assert num_steps < result.num_gradients < num_steps + 2 * 100
    assert result.stats["diverging"].dtype == bool
    assert result.stats["tree_depth"].dtype == np.int64


@pytest.mark.parametrize("sweep", [normal_sweep, conditional_sweep])
def test_draws_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch, sweep: Any) -> None:
    """Not on the number of threads, of chains, or on how often the loop returns to Python."""
    compiled = compile_sweep(sweep())
    init = np.zeros((3, compiled.layout.size))

    def draws(num_chains: int = 3, cores: int | None = None, seed: int = 6) -> np.ndarray:
        return compiled.run(init[:num_chains], RunSettings(tune=60, draws=40, seed=seed, cores=cores)).draws

    expected = draws()
    np.testing.assert_array_equal(draws(cores=1), expected)
    np.testing.assert_array_equal(draws(cores=2), expected)
    np.testing.assert_array_equal(draws(num_chains=2), expected[:2])
    assert not np.array_equal(draws(seed=7), expected)
    assert not np.array_equal(expected[0], expected[1])
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-6)
    np.testing.assert_array_equal(draws(), expected)


def test_thinning_keeps_the_last_of_each_group() -> None:
    compiled = compile_sweep(normal_sweep())
    init = np.zeros((1, 10))
    every = compiled.run(init, RunSettings(tune=20, draws=30, seed=8))
    third = compiled.run(init, RunSettings(tune=20, draws=10, seed=8, thin=3))
    np.testing.assert_array_equal(third.draws, every.draws[:, 2::3])
    np.testing.assert_array_equal(third.stats["lp"], every.stats["lp"][:, 2::3])


def test_c_and_numba_agree() -> None:
    x, y = pt.tensor("x", shape=(2, 2)), pt.tensor("y", shape=())
    sweep = nuts_sweep(-0.5 * ((x - y) ** 2).sum() - pt.exp(y) + 2.0 * y, x, y)
    results = {
        backend: compile_sweep(sweep, backend).run(
            np.full((2, 5), 0.1), RunSettings(tune=15, draws=10, seed=9, keep_tuning=True)
        )
        for backend in ("c", "numba")
    }
    np.testing.assert_allclose(results["c"].tuning_draws, results["numba"].tuning_draws, rtol=1e-5)
    assert results["c"].num_gradients == results["numba"].num_gradients


def test_c_draws_from_blocks() -> None:
    compiled = compile_sweep(conditional_sweep(), "c")
    result = compiled.run(np.zeros((2, 2)), RunSettings(tune=100, draws=600, seed=10))
    assert_mean(result.draws[:, :, 1] ** 2, 2.0)
    again = compiled.run(np.zeros((2, 2)), RunSettings(tune=100, draws=600, seed=10))
    np.testing.assert_array_equal(result.draws, again.draws)


def test_metropolis_scale_is_learnt() -> None:
    """One step of random-walk Metropolis on a standard normal, by hand."""
    x, scale = pt.tensor("x", shape=()), pt.tensor("scale", shape=())
    rng = pt.random.rng("rng")
    next_rng, noise = rng.normal(0.0, 1.0)
    next_rng, uniform = next_rng.uniform(0.0, 1.0)
    proposal = x + scale * noise
    rate = pt.exp(pt.minimum(0.5 * x**2 - 0.5 * proposal**2, 0.0))
    draw = pt.switch(uniform < rate, proposal, x)
    sweep = Sweep((x, scale), (DrawBlock("rmh", (x,), rng, next_rng, (draw,), rate, scale),))
    result = compile_sweep(sweep).run(np.array([[0.0, 50.0]] * 2), RunSettings(tune=2000, draws=8000, seed=11))
    np.testing.assert_allclose(result.stats["scale"], 2.42, rtol=0.25)
    assert result.stats["acceptance_rate"].mean() == pytest.approx(0.44, abs=0.05)
    assert_mean(result.draws[:, :, 0] ** 2, 1.0)
    assert np.isnan(result.step_size).all()
    assert result.inverse_mass_matrix.shape == (2, 0)


def test_interruption_keeps_what_has_been_drawn() -> None:
    compiled = compile_sweep(normal_sweep())
    init = np.zeros((3, 10))
    seen: list[dict[str, Any]] = []

    def interrupt(progress: list[dict[str, Any]]) -> None:
        seen[:] = progress
        if all(p["draw"] > 100 and not p["tuning"] for p in progress):
            raise KeyboardInterrupt

    result = compiled.run(init, RunSettings(tune=50, draws=2_000_000, seed=12, cores=2, callback=interrupt))
    assert result.interrupted
    length = result.draws.shape[1]
    assert 100 < length < 2_000_000
    assert length == result.num_draws.min()
    assert result.stats["lp"].shape == (3, length)
    assert np.all(result.status == 1)
    assert {"chain", "draw", "tuning", "divergences", "step_size", "num_gradients"} <= set(seen[0])
    full = compiled.run(init, RunSettings(tune=50, draws=100, seed=12))
    np.testing.assert_array_equal(full.draws, result.draws[:, :100])


def test_progress_ends_with_all_draws() -> None:
    seen: list[list[dict[str, Any]]] = []
    compile_sweep(normal_sweep()).run(np.zeros((2, 10)), RunSettings(tune=10, draws=20, seed=1, callback=seen.append))
    assert [p["draw"] for p in seen[-1]] == [20, 20]
    assert not any(p["tuning"] for p in seen[-1])


def test_errors_of_the_callback_are_not_swallowed() -> None:
    def fail(progress: list[dict[str, Any]]) -> None:
        raise RuntimeError("display")

    with pytest.raises(RuntimeError, match="display"):
        compile_sweep(normal_sweep()).run(np.zeros((2, 10)), RunSettings(tune=10, draws=100_000, seed=1, callback=fail))


def test_statistics_of_several_blocks_have_names_of_their_own() -> None:
    x, y = pt.tensor("x", shape=()), pt.tensor("y", shape=(2,))
    density = LogDensity(-(x**2) - (y**2).sum(), (x, y))
    sweep = Sweep((x, y), (NUTSBlock((x,), density), NUTSBlock((y,), density)))
    result = compile_sweep(sweep).run(np.zeros((1, 3)) + 0.1, RunSettings(tune=50, draws=500, seed=1))
    assert {"lp", "lp_y", "step_size", "step_size_y"} <= set(result.stats)
    assert result.inverse_mass_matrix.shape == (1, 3)
    assert_mean(result.draws[:, :, 1] ** 2, 0.5)


def test_the_loop_and_its_moves_are_compiled_once_for_all_processes() -> None:
    script = """
import pytensor.tensor as pt
from samplers import NUTSBlock, Sweep, compile_sweep; from samplers.loop import compiled_loop
from samplers.slicing.move import move_slice; from samplers.trajectories.move import move_nuts
from graphs.density import LogDensity
x = pt.tensor("x", shape=(2,))
compile_sweep(Sweep((x,), (NUTSBlock((x,), LogDensity(-(x**2).sum(), (x,))),)))
stats = compiled_loop._compiled_loop().stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
print(*(compiled_loop._compiled_move(move).cache_hits for move in (move_nuts, move_slice)))
"""
    root = Path(samplers.__file__).parent.parent
    for _ in range(2):
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.split() == ["1", "0", "1", "1"]


def test_the_loop_lets_other_threads_run() -> None:
    # Chains run in threads, and Ctrl-C has to arrive.
    assert compiled_loop._compiled_loop().targetoptions["nogil"]
