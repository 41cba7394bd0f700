"""Normal laws of many small groups that are independent given a few variables: all groups at once, without a factor.

Effects of groups and the coefficients that all groups share have a precision matrix of small blocks, one for each
group, and a border. Element by element of a block, for all blocks together, it is eliminated by operations on vectors;
what is left is as large as the border. A loop over positions of a sparse factor takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, solve_triangular
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from graphs.conditional import Law

MOST_IN_BORDER = 16
"""Most elements that stand beside the groups: one vector operation for each, and pair of them, for each of a group."""
MOST_IN_GROUP = 4
FEWEST_GROUPS = 4


@dataclass(frozen=True, eq=False)
class BorderedGroups:
    """Which elements of a vector are groups, and which stand beside them.

    Parameters
    ----------
    members : (number, size) int64 array
        The elements of each group.
    border : (m,) int64 array
        The others.
    """

    members: NDArray[np.int64]
    border: NDArray[np.int64]

    @property
    def num_elements(self) -> int:
        """Length of the vector."""
        return self.members.size + len(self.border)

    @property
    def num_factor(self) -> int:
        """How many numbers the factor of a matrix of this pattern has."""
        (number, size), beside = self.members.shape, len(self.border)
        return number * (size * (size + 1) // 2 + size * beside) + beside * (beside + 1) // 2

    @property
    def num_operations(self) -> int:
        """How many multiplications that takes: each column's elements below the diagonal, by pairs."""
        (number, size), beside = self.members.shape, len(self.border)
        below = [size - 1 - i + beside for i in range(size)]
        return number * sum(n * (n + 1) // 2 + n for n in below) + beside**3 // 3

    @property
    def probes(self) -> NDArray[np.float64]:
        """Vectors whose products with a matrix show its elements: (size + m, length)."""
        size = self.members.shape[1]
        found = np.zeros((size + len(self.border), self.num_elements))
        for i in range(size):
            found[i, self.members[:, i]] = 1.0
        found[size + np.arange(len(self.border)), self.border] = 1.0
        return found


def find_bordered(ties: csr_matrix, parts: Sequence[NDArray[np.int64]]) -> BorderedGroups | None:
    """Return groups of one size that are tied to each other by a few elements only, None where there are none.

    Parameters
    ----------
    ties : (n, n) csr_matrix
        Which elements stand together in a summand of a log-density.
    parts : sequence of int64 array
        The elements of each variable: the border is some of the variables, the smaller ones.
    """
    border = np.zeros(0, np.int64)
    for part in [np.zeros(0, np.int64), *sorted(parts, key=len)]:
        border = np.concatenate([border, part])
        if len(border) > min(MOST_IN_BORDER, ties.shape[0] // 2):
            return None
        rest = np.setdiff1d(np.arange(ties.shape[0]), border)
        number, label = connected_components(ties[rest][:, rest], directed=False)
        size = len(rest) // number if number else 0
        if number >= FEWEST_GROUPS and 0 < size <= MOST_IN_GROUP and (np.bincount(label) == size).all():
            return BorderedGroups(rest[np.argsort(label, kind="stable")].reshape((number, size)), border)
    return None


@dataclass(frozen=True, eq=False)
class BorderedNormal(Law):
    """Multivariate normal law in natural form, ``exp(linear' x - x' precision x / 2)``, by groups and a border.

    Parameters
    ----------
    groups : BorderedGroups
        Which elements these are; ``products`` in the parameters, shape (n, size + m), are those of the precision matrix
        with the probes of the groups, ``linear`` has shape (n,).
    """

    groups: BorderedGroups

    domain = "a positive definite precision"
    improper_draws_are_nan = True

    @property
    def family(self) -> str:
        """Name of the family."""
        number, size = self.groups.members.shape
        beside = f" beside {len(self.groups.border)}" if len(self.groups.border) else ""
        return f"{number} x MultivariateNormal[{size}]{beside}" if size > 1 else f"{number} x Normal{beside}"

    @cached_property
    def _eliminated(self) -> _GroupsGone:
        return _eliminated(self.parameters["products"], self.parameters["linear"], self.groups)

    @property
    def condition(self) -> TensorVariable:
        """Whether the precision matrix is positive definite."""
        e = self._eliminated
        positive = [pt.all(pivot > 0) for pivot in e.pivots]
        positive += [pt.all(pt.diagonal(e.factor) > 0)] if e.factor is not None else []
        return pt.all(pt.stack(positive))

    @property
    def diagonal(self) -> TensorVariable:
        """The diagonal of the factor of the precision matrix, in the order of the elements; shape (n,)."""
        e, found = self._eliminated, pt.zeros((self.groups.num_elements,))
        for i, pivot in enumerate(e.pivots):
            found = found[self.groups.members[:, i]].set(pt.sqrt(pivot))
        return found if e.factor is None else found[self.groups.border].set(pt.diagonal(e.factor))

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode; shape ()."""
        e = self._eliminated
        half = [0.5 * pt.log(pivot).sum() for pivot in e.pivots]
        half += [pt.log(pt.diagonal(e.factor)).sum()] if e.factor is not None else []
        peak: TensorVariable = pt.add(*half, -0.5 * self.groups.num_elements * log(2.0 * pi))
        return peak

    def mean(self) -> TensorVariable:
        """Return the mean."""
        return self._solved([None] * len(self._eliminated.pivots), None)

    def mode(self) -> TensorVariable:
        """Return the mode."""
        return self.mean()

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``; shape ()."""
        away = value - self.mean()
        members, size = self.groups.members, self.groups.members.shape[1]
        products = self.parameters["products"]
        # Q v, from the columns that the probes show: each row of a group has its own ones.
        border = (
            pt.dot(products[:, size:], away[self.groups.border]) if len(self.groups.border) else pt.zeros_like(away)
        )
        inside = [
            pt.add(*(products[members[:, i], j] * away[members[:, j]] for j in range(size)), 0.0) for i in range(size)
        ]
        square = pt.add(*(pt.dot(away[members[:, i]], inside[i] + border[members[:, i]]) for i in range(size)))
        if len(self.groups.border):
            # The border's own rows: with the groups by symmetry, and with itself.
            ends = away[self.groups.border]
            across = pt.add(*(pt.dot(away[members[:, i]], border[members[:, i]]) for i in range(size)))
            square = square + across + pt.dot(ends, border[self.groups.border])
        return self.peak() - 0.5 * square

    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw."""
        next_rng, noise = rng.normal(0.0, 1.0, size=(self.groups.num_elements,))
        members = self.groups.members
        inside = [noise[members[:, i]] for i in range(members.shape[1])]
        return next_rng, self._solved(inside, noise[self.groups.border])

    def _solved(self, inside: Sequence[TensorVariable | None], beside: TensorVariable | None) -> TensorVariable:
        """Solve the triangular systems backwards, with noise of which the inverse precision is the covariance."""
        e, groups = self._eliminated, self.groups
        found: TensorVariable = pt.zeros((groups.num_elements,))
        ends: TensorVariable | None = None
        if e.factor is not None:
            white = e.right_of_border if beside is None else e.right_of_border + beside
            ends = solve_triangular(e.factor.T, white, lower=False, b_ndim=1)
            found = pt.set_subtensor(found[groups.border], ends)
        values: dict[int, TensorVariable] = {}
        for i in reversed(range(len(e.pivots))):
            right = e.rights[i]
            for j, later in values.items():
                right = right - e.ties[i, j] * later
            if ends is not None:
                right = right - pt.dot(e.borders[i], ends)
            noise = inside[i]
            values[i] = right / e.pivots[i] + (0.0 if noise is None else noise / pt.sqrt(e.pivots[i]))
            found = pt.set_subtensor(found[groups.members[:, i]], values[i])
        return found


@dataclass(frozen=True, eq=False)
class _GroupsGone:
    """What is left of each element of a group when those before it are eliminated, for all groups at once.

    Parameters
    ----------
    pivots : list of TensorVariable
        Of each element, shape (number,).
    ties : dict of (int, int) to TensorVariable
        Between an element and a later one.
    borders : list of TensorVariable
        With the border, shape (number, m).
    rights : list of TensorVariable
        Linear coefficients.
    factor : TensorVariable or None
        Of what is left of the border.
    right_of_border : TensorVariable
        Its linear coefficients, divided by the factor.
    """

    pivots: list[TensorVariable]
    ties: dict[tuple[int, int], TensorVariable]
    borders: list[TensorVariable]
    rights: list[TensorVariable]
    factor: TensorVariable | None
    right_of_border: TensorVariable


def _eliminated(products: TensorVariable, linear: TensorVariable, groups: BorderedGroups) -> _GroupsGone:
    members, size = groups.members, groups.members.shape[1]
    has_border = bool(len(groups.border))
    ties = {(i, j): products[members[:, i], j] for i in range(size) for j in range(i, size)}
    borders = [products[members[:, i]][:, size:] for i in range(size)]
    rights = [linear[members[:, i]] for i in range(size)]
    own, right = products[groups.border][:, size:], linear[groups.border]
    for i in range(size):
        pivot = ties[i, i]
        for j in range(i + 1, size):
            share = ties[i, j] / pivot
            for k in range(j, size):
                ties[j, k] = ties[j, k] - share * ties[i, k]
            rights[j] = rights[j] - share * rights[i]
            borders[j] = borders[j] - share[:, None] * borders[i]
        if has_border:
            scaled = borders[i] / pivot[:, None]
            own = own - pt.dot(borders[i].T, scaled)
            right = right - pt.dot(scaled.T, rights[i])
    factor = cholesky(own, lower=True, on_error="nan") if has_border else None
    white = right if factor is None else solve_triangular(factor, right, lower=True, b_ndim=1)
    return _GroupsGone([ties[i, i] for i in range(size)], ties, borders, rights, factor, white)
