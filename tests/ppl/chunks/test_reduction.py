"""Likelihoods of data in chunks.

Answers: the log-density of the same model with its data in memory, value and gradient.
"""

from __future__ import annotations

import pickle
from typing import Any

import dask.array as da
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import ppl
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.ppl.chunks.models import DATA, MODELS, Given, N, intercept, read, scale, slopes

IN_MEMORY: Given = DATA.__getitem__
UNEVEN = (1, 7, 150, N - 158)


def in_chunks(chunks: Any = UNEVEN, **others: Any) -> Given:
    data = {**DATA, **others}
    return lambda name: da.from_array(data[name], chunks=(chunks, *data[name].shape[1:]))


def values_of(model: ppl.Model, points: list[dict[str, np.ndarray]]) -> list[Any]:
    found = logprob(model, space="unconstrained", marginalize=False)
    names = sorted(found.values)
    values = [found.values[n] for n in names]
    function = interpret(values, [found.total, *pytensor.grad(found.total, values)])
    return [function(*(point[n] for n in names)) for point in points]


def assert_same(model: ppl.Model, other: ppl.Model) -> None:
    """Compare values and gradients at points where no two parameters are equal."""
    shapes = {n: v.type.shape for n, v in logprob(other, space="unconstrained", marginalize=False).values.items()}
    rng = np.random.default_rng(1)
    points = [{n: rng.normal(0, 0.6, shape) for n, shape in shapes.items()} for _ in range(2)]
    for found, expected in zip(values_of(model, points), values_of(other, points), strict=True):
        assert np.isfinite(expected[0])
        assert found[0] == pytest.approx(expected[0], rel=1e-10)
        for a, b in zip(expected[1:], found[1:], strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10 * np.abs(a).max())


@pytest.mark.parametrize("name", MODELS)
def test_log_densities_are_those_of_data_in_memory(name):
    how, make = MODELS[name]
    model = make(in_chunks())
    assert_same(model, make(IN_MEMORY))
    [compressed] = model.reduced.compressed
    assert compressed.rows in (N, 3 * N)
    assert how in compressed.how


@pytest.mark.parametrize("chunks", [1, N, (100, 0, 200, 1)])
def test_they_do_not_depend_on_chunks(chunks):
    _, make = MODELS["groups"]
    assert_same(make(in_chunks(chunks)), make(IN_MEMORY))


def test_arrays_may_be_in_different_chunks():
    _, make = MODELS["groups"]
    other = {"X": 50, "group": (300, 1), "real": 7}
    model = make(lambda name: da.from_array(DATA[name], chunks=(other[name], *DATA[name].shape[1:])))
    assert_same(model, make(IN_MEMORY))


def test_data_in_memory_may_stand_beside_chunks():
    _, make = MODELS["groups"]
    assert_same(make(lambda name: (IN_MEMORY if name == "real" else in_chunks())(name)), make(IN_MEMORY))


def test_data_of_groups_may_be_in_chunks_of_their_own():
    size = np.arange(6.0)

    def make(given: Given, size: Any) -> ppl.Model:
        mean = intercept() + ppl.Data("size", size)[read(given, "group")] * ppl.Normal("c", 0, 1)
        return ppl.Model({ppl.Normal("y", mean, scale()): given("real")})

    assert_same(make(in_chunks(), da.from_array(size)), make(IN_MEMORY, size))


def test_potentials_may_read_chunks():
    def make(given: Given) -> ppl.Model:
        m, s, y = intercept(), scale(), read(given, "real")
        return ppl.Model(ppl.Potential("fit", -0.5 * ((y - m - read(given, "X") @ slopes()) / s) ** 2 - pt.log(s)))

    assert_same(make(in_chunks()), make(IN_MEMORY))


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_nearly_collinear_columns_and_far_offsets_keep_their_digits(shift):
    """Answers: sums over rows in long doubles, as far as products of coefficients with columns are rounded.

    With a condition of 2e8, normal equations would have lost all digits.
    """
    rng = np.random.default_rng(3)
    base = rng.normal(size=(N, 3))
    design = np.column_stack([base[:, 0], base[:, 0] + 1e-8 * base[:, 1], base[:, 2]])
    outcome = shift + base @ [1.0, 0.5, -1.0] + rng.normal(size=N)
    given = in_chunks(X=design, real=outcome)
    model = ppl.Model({ppl.Normal("y", ppl.Flat("m") + read(given, "X") @ ppl.Flat("b", size=3), 1.0): given("real")})
    found = logprob(model)
    function = interpret([found.values["m"], found.values["b"]], found.total)
    most = np.array([5e7, 5e7, 1.0])  # of the sizes of coefficients of least squares
    for m, b in [(0.3, [1.0, 0.2, -1.0]), (0.1, [2e7, -2e7, 1.0]), (0.1, [-4e7, 4e7, -1.0])]:
        m = m + shift
        left = outcome.astype(np.longdouble) - m - design.astype(np.longdouble) @ np.array(b, np.longdouble)
        expected = -(left**2).sum() / 2 - N * np.log(2 * np.longdouble(np.pi)) / 2
        rounding = 2.0**-52 * ((np.abs(design) @ (np.abs(b) + most)) * np.abs(left)).sum()
        assert abs(function(np.float64(m), np.array(b)) - expected) < rounding


def test_rows_without_a_value_are_left_out():
    gaps = np.where(np.arange(N) % 50 == 0, np.nan, DATA["real"])
    known = np.flatnonzero(~np.isnan(gaps))
    _, make = MODELS["groups"]
    model = make(in_chunks(real=gaps))
    assert_same(model, make(lambda name: DATA[name][known]))
    assert f"{N - len(known)} rows without a value of y left out" in model.reduced.compressed[0].how


def test_what_no_earlier_row_showed_is_read_again():
    """The first rows have one exposure, one site and no zeros: rules that hold of them do not hold of all."""
    exposure, count = np.ones(N), DATA["count"] + 1
    exposure[-1], count[-1] = 2.5, 0
    data = {**DATA, "error": exposure, "count": count}
    _, make = MODELS["exposure"]
    assert_same(make(in_chunks(50, error=exposure, count=count)), make(data.__getitem__))
    weights = np.where(np.arange(N) < 290, 1.0, 3.0)
    _, make = MODELS["weights"]
    assert_same(make(in_chunks(50, error=weights)), make({**DATA, "error": weights}.__getitem__))


def test_models_keep_their_statistics_when_they_are_pickled():
    _, make = MODELS["groups"]
    model = make(in_chunks())
    early = pickle.loads(pickle.dumps(model))
    _ = model.graph
    again = pickle.loads(pickle.dumps(model))
    assert again.reduced.compressed == model.reduced.compressed
    assert_same(again, model)
    assert_same(early, model)


def test_plans_say_what_was_read():
    model = MODELS["logistic"][1](in_chunks(100))
    plan = ppl.plan(model, sampler="nuts", progress=False)
    assert "table of 9 distinct rows: one pass over" in str(plan)
