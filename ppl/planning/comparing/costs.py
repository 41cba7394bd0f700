"""About how many nanoseconds the sweeps of a plan take, counted in the operations of what was compiled.

Seconds are not measured, since a choice has to be the same every time; what it takes to keep a draw and to judge it,
which is the same for all samplers, is counted with them.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ppl.planning.comparing.pilot import PER_GRADIENT_AND_DIMENSION, WORK_OF_GRADIENT, Pilot
from ppl.planning.plans import Plan
from ppl.planning.work import work_of
from samplers.blocks import Block
from samplers.tuning.fisher import MOST_DENSE
from samplers.tuning.learning import update_times

FEWEST_GRADIENTS, GRADIENTS_IN_A_POINT, GRADIENTS_PER_DIMENSION = 7.0, 2.0, 0.3
"""Of a trajectory along axes of one length: measured on normal distributions 2.1, 2.9, 4.4, 5.8 and 7.0 gradients in 1,
3, 8, 12 and 40 dimensions, steps tuned to accept 0.8."""
PER_KEPT_DRAW, PER_NUMBER, FEW_NUMBERS, PER_FURTHER_NUMBER = 1500.0, 50.0, 130, 15.0
"""Nanoseconds of a sweep: what is kept is also recorded, transformed and judged, and a run takes milliseconds beside.
Measured in whole calls of ``sample`` less the loop over sweeps, two chains of 1000, of 14 ordinary models of 4 to 253
numbers."""
PER_STEP, PER_DIMENSION, PER_TRAJECTORY = 35.0, 17.0, 200.0
"""Nanoseconds that a step of a trajectory takes beside the gradient, and what a trajectory takes beside its steps:
measured on normal variables of 3 to 250 elements, in trajectories of 3 to 31 steps."""
PER_METRIC, PER_NUMBER_OF_METRIC = 100.0, 0.2
"""And where the metric is not diagonal, and for each of its numbers: measured in 4 to 105 dimensions."""
LEARNING, LEARNING_PER_NUMBER = 800.0, 0.3
LEARNING_EARLY, LEARNING_EARLY_PER_NUMBER, LONG_TRAJECTORY = 300.0, 0.13, 12.5
"""Nanoseconds, for each of 1000 sweeps, that it takes to see which metric is best: late, once if it is diagonal and
twice if not, and where trajectories are long as often as there are early updates. Measured in 13 models of 23 to 147
dimensions, 0.9 to 9.7 milliseconds in all."""
SWEEPS_OF_WARM_UP = 1000
"""By default."""
WARM_UP = 1.2
"""How much longer a run of NUTS takes for its warm-up at least, and where no pilot run of it says more: 1.0 to 1.35 on
crossed effects, a logistic regression with 500 groups and a Rasch model of 40,000 rows."""
PER_BLOCK = 20.0
GRADIENT_OF_LOGPROB = 2.0
"""How much longer a log-density with its gradient takes than alone."""


def cost_of_keeping(plan: Plan) -> float:
    """Return about how many nanoseconds it takes to keep a draw and to judge it, whatever made it."""
    return cost_of_keeping_numbers(sum(prod(a.shape) for a in plan.assignments))


def cost_of_keeping_numbers(size: int) -> float:
    """Return about how many nanoseconds it takes to keep and to judge a draw of so many numbers."""
    few = min(size, FEW_NUMBERS)
    return PER_KEPT_DRAW + PER_NUMBER * few + PER_FURTHER_NUMBER * (size - few)


def cost_of_logprob(by_nuts: Plan, by_laws: Plan) -> float:
    """Return about how many nanoseconds the log-density of a draw takes, which only NUTS has anyway.

    It is that of all variables, which may take less than the one without those that NUTS has integrated out.
    """
    gradients = zip(by_nuts.sweep.blocks, _works(by_nuts), strict=True)
    of_nuts = sum(work for block, work in gradients if block.has_metric) / GRADIENT_OF_LOGPROB
    return min(of_nuts, work_of([by_laws.natural.total])) if by_nuts.natural.integrals else of_nuts


def _works(plan: Plan) -> list[float]:
    """Return about how many nanoseconds one evaluation of each block takes, by what was compiled if that is known.

    Of gradients it has a third of what is written down, or a sixtieth: rewriting makes more of some than of others.
    """
    if plan.compiled is not None:
        return [work_of(outputs) for outputs in plan.compiled.compiled_graphs()]
    return [_work_of_block(block) for block in plan.sweep.blocks]


def _work_of_block(block: Block) -> float:
    return (WORK_OF_GRADIENT if block.has_metric else 1.0) * work_of(block.evaluated)


def fewest_gradients(size: int) -> float:
    """Return how many gradients a trajectory takes in so many dimensions, if all axes are as long."""
    return min(FEWEST_GRADIENTS, GRADIENTS_IN_A_POINT + GRADIENTS_PER_DIMENSION * size)


def sweep_cost(plan: Plan, num_gradients: float) -> float:
    """Return about how many nanoseconds a sweep takes.

    Parameters
    ----------
    plan : Plan
        Any.
    num_gradients : float
        That NUTS takes, if there is NUTS.
    """
    total = 0.0
    for block, work in zip(plan.sweep.blocks, _works(plan), strict=True):
        if block.has_metric:
            size = sum(prod(v.type.shape) for v in block.variables)
            total += num_gradients * (work + PER_STEP + PER_GRADIENT_AND_DIMENSION * size)
            total += PER_TRAJECTORY + PER_DIMENSION * size
        else:
            total += block.num_evaluations * work + PER_BLOCK
    return total


def least_cost(plan: Plan) -> float:
    """Return about how many nanoseconds a sweep takes at least, on the average of a run."""
    size = num_with_metric(plan)
    return WARM_UP * sweep_cost(plan, fewest_gradients(size)) if size else sweep_cost(plan, 0.0)


def cost_in_run(plan: Plan, own: Pilot) -> float:
    """Return about how many nanoseconds a sweep takes on the average of a run, of which half is warm-up.

    Parameters
    ----------
    plan : Plan
        With NUTS or without.
    own : Pilot
        A run of it.
    """
    plan = replace(plan, compiled=own.compiled)
    after, before = (sweep_cost(plan, num) for num in (own.num_gradients, own.gradients_tuning))
    if not own.num_gradients:
        return after
    if own.num_metric:
        by_metric = own.num_gradients * (PER_METRIC + PER_NUMBER_OF_METRIC * own.num_metric)
        after += by_metric
        # Most such metrics are learnt in the latter half of the warm-up.
        before += by_metric / 2.0
    size = num_with_metric(plan)
    if 1 < size <= MOST_DENSE:
        before += (2 if own.num_metric else 1) * (LEARNING + LEARNING_PER_NUMBER * size**2)
        if own.gradients_tuning > LONG_TRAJECTORY:
            num_early = len(update_times(SWEEPS_OF_WARM_UP, size)) - 2
            before += num_early * (LEARNING_EARLY + LEARNING_EARLY_PER_NUMBER * size**2)
    return max(WARM_UP * after, (before + after) / 2.0)


def num_with_metric(plan: Plan) -> int:
    """Return how many numbers NUTS moves."""
    return sum(prod(a.shape) for a in plan.assignments if a.builder and a.builder.has_metric)
