"""Batches of reads and writes at indices give the values of PyTensor's NumPy implementation.

Answers: PyTensor's implementation in NumPy, node by node.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from tests.graphs.backends.numba.programs import K, M, T, U, X, check

HOLES = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
ROWS = np.array([0, 2])


@pytest.mark.parametrize("is_set", [True, False])
@pytest.mark.parametrize(
    "core",
    [
        lambda x, y, is_set: (x[HOLES].set if is_set else x[HOLES].inc)(y[:8]),
        lambda x, y, is_set: (x[ROWS].set if is_set else x[ROWS].inc)(y[:4]),
        lambda x, y, is_set: (x[:, ROWS].set if is_set else x[:, ROWS].inc)(y[:2]),
        lambda x, y, is_set: (x[1].set if is_set else x[1].inc)(y[:4]),
        lambda x, y, is_set: (x[1:, ::2].set if is_set else x[1:, ::2].inc)(y[:2]),
        lambda x, y, is_set: (x[ROWS, [1, 1]].set if is_set else x[ROWS, [1, 1]].inc)(y[:2]),
        lambda x, y, is_set: (x[ROWS, :][:, 1:].set if is_set else x[ROWS].inc)(y[:1]),
    ],
)
def test_batches_of_writes(core, is_set):
    """Of matrices, of what is written, of both; and where one of them is repeated."""
    x, y = pt.dmatrix("x"), pt.dvector("y")
    write = core(x, y, is_set)
    values = pt.concatenate([X, U])
    rows = pt.stack([values, 2 * values])
    for matrices, vectors in ((T, values), (M, rows), (T, rows), ((M * 2)[None], rows)):
        check(pytensor.graph.replace.vectorize_graph(write, {x: matrices, y: vectors}))


def test_batches_of_reads():
    x = pt.dmatrix("x")
    for read in (x[HOLES], x[ROWS, 1], x[:, ROWS], x[[1, 1, 0]]):
        check(pytensor.graph.replace.vectorize_graph(read, {x: T * 2}))


def test_batches_of_indices():
    """Which differ from each other: called back, if there is no loop for them."""
    x, k = pt.dvector("x"), pt.lvector("k")
    indices = pt.stack([K, K[::-1]])
    for graph in (x[k], x[k].set(1.5), x[k].inc(1.5)):
        check(pytensor.graph.replace.vectorize_graph(graph, {x: pt.stack([X, U]), k: indices}))
