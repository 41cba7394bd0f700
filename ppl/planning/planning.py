"""Decide, variable by variable, what is summed out and what is drawn how; and say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pytensor.tensor.variable import TensorVariable

from graphs.augmentation import Augmenter
from graphs.backends.numba.lowering.fallback import called_back
from graphs.bounds.differentiability import NoGradient, without_gradient
from graphs.compression import compressed
from graphs.conditional import (
    Law,
)
from graphs.errors import DerivationError, ModelError
from graphs.garbage import rarely_collected
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob
from graphs.marginal.lifting import MOST_STATES
from graphs.optional import optional
from graphs.surgery.random_graph import depends_on
from graphs.surgery.traces import untraced
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model
from ppl.planning.choosing import choose, with_blame
from ppl.planning.grouping import explain_groups, join, with_fixed_points, with_groups
from ppl.planning.integrating import Collapsed, candidates, collapse
from ppl.planning.plans import EXACT, Assignment, Choice, Method, Plan, Sampler
from ppl.planning.policy import NO_LAWS, decide
from ppl.planning.summing import Marginalize, marginalized
from ppl.planning.sweeps import build_sweep
from ppl.running.stages import doing, stages
from samplers import MOVES
from samplers.move import Move

_METHODS = ("nuts", "gibbs", "rmh", "slice")
SAMPLERS = (*_METHODS, *MOVES)


@explained
def plan(
    model: Model,
    *,
    marginalize: Marginalize = "auto",
    sampler: Sampler = None,
    max_states: int = MOST_STATES,
    compress: bool = True,
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
    sampler : {"nuts", "gibbs", "rmh", "slice", "barker"}, Move, or mapping of str to these, optional
        Overrides the choice for all continuous variables or for those named. ``"gibbs"`` for all takes the full
        conditional wherever one is known and NUTS for the rest; for a named variable it has to be known. A
        ``samplers.Move`` is a sampler of your own.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.
    compress : bool, default True
        Rewrite likelihoods to sufficient statistics of the data where there are any: the same function but for
        rounding, in fewer operations. The plan says what was compressed, and by how much.
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
    """
    sampler = _checked(model, sampler)
    named = dict(sampler) if isinstance(sampler, Mapping) else {}
    if not isinstance(compress, bool):
        raise ModelError(f"compress is True or False, not {compress!r}.")
    with untraced(), rarely_collected(), stages(progress):
        return _planned(model, marginalize, sampler, named, max_states, compress)


def _planned(
    model: Model,
    marginalize: Marginalize,
    sampler: Sampler,
    named: dict[str, str | Move],
    max_states: int,
    compress: bool,
) -> Plan:
    if isinstance(marginalize, Iterable) and not isinstance(marginalize, str):
        marginalize = list(marginalize)
    listed = marginalize if isinstance(marginalize, list) else []
    doing("Deriving the log-density")
    joint = logprob(model, marginalize=False, apart={*named, *listed})
    doing("Summing out discrete variables")
    summed, reasons = marginalized(joint, marginalize, named, max_states)
    collapsed = _collapsed(summed, marginalize, sampler, named, compress)
    continuous = {v: n for n, v in summed.values.items() if not summed.supports[n].is_discrete}
    found = without_gradient(list(summed.terms.values()), continuous)
    no_gradient = {continuous[v]: why for v, why in found.items()}
    chosen = _assigned(model, joint, collapsed, reasons, sampler, named, compress, no_gradient)
    if chosen.is_exact:
        return replace(chosen, policy=EXACT)
    if sampler is not None or not any(a.method == "nuts" for a in chosen.assignments):
        return chosen
    # What was asked for is integrated out whatever samples the rest.
    rest = collapsed if _is_asked(marginalize) else Collapsed(summed, summed)
    by_laws, policy = _by_laws(model, joint, rest, reasons, compress, no_gradient)
    if by_laws is None:
        return replace(chosen, policy=policy)
    best, policy = decide(chosen, by_laws)
    if best.assignments is by_laws.assignments:
        told = tuple(with_blame(summed, a, no_gradient.get(a.name)) for a in best.assignments)
        best = replace(best, assignments=told)
    return replace(best, policy=policy)


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
) -> tuple[Plan | None, str]:
    """Return the plan that draws what it can from laws; None, and what the plan says then, where that is nothing."""
    methods = _methods(joint, collapsed, reasons, "gibbs", {}, no_gradient, is_blamed=False)
    if not any(a.method == "gibbs" and not a.support.is_discrete for a in methods.assignments.values()):
        return None, NO_LAWS
    return _built(model, collapsed, methods, {}, compress, no_gradient), ""


@dataclass(frozen=True)
class _Methods:
    """How each variable is moved, before variables are drawn together.

    Parameters
    ----------
    assignments : dict of str to Assignment
        By name.
    laws : dict of str to Law
        Of those that have one.
    augmenter : Augmenter
        Knows the auxiliary variables.
    augmented : dict of str to tuple of str
        Those that have a law given auxiliary variables, and of which terms.
    """

    assignments: dict[str, Assignment]
    laws: dict[str, Law]
    augmenter: Augmenter
    augmented: dict[str, tuple[str, ...]]


def _assigned(
    model: Model,
    joint: LogProb,
    collapsed: Collapsed,
    reasons: Mapping[str, str],
    sampler: Sampler,
    named: Mapping[str, str | Move],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
) -> Plan:
    methods = _methods(joint, collapsed, reasons, sampler, named, no_gradient)
    return _built(model, collapsed, methods, named, compress, no_gradient)


def _methods(
    joint: LogProb,
    collapsed: Collapsed,
    reasons: Mapping[str, str],
    sampler: Sampler,
    named: Mapping[str, str | Move],
    no_gradient: Mapping[str, NoGradient],
    *,
    is_blamed: bool = True,
) -> _Methods:
    summed, before = collapsed.joint, collapsed.whole
    assignments: dict[str, Assignment] = {}
    laws: dict[str, Law] = {}
    augmenter = Augmenter(summed)
    augmented: dict[str, tuple[str, ...]] = {}
    for name in joint.values:
        if name not in before.values:
            assignments[name] = _assignment(joint, name, "marginalize", reasons[name])
            continue
        if name not in summed.values:
            assignments[name] = _assignment(joint, name, "integrate", collapsed.reasons[name])
            continue
        doing(f"Looking for the full conditional of {name}")
        choice = cast("Choice", named.get(name, None if isinstance(sampler, Mapping) else sampler))
        method, reason, law = choose(
            summed,
            name,
            choice,
            failed_sum=reasons.get(name),
            is_named=name in named,
            no_gradient=no_gradient.get(name),
            is_blamed=is_blamed,
        )
        if law is not None:
            laws[name] = law
        elif choice == "gibbs" and method != "gibbs" and not summed.supports[name].is_discrete:
            augmented[name] = augmenter.find(name)
            method = "gibbs" if augmented[name] else method
            if name in named and not augmented[name]:
                raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name, summed.values[name])
        assignments[name] = _assignment(joint, name, method, reason, choice)
    return _Methods(assignments, laws, augmenter, {name: terms for name, terms in augmented.items() if terms})


def _built(
    model: Model,
    collapsed: Collapsed,
    methods: _Methods,
    named: Mapping[str, str | Move],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
) -> Plan:
    summed = collapsed.joint
    assignments, laws, augmented = methods.assignments, methods.laws, methods.augmented
    doing("Looking for variables that are drawn together")
    mixed, groups = with_groups(summed, assignments, laws, methods.augmenter, augmented, named, no_gradient)
    laws = {n: law for n, law in laws.items() if not any(n in group.laws for group in groups)}
    join(summed, assignments, laws)
    explain_groups(groups, assignments)
    doing("Compressing the likelihood")
    if summed.integrals:
        sampled, statistics = with_fixed_points(summed, mixed), collapsed.compression
    else:
        sampled, statistics = compressed(mixed) if compress else (mixed, ())
    sweep = build_sweep(summed, mixed, sampled, assignments, laws, groups)
    laws |= {name: law for group in groups for name, law in group.laws.items()}
    later = {n: d for n, d in model.deterministics.items() if _depends_on_summed(d, model, assignments)}
    found = tuple(assignments.values())
    python = tuple(called_back(list(sampled.terms.values())))
    whole = collapsed.whole if summed.integrals else None
    return Plan(
        model,
        found,
        summed,
        mixed,
        sampled,
        laws,
        sweep,
        later,
        tuple(groups),
        statistics,
        called_back=python,
        whole=whole,
    )


def _checked(model: Model, sampler: Sampler) -> Sampler:
    """Return what is asked for, moves in the place of their names."""
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


def _checked_method(method: Any, name: str | None) -> str | Move:
    if isinstance(method, Move):
        called = getattr(method, "name", None)
        if not isinstance(called, str) or called in ("marginalize", *_METHODS):
            raise ModelError(f"{type(method).__name__} needs a name of its own: it has {called!r}.", name)
        return method
    if not isinstance(method, str):
        given = "sampler" if name is None else f"The sampler of {name}"
        raise ModelError(
            f"{given} is {', '.join(SAMPLERS)}, a samplers.Move, or a mapping to these, not {method!r}.", name
        )
    if method not in SAMPLERS:
        raise ModelError(f"Unknown sampler {method!r}; choose from {', '.join(SAMPLERS)}.", name)
    return MOVES.get(method, method)


def _assignment(joint: LogProb, name: str, method: Method, reason: str, choice: Choice = None) -> Assignment:
    shape = tuple(int(n) for n in joint.values[name].type.shape)
    move = choice if isinstance(choice, Move) and method == choice.name else None
    return Assignment(name, method, reason, shape, joint.supports[name], joint.plates.get(name, ()), move)


def _depends_on_summed(graph: TensorVariable, model: Model, assignments: Mapping[str, Assignment]) -> bool:
    summed = [model.latent[e.name] for a in assignments.values() if a.method == "marginalize" for e in a.each()]
    return bool(summed) and depends_on(graph, summed)
