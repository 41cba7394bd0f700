"""What stopping early does to draws, and why a run stopped.

Answers: the effective draws of autoregressive chains, in closed form: N (1 - r) / (1 + r).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import ppl
from benchmarks.stopping import autoregressive
from ppl.stopping.conducting import Ending, draw_until
from ppl.stopping.judging import Look, look_at
from tests.ppl.diagnosing.test_diagnosis import tree

CHAINS, ESS = 4, 400


class Stored:
    """A run whose draws are all there already."""

    def __init__(self, draws: np.ndarray, stops_at: int = 10**9):
        self.draws = draws
        self.asked: list[int] = []
        self._stops_at = stops_at

    def advance(self, draws: int | None = None) -> bool:
        self.asked.append(draws or 0)
        return (draws or 0) < self._stops_at

    def look(self, number: int) -> Look:
        return look_at(tree({"x": self.draws[:, :number]}), ppl.Until(ess=ESS))


def conducted(run: Stored, until: ppl.Until | None = None, most: int = 10**6) -> Ending:
    return draw_until(run, until or ppl.Until(ess=ESS), CHAINS, most, run.look, lambda: False)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_who_stops_early_has_what_was_asked_for(correlation):
    """Of 100 runs none stops at less than 0.9 of it; intervals of 95 % cover the mean in 95 - 3 * 2.2 at least."""
    rng = np.random.default_rng(1)
    shares, covered = [], []
    for _ in range(100):
        run = Stored(autoregressive(rng, 4000, 1, correlation)[:, :, 0])
        assert conducted(run).is_met
        seen = run.draws[:, : run.asked[-1]]
        worth = seen.size * (1 - correlation) / (1 + correlation)
        shares.append(worth / ESS)
        covered.append(abs(seen.mean()) < 1.96 * seen.std() / np.sqrt(worth))
    assert min(shares) >= 0.9
    assert np.mean(shares) < 2
    assert np.mean(covered) > 0.884


def test_two_looks_in_succession_are_wanted():
    draws = autoregressive(np.random.default_rng(1), 4000, 1, 0.0)[:, :, 0]
    run = Stored(draws)
    assert conducted(run).is_met
    looks = [run.look(number).is_met for number in run.asked]
    assert looks[-2:] == [True, True]
    assert not any(a and b for a, b in pairwise(looks[:-1]))


def test_who_looks_once_may_stop_there():
    run = Stored(autoregressive(np.random.default_rng(1), 4000, 1, 0.0)[:, :, 0])
    ending = conducted(run, ppl.Until(ess=ESS, most_draws=1000), 1000)
    assert ending.is_met
    assert Stored(run.draws).look(2000).is_met
    once = draw_until(run, ppl.Until(ess=4 * 2000, most_draws=2000), CHAINS, 2000, run.look, lambda: False)
    assert run.asked[-1] == 2000
    assert once.is_met


def test_why_a_run_stopped_is_said():
    draws = autoregressive(np.random.default_rng(1), 4000, 1, 0.9)[:, :, 0]
    short = conducted(Stored(draws), most=300)
    assert "as many as there is memory for, and the effective sample size" in short.reason
    interrupted = conducted(Stored(draws, stops_at=200))
    assert interrupted.is_interrupted
    assert interrupted.attributes()["until_met"] is False
    over = draw_until(
        Stored(draws, stops_at=1), ppl.Until(None, None, seconds=3), CHAINS, 300, Stored(draws).look, lambda: True
    )
    assert (over.is_met, over.reason) == (True, "3 seconds were over")
