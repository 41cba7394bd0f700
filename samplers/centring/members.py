"""Coordinates in chains of the loop: learnt by each chain for itself or by all together, and used by their programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.centring.observations import (
    LEAST_DRAWS,
    CentredTrail,
    as_asked,
    centring_times,
    first_centring,
    gradients_of_positions,
    is_worth_changing,
    learn_centring,
)
from samplers.chain.metric import Centring, Learnt, Metric
from samplers.chain.plain_arrays import State, with_prefix
from samplers.chain.programs import Programs
from samplers.chain.state import NUM_GRADIENTS, NUM_ITERATIONS, OFFSET, SIZE, Chain
from samplers.loop.learners import GroupLearner, Member
from samplers.tuning.adaptation import (
    IS_ADAPTING,
    IS_FACTOR,
    IS_NEW,
    MAX_VARIANCE,
    MIN_VARIANCE,
    NUM_MOMENTS,
    start_moments,
)
from samplers.tuning.fisher import learn_diagonal
from samplers.tuning.learning import MetricLearner

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]


class CentredMember(Member):
    """A NUTS block of one chain that moves in partially centred coordinates; the parameters are those of `Member`."""

    def __init__(self, chain: Chain, programs: Programs, block: int, first: int, size: int):
        super().__init__(chain, programs, block, first, size)
        self.coordinates: Any = programs.coordinates[block]
        self.centring: Centring = self.coordinates.where.declared
        self.trail: CentredTrail = CentredTrail(self.trail.window, self._located)

    @property
    def learns_centring(self) -> bool:
        """Whether coordinates are learnt."""
        return not bool(np.isin(self.coordinates.where.start, (0.0, 1.0)).all())

    @property
    def learnt(self) -> Learnt:
        """Step size, metric and coordinates in use."""
        return super().learnt._replace(centring=self.centring)

    @property
    def has_coordinates(self) -> bool:
        """Whether positions are not what trajectories run in."""
        return not self.centring.is_declared

    def resume(self, learnt: Learnt) -> None:
        """Begin with a step size, a metric and coordinates."""
        if learnt.centring is not None:
            self.start_in(learnt.centring)
        super().resume(learnt)

    def state(self) -> State:
        """Return what the block remembers besides what is in its chain, as arrays."""
        return super().state() | with_prefix("centring_", dict(self.centring._asdict()))

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from what `state` returned; the chain is already as it was then."""
        self.centring = Centring(*(np.array(state[f"centring_{part}"], np.float64) for part in Centring._fields))
        self.coordinates.use(self.centring)
        super().restore(state)

    def start_in(self, centring: Centring) -> None:
        """Let trajectories run in other coordinates; what was learnt stays as it is."""
        self.centring = centring
        self.coordinates.use(centring)
        self.chain.tuning[self.block, IS_FACTOR] = self.trail.factor is not None or self.has_coordinates

    def first_centring(self) -> Centring:
        """Return the coordinates that the curvature at the start tells."""
        self.chain.counters[NUM_GRADIENTS] += 2
        return first_centring(self.coordinates, self.chain.state[self.where].copy(), self.chain.state)

    def seen(self, num_done: int) -> tuple[Matrix, Matrix, Matrix]:
        """Return what coordinates are learnt from: parameters, positions and gradients of draws so far."""
        num_made = int(self.chain.counters[NUM_ITERATIONS])
        rows = self.trail.positions(num_done, num_made)
        rows = rows[np.isfinite(rows).all(axis=(1, 2))]
        known = self.coordinates.parameters(rows[:, 0], self.chain.state)
        elements = self.coordinates.where.elements
        gradients = gradients_of_positions(known, rows[:, 1, elements], self.centring)
        return known, rows[:, 0, elements], gradients

    def change(self, centring: Centring, num_done: int) -> NDArray[np.float64]:
        """Go on in other coordinates; return positions and gradients in these, of some of the draws so far."""
        chain, where, block = self.chain, self.where, self.block
        self.programs.callables[block] = self.plain
        chain.tuning[block, IS_FACTOR] = 0
        self.start_in(centring)
        rows = self.trail.evaluated_again(num_done, int(chain.counters[NUM_ITERATIONS]), self._evaluated)
        coordinates = self._located(chain.state[where])
        chain.logdensity[block], chain.gradient[where] = self._evaluated(coordinates)
        chain.tuning[block, IS_ADAPTING] = chain.tuning[block, IS_NEW] = 1
        return rows

    def _evaluated(self, coordinates: Vector) -> tuple[float, Vector]:
        gradient = np.empty(self.size)
        self.chain.counters[NUM_GRADIENTS] += 1
        with np.errstate(all="ignore"):
            return self.coordinates.evaluate(coordinates, self.chain.state, gradient), gradient

    def begin_again(self, draws: NDArray[np.float64]) -> None:
        """Learn a diagonal metric of draws, shape (n, 2, d), and go on learning from there."""
        size, first = self.size, self.where.start
        if len(draws) >= LEAST_DRAWS:
            learnt = learn_diagonal(draws[:, 0], draws[:, 1], Metric.diagonal(np.ones(size)))
            self.chain.inverse_mass_matrix[self.where] = np.clip(learnt.scale**2, MIN_VARIANCE, MAX_VARIANCE)
        moments = self.chain.moments[NUM_MOMENTS * first : NUM_MOMENTS * (first + size)].reshape(NUM_MOMENTS, size)
        start_moments(self.chain.tuning[self.block], moments, draws)

    def _located(self, positions: Vector) -> Vector:
        """Return the coordinates of positions, shape (..., d)."""
        found: Vector = self.coordinates.located(positions, self.chain.state)
        return found


def members_of(chain: Chain, programs: Programs, table: NDArray[np.int64], blocks: Sequence[int]) -> list[Member]:
    """Return the NUTS blocks of a chain.

    Parameters
    ----------
    chain : Chain
        Their memory.
    programs : Programs
        Their log-densities, and coordinates.
    table : array, shape (num_blocks, 12), int64
        The table of all blocks.
    blocks : sequence of int
        Which are theirs.
    """
    return [
        (CentredMember if b in programs.coordinates else Member)(
            chain, programs, b, int(table[b, OFFSET]), int(table[b, SIZE])
        )
        for b in blocks
    ]


def start_centring(members: Sequence[CentredMember], *, is_learning: bool) -> None:
    """Let a block of chains that learn together begin in coordinates that were asked for, or that their starts tell.

    Parameters
    ----------
    members : sequence of CentredMember
        The block in each chain.
    is_learning : bool
        Whether there will be draws to learn from.
    """
    where = members[0].coordinates.where
    found = [member.first_centring() if is_learning else where.declared for member in members]
    mean = Centring(*(np.mean(each, axis=0) for each in zip(*found, strict=True)))
    for member in members:
        member.start_in(as_asked(mean, where.start))


def change_centring(members: Sequence[CentredMember], num_done: int) -> bool:
    """Learn coordinates of a block from the draws of chains that learn together; return whether they change.

    Parameters
    ----------
    members : sequence of CentredMember
        The block in each chain.
    num_done : int
        Number of sweeps.
    """
    if not members[0].learns_centring:
        return False
    seen = [member.seen(num_done) for member in members]
    known, positions, gradients = (np.concatenate(each) for each in zip(*seen, strict=True))
    if len(known) < LEAST_DRAWS:
        return False
    now = members[0].centring
    new = as_asked(learn_centring(known, positions, gradients, now), members[0].coordinates.where.start)
    if not is_worth_changing(now, new):
        return False
    draws = np.concatenate([member.change(new, num_done) for member in members])
    for member in members:
        member.begin_again(draws)
    return True


class CentredLearner(GroupLearner):
    """Chains that learn their coordinates, too; the parameters are those of `GroupLearner`."""

    def __init__(self, learner: MetricLearner, chains: Sequence[Sequence[Member]]):
        super().__init__(learner, chains)
        blocks = [[m for m in block if isinstance(m, CentredMember)] for block in zip(*chains, strict=True)]
        self._centred = [block for block in blocks if block]
        self._set_times()

    def _set_times(self) -> None:
        num_window = min(len(member.trail.window) for block in self._centred for member in block)
        self._centring_times = centring_times(self.learner.tune, num_window)
        self._metric_times = self.learner.times
        self.times = sorted({*self._metric_times, *self._centring_times})

    def set_tune(self, tune: int) -> None:
        """Learn as in a warm-up of so many sweeps from now on."""
        super().set_tune(tune)
        self._set_times()

    def start(self) -> None:
        """Let the chains begin in coordinates of their own."""
        for members in self._centred:
            start_centring(members, is_learning=bool(self._centring_times))

    def update(self, num_done: int) -> None:
        """Learn from the draws after some sweeps: coordinates, or where these do not change metrics."""
        blocks = self._centred if num_done in self._centring_times else []
        has_changed = [change_centring(members, num_done) for members in blocks]
        if any(has_changed):
            return
        if num_done in self._metric_times:
            super().update(num_done)
