"""Evaluating graphs without compiling them; the answers are mpmath's and NumPy's."""

from __future__ import annotations

import mpmath
import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.scalar.math import Softplus

from graphs.surgery.evaluating import evaluate


def _clip(x):
    return min(max(x, -1), 2)


@pytest.mark.parametrize(
    ("operation", "exact", "points"),
    [
        (
            pt.softplus,
            lambda x: mpmath.log(1 + mpmath.exp(x)),
            [-700.0, -40.0, -37.0, -1.0, 0.0, 17.9, 34.0, 900.0],
        ),
        (pt.log1mexp, lambda x: mpmath.log(1 - mpmath.exp(x)), [-700.0, -30.0, -1.0, -0.6931, -0.5, -1e-9, -1e-300]),
        (pt.tri_gamma, lambda x: mpmath.psi(1, x), [1e-6, 0.3, 1.0, 25.0, 1e5]),
        (lambda x: pt.clip(x, -1.0, 2.0), _clip, [-5.0, -1.0, 0.5, 2.0, 7.0]),
        (lambda x: pt.second(pt.constant(np.zeros((2, 1))), x), lambda x: x, [1.0, 2.0]),
    ],
)
def test_operations_without_a_function_of_numpy_are_exact(operation, exact, points):
    x = pt.vector("x")
    [found] = evaluate([operation(x)], {x: np.array(points)})
    with mpmath.workdps(400):
        expected = np.array([float(exact(mpmath.mpf(point))) for point in points])
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-14)


def test_integers_are_taken_in_the_precision_of_the_result():
    x = pt.vector("x", dtype="int8")
    [found] = evaluate([pt.softplus(x)], {x: np.array([1, -3], "int8")})
    np.testing.assert_allclose(found, np.log1p(np.exp([1.0, -3.0])), rtol=1e-3 if found.dtype == "float16" else 1e-6)


def test_python_is_not_called_for_each_element(monkeypatch):
    monkeypatch.setattr(Softplus, "impl", lambda *_: pytest.fail("called for an element"))
    x = pt.vector("x")
    assert evaluate([pt.softplus(x) + 1.0], {x: np.zeros(1000)})[0].shape == (1000,)
