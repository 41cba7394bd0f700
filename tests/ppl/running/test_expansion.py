"""Flat draws become named values by the formulas of their transforms; the log-density at draws is PyMC's.

Answers: formulas of transforms by SciPy, and PyMC's log-density.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy.special import expit, softmax

import ppl
from graphs.surgery.interpreting import INTERPRETED
from tests.corpus.catalogue import in_double_precision


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
    monkeypatch.setattr("ppl.running.expansion.ROWS_AT_ONCE", at_once)
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


def mixed_model():
    y = np.array([0.3, -1.2, 2.1, 1.4])
    with in_double_precision(), pm.Model() as model:
        mu = pm.Normal("mu", 0, 3)
        tau = pm.Gamma("tau", 2, 2)
        w = pm.Dirichlet("w", np.array([1.5, 2.5]))
        k = pm.Categorical("k", w)
        pm.Normal("y", mu + k, tau=tau, observed=y)
    return model


@pytest.mark.parametrize(
    ("sampler", "marginalize", "methods"),
    [
        ("nuts", True, {"nuts"}),
        ("slice", True, {"slice"}),
        ({"mu": "rmh"}, True, {"rmh", "nuts"}),
        ("gibbs", False, {"gibbs"}),
        ({"tau": "gibbs"}, False, {"gibbs", "nuts"}),
    ],
)
def test_lp_is_pymcs_log_density_whatever_the_sampler(sampler, marginalize, methods):
    """At the draws; where k is summed out, the sum of PyMC's densities over its values."""
    pm_model = mixed_model()
    compiled = ppl.compile(ppl.from_pymc(pm_model), sampler=sampler, marginalize=marginalize)
    assert {a.method for a in compiled.plan.assignments} - {"marginalize"} == methods
    trace = compiled.sample(draws=5, tune=20, chains=1, seed=1, keep_tuning=True, progress=False)
    with in_double_precision():
        density = pm_model.compile_logp(mode=INTERPRETED)
    for group in ("", "warmup_"):
        values = trace[f"{group}posterior"].to_dataset().isel(chain=0, draw=slice(-5, None))
        for draw in range(5):
            at = {n: v.to_numpy()[draw] for n, v in values.items()}
            real = {"mu": at["mu"], "tau_log__": np.log(at["tau"]), "w_simplex__": _on_the_line(at["w"])}
            states = [0, 1] if marginalize else [at["k"]]
            expected = np.logaddexp.reduce([density({**real, "k": np.asarray(k)}) for k in states])
            found = trace[f"{group}sample_stats"]["lp"].to_numpy()[0, -5:][draw]
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def _on_the_line(w):
    """PyMC's coordinates of a simplex: logarithms less their mean, without the last."""
    logs = np.log(w)
    return (logs - logs.mean())[:-1]
