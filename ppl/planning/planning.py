"""Decide, variable by variable, what is summed out and what is drawn how; and say why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from graphs.bounds.differentiability import NoGradient, without_gradient
from graphs.deriving import deriving
from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import Marginalize, logprob
from graphs.marginal.lifting import MOST_STATES
from graphs.optional import optional
from graphs.remembering import remembering
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model, require_model
from ppl.planning.asked import checked_sampler, moved_by_nuts
from ppl.planning.building import build, find_methods
from ppl.planning.centring.asked import Centring, CentringChoice, check_named, checked_centring
from ppl.planning.choosing import with_blame
from ppl.planning.comparing.decisions import Decided, Question
from ppl.planning.comparing.policy import NO_LAWS, NONE_LEFT, choose_plan, less_slow
from ppl.planning.integrating import (
    Collapsed,
    Course,
    candidates,
    collapse,
    collapse_again,
    collapsed_as_asked,
    is_asked_for,
)
from ppl.planning.plans import BY_GRADIENT, EXACT, FEW_NUMBERS, INDEPENDENT, Plan, Sampler
from ppl.planning.summing import marginalized
from ppl.reporting.stages import doing, stages
from samplers.blocks import Sweep
from samplers.move import Move
from samplers.tables.block import of_few_numbers


@explained
def plan(
    model: Model,
    *,
    marginalize: Marginalize = "auto",
    sampler: Sampler = None,
    max_states: int = MOST_STATES,
    compress: bool = True,
    centring: Centring | CentringChoice = "auto",
    progress: bool = True,
) -> Plan:
    """Decide how each latent variable of a model is dealt with.

    Finite discrete variables are summed out where that can be done element by element, else drawn from their full
    conditional, unbounded ones from it within windows at random places, or where too many elements depend on each other
    by random-walk Metropolis-Hastings; continuous ones by NUTS, or those that have full conditionals by Gibbs sampling,
    where a pilot run predicts that this gives more effective draws a second: the plan says so.

    Parameters
    ----------
    model : Model
        The model.
    marginalize : "auto", "require", bool, or iterable of str, default "auto"
        Finite discrete variables to sum out: where possible, all or an error, all or none, or those named. Continuous
        ones, and counts without a bound, are integrated out by their full conditionals: where that pays and no sampler
        is asked for, all that have one, all or none, or those named; they are drawn back afterwards.
    sampler : str, Move, or mapping of str to these, optional
        Overrides the choice for all continuous variables or for those named: "nuts", "gibbs", "rmh", "slice", "barker",
        or another name of ``samplers.BUILDERS``. ``"gibbs"`` for all takes the full conditional wherever one is known
        and NUTS for the rest; for a named variable it has to be known. A ``samplers.Move`` is a sampler of your own.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.
    compress : bool, default True
        Rewrite likelihoods to sufficient statistics of the data where there are any: the same function but for
        rounding, in fewer operations. The plan says what was compressed, and by how much.
    centring : "auto", float, or mapping of str to float, default "auto"
        Coordinates in which NUTS moves variables that have a location and a scale, normal ones and others (of
        log-normal ones the logarithms), whose parameters are sampled: 1 are the variables as declared, 0 their distance
        from the location in scales, and what lies between is of use where data tell some groups much and others little.
        By default numbers are learnt, for each element, while tuning. Draws are of the variables as declared, whatever
        the coordinates. With a mapping, those that are not named are learnt.
    progress : bool, default True
        Say what is done, where planning takes more than a second.

    Returns
    -------
    Plan
        Printable; ``dprint`` shows the graphs.

    Raises
    ------
    ModelError
        If a name or a method is unknown or does not fit the variable.
    DerivationError
        If a sum or a law that was asked for does not exist.

    Examples
    --------
    >>> import ppl
    >>> z = ppl.Bernoulli("z", 0.3)
    >>> print(ppl.plan(ppl.Model({ppl.Normal("y", 2.0 * z, 1): 1.2})).assignments[0].reason)
    2 states at once
    """
    require_model(model)
    sampler = checked_sampler(model, sampler)
    choice = checked_centring(centring, list(model.latent))
    sampler = moved_by_nuts(sampler, choice.named)
    named = dict(sampler) if isinstance(sampler, Mapping) else {}
    if not isinstance(compress, bool):
        raise ModelError(f"compress is True or False, not {compress!r}.")
    with deriving(), stages(progress), remembering():
        return _planned(model, marginalize, sampler, named, max_states, compress, choice)


@dataclass(frozen=True, eq=False)
class _Case:
    """What a plan is made of, whatever is decided.

    Parameters
    ----------
    model, joint, summed, reasons : Model, LogProb, LogProb, mapping
        The model, its log-probability, the same after sums, and why discrete variables are summed out or not.
    sampler, named, compress, centring : Sampler, mapping, bool, CentringChoice
        What was asked for.
    """

    model: Model
    joint: LogProb
    summed: LogProb
    reasons: Mapping[str, str]
    sampler: Sampler
    named: Mapping[str, str | Move]
    compress: bool
    centring: CentringChoice

    def no_gradient(self, collapsed: Collapsed) -> dict[str, NoGradient]:
        """Return of which variables there is no gradient, and why."""
        summed = self.summed
        continuous = {v: n for n, v in summed.values.items() if not summed.supports[n].is_discrete}
        found = without_gradient([*summed.terms.values(), *collapsed.joint.terms.values()], continuous)
        return {continuous[v]: why for v, why in found.items()}

    def assigned(self, collapsed: Collapsed) -> Plan:
        """Return the plan that moves by NUTS what nobody has said anything about."""
        no_gradient = self.no_gradient(collapsed)
        methods = find_methods(self.joint, collapsed, self.reasons, self.sampler, self.named, no_gradient)
        return build(self.model, collapsed, methods, self.named, self.compress, no_gradient, self.centring)


def _planned(
    model: Model,
    marginalize: Marginalize,
    sampler: Sampler,
    named: Mapping[str, str | Move],
    max_states: int,
    compress: bool,
    choice: CentringChoice,
) -> Plan:
    if isinstance(marginalize, Iterable) and not isinstance(marginalize, str):
        marginalize = list(marginalize)
    listed = marginalize if isinstance(marginalize, list) else []
    doing("Deriving the log-density")
    joint = logprob(model, marginalize=False, apart={*named, *listed, *choice.named})
    check_named(joint, choice)
    doing("Summing out discrete variables")
    may_draw = sampler in (None, "gibbs") or isinstance(sampler, Mapping)
    summed, reasons = marginalized(joint, marginalize, named, max_states, leaves_dear=may_draw)
    case = _Case(model, joint, summed, reasons, sampler, named, compress, choice)
    if sampler is not None:
        collapsed = collapsed_as_asked(summed, marginalize, sampler, named, compress)
        chosen, _ = _chosen(case, collapsed, is_asked_for(marginalize))
        return replace(chosen, policy=EXACT) if chosen.is_exact else chosen
    question = Question.about(model, f"{marginalize} {max_states} {compress} {choice}")
    known = question.answer()
    if known is not None:
        if (again := _decided(case, known, is_asked_for(marginalize))) is not None:
            return again
        question = question.anew()
    collapsed = collapsed_as_asked(summed, marginalize, sampler, named, compress)
    best, decision = _best(case, collapsed, is_asked_for(marginalize))
    question.keep(decision)
    return best


def _best(case: _Case, collapsed: Collapsed, is_asked: bool) -> tuple[Plan, Decided]:
    """Return the plan that runs where nobody has said what moves what, and what was decided."""
    chosen, taken = _chosen(case, collapsed, is_asked)
    if (only := _without_rival(chosen)) is not None:
        return only, Decided(False, only.policy, taken.course)
    # What was asked for is integrated out whatever samples the rest; nothing else is.
    moved = tuple(a.name for a in chosen.assignments if a.method == BY_GRADIENT)
    has_others = collapsed.joint.integrals and not is_asked
    rest = Collapsed(case.summed, case.summed) if has_others else collapsed
    by_laws = _by_laws(case, rest, moved)
    # Not before: what has no distribution together is refused where it is drawn together.
    if (few := _of_few(chosen)) is not None:
        return few, Decided(False, few.policy, taken.course)
    if by_laws is None:
        policy = NONE_LEFT if chosen.natural.integrals else NO_LAWS
        return replace(chosen, policy=policy), Decided(False, policy, taken.course)
    better = choose_plan(chosen, by_laws)
    if better.is_slow and not is_asked and (more := _with_everything(case, collapsed)) is not None:
        doing("Trying integrals that seemed too dear")
        least = less_slow(better, more[0])
        if least is not better:
            return replace(least.plan, policy=least.policy), Decided(False, least.policy, more[1], least.plan.centre)
    best, policy = better.plan, better.policy
    if best.assignments is not by_laws.assignments:
        return replace(best, policy=policy), Decided(False, policy, taken.course, best.centre)
    decision = Decided(True, policy, rest.course, best.centre, moved)
    return replace(_told(case, rest, best), policy=policy), decision


@optional("a plan with all integrals", otherwise=lambda *_: None)
def _with_everything(case: _Case, collapsed: Collapsed) -> tuple[Plan, Course] | None:
    """Return the plan without all that has a law, and how that was found, where some seemed too dear to go."""
    if not collapsed.course.reasons:
        return None
    names = candidates(case.summed, case.named)
    everything = collapse(case.summed, names, case.compress, is_asked=True, is_required=False)
    if len(everything.course.taken) == len(collapsed.course.taken):
        return None
    plan = case.assigned(everything)
    return None if plan.is_exact else (plan, everything.course)


@optional("a plan as it was decided", otherwise=lambda *_: None)
def _decided(case: _Case, known: Decided, is_asked: bool) -> Plan | None:
    """Return the plan that was decided for before, without looking at what was decided against."""
    collapsed = collapse_again(case.summed, known.course, case.compress)
    if collapsed is None:
        return None
    if known.is_for_laws:
        by_laws = _by_laws(case, collapsed, known.moved)
        best = by_laws and _told(case, collapsed, by_laws)
    else:
        chosen, taken = _chosen(case, collapsed, is_asked)
        best = chosen if taken is collapsed else None
        if best is not None and (only := _without_rival(best) or _of_few(best)) is not None:
            return only
    return best and replace(best, policy=known.policy, centre=known.centre)


def _chosen(case: _Case, collapsed: Collapsed, is_asked: bool) -> tuple[Plan, Collapsed]:
    """Return the plan with the integrals, or without where that fails and may; and what of it is left."""
    if collapsed.joint.integrals and not is_asked:
        if (chosen := _with_integrals(case, collapsed)) is not None:
            return chosen, collapsed
        collapsed = Collapsed(case.summed, case.summed)
    return case.assigned(collapsed), collapsed


@optional("a plan with integrals", otherwise=lambda *_: None)
def _with_integrals(case: _Case, collapsed: Collapsed) -> Plan | None:
    """Return the plan of what is left, where nobody has asked for the integrals: there is one without."""
    return case.assigned(collapsed)


def _without_rival(chosen: Plan) -> Plan | None:
    """Return a plan that is not to be compared with another, if it is not."""
    if chosen.is_exact:
        return replace(chosen, policy=EXACT)
    return None if any(a.method == BY_GRADIENT for a in chosen.assignments) else chosen


def _of_few(chosen: Plan) -> Plan | None:
    """Return a plan that draws what is left from a table, if that is few numbers."""
    few = of_few_numbers(chosen.sweep)
    return None if few is None else _by_table(chosen, few)


@optional("a plan by laws", otherwise=lambda *_: None, may_refuse=True)
def _by_laws(case: _Case, collapsed: Collapsed, moved: Collection[str]) -> Plan | None:
    """Return the plan that draws what it can from laws; None where that is nothing of what NUTS would move.

    It is nothing, too, where what would be drawn is integrated out by the plan that was chosen.
    """
    no_gradient = case.no_gradient(collapsed)
    methods = find_methods(case.joint, collapsed, case.reasons, "gibbs", {}, no_gradient, is_blamed=False, first=moved)
    if not any(methods.assignments[name].method == "gibbs" for name in moved):
        return None
    return build(case.model, collapsed, methods, {}, case.compress, no_gradient, case.centring)


def _told(case: _Case, collapsed: Collapsed, by_laws: Plan) -> Plan:
    """Return a plan that says for want of what some variables have no law."""
    no_gradient = case.no_gradient(collapsed)
    told = [with_blame(collapsed.joint, a, no_gradient.get(a.name)) for a in by_laws.assignments]
    return replace(by_laws, assignments=tuple(told))


def _by_table(plan: Plan, sweep: Sweep) -> Plan:
    """Return a plan whose sweep draws a few numbers from a table, which is said."""
    few = "few numbers are left"
    told = [replace(a, method=FEW_NUMBERS, reason=few) if a.method == BY_GRADIENT else a for a in plan.assignments]
    return replace(plan, assignments=tuple(told), sweep=sweep, policy=INDEPENDENT)
