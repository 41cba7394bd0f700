"""Pilot runs take as many gradients as is reckoned, or end.

Answers: budgets set by hand, counted against what ran; runs that were not watched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ppl
from ppl.planning.comparing import pilot as pilot_runs
from ppl.planning.comparing.pilot import FEWEST_SWEEPS, pilot
from ppl.planning.plans import Plan
from samplers.loop import workers

NUM_SWEEPS = 600
TUNING = 300


@pytest.fixture(scope="module")
def plan() -> Plan:
    x = np.random.default_rng(1).normal(size=(30, 3))
    model = ppl.Model({ppl.Normal("y", x @ ppl.Normal("b", 0, 1, size=3), 1.0): x[:, 0]})
    return ppl.plan(model, sampler="nuts", marginalize=False)


@pytest.fixture(scope="module")
def whole(plan: Plan) -> Any:
    return pilot(plan, NUM_SWEEPS).result


@pytest.fixture
def allow(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let pilot runs take so many gradients, by what is counted."""
    assert pilot_runs.most_gradients(plan) > 1e5
    cost = 1e9 * pilot_runs.LONGEST_SECONDS / pilot_runs.most_gradients(plan)
    return lambda gradients: monkeypatch.setattr(
        ppl.planning.comparing.pilot, "LONGEST_SECONDS", 1e-9 * cost * gradients
    )


def test_what_takes_as_long_as_reckoned_is_run_as_a_whole(whole: Any) -> None:
    assert whole.draws.shape[1] == NUM_SWEEPS - TUNING


def test_longer_trajectories_leave_fewer_draws_which_are_the_same(
    plan: Plan, whole: Any, allow: Callable[[float], None]
) -> None:
    in_draws = int(whole.stats["n_steps"].sum())
    in_tuning = whole.num_gradients - in_draws
    allow(1.5 * in_tuning)
    found = pilot(plan, NUM_SWEEPS).draws
    assert len(found) == pytest.approx(TUNING / 2, abs=1)
    np.testing.assert_array_equal(found, whole.draws[0, : len(found)])


def test_what_takes_more_even_so_is_given_up_and_says_so(plan: Plan, allow: Callable[[float], None]) -> None:
    allow(2.0 * FEWEST_SWEEPS)
    assert pilot(plan, NUM_SWEEPS) is None


def test_somebody_who_does_not_want_to_wait_is_heard(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pilot(plan, NUM_SWEEPS)
