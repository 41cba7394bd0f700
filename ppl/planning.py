"""Decide, variable by variable, what is summed out and what is drawn how; and say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast

from pytensor.tensor.variable import TensorVariable

from graphs.augmentation import Augmenter, Group
from graphs.backends.numba.fallback import called_back
from graphs.compression import compressed
from graphs.conditional import (
    Law,
    find_conditional,
    find_joint_blocks,
    find_joint_normal,
    is_normal,
)
from graphs.conditional.pointwise import MOST_VALUES
from graphs.conditional.verify import IMPROPER
from graphs.differentiability import NoGradient, without_gradient
from graphs.elimination.costs import Cost, costs_of
from graphs.errors import DerivationError, ModelError
from graphs.lifting import MOST_STATES
from graphs.logprob import LogProb, logprob, states_of, strip, sum_out_all, unconstrain
from graphs.optional import optional
from graphs.random_graph import depends_on
from graphs.traces import untraced
from ppl.bad_constants import explained
from ppl.choosing import Choice, choose
from ppl.model import Model
from ppl.plans import Assignment, Method, Plan
from ppl.policy import decide
from ppl.sweeps import build_sweep

Marginalize = Literal["auto", "require"] | bool | Iterable[str]
SAMPLERS = ("nuts", "gibbs", "rmh", "slice")


@explained
def plan(
    model: Model,
    *,
    marginalize: Marginalize = "auto",
    sampler: str | Mapping[str, str] | None = None,
    max_states: int = MOST_STATES,
    compress: bool = True,
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
        Finite discrete variables to sum out: where possible, all or an error, all or none, or those named.
    sampler : {"nuts", "gibbs", "rmh", "slice"} or mapping of str to these, optional
        Overrides the choice for all continuous variables or for those named. ``"gibbs"`` for all takes the full
        conditional wherever one is known and NUTS for the rest; for a named variable it has to be known.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.
    compress : bool, default True
        Rewrite likelihoods to sufficient statistics of the data where there are any: the same function but for
        rounding, in fewer operations. The plan says what was compressed, and by how much.

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
    named = _check_sampler(model, sampler)
    if not isinstance(compress, bool):
        raise ModelError(f"compress is True or False, not {compress!r}.")
    with untraced():
        return _planned(model, marginalize, sampler, named, max_states, compress)


def _planned(
    model: Model,
    marginalize: Marginalize,
    sampler: str | Mapping[str, str] | None,
    named: dict[str, str],
    max_states: int,
    compress: bool,
) -> Plan:
    joint = logprob(model, marginalize=False)
    summed, reasons = _marginalize(joint, marginalize, named, max_states)
    continuous = {v: n for n, v in summed.values.items() if not summed.supports[n].is_discrete}
    found = without_gradient(list(summed.terms.values()), continuous)
    no_gradient = {continuous[v]: why for v, why in found.items()}
    chosen = _assigned(model, joint, summed, reasons, sampler, named, compress, no_gradient)
    if sampler is not None or not any(a.method == "nuts" for a in chosen.assignments):
        return chosen
    by_laws = _by_laws(model, joint, summed, reasons, compress, no_gradient)
    if by_laws is None:
        return chosen
    best, policy = decide(chosen, by_laws)
    return replace(best, policy=policy)


@optional("a plan by laws", otherwise=lambda *_: None, may_refuse=True)
def _by_laws(
    model: Model,
    joint: LogProb,
    summed: LogProb,
    reasons: Mapping[str, str],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
) -> Plan | None:
    return _assigned(model, joint, summed, reasons, "gibbs", {}, compress, no_gradient)


def _assigned(
    model: Model,
    joint: LogProb,
    summed: LogProb,
    reasons: Mapping[str, str],
    sampler: str | Mapping[str, str] | None,
    named: Mapping[str, str],
    compress: bool,
    no_gradient: Mapping[str, NoGradient],
) -> Plan:
    assignments: dict[str, Assignment] = {}
    laws: dict[str, Law] = {}
    augmenter = Augmenter(summed)
    augmented: dict[str, tuple[str, ...]] = {}
    for name in joint.values:
        if name not in summed.values:
            assignments[name] = _assignment(joint, name, "marginalize", reasons[name])
            continue
        choice = cast("Choice", named.get(name, sampler if isinstance(sampler, str) else None))
        method, reason, law = choose(
            summed,
            name,
            choice,
            failed_sum=reasons.get(name),
            is_named=name in named,
            no_gradient=no_gradient.get(name),
        )
        if law is not None:
            laws[name] = law
        elif choice == "gibbs" and method != "gibbs" and not summed.supports[name].is_discrete:
            augmented[name] = augmenter.find(name)
            method = "gibbs" if augmented[name] else method
            if name in named and not augmented[name]:
                raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name, summed.values[name])
        assignments[name] = _assignment(joint, name, method, reason)
    augmented = {name: terms for name, terms in augmented.items() if terms}
    mixed, groups = _with_groups(summed, assignments, laws, augmenter, augmented, named, no_gradient)
    laws = {n: law for n, law in laws.items() if not any(n in group.laws for group in groups)}
    _join(summed, assignments, laws)
    _explain_groups(groups, assignments)
    sampled, statistics = compressed(mixed) if compress else (mixed, ())
    sweep = build_sweep(summed, mixed, sampled, assignments, laws, groups)
    laws |= {name: law for group in groups for name, law in group.laws.items()}
    later = {n: d for n, d in model.deterministics.items() if _depends_on_summed(d, model, assignments)}
    found = tuple(assignments.values())
    python = tuple(called_back(list(sampled.terms.values())))
    return Plan(model, found, summed, mixed, sampled, laws, sweep, later, tuple(groups), statistics, called_back=python)


def _with_groups(
    summed: LogProb,
    assignments: dict[str, Assignment],
    laws: dict[str, Law],
    augmenter: Augmenter,
    augmented: dict[str, tuple[str, ...]],
    named: Mapping[str, str],
    no_gradient: Mapping[str, NoGradient],
) -> tuple[LogProb, list[Group]]:
    """Group what is drawn given auxiliary variables; what has no law in a group goes back to another step."""
    while True:
        mixed = _mixed(summed, assignments, laws, augmented, named, no_gradient)
        groups = augmenter.groups(augmented, [n for n, law in laws.items() if is_normal(law)])
        lost = [n for n in augmented if not any(n in group.laws for group in groups)]
        if not lost:
            return mixed, groups
        for name in lost:
            reason = "it has no law given the auxiliary variables of all"
            _lose(name, reason, assignments, laws, augmented, named, no_gradient)


def _lose(
    name: str,
    reason: str,
    assignments: dict[str, Assignment],
    laws: dict[str, Law],
    augmented: dict[str, tuple[str, ...]],
    named: Mapping[str, str],
    no_gradient: Mapping[str, NoGradient],
) -> None:
    """Let a variable be moved by another step than Gibbs."""
    laws.pop(name, None)
    augmented.pop(name, None)
    if name in named:
        raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name)
    old = assignments[name]
    continuous: Method = "slice" if name in no_gradient else "nuts"
    method: Method = "rmh" if old.support.is_discrete else continuous
    assignments[name] = Assignment(name, method, f"no full conditional: {reason}", old.shape, old.support)


def _mixed(
    summed: LogProb,
    assignments: dict[str, Assignment],
    laws: dict[str, Law],
    augmented: dict[str, tuple[str, ...]],
    named: Mapping[str, str],
    no_gradient: Mapping[str, NoGradient],
) -> LogProb:
    """Take what NUTS and RMH move to the real line; correct laws and assignments that this touches.

    If the bounds of a moved variable depend on one that is drawn from a law, then that draw moves the variable's
    natural value too: the law has to hold the value on the real line instead.
    """
    while True:
        moving = [
            n for n, a in assignments.items() if a.method in ("nuts", "rmh", "slice") and not a.support.is_discrete
        ]
        drawn = [n for n, a in assignments.items() if a.method == "gibbs"]
        mixed = strip(unconstrain(summed, moving), drawn)
        with_laws = [*laws, *augmented]
        entangled = [
            n for n in with_laws if any(m != n and depends_on(mixed.natural[m], [mixed.values[n]]) for m in moving)
        ]
        lost = [n for n in entangled if n in augmented or not _derive_again(mixed, n, laws)]
        if not lost:
            return mixed
        for name in lost:
            reason = (
                "the bounds of another variable depend on it, and there is no law given that variable on the real line"
            )
            _lose(name, reason, assignments, laws, augmented, named, no_gradient)


def _join(summed: LogProb, assignments: dict[str, Assignment], laws: dict[str, Law]) -> None:
    """Let variables that are normal together be drawn together."""
    normal = [n for n, law in laws.items() if is_normal(law)]
    names = {summed.values[n]: n for n in normal}
    for group in find_joint_blocks(summed.logdensity, list(names)):
        law, why = find_joint_normal(summed.logdensity, group)
        if why.startswith(IMPROPER):
            # Each has a law given the others, and would wander off with them.
            own = ", ".join(names[v] for v in group)
            raise DerivationError(f"{own} have no distribution together given the rest, {why}.", names[group[0]])
        if law is None:
            continue
        for value in group:
            name, others = names[value], ", ".join(names[v] for v in group if v is not value)
            laws[name] = law
            old = assignments[name]
            reason = f"{law.family} full conditional, jointly with {others}"
            assignments[name] = Assignment(name, old.method, reason, old.shape, old.support)


def _explain_groups(groups: Sequence[Group], assignments: dict[str, Assignment]) -> None:
    """Say of variables that are drawn given auxiliary ones what these are."""
    for group in groups:
        for name, law in group.laws.items():
            others = [n for n, other in group.laws.items() if other is law and n != name]
            jointly = f", jointly with {', '.join(others)}" if others else ""
            old = assignments[name]
            reason = f"{law.family} full conditional{jointly}, with auxiliary variables: {group.what}"
            assignments[name] = Assignment(name, old.method, reason, old.shape, old.support)


def _derive_again(mixed: LogProb, name: str, laws: dict[str, Law]) -> bool:
    law, _ = find_conditional(mixed.logdensity, mixed.values[name], support=mixed.supports[name])
    if law is not None:
        laws[name] = law
    return law is not None


def _check_sampler(model: Model, sampler: str | Mapping[str, str] | None) -> dict[str, str]:
    if sampler is not None and not isinstance(sampler, str | Mapping):
        raise ModelError(f"sampler is {', '.join(SAMPLERS)}, or a mapping of names to these, not {sampler!r}.")
    named = dict(sampler) if isinstance(sampler, Mapping) else {}
    for name, method in named.items():
        if name not in model.latent:
            raise ModelError(
                f"sampler names {name!r}; the latent variables are {', '.join(model.latent) or 'none'}.", name
            )
        _check_method(method)
    if isinstance(sampler, str):
        _check_method(sampler)
    return named


def _check_method(method: str) -> None:
    if method not in SAMPLERS:
        raise ModelError(f"Unknown sampler {method!r}; choose from {', '.join(SAMPLERS)}.")


def _marginalize(
    joint: LogProb, marginalize: Marginalize, named: Mapping[str, str], max_states: int
) -> tuple[LogProb, dict[str, str]]:
    """Sum out what can be, children first; return why, or why not."""
    finite = [name for name in joint.values if states_of(joint, name) is not None]
    if isinstance(marginalize, str | bool):
        if isinstance(marginalize, str) and marginalize not in ("auto", "require"):
            raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
        chosen = [n for n in finite if n not in named] if marginalize else []
        is_required = marginalize in ("require", True)
    elif not isinstance(marginalize, Iterable):
        raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
    else:
        chosen, is_required = list(marginalize), True
        for name in chosen:
            if name not in finite:
                raise ModelError(
                    f"{name!r} cannot be summed out; the finite discrete latent variables are "
                    f"{', '.join(finite) or 'none'}.",
                    name,
                )
    if marginalize == "require":
        for name, support in joint.supports.items():
            if support.is_discrete and name not in finite:
                raise DerivationError(
                    f"{name} cannot be summed out: it has infinitely many values, {support}. Give it a bound, "
                    "ppl.Truncated(..., upper=...), or use marginalize='auto', which draws it.",
                    name,
                )
    summed, errors = _sum(joint, [n for n in finite if n in chosen], max_states, is_required=is_required)
    if errors and is_required:
        raise next(iter(errors.values()))
    reasons = {name: str(error.__cause__ or error) for name, error in errors.items()}
    reasons |= {cost.name: _reason(cost) for s in summed.sums for cost in costs_of(s)}
    return summed, reasons


def _sum(
    joint: LogProb, names: Sequence[str], max_states: int, *, is_required: bool
) -> tuple[LogProb, dict[str, DerivationError]]:
    summed, errors = sum_out_all(joint, names, max_states)
    released = _released(joint, summed, errors) if errors and not is_required else {}
    if not released:
        return summed, errors
    left = [n for n in names if n not in released and n not in errors]
    summed, others = sum_out_all(joint, left, max_states)
    return summed, {**errors, **released, **others}


def _released(joint: LogProb, summed: LogProb, errors: Mapping[str, DerivationError]) -> dict[str, DerivationError]:
    """Return sums over many states that cost others their laws: of binomial in binomial counts all can be drawn."""
    large = [n for n in summed.summed if _num_states(joint, n) > MOST_VALUES]
    tied = [
        n
        for n in large
        if any(
            depends_on(t, [joint.values[n]]) and depends_on(t, [joint.values[m]])
            for t in joint.terms.values()
            for m in errors
        )
    ]
    together = [*errors, *tied]
    if not tied or not all(_has_law(joint, name) for name in together):
        return {}
    return {
        n: DerivationError(f"{n} takes many values, and {', '.join(errors)} would have no law without it", n)
        for n in tied
    }


def _num_states(joint: LogProb, name: str) -> int:
    states = states_of(joint, name)
    return 0 if states is None else len(states)


def _has_law(joint: LogProb, name: str) -> bool:
    return find_conditional(joint.logdensity, joint.values[name], support=joint.supports[name])[0] is not None


def _reason(cost: Cost) -> str:
    elements = f", {cost.elements} elements" if cost.elements > 1 else ""
    return (
        f"{cost.states} states{elements} {cost.how}"
        if cost.width == 1
        else f"{cost.states} states{elements}: {cost.how}"
    )


def _assignment(joint: LogProb, name: str, method: Method, reason: str) -> Assignment:
    shape = tuple(int(n) for n in joint.values[name].type.shape)
    return Assignment(name, method, reason, shape, joint.supports[name])


def _depends_on_summed(graph: TensorVariable, model: Model, assignments: Mapping[str, Assignment]) -> bool:
    summed = [model.latent[n] for n, a in assignments.items() if a.method == "marginalize"]
    return bool(summed) and depends_on(graph, summed)
