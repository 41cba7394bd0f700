"""Arrays that tell rows apart: none is kept twice; what is kept is counted.

Answers: arrays and counts written beside each case.
"""

from __future__ import annotations

import numpy as np

from graphs.compression import rows
from graphs.compression.rows import Key, _distinct


def test_each_array_is_kept_once_and_data_where_both_are_there():
    first, second = np.arange(40), np.arange(40) // 2
    keys = [Key(first, False), Key(second, False), Key(first.astype(float), True), Key(second.copy(), False)]
    found = _distinct(keys)
    assert [(key.array is first, key.is_data) for key in found] == [(True, False), (False, False), (False, True)]


def test_zeros_of_both_signs_are_equal():
    assert len(_distinct([Key(np.array([0.0, 1.0]), True), Key(np.array([-0.0, 1.0]), True)])) == 1


def test_comparisons_do_not_grow_with_the_square_of_the_columns(monkeypatch):
    count = []
    monkeypatch.setattr(rows, "are_equal", lambda a, b: count.append(1) or np.array_equal(a, b))
    columns = np.eye(300)
    keys = [Key(column, True) for column in [*columns, *columns.copy()]]
    assert len(_distinct(keys)) == 300
    assert len(count) == 300
