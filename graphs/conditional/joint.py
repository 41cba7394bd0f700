"""Joint laws of several variables in which a log-density is quadratic together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.degree import HIGHEST, degree_of
from graphs.conditional.expansion import Obstacle
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.quadratic import multivariate_normal_law
from graphs.conditional.simplify import simplify
from graphs.conditional.verify import find_discrepancy
from graphs.density import LogDensity
from graphs.guards import strip_guards
from graphs.random_graph import depends_on
from graphs.rebuilding import substitute
from graphs.supports import REAL

LARGEST_BLOCK = 256
"""Most elements of several variables that are drawn together: a draw costs the third power."""


@dataclass(frozen=True, eq=False)
class JointNormal(MultivariateNormal):
    """Multivariate normal law of several variables; ``variable`` is the vector of all their elements in order.

    Parameters
    ----------
    parts : tuple of TensorVariable
        The variables.
    """

    parts: tuple[TensorVariable, ...] = ()

    def draw_parts(self, rng: Variable) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
        """Return the next generator and a joint draw by variable."""
        next_rng, vector = self.draw(rng)
        return next_rng, dict(zip(self.parts, split(vector, self.parts), strict=True))


def split(vector: TensorVariable, parts: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Take a vector apart into arrays of the shapes of some variables."""
    pieces, start = [], 0
    for part in parts:
        size = prod(part.type.shape)
        pieces.append(vector[start : start + size].reshape(part.type.shape))
        start += size
    return pieces


def joint_normal(logdensity: LogDensity, variables: Sequence[TensorVariable]) -> JointNormal | None:
    """Return the joint law of variables given the rest, None where it is not normal.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        Inputs of it, on the real line and of static shapes.
    """
    supports = dict(logdensity.supports)
    if any(supports.get(v, REAL) != REAL for v in variables):
        return None
    total = strip_guards(logdensity.total, supports)
    size = sum(prod(v.type.shape) for v in variables)
    stacked = pt.tensor(shape=(size,), dtype="float64")
    stacked.name = ", ".join(str(v.name) for v in variables)
    stand_ins: Mapping[Variable, Variable] = dict(zip(variables, split(stacked, variables), strict=True))
    [joined] = substitute([total], stand_ins)
    assert isinstance(joined, TensorVariable)
    law = multivariate_normal_law(joined, stacked)
    if isinstance(law, Obstacle):
        return None
    others = {v: s for v, s in supports.items() if v not in variables}
    if find_discrepancy(joined, law, {**others, stacked: REAL}) is not None:
        return None
    return JointNormal(stacked, law.parameters, tuple(variables))


def find_joint_blocks(
    logdensity: LogDensity, variables: Sequence[TensorVariable], largest: int = LARGEST_BLOCK
) -> list[tuple[TensorVariable, ...]]:
    """Return groups of variables in which a log-density is quadratic together, and that depend on each other.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        Inputs of it that have normal laws of their own.
    largest : int
        Most elements of a group.
    """
    total = strip_guards(logdensity.total, dict(logdensity.supports))
    gradients = {
        v: simplify([g])[0]
        for v, g in zip(variables, pytensor.grad(total, list(variables), disconnected_inputs="ignore"), strict=True)
    }
    groups: list[list[TensorVariable]] = []
    for variable in variables:
        touching = [g for g in groups if any(_are_tied(gradients, variable, other) for other in g)]
        merged = [*(v for g in touching for v in g), variable]
        if touching and _is_joint(total, merged, largest):
            groups = [*(g for g in groups if g not in touching), merged]
            continue
        host = next((g for g in touching if _is_joint(total, [*g, variable], largest)), None)
        if host is None:
            groups.append([variable])
        else:
            host.append(variable)
    return [tuple(sorted(g, key=list(variables).index)) for g in groups if len(g) > 1]


def _are_tied(gradients: Mapping[TensorVariable, TensorVariable], a: TensorVariable, b: TensorVariable) -> bool:
    return depends_on(gradients[a], [b]) or depends_on(gradients[b], [a])


def _is_joint(total: TensorVariable, variables: Sequence[TensorVariable], largest: int) -> bool:
    return sum(prod(v.type.shape) for v in variables) <= largest and degree_of(total, variables) == HIGHEST
