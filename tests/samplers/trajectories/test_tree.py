"""The tree of a NUTS transition: exact detailed balance, U-turns as in the recursive definition, one source for all.

Answers: a recursive tree as in Stan, with lists of all momenta.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from graphs.backends.numba.library.rng import seed_states
from samplers.chain.workspace import new_workspace
from samplers.trajectories import hamiltonian
from samplers.trajectories.hamiltonian import is_turning, scale_momentum
from samplers.trajectories.tree import sample_tree, transition

ROUNDING = 1e-12


def reference_trajectory(
    step: Callable[[int], tuple[np.ndarray, float]], metric: np.ndarray, directions: int, max_depth: int
) -> tuple[int, int]:
    """Return depth and number of steps by recursion, as in Stan's ``base_nuts``, with lists of all momenta."""

    def persists(start: np.ndarray, end: np.ndarray, total: np.ndarray) -> bool:
        return bool((metric * start) @ total > 0 and (metric * end) @ total > 0)

    def joined(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
        return (
            persists(left[0], right[-1], sum(left) + sum(right))
            and persists(left[0], right[0], sum(left) + right[0])
            and persists(left[-1], right[-1], sum(right) + left[-1])
        )

    num_steps = 0

    def build(side: int, depth: int) -> list[np.ndarray] | None:
        nonlocal num_steps
        if depth == 0:
            num_steps += 1
            return [step(side)]
        near = build(side, depth - 1)
        far = build(side, depth - 1) if near else None
        if near is None or far is None:
            return None
        left, right = (near, far) if side else (far, near)
        return [*left, *right] if joined(left, right) else None

    trajectory = [step(-1)]
    for depth in range(max_depth):
        side = (directions >> depth) & 1
        new = build(side, depth)
        if new is None:
            return depth, num_steps
        left, right = (trajectory, new) if side else (new, trajectory)
        if not joined(left, right):
            return depth + 1, num_steps
        trajectory = [*left, *right]
    return max_depth, num_steps


def test_u_turns_are_those_of_the_recursive_definition() -> None:
    """Depth and number of steps, for many starts on a correlated normal."""
    random = np.random.default_rng(5)
    metric = np.array([0.5, 2.0, 1.0])
    precision = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])

    def normal(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
        gradient[:] = -precision @ position
        return float(0.5 * position @ gradient)

    depths = set()
    for _ in range(300):
        position = random.normal(size=3)
        momentum = random.normal(size=3) / np.sqrt(metric)
        directions = int(random.integers(2**6))
        step_size = float(random.choice([0.1, 0.3, 0.6]))
        ends = {}
        for side in (0, 1):
            gradient = np.zeros(3)
            normal(position, position, gradient)
            ends[side] = position.copy(), momentum.copy(), gradient

        def step(side: int, ends=ends, momentum=momentum, step_size=step_size) -> np.ndarray:
            if side == -1:
                return momentum
            signed = step_size if side else -step_size
            hamiltonian.leapfrog(normal, momentum, signed, metric, *ends[side])
            return ends[side][1].copy()

        expected = reference_trajectory(step, metric, directions, 6)
        gradient = np.zeros(3)
        value = normal(position, position, gradient)
        work = new_workspace(3, 6)
        work.momentum[:] = momentum
        rng = seed_states(1, 1)[0]
        kinetic = 0.5 * float(metric @ momentum**2)
        info = sample_tree(
            rng, directions, normal, position, step_size, metric, 6, position, gradient, value, kinetic, np.inf, work
        )
        assert (info.tree_depth, info.num_steps) == expected
        depths.add(info.tree_depth)
    assert len(depths) >= 4


def standard_normal(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
    value = 0.0
    for i in range(position.size):
        gradient[i] = -position[i]
        value -= 0.5 * position[i] * position[i]
    return value


def run_transitions(rng, program, step_size, metric, position, gradient, work, draws) -> int:
    value = hamiltonian.evaluate_density(program, position, position, gradient)
    num_steps = 0
    for i in range(draws.shape[0]):
        info = transition(rng, program, position, step_size, metric, 8, position, gradient, value, work)
        value = info.logdensity
        num_steps += info.num_steps
        for k in range(position.size):
            draws[i, k] = position[k]
    return num_steps


def test_python_and_compiled_code_make_the_same_draws() -> None:
    import pytensor.tensor as pt

    from graphs.backends.numba import compile_program

    x = pt.tensor("x", shape=(3,))
    value = -0.5 * (x**2).sum()
    bound = compile_program([x], [pt.grad(value, x)], value=value).bind()
    results = []
    for function, program in ((run_transitions, standard_normal), (njit(run_transitions), bound.row)):
        draws = np.empty((50, 3))
        metric = np.array([0.5, 1.0, 3.0])
        num_steps = function(
            seed_states(7, 1)[0], program, 0.4, metric, np.ones(3), np.zeros(3), new_workspace(3, 8), draws
        )
        results.append((num_steps, draws))
    assert results[0][0] == results[1][0]
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-9)


def test_vector_loops_are_the_same_uncompiled() -> None:
    random = np.random.default_rng(3)
    metric, momentum = random.gamma(2.0, size=(2, 4))
    for _ in range(50):
        rows = random.normal(size=(5, 4)) + 0.7
        arguments = metric, momentum, rows, 0, 1, 2, 3, 4
        assert is_turning(*arguments) == is_turning.py_func(*arguments)
    a, b = momentum.copy(), momentum.copy()
    assert scale_momentum(metric, a) == scale_momentum.py_func(metric, b)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, -np.inf, -2000.0, np.inf])
def test_divergence_stops_the_trajectory_where_it_stands(value: float) -> None:
    def cliff(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
        gradient[0] = 0.0
        return 0.0 if abs(position[0]) < 2.0 else value

    position, gradient = np.zeros(1), np.zeros(1)
    rng = seed_states(2, 1)[0]
    infos = []
    for _ in range(40):
        infos.append(transition(rng, cliff, position, 0.3, np.ones(1), 6, position, gradient, 0.0, new_workspace(1, 6)))
        assert abs(position[0]) < 2.0
    assert any(info.is_divergent for info in infos)


def test_depth_is_limited() -> None:
    def flat(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
        gradient[:] = 0.0
        return 0.0

    info = transition(
        seed_states(2, 1)[0], flat, np.zeros(2), 0.1, np.ones(2), 4, np.zeros(2), np.zeros(2), 0.0, new_workspace(2, 4)
    )
    assert (info.tree_depth, info.num_steps, info.acceptance_rate) == (4, 15, 1.0)
    assert not info.is_divergent
