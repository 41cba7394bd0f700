"""Which variables are integrated out by their laws, what that costs, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from graphs.compression import Compressed, compressed
from graphs.conditional import (
    Beta,
    CountLaw,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Law,
    MultivariateNormal,
    Normal,
    RowNormal,
    SparseNormal,
    Wishart,
)
from graphs.errors import DerivationError, ModelError, PPLError
from graphs.integral import (
    BorderedNormal,
    Factor,
    FieldNormal,
    Integrated,
    Step,
    WhitenedNormal,
    integrate,
    is_tied_by_prior,
    may_be_integrated,
)
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional
from ppl.planning.pilot import PER_GRADIENT_AND_DIMENSION
from ppl.planning.policy import (
    GRADIENT_OF_LOGPROB,
    PER_DIMENSION,
    PER_GRADIENT,
    PER_TRAJECTORY,
    fewest_gradients,
)
from ppl.planning.work import work_of, work_of_factor

MOST_TIMES_DEARER, MOST_TIMES_DEARER_IN_PART = 2.0, 1.0
"""A sweep of NUTS may become so many times dearer, its trajectories being those of a normal distribution of as many
dimensions: where all goes that is normal together, and where only a part does. The posterior of hierarchies is no
normal distribution, and what is left of it nearly is. Measured in effective draws a gradient: 12, 7 and 5 times as many
without the effects of 85 counties, of 30 rats and of eight schools, where dimensions alone would give 2.5, 2.2 and 1.5;
with one of two crossed effects left, as many as before: a part has to pay at once."""
MOST_TIMES_DEARER_IF_TIED = 8.0
"""The same where the prior ties many elements of what goes to each other: a walk whose steps are small is a narrow
valley, however many dimensions it has. Measured, in effective draws a gradient on top of what dimensions alone would
give: 8 times as many without a walk of 200 steps, 40 without an autoregression, 1500 without level, slope, season."""
CLOSED = (
    BorderedNormal,
    Beta,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Normal,
    MultivariateNormal,
    SparseNormal,
    FieldNormal,
    RowNormal,
    WhitenedNormal,
    Wishart,
    CountLaw,
)
"""Laws whose normalisers are of functions that are exact to the last digits, and fast."""


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
    without_law : tuple of str
        The variables that have no law to integrate them out by.
    """

    joint: LogProb
    whole: LogProb
    compression: tuple[Compressed, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    without_law: tuple[str, ...] = ()


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
    done = _integrated(whole, names, is_asked)
    for name in names:
        if name in done.joint.values and (is_required or (is_asked and summed.supports[name].is_discrete)):
            raise _refusal(summed, name, done.reasons.get(name, ""), is_required)
    without_law = tuple(done.obstacles)
    left = {n: reason for n, reason in done.reasons.items() if n not in without_law}
    if not done.joint.integrals:
        return Collapsed(summed, summed, (), left, without_law)
    why = {n: _why(step, done.joint, whole) for step in done.joint.integrals for n in step.names}
    return Collapsed(done.joint, whole, compression, {**left, **why}, without_law)


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


@optional("integrals", otherwise=lambda why, joint, *_: Integrated(joint))
def _integrated(whole: LogProb, names: Collection[str], is_asked: bool) -> Integrated:
    return integrate(whole, names, None if is_asked else _Worth(whole))


class _Worth:
    """Says whether integrals pay.

    Parameters
    ----------
    whole : LogProb
        The log-probability before any.
    """

    def __init__(self, whole: LogProb):
        self._whole = whole
        self._size = _num_continuous(whole)
        self._before = _sweep_cost(work_of([whole.total]), self._size)

    def refusal(self, found: Law | Factor, is_whole: bool) -> str:
        """Return why no integral by a law of this kind pays, or with such a factor, or nothing where some may."""
        if isinstance(found, Factor):
            cost = _sweep_cost(work_of_factor(found), self._size - found.num_elements)
            # Which variables these are is not known yet.
            return self._why(cost, is_whole, self._whole.values, "at least ")
        if isinstance(found, CLOSED):
            return ""
        return f"the normaliser of its law, {found.family}, takes longer than it saves"

    def objection(self, after: LogProb, is_whole: bool) -> str:
        """Return why an integral does not pay, or nothing where it does."""
        gone = [n for n in self._whole.values if n not in after.values]
        return self._why(_sweep_cost(work_of([after.total]), _num_continuous(after)), is_whole, gone)

    def _why(self, cost: float, is_whole: bool, names: Iterable[str], how: str = "") -> str:
        times = cost / self._before
        if times <= (MOST_TIMES_DEARER if is_whole else MOST_TIMES_DEARER_IN_PART):
            return ""
        if times <= MOST_TIMES_DEARER_IF_TIED and is_whole and any(is_tied_by_prior(self._whole, n) for n in names):
            return ""
        return f"without it a sweep would take {how}{times:.3g} times as long"


def _num_continuous(joint: LogProb) -> int:
    return sum(prod(int(n) for n in v.type.shape) for n, v in joint.values.items() if not joint.supports[n].is_discrete)


def _sweep_cost(work: float, size: int) -> float:
    """Return about how many nanoseconds a sweep of NUTS takes, on a normal distribution of as many dimensions."""
    gradient = GRADIENT_OF_LOGPROB * work + PER_GRADIENT + PER_GRADIENT_AND_DIMENSION * size
    return fewest_gradients(size) * gradient + PER_TRAJECTORY + PER_DIMENSION * size


def candidates(joint: LogProb, named: Collection[str]) -> list[str]:
    """Return the variables that may be integrated out, but for those whose sampler was chosen by name."""
    return [n for n in joint.values if may_be_integrated(joint, n) and n not in named]


def _why(step: Step, after: LogProb, whole: LogProb) -> str:
    together = f", jointly with {', '.join(step.names)}" if len(step.names) > 1 else ""
    times = work_of([after.total]) / max(work_of([whole.total]), 1.0)
    each = ", element by element" if step.is_elementwise and prod(step.law.variable.type.shape) > 1 else ""
    cost = f"; a gradient of what is left takes about {times:.2g} times as long" if step is after.integrals[-1] else ""
    return f"{step.law.family} law given the rest{each}{together}{cost}"
