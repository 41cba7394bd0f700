"""Which variables are drawn together, and what goes back to another step than Gibbs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from graphs.augmentation import Augmenter, Group
from graphs.bounds.differentiability import NoGradient
from graphs.conditional import (
    Law,
    Obstacle,
    ObstacleKind,
    find_conditional,
    find_joint_blocks,
    find_joint_normal,
    is_normal,
)
from graphs.errors import DerivationError
from graphs.integral import at_fixed_points
from graphs.joint.joint_logprob import LogProb, strip
from graphs.joint.logprob import unconstrain
from graphs.surgery.random_graph import depends_on
from ppl.planning.plans import BY_GRADIENT, WITHOUT_GRADIENT, WITHOUT_LAW, Assignment

NOT_INTEGRATED = "; not integrated out: "
"""Before why not, in a reason."""


def with_groups(
    summed: LogProb,
    assignments: dict[str, Assignment],
    laws: dict[str, Law],
    augmenter: Augmenter,
    augmented: dict[str, tuple[str, ...]],
    named: Collection[str],
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
    named: Collection[str],
    no_gradient: Mapping[str, NoGradient],
) -> None:
    """Let a variable be moved by another step than Gibbs."""
    laws.pop(name, None)
    augmented.pop(name, None)
    if name in named:
        raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name)
    old = assignments[name]
    continuous = WITHOUT_GRADIENT if name in no_gradient else BY_GRADIENT
    method = WITHOUT_LAW if old.support.is_discrete else continuous
    assignments[name] = replace(old, method=method, reason=f"no full conditional: {reason}", obstacle=None)


def _mixed(
    summed: LogProb,
    assignments: dict[str, Assignment],
    laws: dict[str, Law],
    augmented: dict[str, tuple[str, ...]],
    named: Collection[str],
    no_gradient: Mapping[str, NoGradient],
) -> LogProb:
    """Take what NUTS and RMH move to the real line; correct laws and assignments that this touches.

    If the bounds of a moved variable depend on one that is drawn from a law, then that draw moves the variable's
    natural value too: the law has to hold the value on the real line instead.
    """
    while True:
        moving = [n for n, a in assignments.items() if a.is_stepped and not a.support.is_discrete]
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


def with_fixed_points(summed: LogProb, mixed: LogProb) -> LogProb:
    """Return a log-probability whose gradient does without the points at which integrals evaluate their terms.

    Parameters
    ----------
    summed : LogProb
        In natural space, variables integrated out.
    mixed : LogProb
        The same with what NUTS and RMH move on the real line.
    """
    moving = [n for n in mixed.values if mixed.natural[n] is not mixed.values[n]]
    drawn = [n for n in mixed.values if n not in moving]
    fixed = strip(unconstrain(at_fixed_points(summed), moving), drawn)
    return replace(fixed.replace({fixed.values[n]: mixed.values[n] for n in moving}), values=mixed.values)


def join_normals(summed: LogProb, assignments: dict[str, Assignment], laws: dict[str, Law]) -> None:
    """Let variables that are normal together be drawn together."""
    normal = [n for n, law in laws.items() if is_normal(law)]
    names = {summed.values[n]: n for n in normal}
    for group in find_joint_blocks(summed.logdensity, list(names)):
        law = find_joint_normal(summed.logdensity, group)
        if isinstance(law, Obstacle):
            if law.kind is ObstacleKind.IMPROPER:
                # Each has a law given the others, and would wander off with them.
                own = ", ".join(names[v] for v in group)
                why = f"{own} have no distribution together given the rest, {law.reason}."
                raise DerivationError(why, names[group[0]])
            continue
        for value in group:
            name, others = names[value], ", ".join(names[v] for v in group if v is not value)
            laws[name] = law
            old = assignments[name]
            reason = f"{law.family} full conditional, jointly with {others}{_of_integrals(old)}"
            assignments[name] = replace(old, reason=reason)


def _of_integrals(assignment: Assignment) -> str:
    """Return what was said of why a variable is not integrated out, which stays true however it is drawn."""
    _, word, why = assignment.reason.partition(NOT_INTEGRATED)
    return word + why


def explain_groups(groups: Sequence[Group], assignments: dict[str, Assignment]) -> None:
    """Say of variables that are drawn given auxiliary ones what these are."""
    for group in groups:
        for name, law in group.laws.items():
            others = [n for n, other in group.laws.items() if other is law and n != name]
            jointly = f", jointly with {', '.join(others)}" if others else ""
            old = assignments[name]
            reason = (
                f"{law.family} full conditional{jointly}, with auxiliary variables: {group.what}{_of_integrals(old)}"
            )
            assignments[name] = replace(old, reason=reason)


def _derive_again(mixed: LogProb, name: str, laws: dict[str, Law]) -> bool:
    law, _ = find_conditional(mixed.logdensity, mixed.values[name], support=mixed.supports[name])
    if law is not None:
        laws[name] = law
    return law is not None
