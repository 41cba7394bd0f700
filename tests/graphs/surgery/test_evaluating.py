"""Evaluating graphs without compiling them.

Answers: mpmath and NumPy.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scalar.math import Softplus

from graphs.surgery import evaluating
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


def _loop(w, ys):
    """Return the three results of a loop that carries two numbers along."""

    def step(y, level, slope, w):
        new = w * y + (1 - w) * (level + slope)
        return new, 0.3 * (new - level) + 0.7 * slope, pt.switch(pt.gt(new, 0), pt.exp(-new), pt.clip(slope, -1, 1))

    starts = [pt.constant(np.float64(0.5)), pt.constant(np.float64(0.1)), None]
    return pytensor.scan(step, sequences=[ys], outputs_info=starts, non_sequences=[w], return_updates=False)


def _loop_in_numpy(w, ys):
    level, slope, rows = 0.5, 0.1, []
    for y in ys:
        new = w * y + (1 - w) * (level + slope)
        last = np.exp(-new) if new > 0 else np.clip(slope, -1, 1)
        level, slope = new, 0.3 * (new - level) + 0.7 * slope
        rows.append((level, slope, last))
    return np.transpose(rows)


def test_loops_are_those_of_python():
    w, ys = pt.dscalar("w"), pt.dvector("ys")
    data = np.sin(np.arange(50.0) ** 1.5)
    for weight in (0.3, 0.8):
        found = evaluate(_loop(w, ys), {w: np.array(weight), ys: data})
        np.testing.assert_allclose(found, _loop_in_numpy(weight, data), rtol=1e-14)


def test_a_loop_that_stands_twice_in_a_graph_is_run_once_and_not_for_other_inputs(monkeypatch):
    runs = []
    run = evaluating._perform_scan
    monkeypatch.setattr(evaluating, "_perform_scan", lambda *what: runs.append(what) or run(*what))
    w, v, ys = pt.dscalar("w"), pt.dscalar("v"), pt.dvector("ys")
    data = np.sin(np.arange(50.0) ** 1.5)
    found = evaluate([*_loop(w, ys), *_loop(w, ys), *_loop(v, ys)], {w: np.array(0.3), v: np.array(0.8), ys: data})
    expected = [*_loop_in_numpy(0.3, data), *_loop_in_numpy(0.3, data), *_loop_in_numpy(0.8, data)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert len(runs) == 2
