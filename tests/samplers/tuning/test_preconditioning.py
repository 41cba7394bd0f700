"""Densities in coordinates of their own, against matrices.

Answers: matrix algebra by NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.backends.numba import compile_program
from graphs.backends.numba.program import call_program
from samplers.chain.metric import Metric
from samplers.chain.programs import BEGIN, LOCATE
from samplers.tuning.preconditioning import PreconditionedFunction, PreconditionedProgram

SIZE, BEFORE = 5, 2
RANDOM = np.random.default_rng(1)
FACTOR = RANDOM.normal(size=(SIZE, SIZE))
ROWS = np.linalg.qr(RANDOM.normal(size=(SIZE, 2)))[0].T.copy()
METRICS = {
    "dense": Metric.dense(FACTOR),
    "low_rank": Metric("low_rank", np.exp(RANDOM.normal(size=SIZE)), ROWS, np.array([2.0, -0.7])),
    "no rank": Metric("low_rank", np.exp(RANDOM.normal(size=SIZE)), ROWS[:0], np.zeros(0)),
}
STATE, COORDINATES = RANDOM.normal(size=BEFORE + SIZE), RANDOM.normal(size=SIZE)
POSITION = np.array([0.3, -0.2, 0.7, 1.1, -0.9])


def factor_of(metric: Metric) -> np.ndarray:
    """The matrix by its definition."""
    if metric.kind == "dense":
        return FACTOR
    inner = np.eye(SIZE) + sum(c * np.outer(u, u) for c, u in zip(metric.coefficients, metric.rows, strict=True))
    return np.diag(metric.scale) @ inner


def density(position: np.ndarray, context: np.ndarray, gradient: np.ndarray) -> float:
    gradient[:] = np.cos(position) * context[0]
    return float(np.sin(position).sum() * context[0])


@pytest.mark.parametrize("name", METRICS)
def test_metric_is_its_matrix(name: str) -> None:
    metric = METRICS[name]
    factor = factor_of(metric)
    rows = RANDOM.normal(size=(4, SIZE))
    np.testing.assert_allclose(metric.factor, factor)
    np.testing.assert_allclose(metric.inverse_mass_matrix, factor @ factor.T)
    np.testing.assert_allclose(metric.variances, np.diag(factor @ factor.T))
    np.testing.assert_allclose(metric.coordinates(rows), rows @ np.linalg.inv(factor).T)
    np.testing.assert_allclose(metric.transformed(rows), rows @ factor)
    np.testing.assert_allclose(metric.gradients(metric.transformed(rows)), rows)


def in_python(metric: Metric) -> Any:
    return PreconditionedFunction(density, SIZE, metric.kind_number, len(metric.rows), metric.numbers)


def evaluated(metric: Metric, backend: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Return value, gradient and position at the coordinates."""
    gradient, position = np.empty(SIZE), np.empty(SIZE)
    if backend == "c":
        function = in_python(metric)
        function.begin(STATE[BEFORE:], STATE, gradient)
        assert not gradient.any()
        function.locate(COORDINATES, STATE, position)
        return function(COORDINATES, STATE, gradient), gradient, position
    x, others = pt.tensor("x", shape=(SIZE,)), pt.tensor("s", shape=(BEFORE + SIZE,))
    plain = compile_program([x], [pt.cos(x) * others[0]], value=pt.sin(x).sum() * others[0], context=[others]).bind()
    program = PreconditionedProgram(plain.row, SIZE, metric.kind_number, len(metric.rows), metric.numbers)
    call_program(program.row, STATE[BEFORE:], STATE, gradient, np.array([BEGIN, 0, 0, 0], np.uint64))
    assert not gradient.any()
    value = call_program(program.row, COORDINATES, STATE, gradient, np.zeros(4, np.uint64))
    call_program(program.row, COORDINATES, STATE, position, np.array([LOCATE, 0, 0, 0], np.uint64))
    return value, gradient, position


@pytest.mark.parametrize("backend", ["c", "numba"])
@pytest.mark.parametrize("name", METRICS)
def test_density_in_coordinates(name: str, backend: str) -> None:
    metric = METRICS[name]
    factor = factor_of(metric)
    expected = STATE[BEFORE:] + factor @ COORDINATES
    inner = np.empty(SIZE)
    expected_value = density(expected, STATE, inner)
    value, gradient, position = evaluated(metric, backend)
    np.testing.assert_allclose(position, expected)
    assert value == pytest.approx(expected_value)
    np.testing.assert_allclose(gradient, factor.T @ inner)
