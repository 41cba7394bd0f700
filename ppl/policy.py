"""Which sampler is predicted to give more effective draws a second, where a model leaves the choice.

Gibbs sampling needs no gradients, and without NUTS beside it no warm-up, but mixes slowly where variables that depend
on each other are drawn one by one. How slowly is seen in a short pilot run of the compiled sweep. The No-U-Turn
sampler alone is credited with an effective draw for every trajectory along the longest axis of the posterior, in
steps of the shortest, seven at least; it adapts to scales, so that these axes are those of the correlations of the
pilot run, and in up to a few hundred dimensions to correlations too, at the price of a matrix product for each
gradient. In more dimensions than a pilot run can tell the correlations of, or where it has other steps beside it in
any case, it has a pilot run of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from graphs.optional import optional
from ppl.pilot import WORK_OF_GRADIENT, Pilot, num_affordable, pilot
from ppl.plans import Plan
from ppl.stages import doing
from ppl.work import work_of
from samplers.blocks import NUTSBlock, SliceBlock
from samplers.fisher import MOST_DENSE

FEWEST_GRADIENTS = 7.0
FEWEST_GRADIENTS_BESIDE = 3.0
"""In one or two dimensions, which may be all that is left beside Gibbs steps."""
GRADIENTS_PER_AXIS_RATIO = 1.5
MOST_CORRELATED = 40
GRADIENTS_IN_MANY_DIMENSIONS = 20.0
OPERATIONS_PER_GRADIENT = 200.0
OPERATIONS_PER_BLOCK = 100.0
EVALUATIONS_OF_SLICE = 8.0
SLOWNESS_OF_DRAWS = 2.4
"""How much longer an operation takes in a draw than in a gradient, whose loops are vectorised: 0.55 to 0.72 for 0.26 to
0.30 nanoseconds, measured on crossed effects (101 elements), a logistic regression with 500 groups and a Rasch model of
40,000 rows."""
WARM_UP = 1.2
"""How much longer a run of NUTS takes for its warm-up, relative to that of Gibbs sampling: 1.0 to 1.35 on these three;
seven small regressions, whose runs take milliseconds, gave 1.5 to 4."""
ALONE = "NUTS for all continuous variables: "
LEAST_EFFECTIVE = 0.1
"""Slower chains outlast their pilot run, of which this is 10 or 20 effective draws, and runs of ordinary length."""
LEAST_GAIN = 1.3
"""Of Gibbs sampling alone. On 38 models of the corpus of the tests, two chains of 1000 draws, effective draws a second
of both measured, it was predicted to gain 1.4 and more on seven and gained 1.65 to 6.8; where NUTS was predicted to
gain, it did on all but one (2.3 for 0.7)."""
LEAST_GAIN_MIXED = 2.5
"""Set while the least of all elements was taken: 2.9 was predicted for 5, and 5.2 for 20, of counts with 300 and 2000
rates. Of nineteen in twenty elements 7.4 is predicted for the second."""


@dataclass(frozen=True)
class Prediction:
    """What pilot runs say.

    Parameters
    ----------
    effective : float
        Effective draws per sweep with Gibbs steps, of the variable that has the fewest; at most 1.
    gain : float
        Predicted effective draws per second, relative to those of NUTS for all continuous variables.
    drawn, others : tuple of str
        Continuous variables that have full conditionals, and those that NUTS would have to move beside them.
    """

    effective: float
    gain: float
    drawn: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def is_for_gibbs(self) -> bool:
        """Whether Gibbs sampling is to be preferred."""
        return self.gain >= self._least_gain and self.effective >= LEAST_EFFECTIVE

    @property
    def _least_gain(self) -> float:
        return LEAST_GAIN_MIXED if self.others else LEAST_GAIN

    def __str__(self) -> str:
        sweep = f"({self.effective:.2g} effective draws a sweep in a pilot run); sampler=... overrides"
        gibbs, chosen = "Gibbs sampling", "Gibbs sampling for all"
        if self.others:
            gibbs = f"Gibbs steps for {', '.join(self.drawn)} beside it"
            chosen = f"Gibbs sampling for {', '.join(self.drawn)}, NUTS for {', '.join(self.others)}"
        if self.is_for_gibbs:
            against = "NUTS for all" if self.others else "NUTS"
            return f"{chosen}: predicted {_times(self.gain)} times the effective draws a second of {against} {sweep}"
        if self.gain < 1:
            return (
                f"NUTS for all: predicted {_times(1 / self.gain)} times the effective draws a second of {gibbs} {sweep}"
            )
        if self.effective < LEAST_EFFECTIVE:
            mixes = "mix" if self.others else "mixes"
            return (
                f"NUTS for all: {gibbs} {mixes} slowly ({self.effective:.2g} effective draws a sweep in a pilot run, "
                f"less than {LEAST_EFFECTIVE:g}); sampler=... overrides"
            )
        return (
            f"NUTS for all: {gibbs} {'are' if self.others else 'is'} predicted to give {_times(self.gain)} times the "
            f"effective draws a second, less than the {self._least_gain:g} that would be worth it {sweep}"
        )


def _times(gain: float) -> str:
    return "more than 20" if gain > 20 else f"{gain:.2g}"


@optional(
    "the choice of a sampler", otherwise=lambda why, by_nuts, by_laws: (by_nuts, f"{ALONE}{why}; sampler=... overrides")
)
def decide(by_nuts: Plan, by_laws: Plan) -> tuple[Plan, str]:
    """Return one of two plans, and why.

    Parameters
    ----------
    by_nuts : Plan
        All continuous variables by NUTS.
    by_laws : Plan
        By Gibbs sampling those that have full conditionals.
    """
    drawn = tuple(a.name for a in by_laws.assignments if a.method == "gibbs" and by_nuts.method_of(a.name) == "nuts")
    others = tuple(a.name for a in by_laws.assignments if a.method == "nuts")
    if not drawn:
        return by_nuts, f"{ALONE}none of them has a full conditional that is known (sampler='gibbs' says why)"
    remedy = f"sampler='gibbs' draws {', '.join(drawn)} from full conditionals"
    most = _most_gain(by_nuts, by_laws) if others else inf
    if most < LEAST_GAIN_MIXED:
        return by_nuts, (
            f"NUTS for all: Gibbs steps for {', '.join(drawn)} beside it are predicted to give at most {_times(most)} "
            f"times the effective draws a second, less than the {LEAST_GAIN_MIXED:g} that would be worth it; "
            "sampler=... overrides"
        )
    num_sweeps = num_affordable(by_laws)
    if not num_sweeps:
        beside = "Gibbs steps beside it" if others else "Gibbs steps"
        return by_nuts, f"{ALONE}a pilot run with {beside} would take too long; {remedy}"
    doing("Trying Gibbs steps in a pilot run")
    found = pilot(by_laws, num_sweeps)
    if found is None:
        return (
            by_nuts,
            f"{ALONE}a pilot run of Gibbs sampling left the domain of its laws, or Numba lacks one; {remedy}",
        )
    by_laws = replace(by_laws, compiled=found.compiled)
    own, effective, trajectory = _nuts_alone(by_nuts, found)
    if own is not None:
        by_nuts = replace(by_nuts, compiled=own.compiled)
    warm_up = 1.0 if others else WARM_UP
    gain = found.effective / _sweep_cost(by_laws, found.num_gradients) / (effective / trajectory) * warm_up
    prediction = Prediction(found.effective, gain, drawn, others)
    return (by_laws if prediction.is_for_gibbs else by_nuts), str(prediction)


def _most_gain(by_nuts: Plan, by_laws: Plan) -> float:
    """Return the gain if every sweep with Gibbs steps were an effective draw and took the fewest gradients.

    Infinity where NUTS alone may need any number of gradients: in many dimensions, or with other steps beside it.
    """
    size = _num_elements(by_nuts, "nuts")
    if size > MOST_DENSE or len(by_nuts.sweep.blocks) > 1:
        return inf
    return _dense_cost(by_nuts) / _sweep_cost(by_laws, FEWEST_GRADIENTS_BESIDE)


def _nuts_alone(plan: Plan, other: Pilot) -> tuple[Pilot | None, float, float]:
    """Return the pilot run of a plan by NUTS, if one is made, effective draws per sweep, and operations per sweep.

    Parameters
    ----------
    plan : Plan
        All continuous variables by NUTS.
    other : Pilot
        Of a plan by laws, whose draws show correlations.
    """
    size = _num_elements(plan, "nuts")
    is_alone = len(plan.sweep.blocks) == 1
    own = None
    if not is_alone or size > MOST_CORRELATED:
        num_sweeps = num_affordable(plan, GRADIENTS_IN_MANY_DIMENSIONS)
        if num_sweeps:
            doing("Trying NUTS in a pilot run")
            own = pilot(plan, num_sweeps)
    if own is not None and (size > MOST_DENSE or not is_alone):
        return own, own.effective, _sweep_cost(plan, own.num_gradients)
    trajectory = _sweep_cost(plan, _num_gradients(other.draws) if own is None else own.num_gradients)
    if size <= MOST_DENSE:
        # A dense metric is taken where it pays.
        trajectory = min(trajectory, _dense_cost(plan))
    return own, 1.0, trajectory


def _sweep_cost(plan: Plan, num_gradients: float) -> float:
    """Return about how many operations a sweep takes.

    Parameters
    ----------
    plan : Plan
        Any.
    num_gradients : float
        That NUTS takes, if there is NUTS.
    """
    total = 0.0
    for block in plan.sweep.blocks:
        if isinstance(block, NUTSBlock):
            once = WORK_OF_GRADIENT * work_of([block.logdensity.total]).operations + OPERATIONS_PER_GRADIENT
            total += num_gradients * once
        elif isinstance(block, SliceBlock):
            total += EVALUATIONS_OF_SLICE * len(block.groups) * work_of([block.logprobs]).operations
        else:
            total += SLOWNESS_OF_DRAWS * work_of(block.draws).operations + OPERATIONS_PER_BLOCK
    return total


def _dense_cost(plan: Plan) -> float:
    """Return about how many operations a trajectory takes where a dense metric makes all axes as long."""
    return _sweep_cost(plan, FEWEST_GRADIENTS) + FEWEST_GRADIENTS * 2.0 * _num_elements(plan, "nuts") ** 2


def _num_elements(plan: Plan, method: str) -> int:
    return sum(prod(a.shape) for a in plan.assignments if a.method == method)


def _num_gradients(draws: NDArray[np.float64]) -> float:
    """Return about how many gradients an effective draw of NUTS takes with a diagonal metric."""
    is_moving = draws.std(axis=0) > 0
    if not 2 <= is_moving.sum() <= MOST_CORRELATED:
        return FEWEST_GRADIENTS
    sizes = np.linalg.eigvalsh(np.corrcoef(draws[:, is_moving], rowvar=False))
    return float(max(FEWEST_GRADIENTS, GRADIENTS_PER_AXIS_RATIO * np.sqrt(sizes[-1] / max(sizes[0], 1e-8))))
