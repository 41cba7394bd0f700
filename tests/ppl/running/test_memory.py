"""What does not fit into memory is refused before it is run, with the figure and the remedy.

Answers: sizes by hand, and what the system says; messages are written out.
"""

from __future__ import annotations

import numpy as np
import pytest

import ppl
from ppl.running import memory

GIB = 2**30


@pytest.fixture
def four_gib(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 4 * GIB)


@pytest.fixture(scope="module")
def compiled():
    x = ppl.Normal("x", 0, 1)
    wide = ppl.Deterministic("wide", x * np.ones((1000, 1000)))
    model = ppl.Model({ppl.Normal("y", x, 1): 1.0}, wide)
    return ppl.compile(model, sampler="nuts")


@pytest.mark.parametrize(
    ("arguments", "figure"),
    [
        # The draws of one number take eight bytes (statistics come to them), a wide array eight million.
        ({"draws": 10**12, "chains": 1, "var_names": ["x"]}, "TiB of it for the draws"),
        ({"draws": 1000, "chains": 1}, "7.45 GiB of it for wide"),
        ({"draws": 10, "chains": 10**9, "var_names": ["x"]}, "TiB of it for the chains"),
        ({"draws": 10, "tune": 10**10, "keep_tuning": True, "var_names": ["x"]}, "Keeping 10,000,000,010 draws"),
        ({"draws": 10, "tune": 10**12, "metric": "dense"}, "of it for the chains"),
        ({"draws": 10**30}, "more than can be counted"),
        ({"draws": 10, "chains": 10**30}, "more than can be counted"),
    ],
)
def test_a_run_without_bound_is_refused(compiled, four_gib, arguments, figure):
    with pytest.raises(ppl.SamplingError, match=figure):
        compiled.sample(**{"tune": 10, "progress": False} | arguments)


def test_the_numbers_of_draws_count(monkeypatch):
    """Beside one number of each draw, and its log-density, they take as much again."""
    model = ppl.compile(ppl.Model({ppl.Normal("y", ppl.Normal("x", 0, 1), 1): 1.0}), sampler={"x": "gibbs"})
    monkeypatch.setattr(memory, "available_bytes", lambda: 30 * 10**6)
    with pytest.raises(ppl.SamplingError, match=r"Keeping 1,000,000 draws would take 30.* MiB"):
        model.sample(draws=10**6, tune=1, chains=1, progress=False)


def test_an_allocation_that_fails(compiled, monkeypatch):
    def fail(*arguments):
        raise MemoryError("24 GiB")

    monkeypatch.setattr("samplers.loop.run.Record.empty", fail)
    with pytest.raises(ppl.SamplingError, match=r"no memory for the run \(24 GiB\).*fewer draws"):
        compiled.sample(draws=10, tune=10, progress=False)


def test_what_fits_is_run(compiled, four_gib):
    trace = compiled.sample(draws=10, tune=10, chains=1, seed=1, progress=False)
    kept = {name: array.nbytes for name, array in trace["posterior"].data_vars.items()}
    assert kept == {"x": 80, "wide": 80 * 10**6}
    assert sum(compiled._expansion.new_bytes.values()) == kept["wide"] / 10


def test_the_remedies_are_named(compiled, four_gib):
    with pytest.raises(ppl.SamplingError, match=r"4 GiB are available: .* fewer draws or chains, .*thin.*var_names"):
        compiled.sample(draws=10**6, progress=False)


def test_predictions_without_bound_are_refused(compiled, four_gib):
    model = compiled.plan.model
    with pytest.raises(ppl.SamplingError, match="of it for wide"):
        ppl.prior_predictive(model, draws=10_000)
    with pytest.raises(ppl.SamplingError, match="available: take fewer draws"):
        ppl.prior_predictive(model, draws=10**12)
    trace = compiled.sample(draws=1000, tune=10, chains=1, seed=1, progress=False, var_names=["x"])
    with pytest.raises(ppl.SamplingError, match=r"What is computed of 1,000 draws would take 14.9 GiB"):
        ppl.posterior_predictive(model, trace, var_names=["wide"])


def test_probabilities_and_likelihoods_without_bound_are_refused(monkeypatch):
    z = ppl.Categorical("z", np.full(100, 0.01), size=100)
    model = ppl.Model({ppl.Normal("y", z + ppl.Normal("x", 0, 1), 1): np.ones(100)})
    trace = ppl.sample(model, draws=100, tune=10, chains=1, seed=1, progress=False, compress=False)
    # 100 draws of 100 variables of 100 states; and a number for each of 100 data.
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    with pytest.raises(ppl.SamplingError, match=r"of it for z_probability.*probs=False"):
        ppl.recover(model, trace, seed=1)
    assert ppl.recover(model, trace, seed=1, probs=False)["posterior"]["z"].shape == (1, 100, 100)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**5)
    with pytest.raises(ppl.SamplingError, match="available: take fewer draws"):
        ppl.log_likelihood(model, trace)


def test_memory_is_what_the_system_says():
    available = memory.available_bytes()
    assert available is None or 0 < available < 2**50
    assert [memory.in_words(n) for n in (8, 3 * 2**19, 2**40)] == ["8 bytes", "1.5 MiB", "1 TiB"]
