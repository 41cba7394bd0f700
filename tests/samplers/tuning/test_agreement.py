"""Whether chains agree about what they have learnt.

Answers: chains that are alike or apart by how they were made.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from samplers.tuning.agreement import (
    LEAST_TUNE,
    MOST_TUNE,
    Knowledge,
    agree,
    decided_after,
    is_settled,
    next_stage,
    warm_up_lengths,
)

EARLY, LATE = 85, 646


def chains(seed: int = 0, num_draws: int = 43) -> list[Knowledge]:
    """Four chains at rest that have learnt the same, about two blocks and three scales of proposals."""
    rng = np.random.default_rng(seed)

    def near(*shape: int) -> np.ndarray:
        return 0.05 * rng.normal(size=shape)

    return [
        Knowledge(rng.normal(size=(num_draws, 2)), near(2), [near(1, 3), near(1, 5)], ("diag", "dense"), near(3))
        for _ in range(4)
    ]


def other(number: int, **changes) -> list[Knowledge]:
    """The same, but for something of one chain."""
    found = chains()
    found[number] = found[number]._replace(**changes)
    return found


def test_chains_that_are_alike_agree_nearly_always():
    assert np.mean([agree(chains(seed), EARLY) for seed in range(200)]) > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": np.random.default_rng(1).normal(2.0, 1.0, size=(43, 2))},
        {"levels": np.linspace(-1e6, 0.0, 86).reshape(43, 2)},
        {"log_step_sizes": np.array([0.0, 1.0])},
        {"log_scales": [np.zeros((1, 3)), np.ones((1, 5))]},
        {"log_proposals": np.ones(3)},
        {"kinds": ("diag", "diag")},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("number", [0, 3])
def test_a_chain_that_differs_in_anything_does_not_agree(changes, number):
    assert agree(chains(), EARLY)
    assert not agree(other(number, **changes), EARLY)


def test_metrics_of_different_kinds_may_both_be_good_in_the_end():
    found = other(0, kinds=("diag", "diag"))
    assert not agree(found, EARLY)
    assert agree(found, LATE)


def test_a_few_of_many_chains_may_choose_another_kind_of_metric():
    many = [chain for seed in range(16) for chain in chains(seed)]
    assert agree(many, EARLY)
    others = [chain._replace(kinds=("diag", "diag")) for chain in many]
    assert agree([*others[:5], *many[5:]], EARLY)
    assert not agree([*others[:10], *many[10:]], EARLY)


def test_what_is_not_finite_never_agrees():
    assert not agree(other(0, log_step_sizes=np.array([np.nan, 0.0])), EARLY)
    assert not agree(other(0, log_proposals=np.array([-np.inf, 0.0, 0.0])), EARLY)


def test_one_chain_agrees_with_itself_before_and_nothing_with_nothing():
    one, two = chains()[:2]
    assert not is_settled([one], [], EARLY)
    assert is_settled([one], [two], EARLY)
    assert not is_settled([one], [two._replace(log_step_sizes=np.ones(2))], EARLY)
    nothing = Knowledge(np.zeros((40, 0)), np.zeros(0), [], (), np.zeros(0))
    assert is_settled([nothing], [], EARLY)
    assert is_settled([nothing] * 4, [], EARLY)
    assert not is_settled([], [], EARLY)


def test_lengths_grow_from_the_least_to_the_most():
    lengths = warm_up_lengths()
    assert (lengths[0], lengths[-1]) == (LEAST_TUNE, MOST_TUNE)
    for short, longer in pairwise(lengths):
        assert next_stage(short) == longer
        # A late sweep of the shorter one is a late one of the longer, whose first 30 % are early.
        assert decided_after(short) >= 0.3 * longer
    assert next_stage(MOST_TUNE) is None


def test_knowledge_goes_through_arrays():
    one = chains()[0]
    found = Knowledge.of_state(one.state())
    assert found.kinds == one.kinds
    for name in ("levels", "log_step_sizes", "log_proposals"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))
    for mine, its in zip(found.log_scales, one.log_scales, strict=True):
        np.testing.assert_array_equal(mine, its)
