"""Variables of a loop that were taken together are drawn and named as they were declared.

Answers: closed forms, and filters in NumPy.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from ppl.starting.centres import central_values
from tests.graphs.rolling.test_plates import N, beside_a_sum, hidden_chain, iid, positive, survival


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_draws_follow_the_closed_form_under_their_own_names(backend):
    xs = [ppl.Normal(f"x{i}", 0, 1) for i in range(N)]
    first = ppl.Deterministic("first", pt.stack(xs)[:3])
    data = np.linspace(-2, 2, N)
    model = ppl.Model({ppl.Normal("y", pt.stack(xs), 0.5): data}, first)
    trace = ppl.sample(model, draws=1000, chains=2, seed=1, backend=backend, progress=False)
    assert [*trace.posterior.data_vars] == [*(f"x{i}" for i in range(N)), "first"]
    # Of 50 means, 2000 nearly independent draws: 4.5 standard errors.
    draws = np.stack([trace.posterior[f"x{i}"].to_numpy() for i in range(N)])
    sd = np.sqrt(1 / (1 + 1 / 0.25))
    np.testing.assert_allclose(draws.mean(axis=(1, 2)), data * 0.8, atol=4.5 * sd / np.sqrt(1500))
    np.testing.assert_allclose(draws.std(axis=(1, 2)), sd, atol=4.5 * sd / np.sqrt(2 * 1000))
    np.testing.assert_array_equal(trace.posterior["first"], np.moveaxis(draws[:3], 0, -1))


def test_members_can_be_named_everywhere():
    model = positive()
    plan = ppl.plan(model, sampler={"s3": "slice"})
    assert plan.method_of("s3") == "slice"
    assert plan.method_of("s4") == "nuts"
    assert "variables of the same form, together" in str(ppl.plan(iid(), sampler="nuts"))
    start = {"s0": 0.7, "s5": 1.5}
    options = {"draws": 20, "tune": 20, "chains": 2, "seed": 2, "progress": False}
    trace = ppl.sample(model, init=start, sampler="nuts", **options)
    kept = ppl.sample(model, init=start, sampler="nuts", var_names=["s7", "total"], **options)
    np.testing.assert_array_equal(kept.posterior["s7"], trace.posterior["s7"])
    assert [*kept.posterior.data_vars] == ["s7", "total"]
    assert ppl.sample(model, init=trace, sampler="nuts", **options).posterior["s7"].shape == (2, 20)
    assert ppl.sample(model, init=trace, sampler={"s3": "slice"}, **options).posterior["s7"].shape == (2, 20)
    for wrong in ({"s5": -1.0}, {"s5": [1.0, 2.0]}, {"nobody": 1.0}):
        with pytest.raises(ppl.PPLError, match=next(iter(wrong))):
            ppl.sample(model, init=wrong, sampler="nuts", **options)


def test_starts_follow_a_loop_and_what_is_given():
    x, data = ppl.Normal("x0", 3.0, 1), {}
    for step in range(N):
        x = ppl.LogNormal(f"x{step + 1}", pt.log(x) + 0.1, 0.01, initval=2.0 if step == 4 else None)
        data[ppl.Normal(f"y{step}", x, 1)] = 0.0
    plan = ppl.plan(ppl.Model(data), sampler="nuts")
    [name] = plan.mixed.plates
    key = str(plan.mixed.values[name].name)
    # The median of a log-normal variable, as PyMC takes its mean: exp(m + s**2 / 2).
    truth = [3.0]
    for step in range(N):
        truth.append(2.0 if step == 4 else truth[-1] * np.exp(0.1 + 0.01**2 / 2))
    np.testing.assert_allclose(np.exp(central_values(plan, {}, "support_point", 0)[key]), truth[1:], rtol=1e-12)
    given = central_values(plan, {"x10": 50.0}, "support_point", 0)
    np.testing.assert_allclose(np.exp(given[key][9:11]), [50.0, 50.0 * np.exp(0.1 + 0.01**2 / 2)], rtol=1e-12)
    drawn = [central_values(plan, {}, "prior", seed)[key] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.all(np.delete(drawn[0] != drawn[2], 4))
    # Steps of 0.1, of standard deviation 0.01: all within six of them.
    steps = np.diff(drawn[0])[5:]
    np.testing.assert_allclose(steps, 0.1, atol=0.06)


def test_a_loop_gets_the_plan_of_an_array():
    """Polya-gamma variables, normal laws and groups see arrays."""
    x = np.linspace(-1, 1, 60)
    slope = ppl.Normal("slope", 0, 2)
    answers = {ppl.Bernoulli(f"y{i}", logit_p=slope * x[i]): int(i % 3 > 0) for i in range(60)}
    plan = ppl.plan(ppl.Model(answers), sampler="gibbs")
    assert plan.method_of("slope") == "gibbs"
    laws = ppl.plan(iid(), sampler="gibbs")
    assert {a.method for a in laws.assignments} == {"gibbs"}


@pytest.mark.usefixtures("few_calls")
def test_states_of_a_loop_are_recovered_under_their_names():
    """Given the chances, each animal's three years are enumerated."""
    model = survival()
    trace = ppl.sample(model, draws=30, tune=100, chains=1, seed=4, progress=False)
    assert set(trace.posterior.data_vars) == {"phi", "p"}
    recovered = ppl.recover(model, trace, most_probable=True, seed=1).posterior
    phi, p = trace.posterior["phi"].to_numpy()[0], trace.posterior["p"].to_numpy()[0]
    for animal in (0, 3, 6):
        seen = [int((animal + year) % 4 == 0) for year in range(3)]
        # Years alive: 0, 1, 2 or 3.
        weights = np.zeros((4, len(phi)))
        for years in range(4):
            chance = phi**years * (1.0 if years == 3 else 1 - phi)
            for year in range(3):
                alive = year < years
                chance = chance * ((p if seen[year] else 1 - p) if alive else 1.0 - seen[year])
            weights[years] = chance
        weights /= weights.sum(axis=0)
        for year in range(3):
            found = recovered[f"z{animal}_{year}_probability"].to_numpy()[0, :, 1]
            np.testing.assert_allclose(found, weights[year + 1 :].sum(axis=0), rtol=1e-9, atol=1e-12)
            best = recovered[f"z{animal}_{year}_most_probable"].to_numpy()[0]
            np.testing.assert_array_equal(best, weights.argmax(axis=0) > year)
    assert recovered["z3_1"].dims == ("chain", "draw")
    assert recovered["z3_1_probability"].dims == ("chain", "draw", "z3_1_state")


def test_a_loop_of_states_alone_is_drawn_exactly():
    chain, data = [ppl.Bernoulli("s0", 0.3)], {}
    for step in range(N):
        chain.append(ppl.Bernoulli(f"s{step + 1}", pt.switch(chain[-1], 0.8, 0.25)))
        data[ppl.Normal(f"y{step}", chain[-1], 1)] = 0.1 * step
    last = ppl.Deterministic("last", chain[-1] + chain[-2])
    trace = ppl.sample(ppl.Model(data, last), draws=4000, chains=1, seed=5, progress=False)
    # Forward filtering and the chance of the last state, in plain NumPy.
    chance, log_evidence = np.array([0.7, 0.3]), 0.0
    for step in range(N):
        chance = chance @ np.array([[0.75, 0.25], [0.2, 0.8]]) * stats.norm.pdf(0.1 * step, [0, 1], 1)
        log_evidence += np.log(chance.sum())
        chance /= chance.sum()
    assert trace.attrs["log_evidence"] == pytest.approx(log_evidence, rel=1e-10)
    assert [*trace.posterior.data_vars] == [*(f"s{i}" for i in range(N + 1)), "last"]
    # 4000 independent draws: 4.5 standard errors.
    found = float(trace.posterior[f"s{N}"].mean())
    assert found == pytest.approx(chance[1], abs=4.5 * np.sqrt(chance[0] * chance[1] / 4000))
    total = trace.posterior[f"s{N}"] + trace.posterior[f"s{N - 1}"]
    np.testing.assert_array_equal(trace.posterior["last"], total)
    chosen = ppl.sample(ppl.Model(data, last), draws=10, chains=1, seed=5, var_names=["s3"], progress=False)
    assert [*chosen.posterior.data_vars] == ["s3"]


def test_states_of_a_loop_that_are_drawn():
    """Names are those of the loop also where states are moved, started and kept."""
    model = hidden_chain()
    options = {"draws": 20, "tune": 20, "chains": 1, "seed": 6, "progress": False}
    trace = ppl.sample(model, marginalize=False, init={"s5": 2}, **options)
    assert trace.posterior["s5"].dtype.kind == "i"
    assert {f"s{i}" for i in range(N + 1)} <= set(trace.posterior.data_vars)
    named = ppl.plan(model, marginalize=["s0", "s1", "s2"])
    assert [named.method_of(f"s{i}") for i in (0, 2, 7)] == ["marginalize", "marginalize", "gibbs"]


def test_recovered_beside_a_loop():
    trace = ppl.sample(beside_a_sum(), draws=50, tune=50, chains=1, seed=3, progress=False)
    recovered = ppl.recover(beside_a_sum(), trace, seed=1)
    assert set(np.unique(recovered.posterior["z"])) <= {0, 1}


def test_pymc_models_take_part():
    with pm.Model() as made:
        xs = [pm.Normal(f"x{i}", 0, 1) for i in range(N)]
        pm.Normal("y", pt.stack(xs), 1, observed=np.zeros(N))
    assert len(ppl.plan(ppl.from_pymc(made)).assignments) == 1
