"""Compiled functions as they are written compute what machine code does, to the last digit, and give way to it.

Answers: the machine code of the same function, and NumPy.
"""

from __future__ import annotations

from math import log, sqrt
from types import SimpleNamespace

import numpy as np
import pytest

from graphs.backends.numba.machine_code import plain as room
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.machine_code.plain import loops, performing, plain
from graphs.sparse.dense_kernels import log_determinants


@njit(error_model="numpy")
def _root(x):
    return sqrt(x)


@njit(error_model="numpy")
def _sum_of_roots(x):
    total = 0.0
    for k in range(x.size):
        total += _root(x[k])
    return np.full(1, total / x.size)


def _performed(perform, *inputs):
    storage = [[None]]
    perform(SimpleNamespace(), SimpleNamespace(), inputs, storage)
    return storage[0][0]


def test_what_it_calls_is_plain_too():
    function = plain(_sum_of_roots)
    assert not hasattr(function, "py_func")
    assert function.__globals__["_root"] is _root.py_func
    assert function(np.array([1.0, 4.0])) == 1.5
    assert not _root.signatures


def test_where_python_raises_machine_code_goes_on():
    perform = performing(_sum_of_roots)
    assert _performed(perform, np.array([4.0, 9.0])) == 2.5
    assert not _sum_of_roots.signatures
    assert np.isnan(_performed(perform, np.array([4.0, -1.0])))
    assert np.isnan(_performed(perform, np.zeros(0)))


def test_digits_are_those_of_machine_code():
    rng = np.random.default_rng(1)
    factors = np.tril(rng.lognormal(0, 3, size=(200, 4, 4)))
    np.testing.assert_array_equal(plain(log_determinants)(factors, factors), log_determinants(factors, factors))
    exact = [2.0 * sum(log(f[i, i]) for i in range(4)) for f in factors]
    np.testing.assert_allclose(plain(log_determinants)(factors, factors), exact, rtol=1e-12, atol=1e-12)


def test_what_is_called_often_or_with_much_is_compiled(monkeypatch: pytest.MonkeyPatch):
    used = []

    def compiled(x):
        used.append("compiled")
        return x

    def written(x):
        used.append("as written")
        return x

    compiled.py_func = written
    assert loops(compiled, room.FEWEST_COMPILED) is compiled
    monkeypatch.setattr(room, "FEWEST_COMPILED", 10)
    monkeypatch.setattr(room, "FEWEST_CALLS", 2)
    perform = performing(compiled)
    for size in (4, 10, 6, 1):
        _performed(perform, np.zeros(size))
    assert used == ["as written", "compiled", "as written", "compiled"]
