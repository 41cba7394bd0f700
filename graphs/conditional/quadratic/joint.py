"""Joint laws of several variables in which a log-density is quadratic together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import csr_matrix

from graphs.bounds.guards import strip_guards
from graphs.conditional.expanding.expansion import Obstacle
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.families.normal import Normal
from graphs.conditional.families.sparse_normal import SparseNormal
from graphs.conditional.law import Law
from graphs.conditional.quadratic.degree import HIGHEST, degree_of
from graphs.conditional.quadratic.quadratic import multivariate_normal_law
from graphs.conditional.quadratic.sparsity import sparsity_of, ties_of
from graphs.conditional.verify import find_discrepancy
from graphs.density import LogDensity
from graphs.optional import optional
from graphs.supports import REAL
from graphs.surgery.rebuilding import substitute

LARGEST_BLOCK = 256
"""Most elements of several variables that are drawn together by a dense matrix: a draw costs the third power."""
MOST_OPERATIONS = 4_000_000
"""So many operations of a sparse factor are too many."""


@dataclass(frozen=True, eq=False)
class JointNormal(Law):
    """Multivariate normal law of several variables; ``variable`` is the vector of all their elements in order.

    Parameters
    ----------
    parts : tuple of TensorVariable
        The variables.
    law : Law
        Of the vector: `MultivariateNormal`, `SparseNormal`, or another normal one.
    """

    parts: tuple[TensorVariable, ...]
    law: Law

    improper_draws_are_nan = True

    @property
    def family(self) -> str:
        """Name of the family."""
        return self.law.family

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        return self.law.condition

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return self.law.domain

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        return self.law.logprob(value)

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw of the vector."""
        return self.law.draw_graph(rng)

    def draw_parts(self, rng: Variable) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
        """Return the next generator and a joint draw by variable."""
        next_rng, vector = self.draw_graph(rng)
        return next_rng, dict(zip(self.parts, split_vector(vector, self.parts), strict=True))

    def mean(self) -> TensorVariable:
        """Return the mean of the vector."""
        return self.law.mean()

    def mode(self) -> TensorVariable:
        """Return the mode of the vector."""
        return self.law.mode()

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode; shape ()."""
        return self.law.peak()


def is_normal(law: Law) -> bool:
    """Whether a law is normal, of one or many elements."""
    return isinstance(law, Normal | MultivariateNormal | SparseNormal)


def split_vector(vector: TensorVariable, parts: Sequence[TensorVariable]) -> list[TensorVariable]:
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
    law = find_joint_normal(logdensity, variables)
    return None if isinstance(law, Obstacle) else law


@optional("the joint law of variables", otherwise=lambda why, *_: Obstacle(why))
def find_joint_normal(logdensity: LogDensity, variables: Sequence[TensorVariable]) -> JointNormal | Obstacle:
    """Return the joint law of variables given the rest, or why there is none.

    Parameters
    ----------
    logdensity, variables
        As for :func:`joint_normal`.
    """
    supports = dict(logdensity.supports)
    if any(supports.get(v, REAL) != REAL for v in variables):
        return Obstacle("some are not on the real line")
    total = strip_guards(logdensity.total, supports)
    size = sum(prod(v.type.shape) for v in variables)
    stacked = pt.tensor(shape=(size,), dtype="float64")
    stacked.name = ", ".join(str(v.name) for v in variables)
    stand_ins: Mapping[Variable, Variable] = dict(zip(variables, split_vector(stacked, variables), strict=True))
    [joined] = substitute([total], stand_ins)
    assert isinstance(joined, TensorVariable)
    law = multivariate_normal_law(joined, stacked)
    if isinstance(law, Obstacle):
        return law
    others = {v: s for v, s in supports.items() if v not in variables}
    discrepancy = find_discrepancy(joined, law, {**others, stacked: REAL})
    return discrepancy or JointNormal(stacked, law.parameters, tuple(variables), law)


@optional("groups of variables", otherwise=lambda *_, **__: [])
def find_joint_blocks(logdensity: LogDensity, variables: Sequence[TensorVariable]) -> list[tuple[TensorVariable, ...]]:
    """Return groups of variables in which a log-density is quadratic together, and that depend on each other.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    variables : sequence of TensorVariable
        Inputs of it that have normal laws of their own.
    """
    if len(variables) < 2:
        return []
    blocks = _Blocks(logdensity, variables)
    groups: list[list[TensorVariable]] = []
    for component in blocks.components():
        groups += [component] if blocks.is_joint(component) else _grown(component, blocks)
    return [tuple(sorted(g, key=list(variables).index)) for g in groups if len(g) > 1]


def _grown(variables: Sequence[TensorVariable], blocks: _Blocks) -> list[list[TensorVariable]]:
    """Return groups to which variables were added one by one, as long as these are normal together."""
    groups: list[list[TensorVariable]] = []
    for variable in variables:
        touching = [g for g in groups if not blocks.ties[variable].isdisjoint(g)]
        merged = [*(v for g in touching for v in g), variable]
        if touching and blocks.is_joint(merged):
            groups = [*(g for g in groups if g not in touching), merged]
            continue
        host = next((g for g in touching if blocks.is_joint([*g, variable])), None)
        if host is None:
            groups.append([variable])
        else:
            host.append(variable)
    return groups


class _Blocks:
    """Decides which variables can be drawn together."""

    def __init__(self, logdensity: LogDensity, variables: Sequence[TensorVariable]):
        self.total = strip_guards(logdensity.total, dict(logdensity.supports))
        self.variables = list(variables)
        gradients = pytensor.grad(self.total, self.variables, disconnected_inputs="ignore")
        self.ties: dict[TensorVariable, set[TensorVariable]] = {v: set() for v in variables}
        """Which variables depend on each other given the rest."""
        for variable, gradient in zip(variables, simplify(gradients), strict=True):
            for other in self.ties.keys() & explicit_graph_inputs([gradient]):
                self.ties[variable].add(other)
                self.ties[other].add(variable)
        sizes = [prod(v.type.shape) for v in variables]
        ends = np.cumsum(sizes)
        self.elements = {v: np.arange(e - n, e) for v, e, n in zip(variables, ends, sizes, strict=True)}
        self._ties: csr_matrix | None = None
        self._has_ties = False

    def components(self) -> list[list[TensorVariable]]:
        """Return the variables in groups that do not depend on each other, in order."""
        left, found = list(self.variables), []
        while left:
            reached, waiting = {left[0]}, [left[0]]
            while waiting:
                new = self.ties[waiting.pop()] - reached
                reached |= new
                waiting += new
            found.append([v for v in left if v in reached])
            left = [v for v in left if v not in reached]
        return found

    def is_joint(self, variables: Sequence[TensorVariable]) -> bool:
        """Whether variables are normal together, and cheap to draw together."""
        if degree_of(self.total, variables) != HIGHEST:
            return False
        return sum(len(self.elements[v]) for v in variables) <= LARGEST_BLOCK or self._is_sparse(variables)

    def _is_sparse(self, variables: Sequence[TensorVariable]) -> bool:
        if not self._has_ties:
            self._ties, self._has_ties = ties_of(self.total, self.variables), True
        if self._ties is None:
            return False
        elements = np.concatenate([self.elements[v] for v in variables])
        return sparsity_of(self._ties[elements][:, elements], MOST_OPERATIONS) is not None
