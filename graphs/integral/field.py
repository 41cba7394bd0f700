"""Integrals over vectors that are normal by their covariance matrix, such as the latent values of a Gaussian process.

Of ``x ~ N(m, K)`` the other terms are ``c + l' x - x' P x / 2``, with a diagonal ``P``. They are largest at
``x* = l / P``, and with ``W = sqrt(P)`` the integral is what they are there, less

    (W (x* - m))' B^-1 (W (x* - m)) / 2 + log det B / 2,        B = 1 + W K W.

No eigenvalue of B is less than one, whatever those of K are, which is not factorised.

References
----------
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, MIT Press: section 3.4.3.
"""

from __future__ import annotations

import pytensor.tensor as pt
from pymc.distributions.multivariate import MvNormal
from pytensor.gradient import disconnected_grad
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional import Obstacle
from graphs.integral.field_normal import FieldNormal
from graphs.integral.normal import Quadratic, quadratic_of_others
from graphs.integral.step import Step
from graphs.joint.joint_logprob import LogProb
from graphs.sparse.dense import log_determinants_of
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute

FEWEST = 8
"""Shorter vectors are better off with others in one factor."""


def field_step(joint: LogProb, name: str) -> Step | Obstacle:
    """Return the integral over a normal vector whose elements the other terms see one by one.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    name : str
        The variable.
    """
    prior = covariance_of(joint, name)
    if prior is None:
        return Obstacle("its prior is no normal vector with a covariance matrix")
    x = joint.values[name]
    mean, covariance = strip_guards(list(prior), joint.logdensity.supports, almost_surely=True)
    rest = quadratic_of_others(joint, name)
    if isinstance(rest, Obstacle):
        return rest
    parameters = {"mean": pt.broadcast_to(mean, x.type.shape), "covariance": covariance, **_whole(rest, x)}
    law = FieldNormal(x, parameters)
    determinant = log_determinants_of(law.matrix, law.factor)
    away = law.away
    solved = solve_triangular(law.factor.T, law.whitened, lower=False, b_ndim=1)
    # Where the solution z of B z = a is held, 2 a' z - z' B z has the value and the slopes of a' B^-1 a.
    held = disconnected_grad(solved)
    square = 2.0 * pt.dot(away, held) - pt.dot(held, pt.dot(law.matrix, held))
    integral = -0.5 * (pt.sqr(law.whitened).sum() + determinant)
    return Step((name,), law, {x: law.best}, {name: integral}, {name: -0.5 * (square + determinant)})


def covariance_of(joint: LogProb, name: str) -> tuple[TensorVariable, TensorVariable] | None:
    """Return mean and covariance matrix of a vector whose prior is normal, as graphs of values; None of others."""
    rv, x = joint.graph.latent.get(name), joint.values[name]
    if rv is None or rv.owner is None or not isinstance(rv.owner.op, MvNormal.rv_type) or x.type.ndim != 1:
        return None
    if x.type.shape[0] is None or x.type.shape[0] < FEWEST or name not in joint.terms:
        return None
    stand_ins: dict[Variable, Variable] = {
        v: joint.natural[n] for n, v in joint.graph.latent.items() if n in joint.natural
    }
    stand_ins |= dict(joint.graph.observed.values())
    mean, covariance = substitute(rv.owner.op.dist_params(rv.owner), stand_ins)
    if covariance.type.ndim != 2 or mean.type.ndim != 1:
        return None
    # What was summed or integrated out before has no value here.
    if any(depends_on(graph, list(joint.graph.latent.values())) for graph in (mean, covariance)):
        return None
    return pt.as_tensor(mean), pt.as_tensor(covariance)


def _whole(rest: Quadratic, x: TensorVariable) -> dict[str, TensorVariable]:
    return {
        "linear": pt.broadcast_to(rest.linear, x.type.shape),
        "precision": pt.broadcast_to(rest.precision, x.type.shape),
    }
