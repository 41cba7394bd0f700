"""The tree of a NUTS transition: exact detailed balance, U-turns as in the recursive definition, one source for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numba import njit

from graphs.backends.numba.library.rng import seed_states
from samplers.chain.workspace import new_workspace
from samplers.trajectories import hamiltonian, tree
from samplers.trajectories.hamiltonian import is_turning, scale_momentum
from samplers.trajectories.tree import Transition, sample_tree, transition

ROUNDING = 1e-12


class Enumeration:
    """Stands in for ``tree.accept``: follows every sequence of decisions, and multiplies their probabilities."""

    def __init__(self) -> None:
        self.pending: list[list[bool]] = [[]]
        self.start([])

    def start(self, path: list[bool]) -> None:
        self.path = list(path)
        self.num_made = 0
        self.probability = 1.0

    def accept(self, rng: object, weight: float, total: float) -> bool:
        probability = 1.0 if weight >= total else weight / total
        if probability in (0.0, 1.0):
            return probability == 1.0
        if self.num_made == len(self.path):
            self.pending.append([*self.path, False])
            self.path.append(True)
        decision = self.path[self.num_made]
        self.num_made += 1
        self.probability *= probability if decision else 1.0 - probability
        return decision

    def run(self, sample: Callable[[], Transition]) -> Iterator[tuple[Transition, float]]:
        while self.pending:
            self.start(self.pending.pop())
            yield sample(), self.probability


def transition_probabilities(
    monkeypatch: pytest.MonkeyPatch, sample: Callable[[int], Transition], max_tree_depth: int
) -> dict[int, float]:
    """Return the probability of every displacement, over all directions and decisions."""
    probabilities: dict[int, float] = {}
    for directions in range(2**max_tree_depth):
        enumeration = Enumeration()
        monkeypatch.setattr(tree, "accept", enumeration.accept)
        for info, probability in enumeration.run(lambda directions=directions: sample(directions)):
            step = info.index_in_trajectory
            probabilities[step] = probabilities.get(step, 0.0) + probability / 2**max_tree_depth
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=ROUNDING)
    return probabilities


def assert_detailed_balance(weights: dict[int, float], probabilities: dict[int, dict[int, float]]) -> None:
    num_moves = 0
    for start, steps in probabilities.items():
        for other in set(probabilities) - {start}:
            forward = weights[start] * steps.get(other - start, 0.0)
            backward = weights[other] * probabilities[other].get(start - other, 0.0)
            assert forward == pytest.approx(backward, rel=1e-10, abs=ROUNDING)
            num_moves += forward > 0
    assert num_moves > 0


@pytest.mark.parametrize("seed", range(6))
def test_detailed_balance_on_dummy_trajectory(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Points are integers; weights, dead ends and U-turns are arbitrary tables: no Hamiltonian is involved."""
    random = np.random.default_rng(seed)
    starts, reach = range(5), 8
    points = range(starts[0] - reach, starts[-1] + reach + 1)
    logdensity = {i: float(np.log(random.integers(1, 9))) for i in points}
    if seed % 2:
        logdensity[int(random.integers(0, 5)) + 2] = -np.inf
    turns = {(i, j): random.random() < 0.12 for i in points for j in points if i < j}

    def move(_: object, context: object, step_size: float, metric: object, position: np.ndarray, *rest: np.ndarray):
        position[0] += np.sign(step_size)
        rest[0][0] = position[0]
        return logdensity[int(position[0])], 0.0

    def turn(metric, momentum, rows, first, last, total, next_first, next_total) -> bool:
        ends = [int(rows[row, 0]) for row in (first, last, next_first)] + [int(momentum[0])]
        a, b, c, d = ends
        for x, y, row in ((a, b, total), (c, d, next_total)):
            assert rows[row, 0] == sum(range(min(x, y), max(x, y) + 1))
        assert abs(c - b) == 1
        return any(turns[min(x, y), max(x, y)] for x, y in ((a, d), (a, c), (b, d)))

    monkeypatch.setattr(tree, "leapfrog", move)
    monkeypatch.setattr(tree, "is_turning", turn)
    ones = np.ones(1)
    rng = np.zeros(4, np.uint64)

    def sample_from(start: int, directions: int) -> Transition:
        work = new_workspace(1, 3)
        position = np.array([float(start)])
        work.momentum[0] = start
        info = sample_tree(
            rng, directions, None, ones, 1.0, ones, 3, position, np.zeros(1), logdensity[start], 0.0, work
        )
        assert position[0] == start + info.index_in_trajectory
        assert info.logdensity == logdensity[int(position[0])]
        return info

    live = [i for i in starts if logdensity[i] > -np.inf]
    probabilities = {
        i: transition_probabilities(monkeypatch, lambda directions, i=i: sample_from(i, directions), 3) for i in live
    }
    assert_detailed_balance({i: float(np.exp(logdensity[i])) for i in live}, probabilities)


def quartic(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
    """Minus a quartic plus a quadratic, correlated."""
    gradient[0] = -(position[0] ** 3) - 0.5 * position[1]
    gradient[1] = -4.0 * position[1] - 0.5 * position[0]
    return float(-0.25 * position[0] ** 4 - 2.0 * position[1] ** 2 - 0.5 * position[0] * position[1])


def test_detailed_balance_on_hamiltonian_trajectory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The points of one leapfrog orbit; real energies and U-turns."""
    metric, step_size, depth = np.array([0.7, 0.4]), 0.6, 3
    orbit = {0: (np.array([0.3, -0.4]), np.array([1.1, 0.2]))}
    for sign in (1, -1):
        position, momentum = (v.copy() for v in orbit[0])
        gradient = np.zeros(2)
        quartic(position, position, gradient)
        for i in range(1, 5):
            hamiltonian.leapfrog(quartic, position, sign * step_size, metric, position, momentum, gradient)
            orbit[sign * i] = position.copy(), momentum.copy()

    def sample_from(point: int, directions: int) -> Transition:
        position, momentum = (v.copy() for v in orbit[point])
        gradient = np.zeros(2)
        value = quartic(position, position, gradient)
        work = new_workspace(2, depth)
        work.momentum[:] = momentum
        kinetic = 0.5 * float(metric @ momentum**2)
        rng = np.zeros(4, np.uint64)
        info = sample_tree(
            rng, directions, quartic, position, step_size, metric, depth, position, gradient, value, kinetic, work
        )
        if point + info.index_in_trajectory in orbit:
            np.testing.assert_allclose(position, orbit[point + info.index_in_trajectory][0], atol=1e-9)
        return info

    weights, probabilities = {}, {}
    for i, (position, momentum) in orbit.items():
        energy = 0.5 * float(metric @ momentum**2) - quartic(position, position, np.zeros(2))
        weights[i] = float(np.exp(-energy))
        probabilities[i] = transition_probabilities(
            monkeypatch, lambda directions, i=i: sample_from(i, directions), depth
        )
    assert_detailed_balance(weights, probabilities)


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
            rng, directions, normal, position, step_size, metric, 6, position, gradient, value, kinetic, work
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
    value = hamiltonian.evaluate(program, position, position, gradient)
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
