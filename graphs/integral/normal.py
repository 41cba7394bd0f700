"""Integrals over normal variables whose elements are independent given the rest, in a form that holds at any scale.

Of a variable with the prior ``Normal(m, v)`` the other terms are ``c + l x - p x^2 / 2``. They are largest at
``x* = l / p``, and the integral is what they are there, less

    p (x* - m)^2 / (2 (1 + v p)) + log(1 + v p) / 2.

Nothing cancels in it, nor in its derivatives, whether the scale of the prior goes to zero or to infinity: where the
data of a group are few the first term does not matter, and where they are many its scale does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.basic import Alloc
from pytensor.tensor.variable import TensorConstant, TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional import Normal, Obstacle
from graphs.conditional.expanding.expander import Expander
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.recognize import shaped
from graphs.integral.priors import besides
from graphs.integral.step import Step
from graphs.joint.joint_logprob import LogProb
from graphs.remembering import remembered
from graphs.supports import REAL
from graphs.surgery.random_graph import depends_on

_LINEAR, _SQUARE = (("x", 1.0),), (("x", 2.0),)


def normal_step(joint: LogProb, name: str) -> Step | Obstacle:
    """Return the integral over a variable that is normal, and whose other terms are quadratic, element by element.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    x, prior = joint.values[name], prior_of(joint, name)
    if isinstance(prior, Obstacle):
        return prior
    rest = quadratic_of_others(joint, name)
    if isinstance(rest, Obstacle):
        return rest
    mean, variance = prior.mean, prior.variance
    linear, precision = rest.linear, rest.precision
    spread = variance * precision
    is_informed = pt.gt(precision, 0.0)
    best = pt.switch(is_informed, linear / pt.switch(is_informed, precision, 1.0), mean)
    parameters = {
        "mean": mean + variance * (linear - precision * mean) / (1.0 + spread),
        "variance": variance / (1.0 + spread),
        "best": best,
        "integral": -0.5 * (precision * pt.sqr(best - mean) / (1.0 + spread) + pt.log1p(spread)),
    }
    found = shaped(x, parameters)
    law = Normal(x, {"mean": found["mean"], "variance": found["variance"]})
    integral = pt.sum(found["integral"]) + prior.besides
    return Step((name,), law, {x: found["best"]}, {name: integral}, is_elementwise=True)


@dataclass(frozen=True)
class Prior:
    """The normal density that a term of a variable is, element by element.

    Parameters
    ----------
    mean, variance : TensorVariable
        Of shapes that are repeated to that of the variable.
    besides : TensorVariable
        What the term has besides; shape ().
    """

    mean: TensorVariable
    variance: TensorVariable
    besides: TensorVariable


def prior_of(joint: LogProb, name: str) -> Prior | Obstacle:
    """Return the mean and the variance of the prior of a variable whose elements are normal, each by itself.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    if joint.supports[name] != REAL or name not in joint.terms:
        return Obstacle("it is not on the real line")
    return remembered(("prior", joint.values[name], joint.terms[name]), lambda: _prior_of(joint, name))


def _prior_of(joint: LogProb, name: str) -> Prior | Obstacle:
    x, supports = joint.values[name], joint.logdensity.supports
    own = strip_guards(pt.sum(joint.terms[name]), supports, almost_surely=True)
    prior = quadratic_of(own, x, joint)
    if isinstance(prior, Obstacle):
        return Obstacle("its prior is not normal, element by element")
    if isinstance(prior.precision, TensorConstant) and not np.any(prior.precision.data):
        return Obstacle("its prior is flat")
    # Quotients are simplified before they get the shape of the variable: scales that are in both go.
    # Each by itself: nothing is cancelled in what is used twice.
    [mean], [variance] = simplify([prior.linear / prior.precision]), simplify([1.0 / prior.precision])
    density = Normal(x, shaped(x, {"mean": mean, "variance": variance}))
    return Prior(mean, variance, besides(own, density, supports))


@dataclass(frozen=True)
class Quadratic:
    """A log-density ``linear x - precision x^2 / 2``, element by element.

    Parameters
    ----------
    linear, precision : TensorVariable
        Of the shape of x, or of one that is repeated to it.
    """

    linear: TensorVariable
    precision: TensorVariable


def quadratic_of_others(joint: LogProb, name: str) -> Quadratic | Obstacle:
    """Return the coefficients of all terms in a variable, its own left out, where they are quadratic in it.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    x = joint.values[name]
    others = [pt.sum(t) for n, t in joint.terms.items() if n != name and depends_on(t, [x])]
    total = strip_guards(pt.add(*others, 0.0), joint.logdensity.supports, almost_surely=True)
    return quadratic_of(total, x, joint)


def quadratic_of(total: TensorVariable, x: TensorVariable, joint: LogProb) -> Quadratic | Obstacle:
    """Return the coefficients of a log-density in a variable, where it is quadratic, element by element.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        The variable.
    joint : LogProb
        Which knows the supports.
    """
    natural = Expander(x, REAL, joint.logdensity.supports).natural_parameters(total)
    if isinstance(natural, Obstacle):
        return natural
    if not natural.keys() <= {_LINEAR, _SQUARE}:
        return Obstacle("the other terms are not quadratic in it")
    zero = pt.constant(np.zeros((1,) * x.type.ndim))
    linear, square = map(_unrepeated, simplify([natural.get(_LINEAR, zero), natural.get(_SQUARE, zero)]))
    [precision] = simplify([-2.0 * square])
    return Quadratic(linear, precision)


def _unrepeated(graph: TensorVariable) -> TensorVariable:
    """Return the array of which a graph is copies, of as many axes."""
    while graph.owner is not None and isinstance(graph.owner.op, Alloc):
        value = graph.owner.inputs[0]
        graph = pt.shape_padleft(value, graph.type.ndim - value.type.ndim)
    return graph
