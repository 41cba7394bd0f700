"""Integrals over variables that are normal together, by one factor of their precision matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log, pi, prod

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import csr_matrix

from graphs.bounds.guards import strip_guards
from graphs.conditional import (
    JointNormal,
    Law,
    MultivariateNormal,
    Obstacle,
    ObstacleKind,
    SparseNormal,
    find_joint_normal,
)
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.row_normal import RowNormal
from graphs.conditional.quadratic.joint import split_vector
from graphs.conditional.quadratic.quadratic import quadratic_form
from graphs.conditional.quadratic.rows import row_law
from graphs.conditional.quadratic.sparsity import sparsity_of, ties_of
from graphs.density import LogDensity
from graphs.integral.bordered import BorderedNormal, find_bordered
from graphs.integral.checking import has_changing_factor
from graphs.integral.normal import prior_of
from graphs.integral.step import Factor, Step, held_terms
from graphs.integral.whitened import Coordinate, WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from graphs.remembering import remembered
from graphs.supports import REAL
from graphs.surgery.random_graph import depends_on, named_input
from graphs.surgery.rebuilding import substitute


def in_coordinates(joint: LogProb, names: Sequence[str]) -> tuple[LogDensity, tuple[Coordinate, ...]]:
    """Return a log-density in the coordinates of some variables, and these, each after those its prior depends on.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        Variables on the real line.
    """
    supports = joint.logdensity.supports
    coordinates = _ordered([_coordinate(joint, n) for n in names])
    total = pt.add(*_terms_in_coordinates(joint, coordinates).values(), 0.0)
    moved = {c.x for c in coordinates}
    others = [v for v in joint.values.values() if v not in moved]
    declared = {v: s for v, s in supports.items() if v not in moved} | {c.u: REAL for c in coordinates}
    return LogDensity(total, (*others, *(c.u for c in coordinates)), declared), coordinates


def _terms_in_coordinates(joint: LogProb, coordinates: Sequence[Coordinate]) -> dict[str, TensorVariable]:
    of_x = {v: n for n, v in joint.values.items()}
    supports = joint.logdensity.supports
    terms = {n: strip_guards(pt.sum(t), supports, almost_surely=True) for n, t in joint.terms.items()}
    found: dict[TensorVariable, TensorVariable] = {}
    for c in coordinates:
        mean, scale = substitute([c.mean, c.scale], dict(found))
        found[c.x] = mean + scale * c.u if c.is_whitened else c.u
        if c.is_whitened:
            terms[of_x[c.x]] = -0.5 * (pt.sqr(c.u).sum() + prod(c.x.type.shape) * log(2.0 * pi))
    return dict(zip(terms, substitute(list(terms.values()), dict(found)), strict=True))


def block_step(
    joint: LogProb, names: Sequence[str], refusal: Callable[[Law | Factor], str] | None = None
) -> Step | Obstacle:
    """Return the integral over variables that are normal together.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables.
    refusal : callable, optional
        As for `find_step`: what a factor takes is known before the law is.
    """
    density, coordinates = in_coordinates(joint, names)
    parts = tuple(c.u for c in coordinates)
    ties = ties_of(density.total, parts)
    base: JointNormal | Obstacle | None = bordered_law(density, parts, ties)
    if base is None and refusal is not None:
        why = refusal(_factor(ties, sum(prod(u.type.shape) for u in parts)))
        if why and has_changing_factor(density, parts):
            return Obstacle(why, ObstacleKind.REFUSED)
    base = base or find_joint_normal(density, parts)
    if isinstance(base, Obstacle):
        return base
    base = _by_rows(joint, coordinates, base)
    law = WhitenedNormal(base.variable, base.parameters, coordinates, base)
    modes = split_vector(base.mode(), [c.u for c in coordinates])
    at = law.natural(modes)
    name_of = {joint.values[n]: n for n in names}
    held = held_terms(joint, names, base.law) if isinstance(base.law, RowNormal) else {}
    own, fixed = {}, {**held}
    for c, mode in zip(coordinates, modes, strict=True):
        name = name_of[c.x]
        if not c.is_whitened:
            own[name], fixed[name] = pt.sum(joint.terms[name]), pt.sum(held.get(name, joint.terms[name]))
            continue
        constant = prod(c.x.type.shape) * log(2.0 * pi)
        own[name] = -0.5 * (pt.sqr(mode).sum() + constant)
        # The value is that of the mode; the slopes are those of (x - mean) / scale at a fixed x.
        hold = disconnected_grad
        distance = hold(mode) * (hold(c.scale) / c.scale) + (hold(c.mean) - c.mean) / c.scale
        fixed[name] = -0.5 * (pt.sqr(distance).sum() + constant)
    last = name_of[coordinates[-1].x]
    own[last], fixed[last] = own[last] - base.peak(), fixed[last] - base.peak()
    return Step(tuple(name_of[c.x] for c in coordinates), law, at, own, fixed)


def _factor(ties: csr_matrix | None, num_elements: int) -> Factor:
    """Return what the factor of the precision matrix of elements takes that stand together as they do."""
    sparsity = None if ties is None else sparsity_of(ties)
    if sparsity is None:
        return Factor(num_elements, num_elements**3 // 3, False)
    return Factor(num_elements, sparsity.pattern.num_operations, True)


def bordered_law(density: LogDensity, parts: Sequence[TensorVariable], ties: csr_matrix | None) -> JointNormal | None:
    """Return the law of variables that are small groups beside a few others; None where they are not.

    Parameters
    ----------
    density : LogDensity
        Quadratic in the variables.
    parts : sequence of TensorVariable
        They.
    ties : csr_matrix or None
        Which of their elements stand together (`ties_of`).
    """
    if ties is None:
        return None
    ends = np.cumsum([0, *(prod(u.type.shape) for u in parts)])
    groups = find_bordered(ties, [np.arange(a, b) for a, b in pairwise(ends)])
    if groups is None:
        return None
    stacked = named_input(", ".join(str(u.name) for u in parts), (groups.num_elements,), "float64")
    [joined] = substitute([density.total], dict(zip(parts, split_vector(stacked, parts), strict=True)))
    products, linear = quadratic_form(joined, stacked, groups.probes)
    law = BorderedNormal(stacked, {"products": products, "linear": linear}, groups)
    return JointNormal(stacked, law.parameters, tuple(parts), law)


def _by_rows(joint: LogProb, coordinates: Sequence[Coordinate], base: JointNormal) -> JointNormal:
    """Return a law by the rows of its least squares, where there are any; else as it is."""
    if not isinstance(base.law, MultivariateNormal | SparseNormal):
        return base
    terms = _terms_in_coordinates(joint, coordinates)
    pieces = dict(zip(base.parts, split_vector(base.variable, base.parts), strict=True))
    joined = dict(zip(terms, substitute(list(terms.values()), pieces), strict=True))
    moved = {c.x for c in coordinates}
    law = row_law(joined, base.law, {v: s for v, s in joint.logdensity.supports.items() if v not in moved})
    return base if law is None else JointNormal(base.variable, law.parameters, base.parts, law)


def _coordinate(joint: LogProb, name: str) -> Coordinate:
    x = joint.values[name]
    u = named_input(f"{name} whitened", tuple(int(n) for n in x.type.shape), "float64")
    prior = prior_of(joint, name)
    if isinstance(prior, Obstacle):
        one = pt.constant(np.ones((1,) * x.type.ndim))
        return Coordinate(x, u, pt.zeros_like(one), one, False)
    deviation, supports = [pt.sqrt(prior.variance)], joint.logdensity.supports
    [scale] = remembered(
        ("scale", prior.variance), lambda: strip_guards(simplify(deviation), supports, almost_surely=True)
    )
    return Coordinate(x, u, prior.mean, scale, True)


def _depends(coordinate: Coordinate, variables: Sequence[TensorVariable]) -> bool:
    return any(depends_on(graph, variables) for graph in (coordinate.mean, coordinate.scale))


def _ordered(coordinates: list[Coordinate]) -> tuple[Coordinate, ...]:
    """Return coordinates in an order in which each depends on those before; those in a circle stay as they are."""
    left, found = list(coordinates), list[Coordinate]()
    while left:
        free = [c for c in left if not _depends(c, [o.x for o in left if o is not c])]
        found += free or left
        left = [c for c in left if c not in free] if free else []
    return tuple(found)
