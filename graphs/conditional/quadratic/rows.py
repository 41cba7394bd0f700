"""From a log-density that is a sum of squares to the rows of its least squares, where these are few.

The squares are found where they were written: those of ``(x - mean) / scale`` in a normal density. A precision matrix
made of them holds the square of the ratio of scales, and forgets the small ones; the rows hold the ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable
from scipy.sparse import csr_matrix

from graphs.conditional.expanding.coefficients import number
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.families.row_normal import RowNormal
from graphs.conditional.families.sparse_normal import SparseNormal
from graphs.conditional.points import finite_values
from graphs.conditional.quadratic.degree import HIGHEST, degree_of
from graphs.conditional.quadratic.factored import factored, with_zeros
from graphs.conditional.quadratic.quadratic import products_of, sum_of
from graphs.conditional.verify import find_discrepancy
from graphs.optional import optional
from graphs.sparse.pattern import Pattern, find_pattern, find_probes
from graphs.sparse.rows import RowPattern
from graphs.supports import REAL, Support
from graphs.surgery.random_graph import depends_on
from graphs.surgery.rebuilding import substitute

LONGEST_DENSE = 16
"""Of longer vectors whose elements all depend on each other, libraries are much faster than loops over positions."""
MOST_TIMES = 4
"""Products of elements of rows, at most, for each one of the factor: more would be felt."""
_SEED = 20261201
_POINTS = 3
_ROUNDINGS = 16
"""So many are left, of a column, where a triangular matrix has nothing."""


@optional("rows of a normal law", otherwise=lambda *_: None)
def row_law(
    terms: Mapping[str, TensorVariable], law: MultivariateNormal | SparseNormal, supports: Mapping[Variable, Support]
) -> RowNormal | None:
    """Return a normal law by the rows of its least squares; None where a log-density is written in no such form.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        Of the log-density, by name; shape ().
    law : MultivariateNormal or SparseNormal
        The law of its variable.
    supports : mapping of Variable to Support
        Of the other variables.
    """
    x = law.variable
    is_sparse = isinstance(law, SparseNormal)
    pattern = law.pattern if isinstance(law, SparseNormal) else _dense_pattern(int(np.prod(x.type.shape)))
    if pattern is None:
        return None
    probes = find_probes(_adjacency(pattern))[0] if is_sparse else np.eye(pattern.size)
    blocks: list[_RowBlock] = []
    slices: dict[str, tuple[slice | None, ...]] = {}
    at = 0
    for name, term in terms.items():
        residuals = _residuals_of(term, x, supports) if depends_on(term, [x]) else []
        found = [_block(r, x, probes, supports) for r in residuals or []]
        if residuals is None or any(block is None for block in found):
            return None
        for block in found:
            assert block is not None
            kept = None if block.is_short else slice(at, at + block.num_rows)
            slices[name] = (*slices.get(name, ()), kept)
            blocks.append(block)
            at += block.num_rows
    offsets = np.cumsum([0, *(b.num_rows for b in blocks)])
    row = np.concatenate([b.row + start for b, start in zip(blocks, offsets, strict=False)])
    column = np.concatenate([b.column for b in blocks])
    lengths = np.bincount(row, minlength=at)
    if (lengths * (lengths + 1)).sum() > 2 * MOST_TIMES * (pattern.num_operations + len(pattern.rows)):
        return None
    rows = RowPattern.of(row, column, at, pattern)
    elements, right = (pt.concatenate(parts) for parts in ([b.elements for b in blocks], [b.right for b in blocks]))
    by_rows = RowNormal(x, {"elements": elements, "right": right}, rows, is_sparse, slices)
    total = pt.add(*terms.values(), 0.0)
    is_right = find_discrepancy(total, by_rows, {**supports, x: REAL}) is None
    return by_rows if is_right else None


def _residuals_of(
    term: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]
) -> list[TensorVariable] | None:
    """Return vectors, half the sum of whose squares is what a term lacks, and nothing else that depends on x."""
    squares = squares_of(term, [x])
    free = {s: s.type.clone()() for s in squares}
    [rest] = substitute([term], dict(free))
    stand_ins = list(free.values())
    if not squares or depends_on(rest, [x]) or degree_of(rest, stand_ins) != 1:
        return None
    weights = simplify(pytensor.grad(rest, stand_ins))
    # Squares with weights of their own are rare: a normal density has one half of each.
    seen = next(finite_values(weights, supports, np.random.default_rng(_SEED), _POINTS), None)
    if seen is None or not all((weight == -0.5).all() for weight in seen):
        return None
    return [root_of(square).ravel() for square in squares]


def squares_of(total: TensorVariable, variables: Sequence[Variable]) -> list[TensorVariable]:
    """Return the squares in a graph that are quadratic in variables."""
    return [out for node in toposort([total]) for out in _square(node) if degree_of(root_of(out), variables) == 1]


def _square(node: Apply) -> list[TensorVariable]:
    """Return the output of a node that squares."""
    op = node.op
    if not isinstance(op, Elemwise):
        return []
    is_power = isinstance(op.scalar_op, ps.Pow) and number(node.inputs[1]) == HIGHEST
    return list(node.outputs) if is_power or isinstance(op.scalar_op, ps.Sqr) else []


def root_of(square: TensorVariable) -> TensorVariable:
    """Return what is squared."""
    root: TensorVariable = square.owner.inputs[0]
    return root


class _RowBlock:
    """Rows that were written together: where they have elements, these, and the right side."""

    def __init__(
        self, row: NDArray, column: NDArray, elements: TensorVariable, right: TensorVariable, is_short: bool = False
    ):
        self.row, self.column, self.elements, self.right, self.is_short = row, column, elements, right, is_short
        self.num_rows = int(right.type.shape[0] or 0)


def _block(
    residual: TensorVariable, x: TensorVariable, probes: NDArray[np.float64], supports: Mapping[Variable, Support]
) -> _RowBlock | None:
    """Return the rows of residuals, None where they cannot be told."""
    seen = next(finite_values([residual], supports, np.random.default_rng(_SEED), _POINTS), None)
    if seen is None:
        return None
    count = len(seen[0])
    residual = pt.specify_shape(residual, (count,))
    weight, direction = pt.vector(shape=(count,)), x.type.clone()()
    slope = pytensor.grad((residual * weight).sum(), x)
    moved = pytensor.grad((slope * direction).sum(), weight)
    moved, at_zero = with_zeros([moved, residual], x)
    [moved] = substitute([moved], {weight: pt.zeros(count)})
    [moved, at_zero] = simplify([moved, at_zero])
    terms = [(s, products_of(base, direction, probes)) for s, base in factored(moved, direction)]
    places = _places(moved, direction, probes, supports)
    if places is None:
        return None
    row, column, probe = places
    short = _shortened([p.data for _, p in terms if isinstance(p, Constant)], row, column, probe)
    if short is not None and all(isinstance(p, Constant) for _, p in terms):
        orthogonal, parts = short
        row, column = np.nonzero(np.sum([abs(part) for part in parts], axis=0))
        picked = [(s, pt.constant(part[row, column])) for (s, _), part in zip(terms, parts, strict=True)]
        right = pt.dot(pt.constant(orthogonal.T), -at_zero)
        return _RowBlock(row, column, sum_of(picked, (len(row),)), right, is_short=True)
    picked = [(s, pt.constant(p.data[row, probe]) if isinstance(p, Constant) else p[row, probe]) for s, p in terms]
    return _RowBlock(row, column, sum_of(picked, (len(row),)), -at_zero)


def _shortened(
    products: Sequence[NDArray], row: NDArray, column: NDArray, probe: NDArray
) -> tuple[NDArray, list[NDArray]] | None:
    """Return the orthogonal part of designs of more rows than columns, and what is left of each; else None.

    What is orthogonal to the designs moves no solution, and all of them have the scalars of the same rows.
    """
    columns, place = np.unique(column, return_inverse=True)
    if not products or len(row) != len(products[0]) * len(columns):
        return None
    designs = []
    for product in products:
        dense = np.zeros((len(product), len(columns)))
        dense[row, place] = product[row, probe]
        designs.append(dense)
    joined = np.hstack(designs)
    joined = joined[:, joined.any(axis=0)]
    if joined.shape[1] >= len(joined):
        return None
    orthogonal, _ = np.linalg.qr(joined)
    parts = []
    for dense in designs:
        part = np.zeros((orthogonal.shape[1], int(column.max()) + 1))
        part[:, columns] = orthogonal.T @ dense
        part[abs(part) <= _ROUNDINGS * np.finfo("float64").eps * np.linalg.norm(part, axis=0)] = 0.0
        parts.append(part)
    return orthogonal, parts


def _places(
    moved: TensorVariable, direction: TensorVariable, probes: NDArray[np.float64], supports: Mapping[Variable, Support]
) -> tuple[NDArray, NDArray, NDArray] | None:
    """Return row, column and probe of each element that is not zero, at random points."""
    size = probes.shape[1]
    number_of = np.arange(1.0, size + 1.0)
    shown = [products_of(moved, direction, p) for p in (probes, probes * number_of)]
    rng = np.random.default_rng(_SEED)
    owner: NDArray | None = None
    for plain, numbered in finite_values(shown, supports, rng, _POINTS):
        # One column of each probe is in a row: what is shown of it by its number, less what is shown of it, says which.
        is_there = plain != 0.0
        columns = np.where(is_there, np.rint(numbered / np.where(is_there, plain, 1.0)), 0.0).astype(np.int64)
        owner = columns if owner is None else np.maximum(owner, columns)
    if owner is None or owner.max() > size:
        return None
    row, probe = np.nonzero(owner)
    column = owner[row, probe] - 1
    return (row, column, probe) if (probes[probe, column] == 1.0).all() else None


def _dense_pattern(size: int) -> Pattern | None:
    if size > LONGEST_DENSE:
        return None
    return find_pattern(csr_matrix(np.ones((size, size)) - np.eye(size)))


def _adjacency(pattern: Pattern) -> csr_matrix:
    """Return which elements of a vector are tied, from the elements of its matrix."""
    is_off = pattern.first != pattern.second
    first, second = pattern.first[is_off], pattern.second[is_off]
    ones = np.ones(2 * len(first))
    ties = csr_matrix(
        (ones, (np.concatenate([first, second]), np.concatenate([second, first]))), (pattern.size, pattern.size)
    )
    ties.sort_indices()
    return ties
