"""Hostile data: large offsets, nearly equal columns, perfect fits, weights of all sizes, against long doubles.

Answers: sums in long doubles, by NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import ppl
from graphs.compression import compressed
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret

ROWS = 400
RNG = np.random.default_rng(3)
NOISE = RNG.normal(size=ROWS)
Z = RNG.normal(size=(ROWS, 4))
T = np.linspace(0.0, 1.0, ROWS)
GROUP = RNG.integers(0, 7, ROWS)
ONES = np.ones((ROWS, 1))


def nearly_equal() -> Any:
    """Columns that differ by a part in ten million."""
    return np.hstack([ONES, Z[:, :1], Z[:, :1] + 1e-7 * Z[:, 1:2]])


# The design, the coefficients from which the data come, the size of the noise, and the known scales of rows.
CASES: dict[str, tuple[Any, Any, float, Any]] = {
    "offset of the outcome": (ONES, [1e6], 1.0, 1.0),
    "larger offset": (ONES, [1e9], 1e-2, 1.0),
    "offset of a column": (np.hstack([ONES, 1e6 + Z[:, :1]]), [1.0, 0.5], 1.0, 1.0),
    "offsets without an intercept": (1e5 + Z, [1.0, -2.0, 0.5, 0.7], 1.0, 1.0),
    "columns of all sizes": (Z * [1e-8, 1.0, 1e4, 1e8], [1e8, 1.0, 1e-4, 1e-8], 1.0, 1.0),
    "nearly equal columns": (nearly_equal(), [1.0, 2.0, 3.0], 1.0, 1.0),
    "polynomial of degree nine": (T[:, None] ** np.arange(10), np.arange(10.0) - 4, 0.1, 1.0),
    "nearly perfect fit": (np.hstack([ONES, Z]), [1.0, 2.0, 3.0, 4.0, 5.0], 1e-6, 1.0),
    "weights of all sizes": (np.hstack([ONES, Z]), [1.0, 2.0, 3.0, 4.0, 5.0], 1.0, 10.0 ** RNG.uniform(-4, 4, ROWS)),
    "rank deficient": (np.hstack([ONES, Z, Z[:, :2]]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 1.0, 1.0),
}


def long_double(x: Any, y: Any, scales: Any, b: Any, s: float) -> tuple[float, Any]:
    """Return the normal log-likelihood and its gradient in b, summed in long doubles."""
    x, y, b = (np.asarray(v, np.longdouble) for v in (x, y, b))
    sigma = np.longdouble(s) * np.asarray(scales, np.longdouble) * np.ones(len(y), np.longdouble)
    r = (y - (x * b).sum(axis=1)) / sigma
    value = (-r * r / 2 - np.log(sigma) - np.log(2 * np.longdouble(np.pi)) / 2).sum()
    return float(value), ((r / sigma)[:, None] * x).sum(axis=0)


@pytest.mark.parametrize("name", CASES)
def test_against_long_doubles(name):
    x, b, noise, scales = CASES[name]
    x, b = np.asarray(x, float), np.asarray(b, float)
    y = x @ b + noise * NOISE * scales
    beta, s = ppl.Flat("beta", size=len(b)), ppl.HalfFlat("s")
    before = logprob(ppl.Model({ppl.Normal("y", pt.dot(pt.constant(x), beta), s * scales): y}), space="natural")
    after, found = compressed(before)
    assert [c.name for c in found] == ["y"]
    values = [before.values["beta"], before.values["s"]]
    evaluate = interpret(values, [after.terms["y"], *pytensor.grad(after.terms["y"], values[:1])])
    lengths = np.linalg.norm(x / np.reshape(scales * np.ones(ROWS), (ROWS, 1)), axis=0)
    for size in (0.0, 1.0, 30.0):
        # Errors of the coefficients as large as the noise leaves them, and larger.
        point = b + size * noise * RNG.normal(size=len(b)) / lengths
        value, gradient = evaluate(point, np.asarray(1.3 * noise))
        expected, slope = long_double(x, y, scales, point, 1.3 * noise)
        # Both sides start from coefficients that are rounded, as is every product in a row.
        assert value == pytest.approx(expected, rel=1e-10)
        error = np.abs(gradient - slope.astype(float)) / lengths * (1.3 * noise)
        assert error.max() < 1e-8 * np.sqrt(ROWS)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e8])
def test_groups_with_offsets(offset):
    """Means of groups are subtracted before anything is squared."""
    y = offset * (1 + GROUP) + NOISE
    a, s = ppl.Flat("a", size=7), ppl.HalfFlat("s")
    before = logprob(ppl.Model({ppl.Normal("y", a[GROUP], s): y}), space="natural")
    after, _ = compressed(before)
    values = [before.values["a"], before.values["s"]]
    evaluate = interpret(values, [after.terms["y"], *pytensor.grad(after.terms["y"], values[:1])])
    point = offset * (1.0 + np.arange(7)) + 0.2 * RNG.normal(size=7)
    value, gradient = evaluate(point, np.asarray(0.9))
    x = (GROUP[:, None] == np.arange(7)).astype(float)
    expected, slope = long_double(x, y, 1.0, point, 0.9)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(gradient, slope.astype(float), rtol=0, atol=1e-6 if offset else 1e-10)


def test_sums_of_many_numbers():
    """Ten million equal additions would lose four digits if they were made one after the other."""
    rng = np.random.default_rng(0)
    y, group = rng.exponential(size=1_000_000), rng.integers(0, 3, 1_000_000)
    lam = ppl.Gamma("lam", 2, 2, size=3)
    before = logprob(ppl.Model({ppl.Exponential("y", lam[group]): y}), space="natural")
    after, _ = compressed(before)
    rates = np.array([0.5, 1.0, 1.7])
    counts, sums = np.bincount(group), [np.sum(y[group == g].astype(np.longdouble)) for g in range(3)]
    expected = float((counts * np.log(rates.astype(np.longdouble)) - rates * np.array(sums)).sum())
    value = interpret([before.values["lam"]], after.terms["y"])(rates)
    assert float(value) == pytest.approx(expected, rel=1e-14)
