"""Trees are built in exact detailed balance: all directions and decisions are enumerated.

Answers: detailed balance, by enumeration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from samplers.chain.workspace import new_workspace
from samplers.trajectories import hamiltonian, tree
from samplers.trajectories.tree import Transition, sample_tree
from tests.samplers.trajectories.test_tree import ROUNDING


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
            rng, directions, None, ones, 1.0, ones, 3, position, np.zeros(1), logdensity[start], 0.0, np.inf, work
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
            rng,
            directions,
            quartic,
            position,
            step_size,
            metric,
            depth,
            position,
            gradient,
            value,
            kinetic,
            np.inf,
            work,
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
