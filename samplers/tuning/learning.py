"""When metrics are learnt, and from which draws: between calls of the loop over sweeps, in Python.

The loop learns diagonal metrics itself, draw by draw. What else is learnt takes a decomposition of a matrix and happens
a dozen times in a run; it does not belong in what is compiled. All that the loop does for it is to keep positions and
gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.metric import Learnt, Metric
from samplers.chain.plain_arrays import State, arrays_of_metric, fill, metric_of_arrays, part_of, with_prefix
from samplers.tuning.adaptation import FINAL_FRACTION
from samplers.tuning.fisher import MOST_DENSE, choose_metric, learn_dense, learn_diagonal, learn_low_rank

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


class Trail:
    """Where a block of one chain has been: what its metric is learnt from.

    Parameters
    ----------
    window : array, shape (num_rows, 2, d), float64
        Positions and gradients after each tuning sweep, the latter in the coordinates of the trajectory: what runs the
        chain writes them.

    Attributes
    ----------
    factor : Metric or None
        The metric in use where it is not diagonal: that of the coordinates.
    num_known : int
        Number of sweeps whose gradients are those of positions already.
    """

    def __init__(self, window: NDArray[np.float64]):
        self.window = window
        self.factor: Metric | None = None
        self.num_known = 0

    def metric(self, inverse_mass_matrix: NDArray[np.float64]) -> Metric:
        """Return the metric in use, of which the diagonal is given if it has one; shape (d,)."""
        return self.factor or Metric.diagonal(inverse_mass_matrix)

    def draws(self, num_done: int, num_made: int) -> NDArray[np.float64]:
        """Return positions and gradients of the latter half of so many sweeps, shape (n, 2, d).

        Parameters
        ----------
        num_done, num_made : int
            Number of sweeps that chains have made which are not stopped, and that this one has made.
        """
        start = int(_WINDOW_SHARE * num_done)
        num_done = min(num_done, num_made)
        window = self.window[:num_done]
        window[self.num_known :, 1] = self.of_positions(window[self.num_known :, 1])
        self.num_known = num_done
        return window[start:]

    def alone(self, num_done: int, metric: Metric) -> list[Metric]:
        """Return metrics that would have been learnt from this trail by itself, from each half of what is learnt from.

        Parameters
        ----------
        num_done : int
            Number of sweeps.
        metric : Metric
            The one in use, which chains share; if it is diagonal it is a third: it may be older than the others.
        """
        draws = self.draws(num_done, num_done)
        half = len(draws) // 2
        found = [learn("diag", part, metric) or metric for part in (draws[:half], draws[half:])]
        return [*found, metric] if metric.kind == "diag" else found

    def state(self, num_made: int) -> State:
        """Return all that is remembered after so many sweeps, as arrays.

        Of the window only what is still to be learnt from: nothing once the warm-up is over.
        """
        rows = self.window[:num_made] if num_made < len(self.window) else self.window[:0]
        found = {"window": rows.copy(), "num_known": np.array(self.num_known)}
        return found | ({} if self.factor is None else with_prefix("factor_", arrays_of_metric(self.factor)))

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Remember what `state` returned."""
        rows = state["window"]
        fill(self.window[: len(rows)], state, "window")
        self.num_known = int(state["num_known"])
        self.factor = metric_of_arrays(part_of(state, "factor_")) if "factor_kind" in state else None

    def of_positions(self, gradients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return gradients (n, d) in the coordinates of the metric in use as those with respect to positions."""
        # The coordinates of a diagonal metric are the position itself.
        return gradients if self.factor is None else self.factor.gradients(gradients)

    def turned(self, gradient: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
        """Return a gradient, shape (d,), in the coordinates of another metric, which is in use from now on."""
        rows = self.of_positions(gradient[None])
        self.factor = None if metric.kind == "diag" else metric
        return (rows if self.factor is None else metric.transformed(rows))[0]


class SoFar(NamedTuple):
    """What metrics are learnt from: how far one chain is, and the metric in use and the trail of each of its blocks."""

    num_sweeps: int
    num_gradients: int
    metrics: Sequence[Metric]
    trails: Sequence[Trail]


class MetricLearner:
    """Learns the metrics of one chain, or common ones of several chains.

    Parameters
    ----------
    kind : {"auto", "diag", "dense", "low_rank"}
        What is learnt.
    sizes : sequence of int
        Number of elements of each block that has a metric.
    tune : int
        Number of tuning sweeps.

    Attributes
    ----------
    times : list of int
        Numbers of sweeps after which metrics are learnt.
    has_chosen : bool
        Whether the late choice has been made.
    """

    def __init__(self, kind: MetricChoice, sizes: Sequence[int], tune: int):
        self.kind = kind
        self.tune = tune
        self._sizes = sizes
        self.times = update_times(tune, max(sizes))
        self.has_chosen = False

    def of_length(self, tune: int) -> MetricLearner:
        """Return what learns in a warm-up of another length, in which it has not chosen yet."""
        return MetricLearner(self.kind, self._sizes, tune)

    def learn(self, num_done: int, chains: Sequence[SoFar]) -> list[Metric | None]:
        """Return the metric that each block has to use after some sweeps, None where it keeps what it has.

        Parameters
        ----------
        num_done : int
            Number of sweeps.
        chains : sequence of SoFar
            The chains that learn together.
        """
        blocks = range(len(chains[0].metrics))
        if self.kind == "auto" and self._is_idle(num_done, chains):
            return [None for _ in blocks]
        return [self._learn_block(num_done, chains, block) for block in blocks]

    def _is_idle(self, num_done: int, chains: Sequence[SoFar]) -> bool:
        """Whether there is nothing to choose: early and trajectories are short, or the late choice was diagonal."""
        if not self._is_early(num_done):
            has_chosen, self.has_chosen = self.has_chosen, True
            return has_chosen and all(metric.kind == "diag" for chain in chains for metric in chain.metrics)
        return max(chain.num_gradients for chain in chains) < _EARLY_STEPS * num_done

    def _is_early(self, num_done: int) -> bool:
        """Whether this is before the late choice, the last but one in `update_times`."""
        return num_done < int(_EARLY_SHARE * self.tune)

    def _learn_block(self, num_done: int, chains: Sequence[SoFar], block: int) -> Metric | None:
        previous = chains[0].metrics[block]
        if not is_learnt_between(self.kind, previous.size, is_pooled=len(chains) > 1):
            return None
        draws = np.concatenate([chain.trails[block].draws(num_done, chain.num_sweeps) for chain in chains])
        learnt = learn(self.kind, draws, previous, is_early=self._is_early(num_done))
        if learnt is None or (self.kind == "auto" and len(chains) == 1 and learnt.kind == previous.kind == "diag"):
            # The loop learns a diagonal better, draw by draw.
            return None
        return learnt


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
            learn_kind = partial(choose_metric, is_early=is_early) if kind == "auto" else LEARNERS[kind]
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
