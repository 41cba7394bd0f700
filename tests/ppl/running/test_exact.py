"""Models of which nothing is left to sample: draws, probabilities and evidence by enumeration.

Answers: the enumeration.
"""

from __future__ import annotations

import pickle
from itertools import pairwise, product

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError, PPLError, SamplingError

SPRINKLER = [0.4, 0.01]
WET = [[0.0, 0.8], [0.9, 0.99]]


def lawn(outcome: int = 1) -> ppl.Model:
    rain = ppl.Bernoulli("rain", 0.2)
    sprinkler = ppl.Bernoulli("sprinkler", pt.as_tensor(SPRINKLER)[rain])
    wet = ppl.Bernoulli("wet", pt.as_tensor(WET)[sprinkler, rain])
    return ppl.Model({wet: outcome}, ppl.Deterministic("number", rain + sprinkler))


def joint() -> dict[tuple[int, int], float]:
    """The probability of rain and sprinkler together with a wet lawn."""
    return {
        (r, s): (0.2 if r else 0.8) * (SPRINKLER[r] if s else 1 - SPRINKLER[r]) * WET[s][r]
        for r, s in product((0, 1), repeat=2)
    }


def test_draws_probabilities_and_evidence_are_those_of_the_enumeration() -> None:
    model, exact = lawn(), joint()
    evidence = sum(exact.values())
    plan = ppl.plan(model)
    assert plan.is_exact
    assert "independent of each other" in str(plan)
    trace = ppl.sample(model, draws=2000, chains=4, seed=1, backend="c", progress=False)
    np.testing.assert_allclose(trace.attrs["log_evidence"], np.log(evidence), rtol=1e-12)
    rain, sprinkler = (trace.posterior[n].to_numpy().ravel() for n in ("rain", "sprinkler"))
    for (r, s), probability in exact.items():
        share = np.mean((rain == r) & (sprinkler == s))
        p = probability / evidence
        # Four standard errors of a proportion in 8000 independent draws.
        assert abs(share - p) <= 4 * np.sqrt(p * (1 - p) / 8000)
    # Independent: the correlation of neighbours is normal with standard error 1 / sqrt(8000).
    assert abs(np.corrcoef(rain[:-1], rain[1:])[0, 1]) < 4 / np.sqrt(8000)
    np.testing.assert_array_equal(trace.posterior["number"].to_numpy().ravel(), rain + sprinkler)
    logs = np.log([exact[r, s] for r, s in zip(rain, sprinkler, strict=True)])
    np.testing.assert_allclose(trace.sample_stats["lp"].to_numpy().ravel(), logs, rtol=1e-12)


def test_such_traces_go_on_like_others() -> None:
    model, exact = lawn(), joint()
    evidence = sum(exact.values())
    trace = ppl.sample(model, draws=500, chains=2, seed=2, backend="c", progress=False)
    found = ppl.recover(model, trace, most_probable=True, backend="c")
    expected = (exact[1, 0] + exact[1, 1]) / evidence
    assert found.posterior["rain_probability"].shape == (2, 500, 2)
    np.testing.assert_allclose(found.posterior["rain_probability"][..., 1], expected, rtol=1e-12)
    assert (found.posterior["sprinkler_most_probable"] == 1).all()
    assert found.posterior["rain"].equals(trace.posterior["rain"])
    assert not ppl.diagnose(trace).findings
    likelihood = ppl.log_likelihood(model, trace, backend="c").log_likelihood["wet"]
    np.testing.assert_allclose(likelihood, np.log(evidence), rtol=1e-12)
    predicted = ppl.posterior_predictive(model, trace, seed=3).posterior_predictive["wet"]
    again = sum(p * WET[s][r] for (r, s), p in exact.items()) / evidence
    assert abs(float(predicted.mean()) - again) < 4 * np.sqrt(again * (1 - again) / 1000)
    kept = ppl.sample(model, draws=5, chains=1, seed=2, var_names=["number"], backend="c", progress=False)
    assert list(kept.posterior.data_vars) == ["number"]


def test_a_hidden_chain_with_known_parameters_is_drawn_exactly() -> None:
    """Probabilities by the sum over all 2^4 paths."""
    data, transitions = np.array([0.1, 1.2, 0.7, -0.3]), np.array([[0.9, 0.1], [0.2, 0.8]])
    states = ppl.MarkovChain("states", transitions, steps=4, init=[0.5, 0.5])
    model = ppl.Model({ppl.Normal("y", states, 0.5): data})
    total, ones = 0.0, np.zeros(4)
    for path in product((0, 1), repeat=4):
        p = 0.5 * np.prod([transitions[a, b] for a, b in pairwise(path)])
        p *= np.prod(stats.norm.pdf(data, path, 0.5))
        total, ones = total + p, ones + p * np.array(path)
    trace = ppl.sample(model, draws=1000, chains=2, seed=3, backend="c", progress=False)
    np.testing.assert_allclose(trace.attrs["log_evidence"], np.log(total), rtol=1e-10)
    p = ones / total
    assert (abs(trace.posterior["states"].mean(("chain", "draw")) - p) < 4 * np.sqrt(p * (1 - p) / 2000)).all()


def test_another_process_draws_the_same() -> None:
    compiled = ppl.compile(lawn(), backend="c")
    again = pickle.loads(pickle.dumps(compiled))
    traces = [c.sample(20, chains=2, seed=4) for c in (compiled, again)]
    assert traces[0].posterior["rain"].equals(traces[1].posterior["rain"])
    assert traces[0].attrs["log_evidence"] == traces[1].attrs["log_evidence"]


def test_what_is_impossible_or_does_not_start_anywhere_is_said() -> None:
    never = ppl.Model({ppl.Bernoulli("never", 0.0): 1}, ppl.Bernoulli("z", 0.5))
    with pytest.raises(SamplingError, match="never"):
        ppl.sample(never, backend="c", progress=False)
    with pytest.raises(ModelError, match="does not start anywhere"):
        ppl.sample(lawn(), init={"rain": 1}, backend="c", progress=False)
    compiled = ppl.compile(lawn(), backend="c")
    for wrong in ({"thin": 0}, {"target_accept": 1.5}, {"metric": "full"}, {"adapt": "all"}, {"init": "somewhere"}):
        with pytest.raises(PPLError, match=next(iter(wrong))):
            compiled.sample(5, **wrong)


@pytest.mark.parametrize("sampler", [None, "gibbs", "slice", "rmh"])
def test_variables_without_elements_and_simplexes_of_one_need_no_sampler(sampler: str | None) -> None:
    """A sum of no elements is zero, and the only probability is one."""
    a = ppl.Normal("a", 0, 1, size=0)
    model = ppl.Model({ppl.Normal("y", a.sum(), 1): 1.0})
    trace = ppl.sample(model, draws=3, chains=2, seed=1, sampler=sampler, backend="c", progress=False)
    assert trace.posterior["a"].shape == (2, 3, 0)
    np.testing.assert_allclose(trace.attrs["log_evidence"], stats.norm.logpdf(1.0), rtol=1e-12)
    p = ppl.Dirichlet("p", np.ones(1))
    model = ppl.Model({ppl.Categorical("k", p, size=3): [0, 0, 0]})
    trace = ppl.sample(model, draws=3, tune=3, chains=2, seed=1, sampler=sampler, backend="c", progress=False)
    np.testing.assert_allclose(trace.posterior["p"], np.ones((2, 3, 1)), rtol=1e-15)
