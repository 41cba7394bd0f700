"""NUTS as a step function and as an Op; the moments are closed forms.

Answers: closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

from graphs.errors import ModelError, SamplingError
from samplers import nuts
from samplers.gradient_kernel import GradientState
from samplers.trajectories.nuts_op import NUTS, NUTSInfo

SHAPE = 2.0


def log_gamma_kernel(**options: Any) -> Any:
    """Logarithms of gamma variables of shape 2, and an independent normal."""
    x, y = pt.tensor("x", shape=(2,)), pt.tensor("y", shape=())
    total = (SHAPE * x - pt.exp(x)).sum() - 0.5 * y**2
    return nuts((total, [x, y]), **({"step_size": 0.7} | options))


def assert_mean(values: np.ndarray, expected: float) -> None:
    size = array_stats.ess(values[None], chain_axis=0, draw_axis=1, method="mean")
    assert abs(values.mean() - expected) < 5.0 * values.std() / np.sqrt(size)


def test_init_evaluates_density_and_gradient() -> None:
    state = log_gamma_kernel().init({"x": [0.0, 1.0], "y": 2.0})
    assert isinstance(state, GradientState)
    assert state.logdensity == pytest.approx(SHAPE - 1.0 - np.e - 2.0)
    np.testing.assert_allclose(state.gradient, [SHAPE - 1.0, SHAPE - np.e, -2.0])


def test_step_on_numba() -> None:
    kernel = log_gamma_kernel(inverse_mass_matrix=[0.6, 0.7, 1.0])
    step = kernel.compile("numba")
    start = kernel.init({"x": [0.0, 1.0], "y": 2.0})
    state, info = step(np.random.default_rng(1), start)
    again, _ = step(np.random.default_rng(1), start)
    assert isinstance(info, NUTSInfo)
    assert info.num_steps < 2 ** (info.tree_depth + 1)
    np.testing.assert_array_equal(state.position["x"], again.position["x"])
    np.testing.assert_array_equal(start.position["x"], [0.0, 1.0])
    there = kernel.init(state.position)
    assert state.logdensity == pytest.approx(float(there.logdensity))
    np.testing.assert_allclose(state.gradient, there.gradient)


def test_many_steps_have_the_right_distribution() -> None:
    kernel = log_gamma_kernel()
    step = kernel.compile("numba")
    start = kernel.init({"x": [0.0, 0.0], "y": 0.0})
    last, draws, info = step.run(np.random.default_rng(2), start, 20_000)
    assert draws["x"].shape == (20_000, 2)
    np.testing.assert_array_equal(draws["x"][-1], last.position["x"])
    assert 0.6 < info.acceptance_rate < 0.99
    assert info.is_divergent == 0.0
    for x in draws["x"].T:
        assert_mean(x, float(special.digamma(SHAPE)))
        for probability in (0.05, 0.5, 0.95):
            assert_mean((x <= np.log(stats.gamma.ppf(probability, SHAPE))).astype(float), probability)
    assert_mean(draws["y"] ** 2, 1.0)


def test_thinned_steps_are_the_same_chain() -> None:
    kernel = log_gamma_kernel()
    step = kernel.compile("numba")
    start = kernel.init({"x": [0.0, 0.0], "y": 0.0})
    _, every, _ = step.run(np.random.default_rng(2), start, 5000)
    _, third, _ = step.run(np.random.default_rng(2), start, 5000, thin=3)
    np.testing.assert_array_equal(third["x"], every["x"][2::3])


def test_step_on_c() -> None:
    kernel = log_gamma_kernel()
    step = kernel.compile("c")
    state, info = step(np.random.default_rng(5), kernel.init({"x": [0.0, 1.0], "y": 2.0}))
    assert info.num_steps > 0
    _, draws, info = step.run(np.random.default_rng(6), state, 400)
    assert_mean(draws["y"] ** 2, 1.0)
    assert_mean(draws["x"][:, 0], float(special.digamma(SHAPE)))
    assert draws["logdensity"].shape == (400,)
    assert 0.6 < info.acceptance_rate < 0.99


def test_op_in_a_graph_runs_the_same_transition() -> None:
    """The Op runs plain Python, the step compiled code: the same generator gives the same draw."""
    kernel = log_gamma_kernel()
    step_graph = kernel.graph()
    function = pytensor.function(
        [step_graph.rng, *step_graph.state],
        [step_graph.next_rng, *step_graph.next_state, *step_graph.info.values()],
        mode="CVM",
    )
    state = kernel.init({"x": [0.0, 1.0], "y": 2.0})
    rng = np.random.default_rng(3)
    compiled, compiled_rng = kernel.compile("numba"), np.random.default_rng(3)
    other = state
    for _ in range(5):
        rng, *outputs = function(rng, *kernel.to_values(state))
        state = kernel.from_values(outputs[:4])
        info = kernel.from_info(dict(zip(step_graph.info, outputs[4:], strict=True)))
        other, other_info = compiled(compiled_rng, other)
        np.testing.assert_allclose(state.position["x"], other.position["x"], rtol=1e-9)
        np.testing.assert_allclose(state.gradient, other.gradient, rtol=1e-9)
        assert info.num_steps == other_info.num_steps
        assert info.index_in_trajectory == other_info.index_in_trajectory
        assert info.energy == pytest.approx(float(other_info.energy))


def test_op_does_not_change_its_generator() -> None:
    kernel = log_gamma_kernel()
    step_graph = kernel.graph()
    function = pytensor.function([step_graph.rng, *step_graph.state], list(step_graph.next_state), mode="CVM")
    values = kernel.to_values(kernel.init({"x": [0.0, 1.0], "y": 2.0}))
    rng = np.random.default_rng(4)
    np.testing.assert_array_equal(function(rng, *values)[0], function(rng, *values)[0])


def test_dprint_shows_density_and_gradient() -> None:
    kernel = log_gamma_kernel()
    text = kernel.dprint(file="str")
    assert "NUTS" in text
    inner = text[text.index("Inner graphs") :]
    assert "Exp" in inner
    assert inner.count(" ← ") == 3
    [node] = {v.owner for v in kernel.graph().next_state}
    assert isinstance(node.op, NUTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_size": 0.0}, "step_size is 0.0"),
        ({"max_tree_depth": 0}, "max_tree_depth is 0"),
        ({"inverse_mass_matrix": [1.0, 1.0]}, "must be 3 positive numbers"),
        ({"inverse_mass_matrix": [1.0, 1.0, -1.0]}, "must be 3 positive numbers"),
    ],
)
def test_parameters_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SamplingError, match=message):
        log_gamma_kernel(**options)


def test_discrete_inputs_are_refused() -> None:
    k = pt.tensor("k", dtype="int64", shape=())
    with pytest.raises(ModelError, match="k is discrete"):
        nuts((-(k**2), [k]))


def test_initial_position_outside_the_support_is_refused() -> None:
    x = pt.tensor("x", shape=())
    with pytest.raises(SamplingError, match="log-density at the initial position"):
        nuts((pt.log(x), [x])).init({"x": -1.0})
