"""Which variables are integrated out by their laws, what that costs, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from graphs.compression import Compressed, compressed
from graphs.errors import DerivationError, ModelError, PPLError
from graphs.integral import (
    Attempt,
    Integrated,
    Step,
    integrate,
    may_be_integrated,
)
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import Marginalize
from graphs.optional import optional
from ppl.planning.plans import Sampler
from ppl.planning.work import work_of
from ppl.planning.worth import CountedWorth
from ppl.reporting.stages import doing


@dataclass(frozen=True)
class Course:
    """How a search for integrals went.

    Parameters
    ----------
    taken : tuple of Attempt
        What was integrated out, in order.
    is_counted : bool
        Whether nothing was taken that does not pay.
    reasons : mapping of str to str
        By variable, why it was left although there is a law.
    without_law : tuple of str
        The variables that have none.
    """

    taken: tuple[Attempt, ...] = ()
    is_counted: bool = True
    reasons: Mapping[str, str] = field(default_factory=dict)
    without_law: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Collapsed:
    """A log-probability without what is integrated out.

    Parameters
    ----------
    joint : LogProb
        What is left; the same as before where nothing is integrated out.
    whole : LogProb
        The same before the integrals.
    compression : tuple of Compressed
        Which terms were rewritten to sufficient statistics before.
    reasons : mapping of str to str
        By variable, why it is integrated out, or why it is not although it could be.
    course : Course
        How the search for integrals went.
    """

    joint: LogProb
    whole: LogProb
    compression: tuple[Compressed, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    course: Course = field(default_factory=Course)


def collapse(summed: LogProb, names: Sequence[str], compress: bool, *, is_asked: bool, is_required: bool) -> Collapsed:
    """Integrate variables out.

    Parameters
    ----------
    summed : LogProb
        In natural space, discrete variables summed out.
    names : sequence of str
        The variables in question.
    compress : bool
        Whether data are compressed to sufficient statistics first: what is collapsed does not depend on the number of
        rows then, either.
    is_asked : bool
        Whether all that have laws are integrated out, whatever that costs.
    is_required : bool
        Whether all have to have laws; counts have to where they are asked for.

    Raises
    ------
    DerivationError
        If one has none, and has to.
    """
    if not names:
        return Collapsed(summed, summed)
    whole, compression = compressed(summed) if compress else (summed, ())
    done, is_counted = _integrated(whole, names, is_asked)
    for name in names:
        if name in done.joint.values and (is_required or (is_asked and summed.supports[name].is_discrete)):
            raise _refusal(summed, name, done.reasons.get(name, ""), is_required)
    without_law = tuple(n for n in done.reasons if n not in done.objections)
    course = Course(done.taken, is_counted, done.objections, without_law)
    if not done.joint.integrals:
        return Collapsed(summed, summed, (), course.reasons, course)
    return _left(done, whole, compression, course)


def collapse_again(summed: LogProb, course: Course, compress: bool) -> Collapsed | None:
    """Integrate variables out as it was done before; None where that does not succeed.

    Parameters
    ----------
    summed, compress
        Those of `collapse`.
    course : Course
        How the search went: what was left is not tried again.
    """
    if not course.taken:
        return Collapsed(summed, summed, (), course.reasons, course)
    whole, compression = compressed(summed) if compress else (summed, ())
    names = [name for together, _ in course.taken for name in together]
    worth = CountedWorth(whole) if course.is_counted else None
    done = _integrated_again(whole, names, worth, course.taken)
    return _left(done, whole, compression, course) if done.taken == course.taken else None


def _left(done: Integrated, whole: LogProb, compression: tuple[Compressed, ...], course: Course) -> Collapsed:
    why = {n: _why(step, done.joint, whole) for step in done.joint.integrals for n in step.names}
    return Collapsed(done.joint, whole, compression, {**course.reasons, **why}, course)


def _refusal(joint: LogProb, name: str, reason: str, is_named: bool) -> PPLError:
    """Return the error of a variable that was to go and has no law."""
    if joint.supports[name].is_discrete and is_named:
        return ModelError(
            f"{name!r} cannot be summed out: it has infinitely many values, {joint.supports[name]}, and no law to "
            f"integrate it out by ({reason}). Leave it out of marginalize, and it is drawn.",
            name,
        )
    if joint.supports[name].is_discrete:
        why = (
            f"{name} cannot be summed out: it has infinitely many values, {joint.supports[name]}, and no law to "
            f"integrate it out by ({reason}). Give it a bound, ppl.Truncated(..., upper=...), or use "
            "marginalize='auto', which draws it."
        )
    else:
        why = f"{name} cannot be integrated out: {reason}. Leave it out of marginalize, and it is sampled."
    return DerivationError(why, name, joint.values[name])


@optional("integrals", otherwise=lambda why, joint, *_: (Integrated(joint), True))
def _integrated(whole: LogProb, names: Collection[str], is_asked: bool) -> tuple[Integrated, bool]:
    """Return what is integrated out, and whether nothing is that does not pay."""
    if is_asked:
        return integrate(whole, names), False
    counted = integrate(whole, names, CountedWorth(whole))
    if counted.joint.values.keys() == counted.objections.keys() and counted.objections:
        # All that is left has laws: without it draws are independent, which is worth whatever it takes.
        everything = integrate(whole, names)
        return (counted, True) if everything.joint.values else (everything, False)
    return counted, True


@optional("integrals", otherwise=lambda why, joint, *_: Integrated(joint))
def _integrated_again(
    whole: LogProb, names: Collection[str], worth: CountedWorth | None, taken: tuple[Attempt, ...]
) -> Integrated:
    return integrate(whole, names, worth, taken)


def candidates(joint: LogProb, named: Collection[str]) -> list[str]:
    """Return the variables that may be integrated out, but for those whose sampler was chosen by name."""
    return [n for n in joint.values if may_be_integrated(joint, n) and n not in named]


def _why(step: Step, after: LogProb, whole: LogProb) -> str:
    together = f", jointly with {', '.join(step.names)}" if len(step.names) > 1 else ""
    times = work_of([after.total]) / max(work_of([whole.total]), 1.0)
    each = ", element by element" if step.is_elementwise and prod(step.law.variable.type.shape) > 1 else ""
    cost = f"; a gradient of what is left takes about {times:.2g} times as long" if step is after.integrals[-1] else ""
    return f"{step.law.family} law given the rest{each}{together}{cost}"


def collapsed_as_asked(
    summed: LogProb, marginalize: Marginalize, sampler: Sampler, named: Mapping[str, Any], compress: bool
) -> Collapsed:
    """Integrate out what was asked for; by itself, where that pays and nobody has said what moves it."""
    is_asked = is_asked_for(marginalize)
    if isinstance(marginalize, list):
        names = [n for n in candidates(summed, ()) if n in marginalize]
        for name in set(names) & named.keys():
            raise ModelError(f"{name} is named by marginalize and by sampler: leave it out of one of them.", name)
    else:
        is_wanted = marginalize == "auto" and (sampler is None or isinstance(sampler, Mapping))
        names = candidates(summed, named) if is_asked or is_wanted else []
    if names:
        doing("Integrating out what has a law")
    return collapse(summed, names, compress, is_asked=is_asked, is_required=isinstance(marginalize, list))


def is_asked_for(marginalize: Marginalize) -> bool:
    """Whether integrals were asked for, whatever they cost."""
    return marginalize in ("require", True) if isinstance(marginalize, str | bool) else True
