"""Which sampler is predicted to give more effective draws a second, where a model leaves the choice.

Gibbs sampling needs no gradients, and without NUTS beside it no warm-up, but mixes slowly where variables that depend
on each other are drawn one by one. How slowly is seen in a short run of the compiled sweep, a pilot run; how many
gradients the No-U-Turn sampler takes, and what its draws are worth, in one of its own. That comes first: where draws
from full conditionals would gain nothing if they were independent, or as nearly so as the draws of NUTS show that they
can be (`most_effective`), they are not even compiled. Seconds are counted, not measured (`costs.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, inf, log

from graphs.optional import optional
from ppl.planning.comparing.costs import cost_in_run, cost_of_keeping, cost_of_logprob, least_cost, sweep_cost
from ppl.planning.comparing.dependence import most_effective
from ppl.planning.comparing.pilot import (
    FEWEST_SWEEPS,
    HARDLY_ANY_SECONDS,
    LONGER,
    MOST_SECONDS,
    SHARE_TUNING,
    Pilot,
    num_affordable,
    pilot,
    prolonged,
)
from ppl.planning.plans import BY_GRADIENT, Plan
from ppl.reporting.stages import doing

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
    effective, most = 1.0, _gain(1.0, least_cost(by_laws), by_laws, by_nuts, nuts)
    if most * HARDNESS > 1.0:
        nuts = _nuts_alone(by_nuts)
        # Without a pilot run nothing says what NUTS is worth at best.
        most = inf
        if nuts.pilot is not None:
            by_nuts = replace(by_nuts, compiled=nuts.pilot.compiled, centre=nuts.pilot.centre)
            effective = most_effective(nuts.pilot, by_nuts, by_laws)
            most = _gain(effective, least_cost(by_laws), by_laws, by_nuts, nuts)
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
    gain = _gain(found.effective, cost_in_run(by_laws, found), by_laws, by_nuts, nuts)
    if nuts.pilot is not None and abs(log(max(gain, 1e-9))) < 2.0 * hypot(found.error, nuts.pilot.error):
        # It may be chance.
        doing("Comparing both in longer pilot runs")
        found, nuts = _longer(by_laws, found), _shown(by_nuts, _longer(by_nuts, nuts.pilot))
        gain = _gain(found.effective, cost_in_run(by_laws, found), by_laws, by_nuts, nuts)
    if max(found.effective, nuts.effective) < LEAST_EFFECTIVE:
        nuts = _with_a_whole_warm_up(by_nuts, nuts)
        gain = _gain(found.effective, cost_in_run(by_laws, found), by_laws, by_nuts, nuts)
    prediction = Prediction(found.effective, gain, drawn, others, nuts.effective)
    if not prediction.is_for_gibbs:
        return Better(by_nuts, str(prediction), *_worth(by_nuts, nuts))
    beside = cost_of_logprob(by_nuts, by_laws) + cost_of_keeping(by_nuts)
    return Better(by_laws, str(prediction), found.effective, cost_in_run(by_laws, found) + beside)


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
    return (inf, inf) if nuts.pilot is None else (nuts.effective, nuts.cost + cost_of_keeping(by_nuts))


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
    cost = sweep_cost(plan, own.num_gradients)
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
    return _Alone(max(own.effective, LEAST_SEEN / len(own.draws)), cost_in_run(plan, own), own)


def _on_a_normal(plan: Plan) -> _Alone:
    return _Alone(1.0, least_cost(plan), None)


def _gain(effective: float, cost: float, by_laws: Plan, by_nuts: Plan, nuts: _Alone) -> float:
    """Return the effective draws a second with Gibbs steps relative to those of NUTS alone.

    Parameters
    ----------
    effective, cost : float
        Of a sweep with Gibbs steps.
    by_laws, by_nuts : Plan
        With them and without.
    nuts : _Alone
        What that is worth.
    """
    kept = cost_of_keeping(by_nuts)
    return effective / (cost + cost_of_logprob(by_nuts, by_laws) + kept) / (nuts.effective / (nuts.cost + kept))
