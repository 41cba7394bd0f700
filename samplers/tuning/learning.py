"""When metrics are learnt, and from which draws: between calls of the loop over sweeps, in Python.

The loop learns diagonal metrics itself, draw by draw. What else is learnt takes a decomposition of a matrix and happens
a dozen times in a run; it does not belong in what is compiled. All that the loop does for it is to keep positions and
gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import exp
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.metric import Learnt, Metric
from samplers.chain.programs import Programs
from samplers.chain.state import NUM_GRADIENTS, NUM_ITERATIONS, Chain
from samplers.tuning.adaptation import FINAL_FRACTION, IS_ADAPTING, IS_FACTOR, IS_NEW, LOG_STEP_SIZE, start_averaging
from samplers.tuning.fisher import MOST_DENSE, choose, learn_dense, learn_diagonal, learn_low_rank
from samplers.tuning.preconditioning import PreconditionedFunction, PreconditionedProgram

MetricChoice = Literal["auto", "diag", "dense", "low_rank"]
METRICS: tuple[MetricChoice, ...] = ("auto", "diag", "dense", "low_rank")
LEARNERS: dict[str, Callable[[NDArray, NDArray, Metric], Metric]] = {
    "diag": learn_diagonal,
    "dense": learn_dense,
    "low_rank": learn_low_rank,
}

# A chain comes from afar: the first draws tell where it has been.
_FIRST_UPDATE = 30
_UPDATE_GROWTH = 2.0
_WINDOW_SHARE = 0.5
_EARLY_SHARE = 0.6
# Gradients for each sweep: with fewer a dense metric cannot gain what it has to, early.
_EARLY_STEPS = 15
_LEAST_DRAWS = 8
_LARGEST_CONDITION = 1e12


def update_times(tune: int, size: int) -> list[int]:
    """Return the numbers of sweeps after which a metric is learnt, from the latter half of those before.

    Parameters
    ----------
    tune : int
        Number of tuning sweeps; in the last 15% only the step size is learnt.
    size : int
        Number of dimensions.
    """
    last = tune - int(FINAL_FRACTION * tune)
    if last < _FIRST_UPDATE:
        return []
    late = int(_EARLY_SHARE * tune)
    times, time = [], max(_FIRST_UPDATE, size)
    while time * _UPDATE_GROWTH**0.5 < late:
        times.append(time)
        time = int(time * _UPDATE_GROWTH)
    return [*times, *([late] if late >= max(_FIRST_UPDATE, size) else []), last]


def is_learnt_between(metric: str, size: int, *, is_pooled: bool) -> bool:
    """Return whether a metric is learnt between calls of the loop; draws are then kept for it."""
    return is_pooled or metric in ("dense", "low_rank") or (metric == "auto" and 1 < size <= MOST_DENSE)


def check_metric(metric: Any, tune: int) -> None:
    """Raise SamplingError if the choice of a metric is unknown, or cannot be learnt."""
    if metric not in METRICS:
        raise SamplingError(f"metric is {metric!r}; choose from {', '.join(METRICS)}.")
    least = next(n for n in range(_FIRST_UPDATE, 2 * _FIRST_UPDATE) if update_times(n, 1))
    if metric in ("dense", "low_rank") and 0 < tune < least:
        raise SamplingError(f"metric={metric!r} is learnt from at least {least} tuning iterations; tune is {tune}.")


def variances_of(learnt: Sequence[Sequence[Learnt]]) -> NDArray[np.float64]:
    """Return the diagonals of the inverse mass matrices of each chain, one block after the other; (chains, d)."""
    return np.array([np.concatenate([np.zeros(0), *(known.metric.variances for known in chain)]) for chain in learnt])


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
        plain = programs.callables[block]
        self._plain = plain.copy() if isinstance(plain, np.ndarray) else plain
        self._factor: Metric | None = None
        self._owner: Any = None
        self._num_known = 0

    @property
    def metric(self) -> Metric:
        """The metric in use."""
        return self._factor or Metric.diagonal(self.chain.inverse_mass_matrix[self.where])

    def draws(self, num_done: int) -> NDArray[np.float64]:
        """Return positions and gradients of the latter half of so many sweeps, shape (n, 2, d)."""
        start = int(_WINDOW_SHARE * num_done)
        # A chain that has stopped by itself has made fewer.
        num_done = min(num_done, int(self.chain.counters[NUM_ITERATIONS]))
        window = self.chain.window[:num_done, :, self.where]
        if self._factor is not None:
            window[self._num_known :, 1] = self._factor.gradients(window[self._num_known :, 1])
        self._num_known = num_done
        return window[start:]

    def use(self, metric: Metric) -> None:
        """Change the metric; what is remembered of the gradient changes with it."""
        chain, block, where = self.chain, self.block, self.where
        gradient = chain.gradient[where][None]
        if self._factor is not None:
            gradient = self._factor.gradients(gradient)
        is_diagonal = metric.kind == "diag"
        # The coordinates of a diagonal metric are the position itself.
        chain.gradient[where] = (gradient if is_diagonal else metric.transformed(gradient))[0]
        chain.inverse_mass_matrix[where] = metric.scale**2 if is_diagonal else 1.0
        chain.tuning[block, IS_FACTOR] = not is_diagonal
        chain.tuning[block, IS_ADAPTING] = 0
        self._factor = None if is_diagonal else metric
        self.programs.callables[block] = self._plain if is_diagonal else self._preconditioned(metric)

    @property
    def learnt(self) -> Learnt:
        """Step size and metric in use."""
        return Learnt(exp(self.chain.tuning[self.block, LOG_STEP_SIZE]), self.metric)

    def resume(self, learnt: Learnt) -> None:
        """Begin with a step size and a metric."""
        self.use(learnt.metric)
        start_averaging(self.chain.tuning[self.block], learnt.step_size)
        self.chain.tuning[self.block, IS_NEW] = 0
        self.chain.tuning[self.block, IS_ADAPTING] = learnt.metric.kind == "diag"

    def search_step_size(self) -> None:
        """Let a step size be found before the next step."""
        self.chain.tuning[self.block, IS_NEW] = 1

    def _preconditioned(self, metric: Metric) -> Any:
        factor = (self.size, metric.kind_number, len(metric.rows), metric.numbers)
        if isinstance(self._plain, np.ndarray):
            self._owner = PreconditionedProgram(self._plain, *factor)
            return self._owner.row
        return PreconditionedFunction(self._plain, *factor)


class MetricLearner:
    """Learns the metrics of one chain, or common ones of several chains.

    Parameters
    ----------
    kind : {"auto", "diag", "dense", "low_rank"}
        What is learnt.
    chains : sequence of sequence of Member
        The NUTS blocks of each chain.
    tune : int
        Number of tuning sweeps.
    """

    def __init__(self, kind: MetricChoice, chains: Sequence[Sequence[Member]], tune: int):
        self.kind = kind
        self.chains = chains
        self.tune = tune
        self._has_chosen = False
        self.times = update_times(tune, max(member.size for member in chains[0]))

    def update(self, num_done: int) -> None:
        """Learn from the draws after some sweeps."""
        if self.kind == "auto" and self._is_idle(num_done):
            return
        for members in zip(*self.chains, strict=True):
            if is_learnt_between(self.kind, members[0].size, is_pooled=len(members) > 1):
                self._update_block(members, num_done)

    def _is_idle(self, num_done: int) -> bool:
        """Whether there is nothing to choose: early and trajectories are short, or the late choice was diagonal."""
        if num_done >= int(_EARLY_SHARE * self.tune):
            has_chosen, self._has_chosen = self._has_chosen, True
            return has_chosen and all(member.metric.kind == "diag" for members in self.chains for member in members)
        gradients = [members[0].chain.counters[NUM_GRADIENTS] for members in self.chains]
        return max(gradients) < _EARLY_STEPS * num_done

    def _update_block(self, members: Sequence[Member], num_done: int) -> None:
        draws = np.concatenate([member.draws(num_done) for member in members])
        previous = members[0].metric
        learnt = learn(self.kind, draws, previous, is_early=num_done < _EARLY_SHARE * self.tune)
        if learnt is None or (self.kind == "auto" and len(members) == 1 and learnt.kind == previous.kind == "diag"):
            # The loop learns a diagonal better, draw by draw.
            return
        for member in members:
            is_new = member.metric.kind != learnt.kind
            member.use(learnt)
            if is_new:
                member.search_step_size()


def learn(kind: MetricChoice, draws: NDArray[np.float64], previous: Metric, *, is_early: bool = False) -> Metric | None:
    """Return the metric of draws; None where they are too few, or too degenerate.

    Parameters
    ----------
    kind : {"auto", "diag", "dense", "low_rank"}
        What is learnt.
    draws : array, shape (n, 2, d), float64
        Positions and gradients.
    previous : Metric
        The metric in use.
    is_early : bool
        Whether the chain may not have found its way yet; it matters to "auto".
    """
    draws = draws[np.isfinite(draws).all(axis=(1, 2))]
    if len(draws) < _LEAST_DRAWS:
        return None
    try:
        with np.errstate(all="ignore"):
            learn_kind = partial(choose, is_early=is_early) if kind == "auto" else LEARNERS[kind]
            learnt = learn_kind(draws[:, 0], draws[:, 1], previous)
    except np.linalg.LinAlgError:
        return None
    return learnt if _is_usable(learnt) else None


def _is_usable(metric: Metric) -> bool:
    """Return whether all is finite, and a dense factor can be inverted."""
    if not np.isfinite(metric.numbers).all():
        return False
    if metric.kind != "dense":
        return bool((metric.scale > 0).all())
    lengths = np.linalg.norm(metric.rows, axis=1, keepdims=True)
    return bool(np.linalg.cond(metric.rows / lengths) < _LARGEST_CONDITION)
