"""Expected log-probabilities over continuous variables: what the expectation step of EM computes.

Given the parameters a latent variable has a law. The joint log-probability is linear in features of the variable, and
its expectation puts their means under the law in their place; these means are the gradient of the law's log-normaliser
with respect to its natural parameters. Where the variable is normal, the joint is quadratic in it, and its expectation
an average over a few points of the same mean and covariance. The integral over the variable is the joint less the
log-density of the law, at any one value of the variable (Besag's candidate's identity).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import inv
from pytensor.tensor.variable import TensorVariable
from scipy.linalg import null_space

from graphs.bounds.guards import strip_guards
from graphs.conditional.derive import find_conditional
from graphs.conditional.expanding.expander import Expander
from graphs.conditional.expanding.expansion import Monomial, Obstacle
from graphs.conditional.families.block_normal import BlockNormal, from_blocks
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.law import Law
from graphs.conditional.points import draw_in_support
from graphs.conditional.quadratic.blocks import block_normal_law
from graphs.conditional.recognize import recognize
from graphs.density import LogDensity
from graphs.errors import DerivationError
from graphs.supports import POSITIVE, POSITIVE_DEFINITE, REAL, Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import depends_on, named_input
from graphs.surgery.rebuilding import substitute

_LARGEST_SIMPLEX = 4
"""Longest normal vector whose expectations are averages over points: the graph is copied for each."""


@dataclass(frozen=True, eq=False)
class Average:
    """Continuous variables averaged out of a joint log-probability.

    Parameters
    ----------
    log_integral : TensorVariable
        The log of the integral over the variables; shape ().
    expected : TensorVariable
        The expected log-probability, a function of ``features`` instead of the variables; shape ().
    features : tuple of TensorVariable
        Inputs of ``expected``.
    averages : tuple of TensorVariable
        The values of these, graphs of the parameters.
    at_points : tuple of TensorVariable
        The values of these where the variables are known, graphs of the variables.
    supports : mapping of TensorVariable to Support
        Where the features lie.
    laws : mapping of str to Law
        The law of each variable given the parameters.
    """

    log_integral: TensorVariable
    expected: TensorVariable
    features: tuple[TensorVariable, ...]
    averages: tuple[TensorVariable, ...]
    at_points: tuple[TensorVariable, ...]
    supports: Mapping[TensorVariable, Support]
    laws: Mapping[str, Law]


@dataclass(frozen=True, eq=False)
class _Replacement:
    """What replaces one variable: the expectation of a graph, and the inputs of that with their values."""

    expected: TensorVariable
    features: list[TensorVariable]
    averages: list[TensorVariable]
    at_point: list[TensorVariable]
    supports: list[Support]


def average(
    total: TensorVariable, latent: Mapping[str, TensorVariable], supports: Mapping[Variable, Support]
) -> Average:
    """Return the expected log-probability over continuous variables, as a function of the others.

    Parameters
    ----------
    total : TensorVariable
        The joint log-probability; shape ().
    latent : mapping of str to TensorVariable
        The variables.
    supports : mapping of Variable to Support
        Supports of all variables.

    Raises
    ------
    DerivationError
        If one has no law of a known family, or its law depends on another one.
    """
    total = strip_guards(total, supports)
    laws = {name: _law_of(name, total, latent, supports) for name in latent}
    expected = total
    parts: list[_Replacement] = []
    for name, x in latent.items():
        parts.append(_part(name, expected, laws[name], x, supports))
        expected = parts[-1].expected
    points: dict[Variable, Variable] = {x: _point(laws[n], supports.get(x, REAL)) for n, x in latent.items()}
    [joint] = substitute([total], points)
    densities = [pt.sum(law.logprob(pt.as_tensor(points[latent[name]]))) for name, law in laws.items()]
    return Average(
        pt.sub(joint, pt.add(0.0, *densities)),
        expected,
        tuple(f for part in parts for f in part.features),
        tuple(a for part in parts for a in part.averages),
        tuple(a for part in parts for a in part.at_point),
        {f: s for part in parts for f, s in zip(part.features, part.supports, strict=True)},
        laws,
    )


def _law_of(
    name: str, total: TensorVariable, latent: Mapping[str, TensorVariable], supports: Mapping[Variable, Support]
) -> Law:
    x = latent[name]
    law: Law | None = block_normal_law(total, x, supports)
    reason = ""
    if law is None:
        law, reason = find_conditional(LogDensity(total, (), supports), x)
    if law is None:
        raise DerivationError(
            f"The latent variable {name} has no law of a known family given the parameters: {reason}. Declare it with "
            "a conjugate distribution, or maximise over it by leaving it out of `latent`.",
            name,
            x,
        )
    for other, value in latent.items():
        if other != name and depends_on(pt.add(*map(pt.sum, law.parameters.values()), 0.0), [value]):
            raise DerivationError(
                f"The law of {name} given the parameters depends on {other}, which is latent too: there is no exact "
                "expectation over both one by one. Declare them as one variable, normal jointly, or name only one in "
                "`latent`.",
                name,
                x,
            )
    return law


def _part(
    name: str, graph: TensorVariable, law: Law, x: TensorVariable, supports: Mapping[Variable, Support]
) -> _Replacement:
    if isinstance(law, BlockNormal) and law.size <= _LARGEST_SIMPLEX:
        return _over_points(graph, law, x)
    if isinstance(law, BlockNormal | MultivariateNormal):
        return _over_moments(graph, law, x)
    return _over_features(name, graph, law, x, supports)


def _over_points(graph: TensorVariable, law: BlockNormal, x: TensorVariable) -> _Replacement:
    """Average a quadratic over the corners of a simplex: its mean is zero and its covariance the identity."""
    corners = (null_space(np.ones((1, law.size + 1))) * sqrt(law.size + 1))[:, : law.size]
    mean = law.mean()
    shape = (len(corners), *x.type.shape)
    points = named_input(f"{x.name}_points", shape)

    def around(centre: TensorVariable, shifts: list[TensorVariable]) -> TensorVariable:
        rows = [pt.broadcast_to(shift, (law.num_blocks, law.size)) for shift in shifts]
        return pt.stack([centre + from_blocks(row, x, law.core_axes) for row in rows])

    spread = around(mean, [law.spread(pt.constant(corner[None, :])) for corner in corners])
    fixed = around(x, [pt.constant(corner[None, :]) for corner in corners])
    copies = [substitute([graph], {x: points[i]})[0] for i in range(len(corners))]
    return _Replacement(pt.add(*copies) / float(len(corners)), [points], [spread], [fixed], [REAL])


def _over_moments(graph: TensorVariable, law: BlockNormal | MultivariateNormal, x: TensorVariable) -> _Replacement:
    """Take the expectation of a quadratic from the mean and the covariance matrices."""
    precision = law.parameters["precision"]
    mean = x.type.clone()(name=f"{x.name}_mean")
    covariance = named_input(f"{x.name}_covariance", precision.type.shape)
    [at_mean] = substitute([graph], {x: mean})
    is_shared = isinstance(law, BlockNormal) and precision.type.shape[0] == 1
    multiplicity = float(law.num_blocks) if isinstance(law, BlockNormal) and is_shared else 1.0
    expected = pt.as_tensor(at_mean) - 0.5 * multiplicity * (precision * covariance).sum()
    identity = pt.constant(np.broadcast_to(np.eye(int(precision.type.shape[-1])), precision.type.shape).copy())
    return _Replacement(
        expected, [mean, covariance], [law.mean(), inv(precision)], [x, identity], [REAL, POSITIVE_DEFINITE]
    )


def _over_features(
    name: str, graph: TensorVariable, law: Law, x: TensorVariable, supports: Mapping[Variable, Support]
) -> _Replacement:
    """Put means in the place of features; they are the gradient of the log-normaliser."""
    own = supports.get(x, REAL)
    expander = Expander(x, own, supports)
    form, natural = expander.linear_form(graph), Expander(x, own, supports).natural_parameters(graph)
    if isinstance(form, Obstacle) or isinstance(natural, Obstacle):
        reason = form.reason if isinstance(form, Obstacle) else "it has no natural parameters"
        raise DerivationError(f"No expected log-probability over {name} is known: {reason}.", name, x)
    monomials = [m for m in natural if m in expander.features]
    stand_ins = {m: x.type.clone(dtype="float64")() for m in monomials}
    found = recognize(x, stand_ins, own)
    try:
        if isinstance(found, Obstacle):
            raise NotImplementedError(found.reason)
        middle = _middle(x, own)
        log_normalizer = pt.add(
            *(pt.sum(eta * _feature(m, middle)) for m, eta in stand_ins.items()), -pt.sum(found.logprob(middle))
        )
        means = pytensor.grad(log_normalizer, list(stand_ins.values()))
    except NotImplementedError as error:
        raise DerivationError(
            f"The means of the features of {name} under its law {law.family} are not known: {error}.", name, x
        ) from error
    eta = {stand_ins[m]: pt.broadcast_to(natural[m], x.type.shape) for m in monomials}
    averages = substitute(means, eta)
    features = [expander.features[m] for m in monomials]
    for i, feature in enumerate(features):
        feature.name = f"{x.name}_feature_{i + 1}"
    supports_of = [POSITIVE if own.is_positive and all(a == "x" for a, _ in m) else REAL for m in monomials]
    values = [_feature(m, x) for m in monomials]
    return _Replacement(form, features, [pt.as_tensor(a) for a in averages], values, supports_of)


_ATOMS = {
    "x": lambda x: x,
    "log": pt.log,
    "exp": pt.exp,
    "1-x": lambda x: 1.0 - x,
    "log1m": lambda x: pt.log1p(-x),
}


def _feature(monomial: Monomial, x: TensorVariable) -> TensorVariable:
    """Return a feature of a value."""
    factors = [_ATOMS[atom](x) if power == 1 else pt.pow(_ATOMS[atom](x), power) for atom, power in monomial]
    return pt.mul(*factors) if len(factors) > 1 else factors[0]


def _middle(x: TensorVariable, support: Support) -> TensorVariable:
    """Return a value inside the support, at which logarithms vanish where that is possible."""
    shape = [int(n) for n in x.type.shape]
    lower, upper = support.lower, support.upper
    if support.kind == "simplex":
        inside = 1.0 / shape[-1]
    elif np.isfinite(lower) and np.isfinite(upper):
        inside = 0.5 * (lower + upper)
    else:
        inside = lower + 1.0 if np.isfinite(lower) else upper - 1.0 if np.isfinite(upper) else 0.0
    return pt.constant(np.full(shape, inside))


def _point(law: Law, support: Support) -> TensorVariable:
    """Return the mean of a law, or where that is not inside the support a fixed value."""
    mean, middle = law.mean(), _middle(law.variable, support)
    if support == REAL:
        return mean
    is_inside = (mean > support.lower) & (mean < support.upper)
    return pt.switch(is_inside, mean, middle)


def starting_features(
    found: Average, latent: Sequence[TensorVariable], supports: Mapping[Variable, Support], rng: np.random.Generator
) -> list[NDArray]:
    """Return the features at random values of the variables."""
    values = {x: draw_in_support(rng, x, supports.get(x)) for x in latent}
    features = evaluate(list(found.at_points), values)
    assert features is not None
    return [np.ascontiguousarray(f) for f in features]
