"""Flat draws become named values by the formulas of their transforms, with and without a copy of what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

import ppl


@pytest.fixture(scope="module")
def compiled() -> ppl.CompiledModel:
    x = ppl.Normal("x", 0, 1, size=2)
    scale = ppl.HalfNormal("scale", 1, size=3)
    bounded = ppl.Uniform("bounded", -1, 4)
    w = ppl.Dirichlet("w", np.ones(3))
    total = ppl.Deterministic("total", scale.sum() + bounded)
    return ppl.compile(ppl.Model(x, scale, bounded, w, total), sampler="nuts")


def flat(compiled: ppl.CompiledModel, num_draws: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, num_draws, compiled.plan.sweep.layout.size))


def expected(compiled: ppl.CompiledModel, draws: np.ndarray) -> dict[str, np.ndarray]:
    layout, values = compiled.plan.sweep.layout, compiled.plan.mixed.values
    by_name = {name: layout.unpack(draws)[str(value.name)] for name, value in values.items()}
    free = by_name["w"]
    natural = {
        "x": by_name["x"],
        "scale": np.exp(by_name["scale"]),
        "bounded": -1 + 5 * expit(by_name["bounded"]),
        "w": softmax(np.concatenate([free, -free.sum(axis=-1, keepdims=True)], axis=-1), axis=-1),
    }
    return {**natural, "total": natural["scale"].sum(axis=-1) + natural["bounded"]}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("num_draws", "at_once"), [(20, 2**14), (20, 7), (0, 7)])
def test_values(compiled, monkeypatch, in_place, num_draws, at_once):
    monkeypatch.setattr("ppl.expansion.ROWS_AT_ONCE", at_once)
    draws = flat(compiled, num_draws)
    answer = expected(compiled, draws)
    before = draws.copy()
    values = compiled._expansion(draws, in_place=True) if in_place else compiled.expand(draws)
    assert list(values) == list(answer)
    for name, value in values.items():
        np.testing.assert_allclose(value, answer[name], rtol=1e-13, err_msg=name)
    if not in_place:
        np.testing.assert_array_equal(draws, before)
    elif num_draws:
        assert [n for n, v in values.items() if np.shares_memory(v, draws)] == ["x", "scale", "bounded"]


def test_rows_of_a_stopped_chain_are_missing(compiled):
    draws = flat(compiled, 20)
    answer = expected(compiled, draws)
    draws[1, 12:] = np.nan
    for name, value in compiled._expansion(draws, in_place=True).items():
        np.testing.assert_allclose(value[0], answer[name][0], rtol=1e-13)
        np.testing.assert_allclose(value[1, :12], answer[name][1, :12], rtol=1e-13)
        assert np.isnan(value[1, 12:]).all()
