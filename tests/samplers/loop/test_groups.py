"""Some chains of a run by themselves draw what they draw beside the others, and are put together again.

Answers: the run of all chains.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.errors import SamplingError
from samplers import RunSettings, compile_sweep
from samplers.chain.going import Taken
from samplers.chain.groups import (
    chains_in_groups,
    joined_results,
    joined_states,
    settings_of_group,
    state_of_all,
    state_of_group,
)
from samplers.tuning.agreement import LEAST_TUNE
from tests.samplers.loop.test_chain import conditional_sweep, nuts_sweep
from tests.samplers.loop.test_going import Kept, stretched

STARTS = np.linspace(-1.0, 1.0, 5)[:, None]


@pytest.fixture(scope="module")
def compiled() -> Any:
    return compile_sweep(conditional_sweep())


def starts(compiled: Any) -> np.ndarray:
    return np.repeat(STARTS, compiled.layout.size, axis=1)


def test_groups_are_neighbours_as_even_as_can_be() -> None:
    assert chains_in_groups(7, 3) == [range(3), range(3, 5), range(5, 7)]
    assert chains_in_groups(2, 8) == [range(1), range(1, 2)]


def test_chains_draw_alone_what_they_draw_beside_others(compiled: Any) -> None:
    settings = RunSettings(50, 20, seed=5, keep_tuning=True, thin=2)
    init = starts(compiled)
    whole = compiled.run(init, settings)
    parts = [compiled.run(init[g.start : g.stop], settings_of_group(settings, g)) for g in chains_in_groups(5, 2)]
    np.testing.assert_array_equal(np.concatenate([part.draws for part in parts]), whole.draws)
    np.testing.assert_array_equal(np.concatenate([part.tuning_draws for part in parts]), whole.tuning_draws)
    joined = joined_results(parts)
    for name in ("step_size", "inverse_mass_matrix", "state", "status", "num_draws", "num_tuned", "num_gradients"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name), err_msg=name)


def test_chains_go_on_with_what_each_had_learnt() -> None:
    dense = compile_sweep(stretched(), "c")
    init, warm_up = starts(dense)[:3], RunSettings(60, 0, seed=1, metric="dense")
    known = dense.run(init, warm_up)
    settings = RunSettings(0, 15, seed=2, learnt=known.learnt)
    whole = dense.run(known.state, settings)
    alone = dense.run(known.state[1:], settings_of_group(settings, range(1, 3)))
    np.testing.assert_array_equal(alone.draws, whole.draws[1:])


def test_states_are_taken_apart_and_put_together(compiled: Any) -> None:
    """By chance a prefix may be that of another: there are more than ten chains."""
    init = np.repeat(starts(compiled), 3, axis=0)
    run = compiled.begin(init, RunSettings(10, 4, seed=1), Kept(100))
    run.advance()
    state, groups = run.state(), chains_in_groups(15, 4)
    parts = [state_of_group(state, group) for group in groups]
    found = joined_states(parts, groups, float(state["seconds"]))
    assert set(found) == set(state)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    again = compiled.begin(init[:4], settings_of_group(RunSettings(10, 9, seed=1), groups[0]), kept := Kept(100))
    again.restore(parts[0])
    for chain in range(4):
        kept.rows[chain, False] = [np.zeros((4, 1))]
    again.advance()
    whole = compiled.run(init, RunSettings(10, 9, seed=1))
    for chain in range(4):
        np.testing.assert_array_equal(kept.rows[chain, False][1][:, 0], whole.draws[chain, 4:, 0])


def test_rows_progress_and_errors_have_the_numbers_of_the_run(compiled: Any) -> None:
    seen: list[int] = []
    settings = RunSettings(5, 5, seed=1, callback=lambda states: seen.extend(s["chain"] for s in states))
    taken: list[Taken] = []
    kept = Kept(2)
    kept.take = taken.append  # type: ignore[method-assign]
    compiled.begin(starts(compiled)[3:], settings_of_group(settings, range(3, 5)), kept).advance()
    assert {rows.chain for rows in taken} == {3, 4} == set(seen)
    x = pt.tensor("x", shape=())
    nowhere = compile_sweep(nuts_sweep(pt.log(x), x), "c")
    with pytest.raises(SamplingError, match="Chain 3 cannot start"):
        nowhere.run(np.full((2, 1), -1.0), settings_of_group(RunSettings(5, 5, seed=1), range(3, 5)))


class Elsewhere:
    """Chains of a run in two groups, which know of each other only what they leave when they have to meet."""

    def __init__(self, compiled: Any, init: np.ndarray, settings: RunSettings):
        self.compiled, self.init, self.number = compiled, init, len(init)
        self.settings = replace(settings, of_chains=self.number)
        self.groups = chains_in_groups(self.number, 2)
        self.kept = [Kept(1000) for _ in self.groups]
        self.of_all: dict[str, np.ndarray] = {}
        self.num_met = 0

    def whole(self) -> Any:
        return self.compiled.begin(self.init, self.settings, Kept(1))

    def parts(self) -> list[Any]:
        return [
            self.compiled.begin(self.init[g.start : g.stop], settings_of_group(self.settings, g), kept)
            for g, kept in zip(self.groups, self.kept, strict=True)
        ]

    def draws(self) -> np.ndarray:
        """Draw, each time in new runs."""
        whole = self.whole()
        while True:
            state = whole.state()
            parts = self.parts()
            for group, part in zip(self.groups, parts, strict=True):
                part.restore(state_of_group(state, group))
                assert part.advance()
            joined = joined_states([part.state() for part in parts], self.groups, 1.0) | state_of_all(state)
            if not any(part.is_waiting for part in parts):
                rows = [kept.rows[chain, False] for kept in self.kept for chain in sorted({c for c, _ in kept.rows})]
                self.tune = parts[0].result().tune
                return np.stack([np.concatenate(own) for own in rows])
            whole = self.whole()
            whole.restore(joined)
            whole.meet()
            self.num_met += 1


@pytest.mark.parametrize(("is_pooled", "until_agreed"), [(True, False), (False, True), (True, True)])
def test_chains_that_learn_or_decide_together_meet(is_pooled: bool, until_agreed: bool) -> None:
    dense = compile_sweep(stretched(), "c")
    init = starts(dense)[:3]
    tune = LEAST_TUNE if until_agreed else 80
    settings = RunSettings(tune, 12, seed=4, is_pooled=is_pooled, tunes_until_agreed=until_agreed)
    whole = dense.run(init, settings)
    elsewhere = Elsewhere(dense, init, settings)
    np.testing.assert_array_equal(elsewhere.draws()[:, :, : dense.layout.size], whole.draws)
    assert elsewhere.tune == whole.tune
    assert elsewhere.num_met > 0
