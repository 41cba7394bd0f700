"""Posteriors fitted by batches of rows.

Answers: closed forms of normal posteriors; rows counted; data in memory for those in chunks.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import ppl
from graphs.backends.numba.library.rng import seed_states
from graphs.errors import DerivationError, ModelError, SamplingError
from samplers.approximations.loop import CONSECUTIVE, DrawnRows, draw_rows

ROWS = 400
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 2))
Y = X @ [1.0, -0.5] + RNG.normal(size=ROWS)
PRECISION = np.eye(2) / 9 + X.T @ X
MEAN = np.linalg.solve(PRECISION, X.T @ Y)


def regression() -> ppl.Model:
    return ppl.Model({ppl.Normal("y", X @ ppl.Normal("beta", 0, 3, shape=2), 1): Y})


def test_batches_lead_to_the_posterior_and_statistics_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """The average of n steps leaves rows / size / n of a variance; the error of 4000 draws is 0.016."""
    with caplog.at_level(logging.WARNING, "rvgraph"):
        found = ppl.approximate(regression(), minibatch=100, seed=1, max_steps=10_000)
    draws = found.posterior["beta"].to_numpy().reshape(-1, 2)
    assert (np.abs(draws.mean(axis=0) - MEAN) * np.sqrt(np.diag(PRECISION))).max() < 4 * (0.03 + 0.016)
    assert found.attrs["pareto_k"] < 0.7
    [said] = [r.getMessage() for r in caplog.records if "sufficient statistics" in r.getMessage()]
    assert "The likelihood of y" in said
    assert "400 rows" in said


def chunked(tmp_path: Path, read: bool) -> ppl.Model:
    """Logistic regressions on groups, of a memory map and of arrays."""
    group, outcome = np.arange(ROWS) % 3, (Y > 0).astype(int)
    arrays = {"x": X[:, 0], "group": group, "outcome": outcome}
    if read:
        for name, array in arrays.items():
            mapped = np.memmap(tmp_path / name, array.dtype, "w+", shape=array.shape)
            mapped[:] = array
            arrays[name] = mapped
    eta = ppl.Normal("a", 0, 1, size=3)[ppl.Data("group", arrays["group"])]
    eta = eta + ppl.Normal("b", 0, 1) * ppl.Data("x", arrays["x"])
    return ppl.Model({ppl.Bernoulli("y", logit_p=eta): arrays["outcome"]})


def test_data_in_chunks_are_those_in_memory(tmp_path: Path) -> None:
    found, expected = (
        ppl.approximate(chunked(tmp_path, read), "meanfield", 100, minibatch=50, max_steps=200, seed=1)
        for read in (True, False)
    )
    for name in ("a", "b"):
        np.testing.assert_allclose(found.posterior[name], expected.posterior[name])


def test_chunks_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppl.running.memory.available_bytes", lambda: 1000)
    with pytest.raises(SamplingError, match=r"batches of rows would take .* make the model of some of the rows"):
        ppl.approximate(chunked(tmp_path, True), minibatch=50, seed=1)


@pytest.mark.parametrize("method", ["pathfinder", "dadvi"])
def test_methods_that_need_all_rows(method: str) -> None:
    with pytest.raises(ModelError, match="all rows in every step"):
        ppl.approximate(regression(), method, minibatch=100, seed=1)


def test_terms_that_do_not_factor() -> None:
    z = ppl.Normal("z", 0, 1, shape=ROWS)
    with pytest.raises(DerivationError, match=r"term of y.*z has an element for each of the 400 rows"):
        ppl.approximate(ppl.Model({ppl.Normal("y", z, 1): Y}), minibatch={"y": 100}, seed=1)


def test_rows_that_follow_each_other_come_equally_often() -> None:
    rows = DrawnRows(np.array([[7, 3, CONSECUTIVE, 0]]), np.zeros(0, np.int64))
    rng, context = seed_states([1], 1)[0], np.zeros(3)
    counts = np.zeros(7)
    for _ in range(7000):
        draw_rows(rows, rng, context)
        assert ((context[1:] - context[:-1]) % 7 == 1).all()
        counts[context.astype(int)] += 1
    # A row is in a batch with probability 3 / 7: four standard errors of 7000 batches.
    np.testing.assert_allclose(counts / 7000, 3 / 7, atol=4 * np.sqrt(3 / 7 * 4 / 7 / 7000))
