"""What a run says of itself where nobody watches: in a log, and when it is interrupted.

Answers: lines written beside each case.
"""

from __future__ import annotations

import re
import sys
import time

import numpy as np
import pytest

import ppl
from ppl.reporting import progress_lines
from ppl.reporting.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """Let the test say what time it is."""
    now = [0.0]
    monkeypatch.setattr(progress_lines.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def compiled():
    return ppl.compile(ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 1), 1): 1.0}), sampler="nuts")


def _state(chain, draw, tuning):
    counts = {"draw": draw, "tune": 1000, "draws": 2000, "num_gradients": 10, "divergences": 3}
    return {"chain": chain, "tuning": tuning, "step_size": 0.5, **counts}


def test_a_log_has_ever_fewer_lines(clock, capsys):
    with ProgressBar(2, 1000, 2000, True) as bar:
        lines = []
        for second in range(1, 3601):
            clock[0] = float(second)
            bar([_state(0, second, False), _state(1, second, True)])
            lines += [(second, line) for line in capsys.readouterr().err.splitlines()]
    assert capsys.readouterr().err == "Sampling took 3600.0 s.\n"
    assert lines.pop(0) == (10, "Sampling 2 chains: 1,000 tuning sweeps, then 2,000 draws of each.")
    assert lines[0] == (10, "10 s: chain 0 draw 10 of 2,000, chain 1 tuning 10 of 1,000; 6 divergent; about 49 s left")
    gaps = np.diff([0, *(second for second, _ in lines)])
    assert gaps.min() >= 10
    assert gaps.max() <= 300
    assert np.all(np.diff(gaps) >= -1)
    assert len(lines) < 25


def test_nothing_is_said_of_a_short_run_but_what_runs(compiled, capsys):
    compiled.sample(draws=5, tune=5, chains=1, seed=1)
    assert capsys.readouterr() == ("", "")
    ppl.sample(compiled.plan.model, draws=5, tune=5, chains=1, seed=1, sampler="nuts")
    written = capsys.readouterr()
    assert written.out == ""  # collected inside of the program: no log
    assert written.err == "Planning, compiling and sampling Model(latent: mu; observed: y).\n"
    compiled.sample(draws=5, tune=5, chains=1, seed=1, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_log_is_stdout_where_it_is_redirected(tmp_path, monkeypatch):
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        assert progress_lines.log_stream(True) is file
        assert progress_lines.log_stream(False) is None
        # A bar in the terminal of stderr does not take the place of the log.
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert progress_lines.log_stream(True) is file
    assert progress_lines.log_stream(True) is None  # closed
    progress_lines.say("The log is gone.", file)


def _planned(compiled, monkeypatch, seconds, least=0.2):
    """Plan with a stage of some length in it."""
    monkeypatch.setattr("ppl.reporting.stages.LEAST_SECONDS", least)

    def slow(*given):
        time.sleep(seconds)
        return given[0], ()

    monkeypatch.setattr("ppl.planning.building.compressed", slow)
    return ppl.plan(compiled.plan.model, sampler="nuts")


def test_a_log_names_the_stages_of_planning_that_take_long(compiled, monkeypatch, capsys):
    _planned(compiled, monkeypatch, 0.0, least=60.0)
    assert capsys.readouterr() == ("", "")
    _planned(compiled, monkeypatch, 0.6)
    # On a busy machine others may take as long.
    said = capsys.readouterr().err
    assert re.fullmatch(r"(\d+ s: [^\n]+\.\n)+", said)
    assert "s: Compressing the likelihood.\n" in said
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_the_stage_while_it_lasts(compiled, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _planned(compiled, monkeypatch, 0.6)
    assert "Compressing the likelihood ..." in capsys.readouterr().err


def test_a_terminal_that_is_gone_ends_no_planning(compiled, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("rich.status.Status.start", lambda self: 1 / 0)
    assert _planned(compiled, monkeypatch, 0.4).assignments


def test_many_chains_are_not_all_named(clock, capsys):
    lines = progress_lines.ProgressLines(1000, 10, 10, sys.stderr)
    clock[0] = 20.0
    lines.update([_state(chain, 1, True) for chain in range(1000)])
    assert [len(line) < 200 for line in capsys.readouterr().err.splitlines()] == [True, True]


def test_an_interrupt_while_tuning_says_what_there_is(compiled, monkeypatch, caplog):
    def interrupt(self, chains):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ppl.reporting.progress.ProgressBar.__call__", interrupt)
        trace = compiled.sample(draws=10, tune=3_000_000, chains=2, seed=1, progress=False)
    assert trace.posterior.sizes["draw"] == 0
    [said] = [record.message for record in caplog.records if "Interrupted" in record.message]
    assert "before the first draw after " in said
    assert "init=trace" in said
    number = int(said.split("after ")[1].split()[0])
    assert 0 < number < 3_000_000
    # As it says, another run goes on from there, with the step sizes that were learnt.
    more = compiled.sample(draws=5, tune=0, chains=2, init=trace, seed=2, progress=False)
    np.testing.assert_allclose(more.sample_stats["step_size"][:, 0], trace["adaptation"]["step_size_0"])
