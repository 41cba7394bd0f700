"""Metrics in chains of the loop: learnt by each chain for itself or by all together, and used by their programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.chain.metric import Learnt, Metric
from samplers.chain.plain_arrays import State
from samplers.chain.programs import Programs
from samplers.chain.state import NUM_GRADIENTS, NUM_ITERATIONS, Chain
from samplers.tuning.adaptation import (
    IS_ADAPTING,
    IS_FACTOR,
    IS_NEW,
    LOG_STEP_SIZE,
    LOG_STEP_SIZE_AVERAGE,
    start_averaging,
)
from samplers.tuning.agreement import MOST_TUNE, Knowledge
from samplers.tuning.learning import MetricLearner, SoFar, Trail
from samplers.tuning.preconditioning import PreconditionedFunction, PreconditionedProgram


class Member:
    """A NUTS block of one chain: what it is evaluated by, and the metric in use.

    Parameters
    ----------
    chain : Chain
        The chain.
    programs : Programs
        Its programs; that of the block is replaced where the metric is not diagonal.
    block, first, size : int
        Number of the block, its first element of the joint state, and how many it moves.
    """

    def __init__(self, chain: Chain, programs: Programs, block: int, first: int, size: int):
        self.chain = chain
        self.programs = programs
        self.block = block
        self.where = slice(first, first + size)
        self.size = size
        self.trail = Trail(chain.window[:, :, self.where])
        plain = programs.callables[block]
        self.plain = plain.copy() if isinstance(plain, np.ndarray) else plain
        self._owner: Any = None

    @property
    def has_coordinates(self) -> bool:
        """Whether positions are not what trajectories run in, even if the metric is diagonal."""
        return False

    @property
    def metric(self) -> Metric:
        """The metric in use."""
        return self.trail.metric(self.chain.inverse_mass_matrix[self.where])

    @property
    def learnt(self) -> Learnt:
        """Step size and metric in use."""
        return Learnt(exp(self.chain.tuning[self.block, LOG_STEP_SIZE]), self.metric)

    def use(self, metric: Metric) -> None:
        """Change the metric; where it is of another kind, a step size is found before the next step."""
        chain, block, where = self.chain, self.block, self.where
        is_new, is_diagonal = self.metric.kind != metric.kind, metric.kind == "diag"
        chain.gradient[where] = self.trail.turned(chain.gradient[where], metric)
        chain.inverse_mass_matrix[where] = metric.scale**2 if is_diagonal else 1.0
        chain.tuning[block, IS_FACTOR] = not is_diagonal or self.has_coordinates
        chain.tuning[block, IS_ADAPTING] = 0
        if is_new:
            chain.tuning[block, IS_NEW] = 1
        self.programs.callables[block] = self.plain if is_diagonal else self._preconditioned(metric)

    def resume(self, learnt: Learnt) -> None:
        """Begin with a step size and a metric."""
        self.use(learnt.metric)
        start_averaging(self.chain.tuning[self.block], learnt.step_size)
        self.chain.tuning[self.block, IS_NEW] = 0
        self.chain.tuning[self.block, IS_ADAPTING] = learnt.metric.kind == "diag"

    def state(self) -> State:
        """Return what the block remembers besides what is in its chain, as arrays."""
        return self.trail.state(int(self.chain.counters[NUM_ITERATIONS]))

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from what `state` returned; the chain is already as it was then."""
        self.trail.restore(state)
        factor = self.trail.factor
        self.programs.callables[self.block] = self.plain if factor is None else self._preconditioned(factor)

    def _preconditioned(self, metric: Metric) -> Any:
        is_centred = self.block in self.programs.coordinates
        factor = (self.size, metric.kind_number, len(metric.rows), metric.numbers)
        if isinstance(self.plain, np.ndarray):
            self._owner = PreconditionedProgram(self.plain, *factor, is_centred=is_centred)
            return self._owner.row
        return PreconditionedFunction(self.plain, *factor, is_centred=is_centred)


class GroupLearner:
    """Chains that learn their metrics together, or one by itself.

    Parameters
    ----------
    learner : MetricLearner
        What learns.
    chains : sequence of sequence of Member
        The NUTS blocks of each chain.

    Attributes
    ----------
    times : list of int
        Numbers of sweeps after which something is learnt.
    """

    def __init__(self, learner: MetricLearner, chains: Sequence[Sequence[Member]]):
        self.times = learner.times
        self.num_chains = len(chains)
        self.learner = learner
        self._chains = chains

    def set_tune(self, tune: int) -> None:
        """Learn as in a warm-up of so many sweeps from now on."""
        self.learner = self.learner.of_length(tune)
        self.times = self.learner.times

    def update(self, num_done: int) -> None:
        """Learn from the draws after some sweeps."""
        found = self.learner.learn(num_done, [_so_far(members) for members in self._chains])
        for metric, members in zip(found, zip(*self._chains, strict=True), strict=True):
            if metric is not None:
                for member in members:
                    member.use(metric)


class Levels:
    """What says how far a chain is, while the end of its warm-up is open.

    Parameters
    ----------
    columns : sequence of int
        Which statistics are log-densities.
    scales : sequence of int
        Which elements of the joint state are scales of proposals, or what these are made of.
    most_rows : int
        Of how many sweeps positions and gradients may be kept.

    Attributes
    ----------
    is_open : bool
        Whether the end is still to be found.
    has_agreed : bool
        Whether it was found because chains agreed.
    """

    def __init__(self, columns: Sequence[int], scales: Sequence[int], most_rows: int):
        self.most_rows = most_rows
        self._columns, self._scales = list(columns), list(scales)
        self._logdensities = np.full((MOST_TUNE, len(self._columns)), np.nan)
        self.is_open = True
        self.has_agreed = False

    def read(self, statistics: NDArray[np.float64], first: int) -> None:
        """Read rows of statistics, the first of which are those of a sweep of that number."""
        self._logdensities[first : first + len(statistics)] = statistics[:, self._columns]

    def knowledge(self, chain: Chain, members: Sequence[Member], *, is_pooled: bool) -> Knowledge:
        """Return what a chain has learnt."""
        done = int(chain.counters[NUM_ITERATIONS])
        metrics = [member.trail.alone(done, member.metric) if is_pooled else [member.metric] for member in members]
        with np.errstate(divide="ignore", invalid="ignore"):
            return Knowledge(
                self._logdensities[done // 2 : done],
                np.array([chain.tuning[member.block, LOG_STEP_SIZE_AVERAGE] for member in members]),
                [0.5 * np.log([each.variances for each in own]) for own in metrics],
                tuple(member.metric.kind for member in members),
                np.log(np.abs(chain.state[self._scales])),
            )

    def state(self, num_done: int) -> State:
        """Return all of it after so many sweeps, as arrays."""
        number = min(num_done, MOST_TUNE) if self.is_open else 0
        return {
            "is_open": np.array([self.is_open, self.has_agreed]),
            "levels": self._logdensities[:number].copy(),
        }

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from what `state` returned."""
        self.is_open, self.has_agreed = (bool(flag) for flag in state["is_open"])
        self._logdensities[: len(state["levels"])] = state["levels"]


def _so_far(members: Sequence[Member]) -> SoFar:
    counters = members[0].chain.counters
    metrics, trails = [member.metric for member in members], [member.trail for member in members]
    return SoFar(int(counters[NUM_ITERATIONS]), int(counters[NUM_GRADIENTS]), metrics, trails)


def resume_learnt(chains: Sequence[Sequence[Member]], learnt: Sequence[Sequence[Learnt]]) -> None:
    """Let the blocks of each chain start with what was learnt before.

    Parameters
    ----------
    chains : sequence of sequence of Member
        The NUTS blocks of each chain.
    learnt : sequence of sequence of Learnt
        What was learnt of each.
    """
    for members, known_of_chain in zip(chains, learnt, strict=True):
        for member, known in zip(members, known_of_chain, strict=True):
            member.resume(known)
