"""One integral over variables: what their terms become, and where the other terms are evaluated.

A log-density less that of the law of x given the rest does not depend on x, so that it can be evaluated at any x: at
the law's mode, where nothing cancels. There, too, its derivatives are those at a fixed x: what the rest does to the
mode changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from pytensor.gradient import disconnected_grad
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import JointNormal, Law, MultivariateNormal, SparseNormal
from graphs.conditional.families.row_normal import RowNormal
from graphs.conditional.quadratic.rows import root_of, squares_of
from graphs.integral.bordered import BorderedNormal
from graphs.integral.field_normal import FieldNormal
from graphs.integral.whitened import WhitenedNormal
from graphs.joint.joint_logprob import LogProb
from graphs.sparse.pattern import Pattern
from graphs.surgery.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class Step:
    """An integral over one variable, or over several together.

    Parameters
    ----------
    names : tuple of str
        The variables.
    law : Law
        Of the variable given all that was not integrated out before; of the vector of all elements, where there are
        several.
    at : mapping of TensorVariable to TensorVariable
        For each value that was integrated out, the point at which the terms are evaluated.
    own : mapping of str to TensorVariable
        What becomes of the terms of the variables, by name: graphs of what is left, and of the values in ``at``.
    """

    names: tuple[str, ...]
    law: Law
    at: Mapping[TensorVariable, TensorVariable]
    own: Mapping[str, TensorVariable]
    fixed: Mapping[str, TensorVariable] = field(default_factory=dict)
    """The same for gradients in which the point does not move, where that is not what ``own`` is."""
    is_elementwise: bool = False
    """Whether the elements are independent given the rest, each of its own."""

    @property
    def num_elements(self) -> int:
        """How many numbers are integrated out."""
        return sum(prod(int(n) for n in value.type.shape) for value in self.at)

    @property
    def num_factor(self) -> int:
        """How many numbers the factor of the precision matrix has; one for each element where these are independent."""
        law = innermost(self.law)
        if isinstance(law, SparseNormal | RowNormal):
            return len(_pattern_of(law).rows)
        if isinstance(law, BorderedNormal):
            return law.groups.num_factor
        if isinstance(law, MultivariateNormal | FieldNormal):
            return self.num_elements * (self.num_elements + 1) // 2
        return self.num_elements

    @property
    def num_operations(self) -> int:
        """How many multiplications the factor takes."""
        law = innermost(self.law)
        if isinstance(law, SparseNormal | RowNormal):
            return _pattern_of(law).num_operations
        if isinstance(law, BorderedNormal):
            return law.groups.num_operations
        return self.num_elements**3 // 3 if isinstance(law, MultivariateNormal | FieldNormal) else self.num_elements


@dataclass(frozen=True)
class Factor:
    """The factor of the precision matrix of elements that are normal together, before their law is derived.

    Parameters
    ----------
    num_elements : int
        How many numbers are integrated out.
    num_operations : int
        How many multiplications it takes.
    is_sparse : bool
        Whether these are made in loops over positions.
    """

    num_elements: int
    num_operations: int
    is_sparse: bool


def innermost(law: Law) -> Law:
    """Return the law of the vector of a normal law of several variables; any other law."""
    law = law.base if isinstance(law, WhitenedNormal) else law
    return law.law if isinstance(law, JointNormal) else law


def _pattern_of(law: SparseNormal | RowNormal) -> Pattern:
    return law.rows.pattern if isinstance(law, RowNormal) else law.pattern


def held_terms(joint: LogProb, names: Sequence[str], law: RowNormal) -> dict[str, TensorVariable]:
    """Return terms with the slopes that they have where the mode does not move, at a mode that is rounded.

    Residuals of a mode of double precision are its rounding where a scale is small. Those of the law, h, are of more
    digits, and ``h (2 z - h)`` has the value of ``z^2`` and its slopes.

    Parameters
    ----------
    joint : LogProb
        In natural space.
    names : sequence of str
        The variables of the law.
    law : RowNormal
        Of these, or of coordinates of theirs.
    """
    values = [joint.values[n] for n in names]
    distances = -disconnected_grad(law.residuals())
    found = {}
    for name, slices in law.slices.items():
        squares = squares_of(joint.terms[name], values)
        if len(squares) != len(slices):
            continue
        written = {}
        for square, rows in zip(squares, slices, strict=True):
            if rows is not None:
                z = root_of(square)
                held = distances[rows].reshape(z.shape)
                written[square] = held * (2.0 * z - held)
        [found[name]] = substitute([joint.terms[name]], written)
    return found
