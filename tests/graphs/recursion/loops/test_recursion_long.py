"""Long chains: the recursion equals sums of logarithms in extended precision, also where plain numbers underflow.

Answers: sums of logarithms in long doubles, by NumPy.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytest

from graphs.backends import get_backend
from graphs.recursion.paths import forward_recursion
from tests.graphs.recursion.all_paths import Case, potentials
from tests.graphs.recursion.test_recursion import cases_for


def log_of_sum(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the log of the sum of exponentials, in the precision of the values."""
    top = values.max(axis=axis, keepdims=True)
    shift = np.where(np.isinf(top), 0, top)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - shift).sum(axis=axis)) + shift.squeeze(axis)


def in_log_space(arrays: list[np.ndarray], steps: int) -> tuple[float, list[np.ndarray]]:
    """Run forwards and backwards with sums of logs in extended precision, for one series of first order."""
    initial, transition, emission = (array.astype(np.longdouble) for array in arrays)
    ties = np.broadcast_to(transition[:, 0, :, 0, :], (steps, *transition.shape[2::2]))
    added = np.broadcast_to(emission[:, 0], (steps, emission.shape[2]))
    forward = [initial[0]]
    for t in range(steps):
        forward.append(log_of_sum(forward[-1][:, None] + ties[t], 0) + added[t])
    total = log_of_sum(forward[-1], 0)
    backward = np.zeros(initial.shape[1], np.longdouble)
    slopes = [np.zeros(array.shape) for array in arrays]
    for t in range(steps - 1, -1, -1):
        shares = np.exp(forward[t][:, None] + ties[t] + (added[t] + backward) - total)
        slopes[1][t % len(transition), 0, :, 0] += shares
        slopes[2][t % len(emission), 0] += shares.sum(axis=0)
        backward = log_of_sum(ties[t] + added[t] + backward, 1)
    slopes[0][0] = np.exp(forward[0] + backward - total)
    return float(total), slopes


LONG = [
    Case(3000, 1, 2, emission=(True, False)),
    Case(700, 1, 3, 1, (True, False), (True, False)),
    Case(2000, 1, 7, emission=(False, False)),
    Case(400, 1, 17, emission=(True, False)),
]


@cases_for(LONG)
@pytest.mark.parametrize("kind", ["plain", "left_right", "dead_column", "low", "spread", "switching"])
@pytest.mark.parametrize("name", ["c", "numba", pytest.param("jax", marks=pytest.mark.slow)])
def test_long_chains_equal_sums_of_logs(name, kind, case):
    arrays = potentials(kind, case)
    if kind == "switching":
        # Each state in turn becomes more improbable than a float can say.
        arrays[2] = arrays[2] + 40.0 * np.sin(np.arange(arrays[2].shape[0])[:, None, None] / 60 + arrays[2][:1])
        arrays[1] = np.where(np.eye(case.states, dtype=bool)[:, None], 0.0, -600.0 + arrays[1])
    inputs = case.inputs
    total, _ = forward_recursion(*inputs, num_steps=case.steps)
    found, *slopes = get_backend(name).function(inputs, [total, *pytensor.grad(total.sum(), inputs)])(*arrays)
    want, expected = in_log_space(arrays, case.steps)
    np.testing.assert_allclose(found, want, rtol=1e-10)
    for got, exact in zip(slopes, expected, strict=True):
        # Log-potentials of this size are rounded to that, and shares are exponentials of their differences.
        rounding = max(1e-8, 50 * np.finfo(float).eps * abs(want))
        np.testing.assert_allclose(got, exact.astype(float), rtol=rounding, atol=rounding * 0.1 + 1e-9)


@pytest.mark.parametrize("states", [4, 9, 16, 36])
@pytest.mark.parametrize("name", ["c", "numba", pytest.param("jax", marks=pytest.mark.slow)])
def test_many_series_equal_each_by_itself(name, states):
    case = Case(120, 3, states, 1, (False, True), (True, True))
    arrays = potentials("left_right", case)
    inputs = case.inputs
    total, _ = forward_recursion(*inputs)
    found, *slopes = get_backend(name).function(inputs, [total, *pytensor.grad(total.sum(), inputs)])(*arrays)
    for b in range(case.series):
        own = [arrays[0][b : b + 1], *(array[:, b : b + 1] for array in arrays[1:])]
        want, expected = in_log_space(own, case.steps)
        np.testing.assert_allclose(found[b], want, rtol=1e-10)
        for got, exact in zip((slopes[0][b], slopes[1][:, b], slopes[2][:, b]), expected, strict=True):
            np.testing.assert_allclose(got.ravel(), exact.astype(float).ravel(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("states", "width"), [(2, 2), (3, 2), (2, 4)])
@pytest.mark.parametrize("kind", ["plain", "left_right", "spread"])
def test_higher_order_equals_first_order_over_joint_states(kind, states, width):
    case = Case(150, 1, states, width, (True, False))
    arrays = potentials(kind, case)
    inputs = case.inputs
    total, _ = forward_recursion(*inputs)
    found, *slopes = get_backend("numba").function(inputs, [total, *pytensor.grad(total.sum(), inputs)])(*arrays)
    carried = states ** (width - 1)
    a, c, n = np.indices((states, carried, states)).reshape(3, -1)
    joint = np.full((case.steps, 1, states * carried, 1, states * carried), -np.inf)
    joint[:, 0, a * carried + c, 0, c * states + n] = arrays[1][:, 0, a, c, n]
    want, expected = in_log_space([arrays[0], joint, np.tile(arrays[2], carried)], case.steps)
    np.testing.assert_allclose(found, want, rtol=1e-10)
    np.testing.assert_allclose(slopes[0], expected[0], rtol=1e-8, atol=1e-9)
    used = expected[1][:, 0, a * carried + c, 0, c * states + n]
    np.testing.assert_allclose(slopes[1][:, 0, a, c, n], used, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(
        slopes[2][:, 0], expected[2].reshape(-1, carried, states).sum(axis=1), rtol=1e-8, atol=1e-9
    )
