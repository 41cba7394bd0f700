"""Graphs in which variables are replaced.

Answers: NumPy.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.elemwise import Elemwise

from graphs.surgery.rebuilding import substitute


def test_types_are_found_anew_only_where_they_change(monkeypatch):
    made = []
    original = Elemwise.make_node
    monkeypatch.setattr(Elemwise, "make_node", lambda op, *inputs: made.append(op) or original(op, *inputs))
    x, same, other = pt.dscalar("x"), pt.dscalar("same"), pt.vector("other", shape=(3,))
    graph = x
    for _ in range(50):
        graph = pt.sin(graph) + x
    graph.name = "graph"
    made.clear()
    [alike] = substitute([graph], {x: same})
    assert made == []
    [longer] = substitute([graph], {x: other})
    assert len(made) >= 100
    expected = 0.3
    for _ in range(50):
        expected = np.sin(expected) + 0.3
    assert alike.name == longer.name == "graph"
    assert float(alike.eval({same: 0.3})) == expected
    assert longer.type.shape == (3,)
    np.testing.assert_array_equal(longer.eval({other: np.full(3, 0.3)}), np.full(3, expected))
    assert float(graph.eval({x: 0.3})) == expected


def test_a_shape_that_values_tell_is_found_anew():
    n, x = pt.lscalar("n"), pt.dscalar("x")
    [filled] = substitute([pt.alloc(x, n + 1) * 2.0], {n: pt.constant(np.int64(4))})
    np.testing.assert_array_equal(filled.eval({x: 1.5}), np.full(5, 3.0))
