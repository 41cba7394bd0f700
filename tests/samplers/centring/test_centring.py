"""Partially centred coordinates: learnt from draws and gradients, and computed from positions and back.

Answers: a normal variable with a normal observation, whose conditional mean and variance are in every textbook; the map
in NumPy, as in tests/laws/transforms.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.backends.numba import compile_program
from samplers.centring.coordinates import CentredFunction, CentredProgram, CoordinateMap
from samplers.centring.observations import (
    CentredTrail,
    as_asked,
    centring_times,
    first_centring,
    gradients_of_positions,
    is_worth_changing,
    learn_centring,
    rows_of_window,
)
from samplers.chain.metric import Centring
from samplers.tuning.preconditioning import PreconditionedFunction, PreconditionedProgram

PRECISION, DATA = np.array([0.0, 0.2, 1.0, 25.0]), np.array([0.0, -1.0, 2.0, 0.5])
# Position: location of two, log-scale, two with coordinates; the first of these is the location of the second.
SIZE, ELEMENTS, LEVELS = 4, np.array([2, 3]), np.array([0, 1])
POSITION, OTHER = np.array([0.4, -0.7, 1.3, -0.2]), 1.5
CENTRING = Centring(np.array([0.3, 0.8]), np.array([1.7, 0.6]), np.array([0.2, -0.5]))


def test_normal_observations_are_found():
    """Of 4000 independent draws: a precision has a relative error of some (2 / 4000)**0.5, allowed five times that."""
    rng = np.random.default_rng(1)
    location, scale = rng.normal(0.5, 1.0, (4000, 1)), np.exp(rng.normal(-0.2, 0.5, (4000, 1)))
    variance = 1 / (1 / scale**2 + PRECISION)
    positions = rng.normal(variance * (location / scale**2 + PRECISION * DATA), np.sqrt(variance))
    scores = -(positions - location) / scale**2
    gradients = scores - PRECISION * (positions - DATA)
    known = np.concatenate([location + 0 * positions, scale + 0 * positions, scores, 0 * scores], axis=1)
    found = learn_centring(known, positions, gradients, Centring(*np.ones((3, 4))))
    unit = np.exp(np.log(scale).mean())
    ratio = found.share / (1 - found.share) / unit**2
    np.testing.assert_allclose(found.scale, unit)
    np.testing.assert_allclose(ratio, PRECISION, rtol=5 * (2 / 4000) ** 0.5)
    assert found.share[0] == found.pull[0] == 0
    # An average of residuals of the observation has an error of one over the root of precision and number.
    np.testing.assert_allclose(found.pull[1:] / found.share[1:], DATA[1:], atol=5 / np.sqrt(0.2 * 4000))


def test_what_tells_nothing_stays():
    before = Centring(np.full(2, 0.4), np.full(2, 3.0), np.full(2, 0.1))
    known = np.concatenate([np.zeros((8, 2)), np.full((8, 2), [np.nan, 1e-200]), np.zeros((8, 4))], axis=1)
    found = learn_centring(known, np.zeros((8, 2)), np.zeros((8, 2)), before)
    for part, expected in zip(found, before, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_what_is_asked_for_and_when_it_changes():
    now = Centring(np.array([0.5, 0.5]), np.ones(2), np.zeros(2))
    asked = as_asked(now._replace(pull=np.ones(2)), np.array([np.nan, 0.0]))
    np.testing.assert_array_equal(asked.share, [0.5, 0.0])
    np.testing.assert_array_equal(asked.pull, [1.0, 0.0])
    assert not is_worth_changing(now, now._replace(share=np.array([0.51, 0.5])))
    assert is_worth_changing(now, now._replace(share=np.array([0.7, 0.5])))
    assert is_worth_changing(now, now._replace(scale=np.array([1.0, 4.0])))
    # The scale of what is not centred is one that metrics learn.
    zero = now._replace(share=np.zeros(2))
    assert not is_worth_changing(zero, zero._replace(scale=np.full(2, 9.0)))


def test_times_leave_metric_and_step_size_theirs():
    assert centring_times(1000, 600) == [15, 30, 60, 120, 240, 480]
    assert centring_times(1000, 40) == [15, 30]
    assert centring_times(20, 20) == centring_times(0, 0) == []
    assert rows_of_window(1000, 10) == 601
    assert rows_of_window(1000, 10**6) < 10


def in_numpy(position: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coordinates and the logarithm of the Jacobian of the way back."""
    mu, log_scale, x, y = position
    found, total = [mu, log_scale], 0.0
    for value, location, share, s, pull in zip((x, y), (mu * OTHER, x), *CENTRING, strict=True):
        ratio = np.exp(log_scale) / s
        k = ratio / np.sqrt(1 - share + share * ratio**2)
        found.append((value - location - k**2 * (pull - share * location)) / k)
        total += np.log(k)
    return np.array(found), total


def density(x: Any, data: list[Any]) -> Any:
    return -(x**2).sum() / 2 + sum((v * x[2:]).sum() for v in data)


def seen(backend: str, is_preconditioned: bool = False) -> Any:
    """Return what computes coordinates, used with another variable of the joint state in between."""
    where = CoordinateMap(SIZE, ELEMENTS, LEVELS, np.array([4]), np.full(2, np.nan))
    state = np.append(POSITION, OTHER)
    if backend == "c":

        def parameters(x, context, out):
            out[:] = [x[0] * context[4], x[2], np.exp(x[1]), np.exp(x[1]), 0.0, 0.0, 0.0, 0.0]
            return 0.0

        def value(x, held, out):
            out[:] = -x
            return float(density(x, np.split(held[1:], 3)) + held[0])

        found: Any = CentredFunction(value, parameters, where)
    else:
        x, s, o = pt.tensor("x", shape=(4,)), pt.tensor("s", shape=(5,)), pt.tensor("o", shape=(1,))
        data = [pt.tensor(f"data_{i}", shape=(2,)) for i in range(3)]
        scale = pt.exp(x[1])
        known = pt.stack([x[0] * s[4], x[2], scale, scale, *[pt.constant(0.0)] * 4])
        first = compile_program([x], [-x], value=density(x, data) + o[0], context=[o, *data]).bind()
        found = CentredProgram(first, compile_program([x], [known], context=[s]).bind(), where, state.size)
    return found, state


@pytest.mark.parametrize("backend", ["c", "numba"])
def test_coordinates_and_back(backend):
    found, state = seen(backend)
    position, gradient = np.empty(4), np.empty(4)
    # Until something else is said, coordinates are positions.
    np.testing.assert_array_equal(found.located(POSITION, state), POSITION)
    found.use(CENTRING)
    [coordinates] = found.located(POSITION[None], state)
    expected, log_jacobian = in_numpy(POSITION)
    np.testing.assert_allclose(coordinates, expected)
    np.testing.assert_allclose(found.locate(coordinates, state, position), log_jacobian)
    np.testing.assert_allclose(position, POSITION)
    value = found.evaluate(coordinates, state, gradient)
    data = [CENTRING.share, CENTRING.floor, CENTRING.pull]
    np.testing.assert_allclose(value, density(coordinates, data) + OTHER)
    np.testing.assert_allclose(gradient, -coordinates)


@pytest.mark.parametrize("backend", ["c", "numba"])
def test_coordinates_of_coordinates(backend):
    """A dense metric: positions are those of coordinates at the origin plus the factor times coordinates."""
    found, state = seen(backend)
    found.use(CENTRING)
    factor = np.eye(4) + 0.1 * np.arange(16.0).reshape(4, 4)
    numbers = (4, 1, 4, factor.ravel())
    at, position, step = np.empty(4), np.empty(4), np.array([0.1, 0.0, -0.2, 0.05])
    origin, _ = in_numpy(POSITION)
    if backend == "c":
        outer: Any = PreconditionedFunction(found, *numbers, is_centred=True)
        outer.begin(POSITION, state, at)
        log_jacobian = outer.locate(step, state, position)
    else:
        from graphs.backends.numba.program import call_program
        from samplers.chain.programs import BEGIN, LOCATE

        outer = PreconditionedProgram(found.row, *numbers, is_centred=True)
        call_program(outer.row, POSITION, state, at, np.array([BEGIN, 0, 0, 0], np.uint64))
        log_jacobian = call_program(outer.row, step, state, position, np.array([LOCATE, 0, 0, 0], np.uint64))
    assert not at.any()
    coordinates, expected = in_numpy(position)
    np.testing.assert_allclose(coordinates, origin + factor @ step)
    np.testing.assert_allclose(log_jacobian, expected)


def test_a_trail_in_coordinates():
    """Gradients are those of the coordinates in use; what was not evaluated again is forgotten."""
    trail = CentredTrail(np.arange(24.0).reshape(4, 2, 3), lambda position: 2.0 * position)
    rows = trail.draws(4, 4)
    np.testing.assert_array_equal(rows[:, 0], 2.0 * trail.window[2:, 0])
    np.testing.assert_array_equal(rows[:, 1], trail.window[2:, 1])
    again = trail.evaluated_again(4, 4, lambda coordinates: (0.0, -coordinates))
    np.testing.assert_array_equal(again, np.stack([rows[:, 0], -rows[:, 0]], axis=1))
    assert np.isnan(trail.window[:2, 1]).all()
    np.testing.assert_array_equal(trail.draws(4, 4), again)


def test_the_start_tells_by_its_curvature():
    """An observation of a precision of four, where the scale is a half: a share of a half."""
    where = CoordinateMap(2, np.array([1]), np.array([0]), np.zeros(0, np.int64), np.array([np.nan]))

    def parameters(x, context, out):
        out[:] = [x[0], 0.5, -(x[1] - x[0]) / 0.25, 0.0]
        return 0.0

    def value(x, held, out):
        out[:] = [0.0, -(x[1] - x[0]) / 0.25 - 4.0 * (x[1] - 3.0)]
        return 0.0

    function = CentredFunction(value, parameters, where)
    found = first_centring(function, np.array([2.0, 2.5]), np.array([2.0, 2.5]))
    np.testing.assert_allclose(found.share, 0.5)
    np.testing.assert_allclose(found.scale, 0.5)
    np.testing.assert_allclose(found.pull, 0.5 * 3.0)


def test_where_all_is_known_coordinates_are_positions():
    """A share that rounds to one: density and map agree, whatever was learnt besides."""
    share, floor, pull = Centring(np.array([1.0, 0.5]), np.full(2, 2.0), np.array([3.0, 1.0])).data
    np.testing.assert_array_equal([share, floor, pull], [[1.0, 0.5], [0.0, 2.0], [0.0, 1.0]])


# Lengths of sequences, and which elements of the position they are, one sequence after the other.
SEQUENCES = {
    "one": ([5], np.arange(5)),
    "several": ([3, 2, 3], np.arange(8)),
    "by steps": ([3, 3], np.array([0, 2, 4, 1, 3, 5])),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_of_sequences(name):
    """Positions are those of matrices: normal ones, given the element before and an observation of each."""
    lengths, elements = SEQUENCES[name]
    rng, n = np.random.default_rng(2), sum(lengths)
    location, scale = rng.normal(size=n), rng.uniform(0.5, 2, n)
    ratio = np.concatenate([np.append(0.0, rng.normal(size=length - 1)) for length in lengths])
    share, unit, pull = rng.uniform(0.1, 0.9, n), rng.uniform(0.5, 2, n), rng.normal(size=n)
    centring = Centring(share, unit, pull)
    where = CoordinateMap(n, elements, np.zeros(n, np.int64), np.zeros(0, np.int64), np.full(n, np.nan))

    def parameters(x, context, out):
        out[:] = np.concatenate([location, scale, 0 * scale, ratio])
        return 0.0

    function = CentredFunction(lambda *_: 0.0, parameters, where)
    function.use(centring)
    back = np.eye(n) - np.diag(ratio[1:], -1)
    precision = back.T @ np.diag(1 / scale**2) @ back + np.diag(share / centring.floor)
    mean = np.linalg.solve(precision, back.T @ (location / scale**2) + pull / centring.floor)
    columns, state, position = [], np.zeros(n), np.empty(n)
    log_jacobian = function.locate(np.zeros(n), state, position)
    np.testing.assert_allclose(position[elements], mean)
    for i in elements:
        function.locate(np.eye(n)[i], state, position)
        columns.append(position[elements] - mean)
    slopes = np.array(columns).T
    np.testing.assert_allclose(slopes @ np.diag(centring.floor) @ slopes.T, np.linalg.inv(precision), atol=1e-14)
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(slopes)[1])
    coordinates, again = rng.normal(size=n), np.empty(n)
    function.locate(coordinates, state, position)
    function.begin(position, state, again)
    np.testing.assert_allclose(again, coordinates)
    # The chain rule, in matrices.
    gradient = rng.normal(size=n)
    known = np.concatenate([location, scale, 0 * scale, ratio])[None]
    found = gradients_of_positions(known, (slopes.T @ gradient)[None], centring)
    np.testing.assert_allclose(found[0], gradient)
