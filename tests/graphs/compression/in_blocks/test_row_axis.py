"""Axes of rows, and rows that cannot be told apart.

Answers: NumPy's positions in flattened arrays, and models that mix rows by construction.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.compression.in_blocks import NoStatistics, built, recipe_for
from graphs.compression.in_blocks.row_axis import RowAxis
from graphs.errors import ModelError
from graphs.surgery.random_graph import named_input


@pytest.mark.parametrize("shape", [(7,), (7, 3), (2, 7), (2, 7, 3)])
def test_elements_are_those_of_rows(shape):
    axis = RowAxis(7)
    elements = np.arange(np.prod(shape))
    rows, within = axis.split(elements, shape)
    np.testing.assert_array_equal(rows, np.indices(shape)[shape.index(7)].ravel())
    np.testing.assert_array_equal(axis.joined(rows, within, shape), elements)
    pairs = set(zip(rows.tolist(), within.tolist(), strict=True))
    assert len(pairs) == len(elements)


X = np.random.default_rng(0).normal(size=200)
M = pt.dscalar("m")


@pytest.mark.parametrize(
    ("term", "what"),
    [
        (lambda x: -((x - x.mean() - M) ** 2), "depends on other rows"),
        (lambda x: -((pt.cumsum(x) - M) ** 2), "depends on other rows"),
        (lambda x: -((x - M) ** 2) * pt.arange(x.shape[0]), "where it stands"),
        (lambda x: -((x - M) ** 2).sum(), "no sum over rows"),
        (lambda x: -pt.log1p((x - M) ** 2), "distinct"),
    ],
)
def test_what_is_no_sum_over_rows_is_refused(term, what):
    def derive(num_rows, ranges):
        x = named_input("x", (num_rows,))
        return term(x), [x]

    def reduced():
        recipe = recipe_for(derive, 300, [], [X], {})
        return built(recipe, derive, [], recipe.statistics([X]))

    with pytest.raises(NoStatistics, match=what):
        reduced()


def test_indices_outside_of_an_array_are_named():
    a = pt.vector("a", shape=(3,))
    group = np.random.default_rng(0).integers(0, 3, 200)

    def derive(num_rows, ranges):
        g = named_input("group", (num_rows,), "int64")
        return -(a[g] ** 2), [g]

    recipe = recipe_for(derive, 100, [3], [group], {})
    with pytest.raises(ModelError, match=r"group has the index 3, outside of an array of length 3"):
        recipe.statistics([np.append(group, 3)])
