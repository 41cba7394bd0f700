"""Steps that change the energy too much are made in shorter ones, in exact detailed balance.

Answers: detailed balance by enumeration, on orbits that are followed here by the definition of a step alone.
"""

from __future__ import annotations

import numpy as np
import pytest

from samplers.chain.workspace import new_workspace
from samplers.trajectories import hamiltonian
from samplers.trajectories.refining import MOST_HALVINGS, MOST_OF_A_STEP
from samplers.trajectories.tree import Transition, sample_tree
from tests.samplers.trajectories.test_tree_balance import assert_detailed_balance, transition_probabilities

type Point = tuple[np.ndarray, np.ndarray]

METRIC = np.array([1.0, 1.0])
STEP_SIZE = 0.6
DEPTH = 3


def funnel(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
    """The second is normal with a scale of exp(first / 2), the first with 3."""
    v, x = position
    square = x * x * np.exp(-v)
    gradient[:] = -v / 9.0 - 0.5 + 0.5 * square, -x * np.exp(-v)
    return float(-(v**2) / 18.0 - 0.5 * v - 0.5 * square)


def energy_of(point: Point) -> float:
    return 0.5 * float(point[1] @ point[1]) - funnel(point[0], point[0], np.zeros(2))


def in_steps(point: Point, step_size: float, halvings: int) -> tuple[Point, float]:
    """Return the end of a step that is made of shorter ones, and the range of the energy on the way."""
    position, momentum = (v.copy() for v in point)
    gradient, energies = np.zeros(2), [energy_of(point)]
    funnel(position, position, gradient)
    for _ in range(2**halvings):
        hamiltonian.leapfrog(funnel, position, step_size / 2**halvings, METRIC, position, momentum, gradient)
        energies.append(energy_of((position, momentum)))
    return (position, momentum), max(energies) - min(energies)


def halvings_of(point: Point, step_size: float) -> int:
    """The least that is good, or none."""
    fitting = [n for n in range(MOST_HALVINGS + 1) if in_steps(point, step_size, n)[1] <= MOST_OF_A_STEP]
    return min(fitting, default=0)


def neighbour(point: Point, sign: int) -> tuple[Point | None, int]:
    """Return the next point of an orbit, if the way back finds the same, and how often the step was halved."""
    halvings = halvings_of(point, sign * STEP_SIZE)
    end, _ = in_steps(point, sign * STEP_SIZE, halvings)
    return (end if halvings_of(end, -sign * STEP_SIZE) == halvings else None), halvings


def orbit_of(point: Point, reach: int) -> tuple[dict[int, Point], list[int], bool]:
    """Return the points of an orbit, the halvings of its steps, and whether it ends within reach."""
    orbit, halved, has_end = {0: point}, [], False
    for sign in (1, -1):
        for number in range(reach):
            following, halvings = neighbour(orbit[sign * number], sign)
            if following is None:
                has_end = True
                break
            orbit[sign * (number + 1)] = following
            halved.append(halvings)
    return orbit, halved, has_end


def from_point(point: Point, directions: int) -> tuple[Transition, np.ndarray]:
    position, gradient, work = point[0].copy(), np.zeros(2), new_workspace(2, DEPTH)
    value = funnel(position, position, gradient)
    work.momentum[:] = point[1]
    kinetic, rng = 0.5 * float(point[1] @ point[1]), np.zeros(4, np.uint64)
    info = sample_tree(
        rng,
        directions,
        funnel,
        position,
        STEP_SIZE,
        METRIC,
        DEPTH,
        position,
        gradient,
        value,
        kinetic,
        MOST_OF_A_STEP,
        work,
    )
    return info, position


SEEDS = (1, 5, 8, 9, 11, 12, 35)


def start_of(seed: int) -> Point:
    random = np.random.default_rng(seed)
    v = random.normal(-4.0, 1.0)
    return np.array([v, random.normal() * np.exp(v / 2)]), random.normal(size=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_orbits_with_refined_steps_and_ends_are_in_detailed_balance(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    orbit, _, _ = orbit_of(start_of(seed), 3)
    weights, probabilities = {}, {}

    def sample(point: int, directions: int) -> Transition:
        info, position = from_point(orbit[point], directions)
        if point + info.index_in_trajectory in orbit:
            np.testing.assert_allclose(position, orbit[point + info.index_in_trajectory][0], atol=1e-6)
        else:
            # Beyond an end of the orbit there is nothing.
            far = 4 if info.index_in_trajectory > 0 else -4
            assert abs(point + info.index_in_trajectory) >= abs(far)
            assert (3 if far > 0 else -3) in orbit
        return info

    for point in orbit:
        weights[point] = float(np.exp(-energy_of(orbit[point])))
        probabilities[point] = transition_probabilities(
            monkeypatch, lambda directions, i=point: sample(i, directions), DEPTH
        )
    assert_detailed_balance(weights, probabilities)


def test_these_orbits_have_refined_steps_whole_ones_and_ends() -> None:
    halved, ends = [], []
    for seed in SEEDS:
        _, found, has_end = orbit_of(start_of(seed), 3)
        halved += found
        ends.append(has_end)
    assert {0, 1, 2, 3} <= set(halved)
    assert 0 < sum(ends) < len(SEEDS)


def test_jax_makes_the_same_steps() -> None:
    jax = pytest.importorskip("jax")
    from blackjax.mcmc.integrators import IntegratorState, velocity_verlet
    from blackjax.mcmc.metrics import default_metric

    from samplers.trajectories.jax_refining import refined_step

    def logdensity(position):
        v, x = position
        return -(v**2) / 18.0 - 0.5 * v - 0.5 * x**2 * jax.numpy.exp(-v)

    with jax.enable_x64(True):
        kinetic = default_metric(jax.numpy.asarray(METRIC)).kinetic_energy
        integrate = velocity_verlet(logdensity, kinetic)
        step = jax.jit(
            lambda state, size: refined_step(
                integrate, lambda s: kinetic(s.momentum) - s.logdensity, state, size, MOST_OF_A_STEP
            )
        )
        seen = set()
        for seed in range(16):
            for sign in (1, -1):
                position, momentum = start_of(seed)
                value, slope = jax.value_and_grad(logdensity)(jax.numpy.asarray(position))
                state = IntegratorState(jax.numpy.asarray(position), jax.numpy.asarray(momentum), value, slope)
                _, end, has_ended, num_more = step(state, sign * STEP_SIZE)
                expected, halvings = neighbour((position, momentum), sign)
                assert bool(has_ended) == (expected is None)
                if expected is not None:
                    np.testing.assert_allclose(end.position, expected[0], rtol=1e-8)
                    np.testing.assert_allclose(end.momentum, expected[1], rtol=1e-7)
                    assert (int(num_more) == 0) == (halvings == 0)
                seen.add((halvings, expected is None))
    assert {(0, False), (2, False)} <= seen
    assert any(ends for _, ends in seen)
