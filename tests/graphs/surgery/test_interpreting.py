"""Graphs are evaluated in NumPy, however many operands an operation has.

Answers: NumPy's sums and products, and a recursion by hand.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from graphs.surgery.interpreting import MOST_OPERANDS, interpret


@pytest.mark.parametrize("count", [2, MOST_OPERANDS, MOST_OPERANDS + 1, 2 * MOST_OPERANDS + 1, 1000])
def test_sums_and_products_of_any_number(count: int) -> None:
    inputs = [pt.dvector(f"x{i}") for i in range(count)]
    values = np.random.default_rng(1).uniform(0.9, 1.1, size=(count, 3))
    found = interpret(inputs, [pt.add(*inputs), pt.mul(*inputs)])(*values)
    np.testing.assert_allclose(found, [values.sum(axis=0), values.prod(axis=0)], rtol=1e-12)


def test_gradient_of_a_recursion() -> None:
    """Exponential smoothing: PyTensor collects its gradient in one long sum."""
    data = np.random.default_rng(1).normal(size=40).cumsum()
    weight, log_scale = pt.dscalars("weight", "log_scale")

    def total(weight, scale):
        level = error = 0.0
        for value in data:
            error = error - 0.5 * ((value - level) / scale) ** 2
            level = weight * value + (1 - weight) * level
        return error

    gradient = pytensor.grad(total(weight, pt.exp(log_scale)), weight)
    found = interpret([weight, log_scale], gradient)(0.3, 0.2)
    step = 1e-6
    expected = (total(0.3 + step, np.exp(0.2)) - total(0.3 - step, np.exp(0.2))) / (2 * step)
    assert found == pytest.approx(expected, rel=1e-6)
