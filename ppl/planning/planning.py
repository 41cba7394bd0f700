"""Decide, variable by variable, what is summed out and what is drawn how; and say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

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
from ppl.planning.building import build, find_methods
from ppl.planning.centring.asked import Centring, CentringChoice, check_named, checked_centring
from ppl.planning.choosing import with_blame
from ppl.planning.integrating import Collapsed, candidates, collapse
from ppl.planning.plans import BY_GRADIENT, EXACT, FEW_NUMBERS, INDEPENDENT, Plan, Sampler
from ppl.planning.policy import NO_LAWS, NONE_LEFT, choose_plan
from ppl.planning.summing import marginalized
from ppl.reporting.stages import doing, stages
from samplers import BUILDERS
from samplers.blocks import Sweep
from samplers.move import Move
from samplers.registry import SamplerName
from samplers.tables.block import of_few_numbers

_METHODS = ("gibbs", *sorted(BUILDERS))


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
    sampler = _checked(model, sampler)
    choice = checked_centring(centring, list(model.latent))
    sampler = _moved_by_nuts(sampler, choice.named)
    named = dict(sampler) if isinstance(sampler, Mapping) else {}
    if not isinstance(compress, bool):
        raise ModelError(f"compress is True or False, not {compress!r}.")
    with deriving(), stages(progress), remembering():
        return _planned(model, marginalize, sampler, named, max_states, compress, choice)


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
    collapsed = _collapsed(summed, marginalize, sampler, named, compress)
    continuous = {v: n for n, v in summed.values.items() if not summed.supports[n].is_discrete}
    found = without_gradient([*summed.terms.values(), *collapsed.joint.terms.values()], continuous)
    no_gradient = {continuous[v]: why for v, why in found.items()}
    chosen = None
    if collapsed.joint.integrals and not _is_asked(marginalize):
        chosen = _with_integrals(model, joint, collapsed, reasons, sampler, named, compress, no_gradient, choice)
        collapsed = Collapsed(summed, summed)
    chosen = chosen or _assigned(model, joint, collapsed, reasons, sampler, named, compress, no_gradient, choice)
    if chosen.is_exact:
        return replace(chosen, policy=EXACT)
    if sampler is not None or not any(a.method == BY_GRADIENT for a in chosen.assignments):
        return chosen
    # What was asked for is integrated out whatever samples the rest; nothing else is.
    by_laws, policy = _by_laws(model, joint, collapsed, reasons, compress, no_gradient, chosen, choice)
    if (few := of_few_numbers(chosen.sweep)) is not None:
        return _by_table(chosen, few)
    if by_laws is None:
        return replace(chosen, policy=policy)
    best, policy = choose_plan(chosen, by_laws)
    if best.assignments is by_laws.assignments:
        told = tuple(with_blame(collapsed.joint, a, no_gradient.get(a.name)) for a in best.assignments)
        best = replace(best, assignments=told)
    return replace(best, policy=policy)


def _by_table(plan: Plan, sweep: Sweep) -> Plan:
    """Return a plan whose sweep draws a few numbers from a table, which is said."""
    few = "few numbers are left"
    told = [replace(a, method=FEW_NUMBERS, reason=few) if a.method == BY_GRADIENT else a for a in plan.assignments]
    return replace(plan, assignments=tuple(told), sweep=sweep, policy=INDEPENDENT)


def _collapsed(
    summed: LogProb, marginalize: Marginalize, sampler: Sampler, named: Mapping[str, Any], compress: bool
) -> Collapsed:
    """Integrate out what was asked for; by itself, where that pays and nobody has said what moves it."""
    is_asked = _is_asked(marginalize)
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


def _is_asked(marginalize: Marginalize) -> bool:
    """Whether integrals were asked for, whatever they cost."""
    return marginalize in ("require", True) if isinstance(marginalize, str | bool) else True


@optional("a plan by laws", otherwise=lambda *_: (None, ""), may_refuse=True)
def _by_laws(
    model: Model,
    joint: LogProb,
    collapsed: Collapsed,
    reasons: Mapping[str, str],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
    chosen: Plan,
    centring: CentringChoice,
) -> tuple[Plan | None, str]:
    """Return the plan that draws what it can from laws; None, and what the plan says then, where that is nothing.

    It is nothing, too, where the plan that was chosen integrates it all out: what that moves by its gradient counts.
    """
    moved = [a.name for a in chosen.assignments if a.method == BY_GRADIENT]
    methods = find_methods(joint, collapsed, reasons, "gibbs", {}, no_gradient, is_blamed=False, first=moved)
    if not any(methods.assignments[name].method == "gibbs" for name in moved):
        return None, NONE_LEFT if chosen.natural.integrals else NO_LAWS
    return build(model, collapsed, methods, {}, compress, no_gradient, centring), ""


def _assigned(
    model: Model,
    joint: LogProb,
    collapsed: Collapsed,
    reasons: Mapping[str, str],
    sampler: Sampler,
    named: Mapping[str, str | Move],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
    centring: CentringChoice,
) -> Plan:
    methods = find_methods(joint, collapsed, reasons, sampler, named, no_gradient)
    return build(model, collapsed, methods, named, compress, no_gradient, centring)


@optional("a plan with integrals", otherwise=lambda *_: None)
def _with_integrals(*arguments: Any) -> Plan | None:
    """Return the plan of what is left, where nobody has asked for the integrals: there is one without."""
    return _assigned(*arguments)


def _moved_by_nuts(sampler: Sampler, centred: Mapping[str, Any]) -> Sampler:
    """Return what is asked for, with NUTS for variables whose centring is named and nothing else."""
    if not centred or not (sampler is None or isinstance(sampler, Mapping)):
        return sampler
    by_gradient: dict[str, SamplerName | Move] = dict.fromkeys(centred, BY_GRADIENT)
    return by_gradient | dict(sampler or {})


def _checked(model: Model, sampler: Sampler) -> Sampler:
    """Return what is asked for, if it is known and may be."""
    if sampler is None:
        return None
    if not isinstance(sampler, Mapping):
        return _checked_method(sampler, None)
    for name in sampler:
        if name not in model.latent:
            raise ModelError(
                f"sampler names {name!r}; the latent variables are {', '.join(model.latent) or 'none'}.", name
            )
    return {name: _checked_method(method, name) for name, method in sampler.items()}


def _checked_method(method: Any, name: str | None) -> SamplerName | Move:
    if isinstance(method, Move):
        called = getattr(method, "name", None)
        is_ours = isinstance(called, str) and type(method) is type(BUILDERS.get(called))
        if not isinstance(called, str) or (called in ("marginalize", "integrate", *_METHODS) and not is_ours):
            raise ModelError(f"{type(method).__name__} needs a name of its own: it has {called!r}.", name)
        return method
    if not isinstance(method, str):
        given = "sampler" if name is None else f"The sampler of {name}"
        raise ModelError(
            f"{given} is {', '.join(_METHODS)}, a samplers.Move, or a mapping to these, not {method!r}.", name
        )
    if method not in _METHODS:
        raise ModelError(f"Unknown sampler {method!r}; choose from {', '.join(_METHODS)}.", name)
    return cast(SamplerName, method)
