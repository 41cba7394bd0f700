"""Wrong integrals: the check that each goes through has to reject them.

Answers: integrals made wrong by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytensor.tensor as pt
import pytest

import graphs
import ppl
from graphs.conditional import Beta, Law, Obstacle
from graphs.integral import Step, find_step, with_step
from graphs.integral import integrating as module
from graphs.integral.checking import find_fault
from graphs.integral.whitened import WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from tests.graphs.integral import conjugate_cases, family_cases, normal_cases
from tests.laws.integrals import Case

Mutate = Callable[[Step], Step]


def law_with(**changes: Callable[..., object]) -> Mutate:
    """Change parameters of the law, and what follows from them."""

    def mutate(step: Step) -> Step:
        parameters = {n: changes.get(n, lambda g: g)(g) for n, g in step.law.parameters.items()}
        return replace(step, law=replace(step.law, parameters=parameters))

    return mutate


def of_base(**changes: Callable[..., object]) -> Mutate:
    """Change parameters of the normal law of several."""

    def mutate(step: Step) -> Step:
        assert isinstance(step.law, WhitenedNormal)
        inner = step.law.base.law
        parameters = {n: changes.get(n, lambda g: g)(g) for n, g in inner.parameters.items()}
        base = replace(step.law.base, law=replace(inner, parameters=parameters))
        return replace(step, law=replace(step.law, base=base))

    return mutate


def own_plus(amount: float) -> Mutate:
    """Add to what becomes of the term of a variable."""
    return lambda step: replace(step, own={**step.own, step.names[-1]: step.own[step.names[-1]] + amount})


def own_times(factor: float) -> Mutate:
    return lambda step: replace(step, own={n: factor * t for n, t in step.own.items()})


def lost_term(step: Step) -> Step:
    """The prior is forgotten."""
    return replace(step, own=dict.fromkeys(step.own, pt.constant(0.0)))


def moved_point(step: Step) -> Step:
    """Terms are evaluated elsewhere than the rest of the integral is of."""
    return replace(step, at={v: g + 0.01 for v, g in step.at.items()})


def wrong_coordinate(**changes: Callable[..., object]) -> Mutate:
    def mutate(step: Step) -> Step:
        first, *others = step.law.coordinates
        wrong = replace(first, **{n: change(getattr(first, n)) for n, change in changes.items()})
        return replace(step, law=replace(step.law, coordinates=(wrong, *others)))

    return mutate


def swapped(step: Step) -> Step:
    law = step.law
    assert isinstance(law, Law)
    return replace(
        step, law=Beta(law.variable, dict(zip(law.parameters, reversed(law.parameters.values()), strict=True)))
    )


ELEMENTS = {
    "mean off": law_with(mean=lambda g: g + 0.01),
    "mean of the other sign": law_with(mean=lambda g: -g),
    "variance off": law_with(variance=lambda g: 1.01 * g),
    "variance halved": law_with(variance=lambda g: g / 2),
    "standard deviation for variance": law_with(variance=pt.sqrt),
    "precision for variance": law_with(variance=lambda g: 1 / g),
    "lost prior": lost_term,
    "lost normaliser": own_plus(0.5 * np.log(2 * np.pi)),
    "prior twice": own_times(2.0),
    "evaluated elsewhere": moved_point,
}
TOGETHER = {
    "mean off": of_base(linear=lambda g: g + 0.01),
    "mean of the other sign": of_base(linear=lambda g: -g),
    "precision off": of_base(precision=lambda g: 1.01 * g, products=lambda g: 1.01 * g),
    "a lost observation": of_base(precision=lambda g: g - 0.01 * pt.eye(9), products=lambda g: g - 0.01),
    "lost prior": lost_term,
    "lost normaliser": own_plus(4.5 * np.log(2 * np.pi)),
    "evaluated elsewhere": moved_point,
    "coordinates of another scale": wrong_coordinate(scale=lambda g: 1.1 * g),
    "coordinates of the variance": wrong_coordinate(scale=pt.sqr),
    "coordinates of another mean": wrong_coordinate(mean=lambda g: g + 0.1),
}
CHANCE = {
    "failures for successes": swapped,
    "a prior of one": law_with(alpha=lambda g: g + 1.0),
    "a lost observation": law_with(beta=lambda g: g - 0.5),
    "lost prior": lost_term,
    "lost normaliser": own_plus(0.3),
}
GAMMA = {
    "scale for rate": law_with(rate=lambda g: 1 / g),
    "shape off by one": law_with(shape=lambda g: g + 1),
    "lost exposure": law_with(rate=lambda g: g - 0.3),
    "lost prior": lost_term,
    "lost normaliser": own_plus(-0.2),
}
COUNT = {
    "rate off": law_with(rate=lambda g: 1.1 * g),
    "shift off": law_with(shift=lambda g: g + 1),
    "lost prior": lost_term,
    "lost normaliser": own_plus(0.2),
}
MATRIX = {
    "degrees off by one": law_with(degrees_of_freedom=lambda g: g + 1),
    "scale for its inverse": law_with(inverse_scale=lambda g: pt.linalg.inv(g)),
    "half the scatter": law_with(inverse_scale=lambda g: 0.5 * g),
    "lost prior": lost_term,
}
SUITES: dict[str, tuple[Callable[[], Case], tuple[str, ...], dict[str, Mutate]]] = {
    "elements": (normal_cases.groups, ("theta",), ELEMENTS),
    "together": (normal_cases.crossed, ("first", "second", "mu"), TOGETHER),
    "chance": (conjugate_cases.beta_binomial, ("p",), CHANCE),
    "gamma": (conjugate_cases.negative_binomial, ("rate",), GAMMA),
    "counts": (family_cases.poisson_thinned, ("n",), COUNT),
    "matrix": (family_cases.wishart, ("precision",), MATRIX),
}


def fault(joint: LogProb, step: Step) -> Obstacle | None:
    return find_fault(joint.total, with_step(joint, step).total, step, joint.logdensity.supports)


@pytest.mark.parametrize("suite", list(SUITES))
def test_wrong_integrals_are_rejected(suite: str) -> None:
    make, names, mutations = SUITES[suite]
    joint = graphs.logprob(make().model, marginalize=False)
    step = find_step(joint, names)
    assert isinstance(step, Step)
    assert fault(joint, step) is None
    missed = [what for what, mutate in mutations.items() if fault(joint, mutate(step)) is None]
    assert not missed


def test_a_wrong_integral_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.normal_step

    def wrong(joint: LogProb, name: str) -> Step | Obstacle:
        step = right(joint, name)
        return step if isinstance(step, Obstacle) else own_plus(0.1)(step)

    monkeypatch.setattr(module, "normal_step", wrong)
    theta = ppl.Normal("theta", 0.3, ppl.HalfNormal("tau", 1.0), size=3)
    model = ppl.Model({ppl.Normal("y", theta, 1.0): [0.3, 1.2, -0.4]})
    with pytest.raises(graphs.DerivationError, match="theta cannot be integrated out: its law, Normal, does not leave"):
        graphs.logprob(model, marginalize=["theta"])
