"""Lines and triangles of blocks, merged.

Answers: the sum of squares over all rows, in long doubles.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from graphs.compression.cells import one_cell, partition
from graphs.compression.design import Design, Local
from graphs.compression.in_blocks.leaves import Distinct
from graphs.compression.in_blocks.squares_of_blocks import SumOfSquares, projected, triangles_of

N, GROUPS = 240, 5
CENTRE = np.array([0.5, -1.0])
ONE = Distinct([], [], np.zeros(1, np.int64))


def of_rows(group, local, columns, outcome):
    """The statistics of some rows: an intercept and a slope for each group, and two shared columns."""
    size = len(outcome)
    parts = [Local(np.ones(size), is_uniform=True), Local(local.copy())]
    design = Design(parts, np.asfortranarray(columns.copy()), [], outcome.copy())
    cells = partition([group], size)
    lines, left = projected(design, np.ones(size), cells)
    triangles = triangles_of(design.columns, left, CENTRE, one_cell(size))
    kinds = Distinct([group[cells.representatives]], [], np.zeros(len(cells), np.int64))
    return SumOfSquares(kinds, ONE, np.zeros(len(cells), np.int64), lines, triangles, CENTRE)


def value(squares, intercepts, slopes, shared):
    total = np.longdouble(0)
    for group, lines in zip(squares.cells.keys[0], squares.lines, strict=True):
        total += ((lines @ np.array([intercepts[group], slopes[group], *shared, 1.0])) ** 2).sum()
    return total + sum(((t @ [*(shared - CENTRE), 1.0]) ** 2).sum() for t in squares.triangles)


@pytest.mark.parametrize("ends", [(0, N), (0, 1, 2, 100, N), tuple(range(N + 1))])
@pytest.mark.parametrize("kind", ["generic", "one row of a group", "slope explained", "far away"])
def test_squares_are_those_of_all_rows(kind, ends):
    rng = np.random.default_rng(2)
    group = rng.integers(0, GROUPS, N)
    local, columns, outcome = rng.normal(size=N), rng.normal(size=(N, 2)), rng.normal(size=N)
    if kind == "one row of a group":
        group[group == 0], group[17] = 1, 0
    elif kind == "slope explained":
        local = 0.1 * np.ones(N)
    elif kind == "far away":
        outcome = outcome + 1e8
    blocks = [of_rows(group[a:b], local[a:b], columns[a:b], outcome[a:b]) for a, b in pairwise(ends)]
    merged = blocks[0]
    for block in blocks[1:]:
        merged = merged.merged(block)
    intercepts, slopes, shared = rng.normal(size=GROUPS), rng.normal(size=GROUPS), rng.normal(size=2)
    if kind == "far away":
        intercepts = intercepts - 1e8
    rows = np.longdouble(1) * outcome + intercepts[group] + slopes[group] * local + columns @ shared
    assert float(value(merged, intercepts, slopes, shared)) == pytest.approx(float((rows**2).sum()), rel=1e-10)
