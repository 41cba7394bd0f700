"""Which sampler is predicted to give more effective draws a second, where a model leaves the choice.

Gibbs sampling needs no gradients, and without NUTS beside it no warm-up, but mixes slowly where variables that depend
on each other are drawn one by one. How slowly is seen in a short run of the compiled sweep, a pilot run; how many
gradients the No-U-Turn sampler takes, and what its draws are worth, in one of its own. That comes first: where draws
from full conditionals would gain nothing if they were independent, or as nearly so as the draws of NUTS show that they
can be (`most_effective`), they are not even compiled. Seconds are not measured, since a choice has to be the same every
time, but counted in the operations of what was compiled; what it takes to keep a draw and to judge it, which is the
same for all samplers, is counted with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, log, prod

from graphs.optional import optional
from ppl.planning.comparing.dependence import most_effective
from ppl.planning.comparing.pilot import (
    FEWEST_SWEEPS,
    HARDLY_ANY_SECONDS,
    LONGER,
    MOST_SECONDS,
    PER_GRADIENT_AND_DIMENSION,
    SHARE_TUNING,
    WORK_OF_GRADIENT,
    Pilot,
    num_affordable,
    pilot,
    prolonged,
)
from ppl.planning.plans import BY_GRADIENT, Plan
from ppl.planning.work import work_of
from ppl.reporting.stages import doing
from samplers.blocks import Block
from samplers.tuning.fisher import MOST_DENSE

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
LEARNING, LEARNING_PER_NUMBER, LONG_TRAJECTORY = 1600.0, 0.5, 12.5
"""Nanoseconds of a warm-up of 1000 sweeps that it takes to see which metric is best: 1.7 to 6.5 milliseconds in 4 to 84
dimensions, in whole calls of ``sample``; once if it is diagonal, twice if not, and four times more where trajectories
are long."""
PER_BLOCK = 20.0
GRADIENT_OF_LOGPROB = 2.0
"""How much longer a log-density with its gradient takes than alone."""
WARM_UP = 1.2
"""How much longer a run of NUTS takes for its warm-up at least, and where no pilot run of it says more: 1.0 to 1.35 on
crossed effects, a logistic regression with 500 groups and a Rasch model of 40,000 rows."""
ALONE = "NUTS for all continuous variables: "
NO_LAWS = f"{ALONE}none of them has a full conditional that is known (sampler='gibbs' says why)"
NONE_LEFT = "NUTS for what is not integrated out: nothing of it has a full conditional that is known"
LEAST_EFFECTIVE, LEAST_EFFECTIVE_RELATIVE = 0.1, 0.25
"""Slower chains outlast their pilot run, of which this is 10 or 20 effective draws, and runs of ordinary length; unless
NUTS alone is as slow, within a factor of four."""
LEAST_SEEN = 20.0
"""Effective draws of a pilot run: fewer cannot be told from each other."""
COMPETITION, SHARE_OF_COMPETITION = 1000, 0.25
"""Sweeps that each has more where pilot runs do not tell which is better, an eighth of those of an ordinary run, and
more where that takes no time; and the share that each has of the seconds of a pilot run."""
WHOLE_RUN = 2000
"""Sweeps of a pilot run of NUTS where those of both plans seem to be worth less than `LEAST_EFFECTIVE` each, half of
them tuning, as in an ordinary run: what is hard is learnt late."""
HARDNESS = 3.0
"""So much less than on a normal distribution NUTS may be worth without a pilot run being made to see it."""


@dataclass(frozen=True)
class Prediction:
    """What pilot runs say.

    Parameters
    ----------
    effective : float
        Effective draws per sweep with Gibbs steps, of the variable that has the fewest.
    gain : float
        Predicted effective draws per second, relative to those of NUTS for all continuous variables.
    drawn, others : tuple of str
        Continuous variables that have full conditionals, and those that NUTS would have to move beside them.
    of_nuts : float
        Effective draws per sweep of NUTS for all.
    """

    effective: float
    gain: float
    drawn: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    of_nuts: float = 1.0

    @property
    def is_for_gibbs(self) -> bool:
        """Whether Gibbs sampling is to be preferred."""
        return self.gain > 1.0 and not self._is_slow

    @property
    def _is_slow(self) -> bool:
        return self.effective < min(LEAST_EFFECTIVE, LEAST_EFFECTIVE_RELATIVE * self.of_nuts)

    def __str__(self) -> str:
        sweep = f"({self.effective:.2g} effective draws a sweep in a pilot run); sampler=... overrides"
        gibbs, chosen = "Gibbs sampling", "Gibbs sampling for all"
        if self.others:
            gibbs = f"Gibbs steps for {', '.join(self.drawn)} beside it"
            chosen = f"Gibbs sampling for {', '.join(self.drawn)}, NUTS for {', '.join(self.others)}"
        if self.is_for_gibbs:
            against = "NUTS for all" if self.others else "NUTS"
            return f"{chosen}: predicted {_times(self.gain)} times the effective draws a second of {against} {sweep}"
        if self.gain <= 1.0:
            return (
                f"NUTS for all: predicted {_times(1 / self.gain)} times the effective draws a second of {gibbs} {sweep}"
            )
        mixes = "mix" if self.others else "mixes"
        return (
            f"NUTS for all: {gibbs} {mixes} slowly ({self.effective:.2g} effective draws a sweep in a pilot run, "
            f"{self.of_nuts:.2g} of NUTS); sampler=... overrides"
        )


def _times(gain: float) -> str:
    return "more than 20" if gain > 20 else f"{gain:.2g}"


@dataclass(frozen=True, eq=False)
class Better:
    """The better of two plans.

    Parameters
    ----------
    plan : Plan
        That runs.
    policy : str
        Why, in words.
    effective, cost : float
        Effective draws of a sweep of it, and its nanoseconds with those of keeping it; infinite where not known.
    """

    plan: Plan
    policy: str
    effective: float = inf
    cost: float = inf

    @property
    def is_slow(self) -> bool:
        """Whether so few effective draws come of an ordinary run that others are to be tried."""
        return self.effective < LEAST_EFFECTIVE


@optional(
    "the choice of a sampler",
    otherwise=lambda why, by_nuts, by_laws: Better(by_nuts, f"{ALONE}{why}; sampler=... overrides"),
)
def choose_plan(by_nuts: Plan, by_laws: Plan) -> Better:
    """Return one of two plans, and why.

    Parameters
    ----------
    by_nuts : Plan
        All continuous variables by NUTS.
    by_laws : Plan
        By Gibbs sampling those that have full conditionals.
    """
    drawn = tuple(
        a.name for a in by_laws.assignments if a.method == "gibbs" and by_nuts.method_of(a.name) == BY_GRADIENT
    )
    others = tuple(a.name for a in by_laws.assignments if a.method == BY_GRADIENT)
    if not drawn:
        return Better(by_nuts, NONE_LEFT if by_nuts.natural.integrals else NO_LAWS)
    remedy = f"sampler='gibbs' draws {', '.join(drawn)} from full conditionals"
    steps = f"Gibbs steps for {', '.join(drawn)} beside it" if others else f"Gibbs sampling of {', '.join(drawn)}"
    num_sweeps = num_affordable(by_laws)
    if not num_sweeps:
        return Better(by_nuts, f"{ALONE}a pilot run with Gibbs steps would take too long; {remedy}")
    nuts = _on_a_normal(by_nuts)
    effective, most = 1.0, _gain(1.0, _least_cost(by_laws), by_nuts, nuts)
    if most * HARDNESS > 1.0:
        nuts = _nuts_alone(by_nuts)
        # Without a pilot run nothing says what NUTS is worth at best.
        most = inf
        if nuts.pilot is not None:
            by_nuts = replace(by_nuts, compiled=nuts.pilot.compiled, centre=nuts.pilot.centre)
            effective = most_effective(nuts.pilot, by_nuts, by_laws)
            most = _gain(effective, _least_cost(by_laws), by_nuts, nuts)
    if most <= 1.0:
        why = f" ({effective:.2g} effective draws a sweep, as draws of NUTS show)" if effective < 1.0 else ""
        return Better(
            by_nuts,
            f"NUTS for all: {steps} would give at most {_times(most)} times the effective draws a second{why}; "
            "sampler=... overrides",
            *_worth(by_nuts, nuts),
        )
    doing("Trying Gibbs steps in a pilot run")
    found = pilot(by_laws, num_sweeps)
    if found is None:
        return Better(
            by_nuts,
            f"{ALONE}a pilot run of Gibbs sampling took too long or left the domain of its laws, or Numba lacks one; "
            f"{remedy}",
        )
    by_laws = replace(by_laws, compiled=found.compiled, centre=found.centre)
    gain = _gain(found.effective, _cost_in_run(by_laws, found), by_nuts, nuts)
    if nuts.pilot is not None and abs(log(max(gain, 1e-9))) < 2.0 * hypot(found.error, nuts.pilot.error):
        # It may be chance.
        doing("Comparing both in longer pilot runs")
        found, nuts = _longer(by_laws, found), _shown(by_nuts, _longer(by_nuts, nuts.pilot))
        gain = _gain(found.effective, _cost_in_run(by_laws, found), by_nuts, nuts)
    if max(found.effective, nuts.effective) < LEAST_EFFECTIVE:
        nuts = _with_a_whole_warm_up(by_nuts, nuts)
        gain = _gain(found.effective, _cost_in_run(by_laws, found), by_nuts, nuts)
    prediction = Prediction(found.effective, gain, drawn, others, nuts.effective)
    if not prediction.is_for_gibbs:
        return Better(by_nuts, str(prediction), *_worth(by_nuts, nuts))
    effective, cost = _worth(by_nuts, nuts)
    return Better(by_laws, str(prediction), found.effective, cost * found.effective / (gain * effective))


@optional("integrals that seemed too dear", otherwise=lambda why, found, integrated: found)
def less_slow(found: Better, integrated: Plan) -> Better:
    """Return the plan with all integrals that there are in the place of one that mixes slowly, where it is better.

    Parameters
    ----------
    found : Better
        What was chosen, whose sweeps are worth little.
    integrated : Plan
        NUTS for what is left when all is integrated out that has a law.
    """
    run = pilot(integrated, WHOLE_RUN) if num_affordable(integrated) else None
    if run is None:
        return found
    effective, cost = _worth(integrated, _shown(integrated, run))
    gain = (effective / cost) / (found.effective / found.cost)
    if gain <= 1.0:
        return found
    gone = ", ".join(name for step in integrated.natural.integrals for name in step.names)
    policy = (
        f"NUTS for what is left without {gone}: predicted {_times(gain)} times the effective draws a second of what is "
        f"drawn with {'them' if ', ' in gone else 'it'}, which mixes slowly ({found.effective:.2g} effective draws a "
        f"sweep in a pilot run, {effective:.2g} without); sampler=... or marginalize=... overrides"
    )
    return Better(replace(integrated, compiled=run.compiled, centre=run.centre), policy, effective, cost)


def _worth(by_nuts: Plan, nuts: _Alone) -> tuple[float, float]:
    """Return the effective draws of a sweep and its nanoseconds, as far as a pilot run has shown them."""
    if nuts.pilot is None:
        return inf, inf
    return nuts.effective, nuts.cost + _cost_of_keeping(by_nuts)


@dataclass(frozen=True)
class _Alone:
    """What NUTS alone is worth.

    Parameters
    ----------
    effective : float
        Effective draws per sweep.
    cost : float
        Nanoseconds that a sweep takes, about, on the average of a run.
    pilot : Pilot or None
        That showed it.
    """

    effective: float
    cost: float
    pilot: Pilot | None


def _longer(plan: Plan, own: Pilot) -> Pilot:
    """Let a pilot run go on, where it does not tell what is better: for as long as that hardly takes any time."""
    cost = _sweep_cost(plan, own.num_gradients)
    wanted = max(COMPETITION, int(SHARE_OF_COMPETITION * HARDLY_ANY_SECONDS * 1e9 / cost))
    most = min(LONGER * len(own.draws), int(SHARE_OF_COMPETITION * MOST_SECONDS * 1e9 / cost))
    return prolonged(own, min(wanted, most)) if most >= FEWEST_SWEEPS else own


def _nuts_alone(plan: Plan) -> _Alone:
    """Return what NUTS alone is worth: seen in a pilot run, or what it would be on a normal distribution."""
    num_sweeps = num_affordable(plan)
    if num_sweeps:
        doing("Trying NUTS in a pilot run")
        own = pilot(plan, num_sweeps)
        if own is not None:
            return _shown(plan, own)
    return _on_a_normal(plan)


def _with_a_whole_warm_up(plan: Plan, found: _Alone) -> _Alone:
    """Return what NUTS alone is worth in a longer pilot run; what was found before, where that was as long."""
    if found.pilot is None or len(found.pilot.draws) >= (1.0 - SHARE_TUNING) * WHOLE_RUN:
        return found
    doing("Trying NUTS with a whole warm-up")
    whole = pilot(plan, WHOLE_RUN)
    return found if whole is None else _shown(plan, whole)


def _shown(plan: Plan, own: Pilot) -> _Alone:
    """Return what a pilot run shows that NUTS alone is worth."""
    return _Alone(max(own.effective, LEAST_SEEN / len(own.draws)), _cost_in_run(plan, own), own)


def _on_a_normal(plan: Plan) -> _Alone:
    return _Alone(1.0, _least_cost(plan), None)


def _least_cost(plan: Plan) -> float:
    """Return about how many nanoseconds a sweep takes at least, on the average of a run."""
    size = _num_with_metric(plan)
    return WARM_UP * _sweep_cost(plan, fewest_gradients(size)) if size else _sweep_cost(plan, 0.0)


def _cost_in_run(plan: Plan, own: Pilot) -> float:
    """Return about how many nanoseconds a sweep takes on the average of a run, of which half is warm-up.

    Parameters
    ----------
    plan : Plan
        With NUTS or without.
    own : Pilot
        A run of it.
    """
    plan = replace(plan, compiled=own.compiled)
    after, before = (_sweep_cost(plan, num) for num in (own.num_gradients, own.gradients_tuning))
    if not own.num_gradients:
        return after
    if own.num_metric:
        by_metric = own.num_gradients * (PER_METRIC + PER_NUMBER_OF_METRIC * own.num_metric)
        after += by_metric
        # Most such metrics are learnt in the latter half of the warm-up.
        before += by_metric / 2.0
    size = _num_with_metric(plan)
    if 1 < size <= MOST_DENSE:
        times = (2 if own.num_metric else 1) + (4 if own.gradients_tuning > LONG_TRAJECTORY else 0)
        before += times * (LEARNING + LEARNING_PER_NUMBER * size**2)
    return max(WARM_UP * after, (before + after) / 2.0)


def _gain(effective: float, cost: float, by_nuts: Plan, nuts: _Alone) -> float:
    """Return the effective draws a second with Gibbs steps relative to those of NUTS alone.

    Parameters
    ----------
    effective, cost : float
        Of a sweep with Gibbs steps.
    by_nuts : Plan
        Without.
    nuts : _Alone
        What that is worth.
    """
    kept = _cost_of_keeping(by_nuts)
    return effective / (cost + _cost_of_logprob(by_nuts) + kept) / (nuts.effective / (nuts.cost + kept))


def _cost_of_keeping(plan: Plan) -> float:
    """Return about how many nanoseconds it takes to keep a draw and to judge it, whatever made it."""
    return cost_of_keeping(sum(prod(a.shape) for a in plan.assignments))


def cost_of_keeping(size: int) -> float:
    """Return about how many nanoseconds it takes to keep and to judge a draw of so many numbers."""
    few = min(size, FEW_NUMBERS)
    return PER_KEPT_DRAW + PER_NUMBER * few + PER_FURTHER_NUMBER * (size - few)


def _cost_of_logprob(by_nuts: Plan) -> float:
    """Return about how many nanoseconds the log-density of a draw takes, which only NUTS has anyway."""
    gradients = zip(by_nuts.sweep.blocks, _works(by_nuts), strict=True)
    return sum(work for block, work in gradients if block.has_metric) / GRADIENT_OF_LOGPROB


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


def _sweep_cost(plan: Plan, num_gradients: float) -> float:
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


def _num_with_metric(plan: Plan) -> int:
    return sum(prod(a.shape) for a in plan.assignments if a.builder and a.builder.has_metric)
