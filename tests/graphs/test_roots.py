"""Reciprocals and logarithms of square roots.

Answers: NumPy's square roots and logarithms; slopes and their slopes by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.backends.c import COMPILED
from graphs.backends.numba import compile_program
from graphs.roots import log_sqrt, reciprocal_sqrt

AT = np.array([1e-30, 0.3, 1.0, 7.0, 4e20])
EXPECTED = {
    "reciprocal": (reciprocal_sqrt, 1 / np.sqrt(AT), -0.5 * AT**-1.5, 0.75 * AT**-2.5),
    "logarithm": (log_sqrt, np.log(np.sqrt(AT)), 0.5 / AT, -0.5 * AT**-2),
}


@pytest.mark.parametrize("backend", ["numba", "c"])
@pytest.mark.parametrize("name", EXPECTED)
def test_values_and_slopes(name: str, backend: str) -> None:
    operation, *expected = EXPECTED[name]
    x = pt.tensor("x", shape=(5,))
    value: Any = operation(x)
    slope = pytensor.grad(value.sum(), x)
    outputs = [value, slope, pytensor.grad(slope.sum(), x)]
    if backend == "numba":
        found = np.split(compile_program([x], outputs)(AT)[1], 3)
    else:
        found = pytensor.function([x], outputs, mode=COMPILED)(AT)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
