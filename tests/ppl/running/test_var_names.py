"""What is kept of a run: the same draws, whatever else is recorded.

Answers: runs that keep everything.
"""

from __future__ import annotations

import numpy as np
import pytest

import ppl
from graphs.errors import ModelError
from ppl.running.expansion import DrawExpansion


def model():
    mu = ppl.Normal("mu", 0, 3)
    tau = ppl.Gamma("tau", 2.5, 1.7)
    theta = ppl.Normal("theta", mu, tau=tau, size=3)
    k = ppl.Bernoulli("k", 0.3, size=4)
    later = ppl.Deterministic("later", k.sum() + mu)
    ratio = ppl.Deterministic("ratio", theta[0] / tau)
    y = ppl.Normal("y", theta[np.array([0, 1, 2, 2])] + k, 1.0)
    return ppl.Model({y: np.array([0.3, 1.2, -0.7, 0.9])}, later, ratio)


@pytest.fixture(scope="module", params=["numba", pytest.param("jax", marks=pytest.mark.slow)])
def compiled(request):
    sampler = {"theta": "rmh"} if request.param == "numba" else "nuts"
    return ppl.compile(model(), sampler=sampler, marginalize=["k"], backend=request.param)


def run(compiled, **options):
    return compiled.sample(30, 20, chains=2, seed=5, progress=False, **options)


def test_kept_draws_are_those_of_a_run_that_keeps_all(compiled):
    whole, part = run(compiled, keep_tuning=True), run(compiled, keep_tuning=True, var_names=["ratio", "mu"])
    assert list(part.posterior.data_vars) == ["mu", "ratio"]
    for group in ("posterior", "warmup_posterior"):
        for name in ("mu", "ratio"):
            np.testing.assert_array_equal(part[group][name], whole[group][name])
    left_out = set() if compiled.plan.sweep.blocks[1:] == () else {"lp"}
    assert set(part.sample_stats.data_vars) == set(whole.sample_stats.data_vars) - left_out


def test_only_what_is_needed_is_recorded(compiled):
    assert DrawExpansion.of(compiled.plan, compiled.backend, ["mu"]).layout.names == ("mu",)
    assert len(DrawExpansion.of(compiled.plan, compiled.backend, ["ratio"]).layout.names) == 2


@pytest.mark.parametrize(
    ("var_names", "message"),
    [
        (["nu"], r"var_names asks for 'nu'; the model has mu, tau, theta, ratio"),
        (["k"], "var_names asks for k, which depends on what is summed out"),
        (["later"], "ppl.recover computes it"),
        ([], "nothing to keep"),
        ("mu", r"\['mu'\]"),
    ],
)
def test_names_that_cannot_be_kept(compiled, var_names, message):
    with pytest.raises(ModelError, match=message):
        run(compiled, var_names=var_names)


def test_log_density_is_left_out_where_it_would_need_everything():
    tau = ppl.Gamma("tau", 2.5, 1.7)
    y = ppl.Normal("y", ppl.Normal("mu", 0, 3), tau=tau, size=2)
    compiled = ppl.compile(ppl.Model({y: np.array([0.3, 1.2])}), sampler="gibbs")
    assert "lp" in run(compiled).sample_stats
    assert "sample_stats" not in run(compiled, var_names=["tau"])


def test_beside_variables_of_length_zero_another_is_recorded():
    empty, mu = ppl.Normal("empty", 0, 1, size=(0, 2)), ppl.Normal("mu", 0, 1)
    planned = ppl.plan(ppl.Model({ppl.Normal("y", mu + empty.sum(), 1): 0.3}), sampler="nuts")
    expansion = DrawExpansion.of(planned, "numba", ["empty"])
    assert "mu" in expansion.layout.names
    values = expansion(np.array([[[0.1], [np.nan], [0.3]]]))
    assert {name: array.shape for name, array in values.items()} == {"empty": (1, 3, 0, 2)}
