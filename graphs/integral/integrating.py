"""Integrate variables out of a joint log-probability, one after the other, and draw them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law, Obstacle, ObstacleKind
from graphs.integral.anchored import anchored_step
from graphs.integral.blocks import block_step
from graphs.integral.checking import are_the_same, find_fault
from graphs.integral.field import field_step
from graphs.integral.normal import normal_step
from graphs.integral.step import Factor, Step
from graphs.integral.whitened import WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute


@optional("an integral", otherwise=lambda why, *_, **__: Obstacle(why))
def find_step(
    joint: LogProb, names: tuple[str, ...], refusal: Callable[[Law | Factor], str] | None = None
) -> Step | Obstacle:
    """Return the integral over variables, checked at random points, or why there is none.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : tuple of str
        The variables.
    refusal : callable, optional
        Of a law, or of a factor that one would need: why integrals by it are not wanted, or nothing where they are.
    """
    step = _derived(joint, names, refusal)
    if isinstance(step, Obstacle):
        return step
    why = refusal(step.law) if refusal is not None else ""
    if why:
        return Obstacle(why, ObstacleKind.REFUSED)
    step = _closed(step)
    after = with_step(joint, step)
    fault = find_fault(joint.total, after.total, step, joint.logdensity.supports)
    if fault is None and step.fixed and not are_the_same(after.total, at_fixed_points(after).total, after):
        return replace(step, fixed={})
    return fault or step


def _derived(joint: LogProb, names: tuple[str, ...], refusal: Callable[[Law | Factor], str] | None) -> Step | Obstacle:
    """Return the integral over variables in the first form that it has; what the last form says where it has none."""
    if len(names) > 1:
        return block_step(joint, names, refusal)
    step: Step | Obstacle = normal_step(joint, names[0])
    for form in (field_step, anchored_step):
        if isinstance(step, Obstacle):
            step = form(joint, names[0])
    return step


def with_step(joint: LogProb, step: Step) -> LogProb:
    """Return a log-probability from which the variables of an integral are gone.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    step : Step
        The integral.
    """
    changed = {**joint.terms, **step.own}
    names = [n for n, term in changed.items() if depends_on(term, step.at)]
    closed = dict(zip(names, substitute([changed[n] for n in names], step.at), strict=True))
    left = {n: v for n, v in joint.values.items() if n not in step.names}
    return replace(
        joint,
        terms={**changed, **closed},
        values=left,
        natural={n: joint.natural[n] for n in left},
        supports={n: joint.supports[n] for n in left},
        integrals=(*joint.integrals, step),
        opened={**(joint.opened or joint.terms), **step.own, **step.fixed},
    )


def at_fixed_points(joint: LogProb) -> LogProb:
    """Return the same log-probability, in whose gradient the points at which terms are evaluated count as constants.

    That changes no gradient, since no term depends on these points but in the rounding; it is only of less work. Second
    derivatives would be wrong.

    Parameters
    ----------
    joint : LogProb
        In natural space, variables integrated out.
    """
    resolved: dict[Variable, Variable] = {}
    for step in reversed(joint.integrals):
        points = substitute(list(step.at.values()), resolved)
        for value, point in zip(step.at, points, strict=True):
            resolved[value] = point if value.type.dtype.startswith("int") else disconnected_grad(point)
    names = list(joint.opened)
    terms = dict(zip(names, substitute([joint.opened[n] for n in names], resolved), strict=True))
    return replace(joint, terms=terms) if terms else joint


def drawn_back(
    integrals: Sequence[Step], rng: Variable, known: Mapping[Variable, Variable]
) -> tuple[Variable, dict[str, TensorVariable]]:
    """Return the next generator and a draw of all that was integrated out, given the rest, as graphs.

    Parameters
    ----------
    integrals : sequence of Step
        In the order in which they were taken.
    rng : Variable
        A generator.
    known : mapping of Variable to Variable
        What the values of the rest are.
    """
    found: dict[Variable, Variable] = dict(known)
    draws: dict[str, TensorVariable] = {}
    for step in reversed(integrals):
        parts = [step.law.variable] if not isinstance(step.law, WhitenedNormal) else list(step.law.parts)
        next_rng, *drawn = _draw(step, rng)
        rng, *new = substitute([next_rng, *drawn], {**found})
        for name, value, draw in zip(step.names, parts, new, strict=True):
            found[value] = draws[name] = pt.as_tensor(draw)
    return rng, draws


def _draw(step: Step, rng: Variable) -> list[Variable]:
    law = step.law
    if isinstance(law, WhitenedNormal):
        next_rng, parts = law.draw_parts(rng)
        drawn = [next_rng, *parts.values()]
    else:
        drawn = list(law.draw_graph(rng))
    return substitute(drawn, _without_value(step))


def _closed(step: Step) -> Step:
    """Return the integral, of graphs of what is left, and terms of that and of the values in ``at``."""
    own, fixed = list(step.own), list(step.fixed)
    coordinates = {v: zeros for v, zeros in _without_value(step).items() if v not in step.at}
    terms = substitute([*step.own.values(), *step.fixed.values()], coordinates)
    points = substitute(list(step.at.values()), _without_value(step))
    return replace(
        step,
        at=dict(zip(step.at, points, strict=True)),
        own=dict(zip(own, terms[: len(own)], strict=True)),
        fixed=dict(zip(fixed, terms[len(own) :], strict=True)),
    )


def _without_value(step: Step) -> dict[Variable, Variable]:
    """Return something in the place of each variable of an integral: of its law only its shape may be read."""
    coordinates = step.law.coordinates if isinstance(step.law, WhitenedNormal) else ()
    variables = [*step.at, *(c.u for c in coordinates)]
    return {v: pt.zeros(v.type.shape, dtype=v.type.dtype) for v in variables}
