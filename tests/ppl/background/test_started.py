"""Runs in the background: watched, stopped and waited for.

Answers: the trace of `ppl.sample` with the same seed; what a run that failed raises where somebody waits.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

import ppl
from ppl.background.control import Clock, Control, present_control, under

MANY = 10**7
PROGRAM = """
import threading, time
import numpy as np, ppl
mu = ppl.Normal("mu", 0, 1)
compiled = ppl.compile(ppl.Model({ppl.Normal("y", mu, 1): np.ones(3)}), sampler="nuts", progress=False)
run = ppl.start(compiled, draws=10**5, thin=10**4, tune=10, seed=1)
while not run.progress.chains:
    time.sleep(0.01)
print("leaving", flush=True)
"""


@pytest.fixture(scope="module")
def compiled():
    mu = ppl.Normal("mu", 0, 10)
    return ppl.compile(ppl.Model({ppl.Normal("y", mu, 1): np.ones(5)}), sampler="nuts", progress=False)


def until_drawing(run: ppl.StartedRun) -> None:
    while not any(not state["tuning"] and state["draw"] > 10 for state in run.progress.chains):
        time.sleep(0.01)


def test_a_started_run_gives_what_sample_gives(compiled):
    run = ppl.start(compiled, 50, 60, 2, seed=3)
    expected = compiled.sample(50, 60, 2, seed=3, progress=False)
    np.testing.assert_array_equal(run.wait().posterior["mu"], expected.posterior["mu"])
    assert run.trace() is run.wait()
    assert run.progress.stage == "finished"
    assert [state["draw"] for state in run.progress.chains] == [50, 50]
    assert "chain 1 draw 50 of 50" in str(run.progress)


def test_what_is_drawn_so_far_is_the_beginning_of_the_result(compiled):
    run = ppl.start(compiled, draws=MANY // 100, thin=MANY // 1000, tune=50, chains=2, seed=3)
    until_drawing(run)
    first, second = run.trace(), run.trace()
    run.stop()
    result = run.wait()
    assert result.attrs["interrupted"]
    sizes = [trace.posterior.sizes["draw"] for trace in (first, second, result)]
    assert 0 < sizes[0] <= sizes[1] <= sizes[2] < MANY // 100
    for trace in (first, second):
        size = trace.posterior.sizes["draw"]
        np.testing.assert_array_equal(trace.posterior["mu"], result.posterior["mu"][:, :size])
        np.testing.assert_array_equal(trace.sample_stats["lp"], result.sample_stats["lp"][:, :size])
    assert "adaptation" not in first.children
    going_on = compiled.sample(10, 0, 2, init=result, seed=4, progress=False)
    assert going_on.posterior.sizes["draw"] == 10


def test_a_run_in_a_store_is_stopped_and_holds_what_was_drawn(compiled, tmp_path):
    options = {"tune": "auto", "chains": 2, "seed": 3, "thin": MANY // 1000}
    run = ppl.start(compiled, draws=MANY // 1000, store=tmp_path / "run.zarr", **options)
    until_drawing(run)
    run.stop()
    number = run.wait().posterior.sizes["draw"]
    assert 0 < number < MANY // 1000
    stored = np.array(run.wait().posterior["mu"])
    whole = compiled.sample(number, progress=False, **options)
    np.testing.assert_array_equal(stored, whole.posterior["mu"])


def test_what_fails_is_raised_by_whom_waits(compiled):
    run = ppl.start(compiled, draws=-1)
    for wait in (run.wait, run.trace):
        with pytest.raises(ppl.SamplingError, match="draws is a whole number"):
            wait()
    assert run.progress.stage == "failed"
    with pytest.raises(ppl.SamplingError, match="Unknown option"):
        ppl.start(compiled.plan.model, nonsense=1).wait()
    with pytest.raises(ppl.ModelError, match=r"ppl\.Model is needed"):
        ppl.start(None).wait()


def test_nothing_is_drawn_while_a_model_is_compiled(compiled, monkeypatch):
    go_on = [False]

    def slow(*arguments, **options):
        while not go_on[0]:
            time.sleep(0.01)
        return compiled

    monkeypatch.setattr("ppl.running.sampling.compile", slow)
    run = ppl.start(compiled.plan.model, draws=MANY // 100, thin=1000, chains=2, seed=1)
    assert run.progress.stage == "compiling"
    with pytest.raises(ppl.SamplingError, match="Nothing has been drawn yet"):
        run.trace()
    with pytest.raises(ppl.SamplingError, match="has not ended after"):
        run.wait(0.05)
    run.stop()
    go_on[0] = True
    assert run.wait().attrs["interrupted"]


def test_a_run_that_goes_on_until_draws_are_enough_can_be_watched_and_stopped(compiled):
    run = ppl.start(compiled, chains=2, seed=3, tune="auto", until=ppl.Until(ess=MANY, most_draws=MANY))
    until_drawing(run)
    run.trace()
    run.stop()
    result = run.wait()
    assert result.attrs["interrupted"]
    assert not result.attrs["until_met"]
    assert "somebody interrupted it" in result.attrs["stopped_because"]


@pytest.mark.slow
def test_python_exits_while_a_run_goes_on():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "leaving\n"
    assert "Traceback" not in found.stderr


def test_who_asks_when_all_is_over_gets_nothing_and_who_asked_before_an_answer():
    control = Control()
    assert control.ask() is None
    asked = []

    def fail():
        with control.drawing(ppl.Until):
            asked.append(control.ask())
            control([])
            asked.append(control.ask())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert asked[0].result() == ppl.Until()
    assert asked[1].cancelled()
    assert control.ask() is None


def test_what_fails_for_a_watcher_does_not_end_the_run():
    control = Control()
    with control.drawing(lambda: 1 / 0):
        asked = control.ask()
        control([])
    with pytest.raises(ZeroDivisionError):
        asked.result()


def test_controls_belong_to_the_runs_inside():
    control = Control()
    with under(control):
        assert present_control() is control
    assert present_control() is not control


def test_a_clock_that_is_over_interrupts():
    Clock(None)([])
    Clock(1e6)([])
    with pytest.raises(KeyboardInterrupt):
        Clock(-1.0)([])
