"""A short run of a plan, compiled as the long one will be, to see how well its sweeps mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import BackendError, SamplingError
from ppl.planning.plans import Plan
from ppl.planning.work import work_of
from ppl.starting.initial import starting_values
from samplers.blocks import Block
from samplers.chain.arguments import RunSettings
from samplers.chain.result import STATUS_DONE, SweepResult
from samplers.loop.run import CompiledSweep
from samplers.tuning.effective import Centred, Series, effective_sizes

NUM_SWEEPS, NUM_SWEEPS_WITH_NUTS = 550, 800
FEWEST_SWEEPS = 100
SHARE_DISCARDED, SHARE_TUNING = 0.1, 0.5
"""Of the sweeps, without NUTS and with it."""
MOST_SECONDS, LONGEST_SECONDS = 0.8, 1.6
"""Longer pilot runs are cut short, or not made, by what is counted; and where trajectories turn out to be so long that
one takes twice that, it is given up."""
PER_KEPT_NUMBER = 60.0
"""Nanoseconds of a sweep for each number of its draw that is kept and looked at: measured with 10^6 numbers."""
LONGER, HARDLY_ANY_SECONDS, FEW_ELEMENTS = 4, 0.2, 150
"""Pilot runs that take no time are longer: of 500 draws those that count are known within a factor of two."""
GRADIENTS_PER_SWEEP = 15
PER_GRADIENT_AND_DIMENSION = 3.5
"""Nanoseconds that a step of a trajectory takes beside the gradient."""
DEEPEST_TREE = 6
MOST_SEEN = 1000
"""Elements of one variable whose effective draws are estimated."""
WORK_OF_GRADIENT = 1.0
"""A log-density and its gradient have three times the operations of the log-density alone, of which rewriting leaves a
third; this is the median of 141 models."""


@dataclass(frozen=True)
class Pilot:
    """What a short run of a plan showed.

    Parameters
    ----------
    draws : (num_draws, size) float64 array
        Of all that is drawn, where it is drawn.
    seen : tuple of int64 arrays
        The elements of each variable that are looked at: all where it has few, and a sample where it has many.
    num_gradients : float
        Gradients that NUTS took per sweep; 0 without it.
    compiled : CompiledSweep
        What ran, and can go on to run.
    centre : mapping of str to array, optional
        Central values of everything, where they were needed.
    gradients_tuning : float
        Per sweep, while NUTS tuned itself; 0 without it.
    num_metric : int
        Numbers in the metrics of NUTS that are not diagonal.
    result : SweepResult
        Of the sweeps made last, from which the run can go on.
    columns : int64 array
        The elements of the joint state that ``draws`` has.
    """

    draws: NDArray[np.float64]
    seen: tuple[NDArray[np.int64], ...]
    num_gradients: float
    compiled: CompiledSweep
    result: SweepResult
    columns: NDArray[np.int64]
    centre: Mapping[str, NDArray] | None = None
    gradients_tuning: float = 0.0
    num_metric: int = 0

    @property
    def effective(self) -> float:
        """Effective draws per sweep, of the variable that has the fewest.

        Those of a variable are what nineteen of twenty of its elements have: in a few hundred draws the least of
        thousands of estimates is much too small, 0.21 and 0.29 in two runs that differed in rounding, for 0.67. Those
        of an element are the geometric mean of what its mean and its spread have: what NUTS gains by going to the other
        side it gains for means alone, and loses some of it for scales and tails.
        """
        found = (self._fractions(elements) for elements in self.seen if len(elements))
        return min((float(np.quantile(each, 0.05, method="lower")) for each in found), default=1.0)

    def _fractions(self, elements: NDArray[np.int64]) -> NDArray[np.float64]:
        draws = self.draws[:, elements]
        spread = np.abs(draws - np.median(draws, axis=0))
        return np.sqrt(effective_fractions(draws) * effective_fractions(spread))

    @property
    def error(self) -> float:
        """Relative standard error of ``effective``.

        The relative variance of an autocorrelation time that is summed up to five times itself, of ``n`` effective
        draws, is ``10 / n`` (Sokal, "Monte Carlo methods in statistical mechanics", 1997, equation 3.19).
        """
        return float((10.0 / (self.effective * len(self.draws))) ** 0.5)


def pilot(plan: Plan, num_sweeps: int) -> Pilot | None:
    """Run a plan for a few sweeps.

    Trajectories of NUTS have 63 steps at most.

    Parameters
    ----------
    plan : Plan
        Any.
    num_sweeps : int
        How many sweeps are made; those after the first are looked at. Where trajectories take longer than was reckoned
        there are fewer of those that are looked at.

    Returns
    -------
    Pilot or None
        None where the run fails: a law left its domain, Numba lacks an operation that another backend has, or
        trajectories are much longer than was reckoned. It is the same in every process.
    """
    sweep = plan.sweep
    nuts = [b for b in sweep.blocks if b.has_metric]
    is_tuned = any(b.has_metric or b.tuned for b in sweep.blocks)
    layout = sweep.layout
    num_discarded = int((SHARE_TUNING if nuts else SHARE_DISCARDED) * num_sweeps)
    first = 0 if is_tuned else num_discarded
    try:
        start, centre = starting_values(plan, 0)
        state = layout.pack(start)
        compiled = plan.compiled or CompiledSweep(sweep, "numba")
        num_tuning, num_draws = num_discarded if is_tuned else 0, num_sweeps - num_discarded + first
        result = _within(most_gradients(plan), compiled, state, num_tuning, num_draws)
    except (SamplingError, BackendError):
        return None
    if result is None:
        return None
    # The widths of proposals, which adaptation moves, are no draws; a count that is nearly certain may well stay.
    moved = sorted(
        (v for block in sweep.blocks for v in block.variables), key=lambda v: layout.names.index(str(v.name))
    )
    drawn = layout.elements([str(v.name) for v in moved])
    draws = result.draws[0, first:][:, drawn]
    is_count = np.isin(drawn, layout.elements([str(v.name) for v in moved if not v.type.dtype.startswith("float")]))
    is_moving = ~is_count
    is_moving[is_count] = np.ptp(draws[:, is_count], axis=0) > 0 if len(draws) else False
    draws = draws[:, is_moving]
    if result.status[0] != STATUS_DONE or not np.isfinite(draws).all():
        return None
    seen = _sampled([prod(v.type.shape) for v in moved], is_moving)
    num_gradients = _gradients(result) if nuts else 0.0
    before = (result.num_gradients - num_gradients * len(draws)) / num_discarded if num_gradients else 0.0
    num_metric = sum(known.metric.numbers.size for known in result.learnt[0] if known.metric.kind != "diag")
    columns = drawn[is_moving]
    return Pilot(draws, seen, num_gradients, compiled, result, columns, centre, before, num_metric)


def prolonged(run: Pilot, num_sweeps: int) -> Pilot:
    """Let a pilot run go on, with what it has learnt; it remains as it was if that fails.

    Parameters
    ----------
    run : Pilot
        What was seen so far.
    num_sweeps : int
        How many sweeps are added, all of which are looked at.
    """
    learnt = run.result.learnt
    settings = RunSettings(0, num_sweeps, seed=len(run.draws), cores=1, max_tree_depth=DEEPEST_TREE, learnt=learnt)
    try:
        result = run.compiled.run(run.result.state, settings)
    except SamplingError:
        return run
    added = result.draws[0][:, run.columns]
    if result.status[0] != STATUS_DONE or not np.isfinite(added).all():
        return run
    draws = np.concatenate([run.draws, added])
    share = len(added) / len(draws)
    gradients = (1.0 - share) * run.num_gradients + share * _gradients(result) if run.num_gradients else 0.0
    return replace(run, draws=draws, result=result, num_gradients=gradients)


def _within(
    most: float, compiled: CompiledSweep, state: NDArray[np.float64], num_tuning: int, num_draws: int
) -> SweepResult | None:
    """Run a sweep with so many gradients; None where even the fewest draws would take more.

    How many were taken is looked at when the warm-up is over, and often enough to stop one that will not be: what comes
    of it does not depend on when that was.
    """
    is_too_long = False

    def look(chains: list[dict[str, Any]]) -> None:
        nonlocal is_too_long
        if sum(chain["num_gradients"] for chain in chains) > most:
            is_too_long = True
            raise KeyboardInterrupt

    settings = RunSettings(num_tuning, num_draws, seed=0, cores=1, max_tree_depth=DEEPEST_TREE, callback=look)
    run = compiled.begin(state[None], settings)
    has_ended = run.advance(0)
    taken = run.result().num_gradients
    if has_ended and taken and num_tuning:
        # A draw takes about as many as a sweep of the warm-up.
        num_draws = min(num_draws, max(FEWEST_SWEEPS, int((most / taken - 1.0) * num_tuning)))
    if has_ended:
        has_ended = run.advance(num_draws)
    if not has_ended and not is_too_long:
        # Somebody does not want to wait.
        raise KeyboardInterrupt
    result = run.result()
    return None if is_too_long or result.num_gradients > most else result


def most_gradients(plan: Plan) -> float:
    """Return how many gradients a pilot run takes at most."""
    costs = [_cost_of_gradient(block) for block in plan.sweep.blocks if block.has_metric]
    return 1e9 * LONGEST_SECONDS / max(costs) if costs else inf


def _cost_of_gradient(block: Block) -> float:
    """Return about how many nanoseconds a step of a trajectory takes."""
    size = sum(prod(v.type.shape) for v in block.variables)
    return WORK_OF_GRADIENT * work_of(block.evaluated) + PER_GRADIENT_AND_DIMENSION * size


def _gradients(result: SweepResult) -> float:
    """Return how many gradients NUTS took per sweep, on the average of the draws."""
    steps = result.stats.get("n_steps")
    return 0.0 if steps is None else float(np.mean(steps))


def _sampled(sizes: Sequence[int], is_moving: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return which of the elements that move are looked at, variable by variable: evenly spaced ones of large ones."""
    found, start = [], 0
    for mask in np.split(is_moving, np.cumsum(sizes)[:-1]):
        count = int(mask.sum())
        found.append(start + np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_SEEN)).astype(np.int64)))
        start += count
    return tuple(found)


def num_affordable(plan: Plan) -> int:
    """Return how many sweeps a pilot run makes, so that it takes seconds by the size of its graphs; 0 for no run.

    Parameters
    ----------
    plan : Plan
        Any.
    """
    nanoseconds, wanted = PER_KEPT_NUMBER * plan.sweep.layout.size, NUM_SWEEPS
    for block in plan.sweep.blocks:
        if block.has_metric:
            nanoseconds += GRADIENTS_PER_SWEEP * _cost_of_gradient(block)
            wanted = NUM_SWEEPS_WITH_NUTS
        else:
            nanoseconds += block.num_evaluations * work_of(block.evaluated)
    if plan.sweep.layout.size <= FEW_ELEMENTS and nanoseconds > 0:
        wanted = min(LONGER * wanted, max(wanted, int(1e9 * HARDLY_ANY_SECONDS / nanoseconds)))
    made = min(wanted, int(1e9 * MOST_SECONDS / nanoseconds)) if nanoseconds > 0 else wanted
    return made if made >= FEWEST_SWEEPS else 0


def effective_fractions(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return effective draws per draw of each column, as diagnoses count them.

    Parameters
    ----------
    draws : (num_draws, size) float64 array
        Of one chain.
    """
    series = Series.of(Centred.of(np.ascontiguousarray(draws.T)[:, None]))
    [sizes] = effective_sizes([series])
    # What never moved is one draw.
    return np.where(series.varies, sizes, 1.0) / len(draws)
