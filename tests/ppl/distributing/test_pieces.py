"""Pieces of a run, one after the other, draw what the run draws in one go.

Answers: that run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppl.distributing import pieces
from ppl.distributing.pieces import PieceOfWork, done_of
from samplers import RunSettings, compile_sweep
from tests.samplers.loop.test_chain import conditional_sweep
from tests.samplers.loop.test_going import stretched


def check_pieces(sweep: Any, settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run pieces that end as soon as they can, and return how many there were."""
    monkeypatch.setattr(pieces, "_compiled", lambda payload: (sweep, None))
    monkeypatch.setattr(pieces, "_own_threads", lambda: 1)
    start = np.linspace(-1, 1, 3)[:, None].repeat(sweep.layout.size, axis=1)
    expected = sweep.run(start, settings)
    state, rows, number, is_whole = None, [], 0, False
    while not is_whole:
        done = done_of(b"", PieceOfWork(start, settings, settings.draws, 0.0, 8 * sweep.layout.size, state))
        state, is_whole, number = done.state, done.is_whole, number + 1
        assert done.error is None
        rows += [taken for taken in done.rows if not taken.is_tuning]
    for chain in range(3):
        own = np.concatenate([taken.draws for taken in rows if taken.chain == chain])
        np.testing.assert_array_equal(own, expected.draws[chain])
    np.testing.assert_array_equal(done.result.num_tuned, np.full(3, settings.tune))
    return number


def test_pieces_draw_what_a_run_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_pieces(compile_sweep(conditional_sweep(), "c"), RunSettings(20, 30, seed=3), monkeypatch) >= 1


@pytest.mark.slow
def test_in_jax_pieces_draw_what_a_run_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    settings = RunSettings(60, 40, seed=3, metric="dense", keep_tuning=True)
    assert check_pieces(compile_sweep(stretched(), "jax"), settings, monkeypatch) > 2
