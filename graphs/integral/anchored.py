"""Integrals by the law alone: a log-density less that of the law, at a point that the law chooses."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Obstacle, find_law, is_normal
from graphs.integral.step import Step
from graphs.joint.joint_logprob import LogProb


def anchored_step(joint: LogProb, name: str) -> Step | Obstacle:
    """Return the integral over a variable that has a law of any family.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    x = joint.values[name]
    law = find_law(joint.logdensity, x)
    if isinstance(law, Obstacle):
        return law
    own = _own(joint, name)
    if is_normal(law):
        return Step((name,), law, {x: law.mode()}, {name: own - law.peak()})
    return Step((name,), law, {x: law.anchor()}, {name: own - pt.sum(law.logprob(x))})


def _own(joint: LogProb, name: str) -> TensorVariable:
    own: TensorVariable = pt.sum(joint.terms[name]) if name in joint.terms else pt.constant(0.0)
    return own
