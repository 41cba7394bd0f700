"""Hamiltonian Monte Carlo: the trajectory by its laws, the chain by closed forms.

Answers: reversibility, volume and closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

from graphs.errors import ModelError, SamplingError
from graphs.surgery.interpreting import interpret
from samplers import hmc
from samplers.gradient_kernel import GradientState
from samplers.trajectories.hmc import HMCInfo

SHAPE = 2.0
COVARIANCE = np.array([[2.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 0.5]])


def log_gamma_kernel(**options: Any) -> Any:
    """Logarithms of gamma variables of shape 2, and an independent normal."""
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=())
    total = (SHAPE * x - pt.exp(x)).sum() - 0.5 * y**2
    return hmc((total, [x, y]), **({"step_size": 0.5, "num_steps": 4} | options))


def assert_mean(values: np.ndarray, expected: float) -> None:
    size = array_stats.ess(values[None], chain_axis=0, draw_axis=1, method="mean")
    assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(size)


@pytest.mark.parametrize("matrix", [None, [0.5, 0.7, 2.0], COVARIANCE])
def test_trajectory_is_reversible_and_keeps_volume(matrix: Any) -> None:
    """The two properties from which the acceptance rule gives exact detailed balance."""
    kernel = log_gamma_kernel(inverse_mass_matrix=matrix, num_steps=5)
    start = [pt.vector(n, dtype="float64", shape=(3,)) for n in "qv"]
    step_size = pt.constant(0.4)
    gradient = kernel.density.at(start[0]).gradient
    end, velocity, *_ = kernel.trajectory(*start, gradient, step_size)
    move = interpret(start, [end, velocity])
    q, v = np.array([0.3, -0.5, 0.9]), np.array([1.0, -0.2, 0.4])
    back, turned = move(*(lambda end, velocity: (end, -velocity))(*move(q, v)))
    np.testing.assert_allclose(back, q, atol=1e-12)
    np.testing.assert_allclose(-turned, v, atol=1e-12)

    def flat(z: np.ndarray) -> np.ndarray:
        return np.concatenate(move(z[:3], z[3:]))

    z, width = np.concatenate([q, v]), 1e-5
    jacobian = np.column_stack([(flat(z + e) - flat(z - e)) / (2 * width) for e in width * np.eye(6)])
    assert abs(np.linalg.det(jacobian)) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_step(backend: str) -> None:
    """The same values as the kernel's own evaluation, and an energy error that is small for small steps."""
    if backend == "jax":
        pytest.importorskip("jax")
    kernel = log_gamma_kernel(step_size=0.01)
    start = kernel.init({"x": [0.0, 1.0], "y": 2.0})
    assert start.logdensity == pytest.approx(SHAPE - 1.0 - np.e - 2.0)
    np.testing.assert_allclose(start.gradient, [SHAPE - 1.0, SHAPE - np.e, -2.0])
    state, info = kernel.compile(backend)(np.random.default_rng(1), start)
    assert isinstance(state, GradientState)
    assert isinstance(info, HMCInfo)
    assert info.acceptance_rate > 0.999
    there = kernel.init(state.position)
    assert state.logdensity == pytest.approx(float(there.logdensity))
    np.testing.assert_allclose(state.gradient, there.gradient)


@pytest.mark.parametrize("matrix", [None, COVARIANCE])
def test_many_steps_have_the_right_distribution(matrix: Any) -> None:
    kernel = log_gamma_kernel(inverse_mass_matrix=matrix)
    step = kernel.compile("numba")
    _, draws, info = step.run(np.random.default_rng(2), kernel.init({"x": [0.0, 0.0], "y": 0.0}), 20_000)
    assert 0.5 < info.acceptance_rate < 1.0
    for x in draws["x"].T:
        assert_mean(x, float(special.digamma(SHAPE)))
        for probability in (0.05, 0.5, 0.95):
            assert_mean((x <= np.log(stats.gamma.ppf(probability, SHAPE))).astype(float), probability)
    assert_mean(draws["y"] ** 2, 1.0)


def test_jitter_breaks_periods() -> None:
    """Half a period of a normal leads to minus the start, exactly: without jitter |x| never changes."""
    x = pt.tensor("x", shape=())
    steps, angle = 50, np.pi / 50
    # The leapfrog step rotates by arccos(1 - step_size^2 / 2).
    step_size = np.sqrt(2.0 * (1.0 - np.cos(angle)))

    def spread(jitter: float) -> float:
        kernel = hmc((-0.5 * x**2, [x]), step_size=step_size, num_steps=steps, jitter=jitter)
        _, draws, _ = kernel.compile().run(np.random.default_rng(3), kernel.init({"x": 1.0}), 2000)
        return float(np.ptp(np.abs(draws["x"])))

    assert spread(0.0) < 1e-9
    assert spread(0.2) > 2.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_size": -1.0}, "step_size is -1.0"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"jitter": 1.0}, r"jitter is 1.0; it must lie in \[0, 1\)"),
        ({"inverse_mass_matrix": [1.0, 1.0]}, r"shape \(2,\); the position has 3 elements"),
        ({"inverse_mass_matrix": -np.eye(3)}, "not positive definite"),
    ],
)
def test_parameters_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        log_gamma_kernel(**options)


def test_discrete_inputs_are_refused() -> None:
    n = pt.tensor("n", shape=(), dtype="int64")
    with pytest.raises(ModelError, match="n is discrete"):
        hmc((-(n**2.0), [n]))
