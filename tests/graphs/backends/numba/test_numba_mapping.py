"""Rows that threads share have the values of NumPy, draws do not depend on threads, and errors come out of them.

Answers: NumPy's values, row by row; for draws, those of one thread.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from graphs.backends import get_backend
from graphs.backends.numba import mapping
from graphs.errors import SamplingError
from tests.graphs.backends.test_callbacks import BlackBox

X = pt.tensor("x", shape=(3,), dtype="float64")
K = pt.tensor("k", shape=(), dtype="int64")
ROWS = np.random.default_rng(1).normal(size=(2000, 3))


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(mapping, "LEAST_SECONDS", 0.0)


@pytest.mark.parametrize(("backend", "num_rows"), [("c", 65), *(("numba", n) for n in (0, 1, 64, 65, 2000))])
def test_values(backend, num_rows):
    rows, counts = ROWS[:num_rows], np.arange(num_rows)
    function = get_backend(backend).shared_map([X, K], [pt.exp(X) * K, K + 1])
    for num_threads in (1, 3):
        product, next_one = function([rows, counts], num_threads)
        np.testing.assert_allclose(product, np.exp(rows) * counts[:, None], rtol=1e-14)
        np.testing.assert_array_equal(next_one, counts + 1)


def test_draws():
    rng = pt.random.rng("rng")
    _, draw = rng.normal(X, 2.0)
    fill = get_backend("numba").fill([X], [draw], rng)
    found = []
    for num_threads in (1, 3):
        parts = [(slice(i, i + 700), np.random.default_rng(i)) for i in range(0, 2000, 700)]
        out = np.empty((2000, 3))
        fill(out, [ROWS], parts, num_threads)
        found.append(out)
    np.testing.assert_array_equal(*found)
    assert stats.kstest(((found[0] - ROWS) / 2.0).ravel(), "norm").pvalue > 1e-4


def test_what_a_thread_raises_is_raised():
    def refused(x):
        if x[0] == ROWS[1500, 0]:
            raise ValueError("odd")
        return x

    function = get_backend("numba").shared_map([X], [BlackBox(refused, [pt.TensorType("float64", (3,))])(X)])
    with pytest.raises(SamplingError, match="BlackBox"):
        function([ROWS], 3)
