"""Metrics learnt from draws and gradients, against closed forms; and sampled with.

Answers: covariances in closed form, and matrix algebra by SciPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy.linalg import hadamard, sqrtm

from graphs.density import LogDensity
from graphs.errors import SamplingError
from samplers import NUTSBlock, RunSettings, Sweep, compile_sweep
from samplers.chain.metric import Metric
from samplers.tuning.fisher import choose_metric, fisher_divergence, learn_dense, learn_diagonal, learn_low_rank
from samplers.tuning.learning import METRICS, Trail, update_times

SCALE = np.logspace(-3, 3, 6)
UNIT = Metric.diagonal(np.ones(6))


def correlated(size: int, condition: float, seed: int = 1) -> np.ndarray:
    """A covariance of known condition number in a random basis."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return basis @ np.diag(np.geomspace(1.0, 1.0 / condition, size)) @ basis.T


def draws_of(covariance: np.ndarray, num: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a normal distribution, and the gradients of its log-density."""
    draws = 3.0 + np.random.default_rng(seed).normal(size=(num, len(covariance))) @ np.linalg.cholesky(covariance).T
    return draws, -np.linalg.solve(covariance, (draws - 3.0).T).T


def relative(metric: Metric, covariance: np.ndarray) -> np.ndarray:
    """Standard deviations in the metric's coordinates; all are one where it is exact."""
    inverse = np.linalg.inv(metric.factor)
    return np.sqrt(np.linalg.eigvalsh(inverse @ covariance @ inverse.T))


def test_dense_metric_of_a_normal_is_exact_after_few_draws() -> None:
    """Twice as many draws as dimensions; what is wrong at first, as it is drawn towards the unit, goes by itself."""
    covariance = np.diag(SCALE) @ correlated(6, 1e4) @ np.diag(SCALE)
    draws, gradients = draws_of(covariance, 12)
    metric = learn_diagonal(draws, gradients, UNIT)
    for _ in range(4):
        metric = learn_dense(draws, gradients, metric)
    np.testing.assert_allclose(relative(metric, covariance), 1.0, atol=0.02)


def test_dense_metric_is_the_geometric_mean() -> None:
    """Of draws that are not normal, where shrinkage counts nothing."""
    random = np.random.default_rng(3)
    draws, gradients = random.gamma(2.0, size=(20_000, 3)), random.normal(size=(20_000, 3)) @ random.normal(size=(3, 3))
    a, b = np.cov(draws.T), np.cov(gradients.T)
    root = np.real(sqrtm(b))
    inverse = np.linalg.inv(root)
    expected = inverse @ np.real(sqrtm(root @ a @ root)) @ inverse
    metric = learn_dense(draws, gradients, Metric.diagonal(np.ones(3)))
    np.testing.assert_allclose(metric.inverse_mass_matrix, expected, rtol=2e-3, atol=1e-3)


def test_low_rank_metric_finds_the_directions() -> None:
    """Two directions stretched, one squeezed, in 32 dimensions: from fewer draws than dimensions, then from many."""
    basis = hadamard(32) / np.sqrt(32.0)
    variances = np.ones(32)
    variances[:3] = 400.0, 50.0, 1e-3
    scale = np.exp(np.random.default_rng(4).normal(size=32))
    covariance = scale[:, None] * (basis @ np.diag(variances) @ basis.T) * scale
    draws, gradients = draws_of(covariance, 25)
    metric = Metric.diagonal(np.ones(32))
    for _ in range(4):
        metric = learn_low_rank(draws, gradients, metric)
    assert metric.kind == "low_rank"
    assert relative(metric, covariance).max() / relative(metric, covariance).min() < 6.0
    many = learn_low_rank(*draws_of(covariance, 3000), metric)
    assert len(many.rows) == 3
    # Variances within a factor of two are left alone.
    assert relative(many, covariance).max() / relative(many, covariance).min() < np.sqrt(2.0)


def test_automatic_choice() -> None:
    """Dense where strongly correlated; diagonal where independent, of few draws and of a heavy tail too."""
    random = np.random.default_rng(5)
    unit = Metric.diagonal(np.ones(6))
    assert choose_metric(*draws_of(correlated(6, 1e3), 40), unit).kind == "dense"
    assert choose_metric(*draws_of(np.diag(SCALE), 40), unit).kind == "diag"
    draws = random.standard_t(4.0, size=(30, 20))
    gradients = -5.0 * draws / (4.0 + draws**2)
    assert choose_metric(draws, gradients, Metric.diagonal(np.ones(20))).kind == "diag"


def test_fisher_divergence_of_a_normal() -> None:
    """Of the right covariance it is zero; of the unit metric E|x + g|^2."""
    covariance = correlated(6, 100.0)
    draws, gradients = draws_of(covariance, 100_000)
    assert fisher_divergence(Metric.dense(np.linalg.cholesky(covariance)), draws, gradients) < 1e-12
    difference = np.eye(6) - np.linalg.inv(covariance)
    expected = np.trace(difference @ covariance @ difference.T)
    assert fisher_divergence(UNIT, draws, gradients) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones(4), r"shape \(4,\).*3 elements"),
        ([1.0, -1.0, 1.0], "element 1 is -1"),
        ([1.0, np.nan, 1.0], r"not finite at \[1\]"),
        (np.ones((3, 3)), "not positive definite"),
        (np.triu(np.ones((3, 3))), "not symmetric"),
    ],
)
def test_bad_inverse_mass_matrices(matrix: Any, message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        Metric.of(matrix, 3)


def test_metric_of_a_matrix() -> None:
    covariance = np.diag(SCALE) @ correlated(6, 100.0) @ np.diag(SCALE)
    np.testing.assert_allclose(Metric.of(covariance, 6).inverse_mass_matrix, covariance)
    np.testing.assert_allclose(Metric.of(SCALE, 6).inverse_mass_matrix, SCALE)


def test_times_of_updates() -> None:
    assert update_times(1000, 5) == [30, 60, 120, 240, 600, 850]
    assert update_times(20, 5) == []
    for tune in (40, 100, 333):
        times = update_times(tune, 50)
        assert times == sorted(set(times))
        assert times[-1] == tune - int(0.15 * tune)


def normal_sweep(covariance: np.ndarray) -> Sweep:
    x = pt.tensor("x", shape=(len(covariance),))
    total = -0.5 * x @ pt.as_tensor(np.linalg.inv(covariance)) @ x
    return Sweep((x,), (NUTSBlock((x,), LogDensity(total, (x,))),))


def assert_covariance(draws: np.ndarray, covariance: np.ndarray) -> None:
    """Compare every second moment within five Monte Carlo errors; draws have shape (chains, draws, d)."""
    scale = np.sqrt(np.diag(covariance))
    for i in range(len(covariance)):
        for j in range(i + 1):
            values = draws[:, :, i] * draws[:, :, j] / (scale[i] * scale[j])
            size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
            assert abs(values.mean() - covariance[i, j] / (scale[i] * scale[j])) < 5.0 * values.std() / np.sqrt(size)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("is_pooled", [False, True])
def test_correlated_normal(metric: str, is_pooled: bool) -> None:
    covariance = correlated(4, 30.0)
    compiled = compile_sweep(normal_sweep(covariance))
    result = compiled.run(
        np.ones((4, 4)), RunSettings(tune=300, draws=1000, seed=1, metric=metric, is_pooled=is_pooled)
    )
    assert_covariance(result.draws, covariance)
    kinds = {known.metric.kind for chain in result.learnt for known in chain}
    assert kinds == {"dense" if metric == "auto" else metric}
    np.testing.assert_allclose(result.stats["step_size"] / result.step_size[:, None], 1.0)
    if is_pooled:
        assert np.ptp(result.inverse_mass_matrix, axis=0).max() == 0.0


@pytest.mark.parametrize(
    ("metric", "is_pooled"),
    [
        ("diag", True),
        pytest.param("dense", False, marks=pytest.mark.slow),
        pytest.param("low_rank", True, marks=pytest.mark.slow),
        pytest.param("auto", True, marks=pytest.mark.slow),
    ],
)
def test_correlated_normal_in_jax(metric: str, is_pooled: bool) -> None:
    """And a second run that goes on from the first."""
    pytest.importorskip("jax")
    covariance = correlated(4, 30.0)
    compiled = compile_sweep(normal_sweep(covariance), "jax")
    first = compiled.run(np.ones((4, 4)), RunSettings(tune=200, draws=500, seed=1, metric=metric, is_pooled=is_pooled))
    assert_covariance(first.draws, covariance)
    kinds = {known.metric.kind for chain in first.learnt for known in chain}
    assert kinds == {"dense" if metric == "auto" else metric}
    second = compiled.run(first.state, RunSettings(tune=0, draws=500, seed=2, learnt=first.learnt))
    np.testing.assert_allclose(second.step_size, first.step_size)
    np.testing.assert_allclose(second.inverse_mass_matrix, first.inverse_mass_matrix)
    assert_covariance(second.draws, covariance)
    if metric != "diag":
        assert second.stats["n_steps"].mean() < 8.0


@pytest.mark.parametrize("tune", [300, 301, 302, 303, 304])
def test_automatic_choice_does_not_depend_on_rounding(tune: int) -> None:
    """The late choice comes after 60% of the warm-up, rounded down; trajectories are too short for an early one."""
    compiled = compile_sweep(normal_sweep(correlated(4, 30.0)))
    result = compiled.run(np.zeros((1, 4)), RunSettings(tune=tune, draws=10, seed=1))
    assert result.learnt[0][0].metric.kind == "dense"


@pytest.mark.parametrize("metric", ["dense", "auto"])
def test_ill_conditioned_normal(metric: str) -> None:
    """Condition number 10^6: a step size near one, a few steps, and draws worth more than independent ones."""
    covariance = correlated(10, 1e6)
    compiled = compile_sweep(normal_sweep(covariance))
    result = compiled.run(np.full((4, 10), 0.1), RunSettings(tune=600, draws=1000, seed=2, metric=metric))
    assert result.stats["tree_depth"].mean() < 4.0
    assert_covariance(result.draws, covariance)
    size = min(array_stats.ess(result.draws[:, :, i], chain_axis=0, draw_axis=1) for i in range(10))
    assert size > 2000


@pytest.mark.parametrize("metric", ["dense", "low_rank", "auto"])
def test_c_and_numba_agree(metric: str) -> None:
    """Learnt from the same draws, and used for some; not of a normal density: a step of two would amplify rounding."""
    x = pt.tensor("x", shape=(4,))
    total = -0.5 * x @ pt.as_tensor(np.linalg.inv(correlated(4, 30.0))) @ x - 0.05 * (x**4).sum()
    sweep = Sweep((x,), (NUTSBlock((x,), LogDensity(total, (x,))),))
    results = {
        backend: compile_sweep(sweep, backend).run(
            np.full((2, 4), 0.1), RunSettings(tune=36, draws=5, seed=3, metric=metric, keep_tuning=True)
        )
        for backend in ("c", "numba")
    }
    np.testing.assert_allclose(results["c"].tuning_draws, results["numba"].tuning_draws, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(results["c"].draws, results["numba"].draws, rtol=1e-5, atol=1e-8)
    assert results["c"].learnt[0][0].metric.kind != "diag"


@pytest.mark.parametrize("is_pooled", [False, True])
def test_draws_do_not_depend_on_threads(is_pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from samplers.loop import chain_run

    compiled = compile_sweep(normal_sweep(correlated(5, 1e3)))

    def draws(cores: int) -> np.ndarray:
        options: dict[str, Any] = {"tune": 100, "draws": 30, "seed": 4, "metric": "dense", "is_pooled": is_pooled}
        return compiled.run(np.zeros((3, 5)), RunSettings(cores=cores, **options)).draws

    expected = draws(1)
    np.testing.assert_array_equal(draws(2), expected)
    np.testing.assert_array_equal(draws(3), expected)
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-6)
    np.testing.assert_array_equal(draws(2), expected)


def test_pooled_warmup_is_shorter() -> None:
    """Twelve dimensions, tuned for 60 iterations: the draws of one chain are too few, those of eight are not."""
    covariance = correlated(12, 1e4)
    compiled = compile_sweep(normal_sweep(covariance))
    init = np.random.default_rng(5).normal(size=(8, 12)) @ np.linalg.cholesky(covariance).T
    steps = {
        is_pooled: compiled.run(
            init, RunSettings(tune=60, draws=100, seed=5, metric="dense", is_pooled=is_pooled)
        ).stats["n_steps"]
        for is_pooled in (False, True)
    }
    assert steps[True].mean() <= steps[False].mean()
    assert steps[True].mean() < 12.0


def test_learnt_state_starts_a_new_run() -> None:
    covariance = correlated(6, 1e4)
    compiled = compile_sweep(normal_sweep(covariance))
    first = compiled.run(np.zeros((3, 6)), RunSettings(tune=400, draws=50, seed=6, metric="dense"))
    second = compiled.run(first.draws[:, -1], RunSettings(tune=0, draws=800, seed=7, learnt=first.learnt))
    np.testing.assert_allclose(second.step_size, first.step_size)
    np.testing.assert_array_equal(second.inverse_mass_matrix, first.inverse_mass_matrix)
    assert second.stats["n_steps"].mean() < 10.0
    assert_covariance(second.draws, covariance)


def test_unknown_metric_and_too_short_tuning() -> None:
    compiled = compile_sweep(normal_sweep(np.eye(2)))
    with pytest.raises(SamplingError, match="metric is 'full'; choose from auto, diag, dense, low_rank"):
        compiled.run(np.zeros((1, 2)), RunSettings(tune=100, draws=1, metric="full"))
    with pytest.raises(SamplingError, match="metric='dense' is learnt from at least 35 tuning iterations; tune is 20"):
        compiled.run(np.zeros((1, 2)), RunSettings(tune=20, draws=1, metric="dense"))


def test_a_trail_knows_gradients_whatever_the_coordinates_were() -> None:
    """Four sweeps in natural coordinates, four in those of a factor: by products of matrices."""
    rng = np.random.default_rng(8)
    factor = rng.normal(size=(3, 3)) + 3.0 * np.eye(3)
    positions, gradients = rng.normal(size=(2, 8, 3))
    trail = Trail(np.zeros((8, 2, 3)))
    trail.window[:4] = np.stack([positions[:4], gradients[:4]], axis=1)
    np.testing.assert_array_equal(trail.draws(4, 4)[:, 1], gradients[2:4])
    np.testing.assert_allclose(trail.turned(gradients[3], Metric.dense(factor)), factor.T @ gradients[3])
    trail.window[4:] = np.stack([positions[4:], gradients[4:] @ factor], axis=1)
    found = trail.draws(8, 8)
    np.testing.assert_array_equal(found[:, 0], positions[4:])
    np.testing.assert_allclose(found[:, 1], gradients[4:], rtol=1e-10)
    # The same again, and back.
    np.testing.assert_allclose(trail.draws(8, 8)[:, 1], gradients[4:], rtol=1e-10)
    scale = np.array([1.0, 4.0, 9.0])
    np.testing.assert_allclose(trail.turned(factor.T @ gradients[7], Metric.diagonal(scale)), gradients[7], rtol=1e-10)
    np.testing.assert_array_equal(trail.metric(scale).inverse_mass_matrix, scale)
