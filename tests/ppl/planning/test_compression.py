"""Plans say what was compressed; what is reported per row, and laws, do not change.

Answers: closed forms, and plans that compress nothing.
"""

from __future__ import annotations

import json

import arviz as az
import numpy as np
import pytest
from scipy import stats

import ppl
from graphs.surgery.interpreting import interpret
from tests.posteriors import FOLDER, POSTERIORS

RNG = np.random.default_rng(4)
X = RNG.normal(size=(200, 2))
Y = 1.0 + X @ [0.5, -1.0] + 0.8 * RNG.normal(size=200)


def regression() -> ppl.Model:
    a, b = ppl.Normal("a", 0, 10), ppl.Normal("b", 0, 10, size=2)
    return ppl.Model({ppl.Normal("y", a + X @ b, ppl.HalfNormal("sigma", 1)): Y})


def test_the_plan_says_what_was_compressed():
    plan = ppl.plan(regression(), sampler="nuts")
    [found] = plan.compression
    assert (found.name, found.rows, found.how) == ("y", 200, "QR of 2 columns")
    assert f"y           200   {found.numbers}            QR of 2 columns" in str(plan)
    assert "<td>QR of 2 columns</td>" in plan._repr_html_()


def test_it_can_be_turned_off():
    plan = ppl.plan(regression(), sampler="nuts", compress=False)
    assert plan.compression == ()
    assert plan.sampled is plan.mixed
    assert "compressed" not in str(plan)
    with pytest.raises(ppl.ModelError, match="compress is True or False, not 'yes'"):
        ppl.plan(regression(), compress="yes")


def test_what_nuts_sees_is_the_same_function():
    plain, short = (ppl.plan(regression(), sampler="nuts", compress=c) for c in (False, True))
    values = []
    for plan in (plain, short):
        density = plan.sweep.blocks[0].logdensity
        point = {v.name: np.full(v.type.shape, 0.3) for v in density.inputs}
        values.append(float(interpret(density.inputs, density.total)(*(point[v.name] for v in density.inputs))))
    assert values[1] == pytest.approx(values[0], rel=1e-12)


def test_draws_do_not_change():
    """The same trajectories, as long as rounding does not make another decision."""
    plain, short = (
        ppl.sample(regression(), 20, 0, 1, seed=3, sampler="nuts", compress=c, progress=False) for c in (False, True)
    )
    np.testing.assert_allclose(short.posterior["b"], plain.posterior["b"], rtol=1e-6)
    np.testing.assert_allclose(short.sample_stats["lp"], plain.sample_stats["lp"], rtol=1e-6)


def test_the_log_likelihood_stays_per_row():
    model = regression()
    trace = ppl.sample(model, 10, 50, 1, seed=1, sampler="nuts", progress=False)
    found = ppl.log_likelihood(model, trace).log_likelihood["y"].to_numpy()[0, -1]
    last = {n: trace.posterior[n].to_numpy()[0, -1] for n in ("a", "b", "sigma")}
    expected = stats.norm.logpdf(Y, last["a"] + X @ last["b"], last["sigma"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_laws_do_not_change():
    plain, short = (ppl.plan(regression(), sampler="gibbs", compress=c) for c in (False, True))
    assert [str(law) for law in plain.laws.values()] == [str(law) for law in short.laws.values()]
    plain, short = (
        ppl.sample(regression(), 20, 0, 1, seed=3, sampler="gibbs", compress=c, progress=False) for c in (False, True)
    )
    np.testing.assert_array_equal(short.posterior["b"], plain.posterior["b"])
    np.testing.assert_allclose(short.sample_stats["lp"], plain.sample_stats["lp"], rtol=1e-12)


def test_random_walk_metropolis_and_slices():
    for sampler in ("rmh", "slice"):
        plain, short = (
            ppl.sample(regression(), 20, 0, 1, seed=3, sampler=sampler, compress=c, progress=False)
            for c in (False, True)
        )
        np.testing.assert_allclose(short.posterior["b"], plain.posterior["b"], rtol=1e-6)


def test_a_bad_start_is_still_named_by_row():
    init = {"a": 0.0, "b": np.zeros(2), "sigma": 1e-200}
    with pytest.raises(ppl.SamplingError, match=r"log-probability of y \(element \(0,\)\) is -inf"):
        ppl.sample(regression(), 10, 10, 1, seed=1, sampler="nuts", init=init, progress=False)


@pytest.mark.parametrize("backend", ["numba", "c", pytest.param("jax", marks=pytest.mark.slow)])
def test_backends_agree(backend):
    """A conjugate posterior whose moments are known."""
    y, group = RNG.normal(2.0, 1.0, 300), np.arange(300) % 3
    a = ppl.Normal("a", 0, 1, size=3)
    model = ppl.Model({ppl.Normal("y", a[group], 1.0): y})
    trace = ppl.sample(model, 400, 300, 2, seed=1, backend=backend, sampler="nuts", progress=False)
    draws = trace.posterior["a"]
    expected = np.bincount(group, y) / 101
    error = az.mcse(draws.to_dataset(name="a"), method="mean")["a"].to_numpy()
    assert (np.abs(draws.mean(("chain", "draw")).to_numpy() - expected) < 5 * error).all()


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference posteriors are not beside the checkout")
def test_the_largest_reference_regression_is_kept_in_a_few_hundred_numbers():
    data = json.loads((FOLDER / "diamonds-diamonds.json").read_text())["data"]
    [found] = ppl.plan(POSTERIORS["diamonds-diamonds"](data), sampler="nuts").compression
    assert found.rows == 5000
    assert found.numbers < 26**2 + 26
