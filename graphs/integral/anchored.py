"""Integrals by the law alone: a log-density less that of the law, at a point that the law chooses."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional import Law, MultivariateNormal, Obstacle, SparseNormal, find_law, is_normal
from graphs.conditional.quadratic.rows import row_law
from graphs.integral.step import Step, held_terms
from graphs.joint.joint_logprob import LogProb
from graphs.remembering import remembered
from graphs.surgery.random_graph import depends_on


def law_of(joint: LogProb, name: str) -> Law | Obstacle:
    """Return the law of a variable given the rest, or why there is none.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    x = joint.values[name]
    # Its law is read off the terms that hold it: they are the same where others were rewritten.
    terms = (term for term in joint.terms.values() if depends_on(term, [x]))
    return remembered(("law", x, *terms), lambda: find_law(joint.logdensity, x, joint.supports[name]))


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
    law = law_of(joint, name)
    if isinstance(law, Obstacle):
        return law
    own = _own(joint, name)
    if isinstance(law, MultivariateNormal | SparseNormal):
        supports = joint.logdensity.supports
        terms = {n: strip_guards(pt.sum(t), supports, almost_surely=True) for n, t in joint.terms.items()}
        by_rows = row_law(terms, law, {v: s for v, s in supports.items() if v is not x})
        if by_rows is not None:
            held = held_terms(joint, [name], by_rows)
            fixed = {**held, name: pt.sum(held.get(name, own)) - by_rows.peak()}
            return Step((name,), by_rows, {x: by_rows.mode()}, {name: own - by_rows.peak()}, fixed)
    if is_normal(law):
        return Step((name,), law, {x: law.mode()}, {name: own - law.peak()})
    return Step((name,), law, {x: law.anchor()}, {name: own - pt.sum(law.logprob(x))})


def _own(joint: LogProb, name: str) -> TensorVariable:
    own: TensorVariable = pt.sum(joint.terms[name]) if name in joint.terms else pt.constant(0.0)
    return own
