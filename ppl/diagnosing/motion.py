"""Whether chains move as they should: draws that run away, and chains that stand still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppl.diagnosing.convergence import BAD_R_HAT, Convergence, halves_of, split_r_hat, standardised
from ppl.diagnosing.evidence import Evidence
from ppl.diagnosing.finding import Finding, and_others, name_chains
from ppl.diagnosing.screening import LARGEST

FEW_MOVES = 0.05
_GROWTH, _LARGE = 100.0, 1e3
"""Draws have run away that grow a hundredfold, to what is large in most units."""
_HUGE = 1e30
"""Draws about which, wherever they began, are beyond what anything is measured in."""
_LEAST_GROWING, _LEAST_MOVING = 40, 20
_FIRST_DRAWS = 8


def run_away(evidence: Evidence, found: Convergence) -> Finding | None:
    """Draws that grow without end, have grown beyond all reason, or wander where the prior does not hold them."""
    columns: list[int] = []
    if evidence.draws.shape[1] >= _LEAST_GROWING:
        can_grow = np.array([name not in evidence.bounded for name in evidence.variables], bool)
        columns = [*(i for i in _growing(evidence.draws) if can_grow[i]), *_wandering(evidence)]
        columns = list(dict.fromkeys(columns))
    labels = [*evidence.infinite, *(evidence.labels[i] for i in columns)]
    if not labels:
        return None
    largest = 0.0 if evidence.infinite else np.abs(evidence.draws[..., columns[0]]).max()
    size = "beyond the largest number" if evidence.infinite or largest >= LARGEST else f"to {largest:.1g}"
    return Finding(
        "runaway",
        tuple(labels),
        f"{labels[0]}{and_others(labels)} has run away, {size}: the posterior looks improper",
        "give it a proper prior, or data that inform it",
    )


def _growing(draws: NDArray[np.float64]) -> list[int]:
    """Return the columns that grow a hundredfold, or have done so before the first draw, largest first.

    A ratio of medians alone says nothing of draws that are often zero, or span many orders of magnitude: in half of the
    chains nearly all of the last draws have to be larger than nearly all of the first.
    """
    # Nearly always none: quantiles of all would take as long as the sampling of a small model.
    large = np.flatnonzero(np.maximum(draws.max(axis=(0, 1)), -draws.min(axis=(0, 1))) > _LARGE)
    if not len(large):
        return []
    draws = draws[:, :, large]
    size = np.abs(draws)
    quarter = draws.shape[1] // 4
    first, last = size[:, :quarter], size[:, -quarter:]
    is_above = np.quantile(last, 0.1, axis=1) > np.quantile(first, 0.9, axis=1)
    is_far = np.median(last, axis=1) > np.maximum(_GROWTH * np.median(first, axis=1), _LARGE)
    grows = (is_above & is_far).mean(axis=0) >= 0.5
    # What is large by its units does not span so many orders of magnitude.
    middle = np.median(size, axis=(0, 1))
    is_huge = (middle > _HUGE) & (middle < LARGEST) & (np.ptp(draws, axis=(0, 1)) > _HUGE)
    columns = np.flatnonzero(grows | is_huge)
    return [int(large[i]) for i in columns[np.argsort(-size[:, :, columns].max(axis=(0, 1)))]]


def _wandering(evidence: Evidence) -> list[int]:
    """Return the columns with a flat prior whose chains, each by itself, end elsewhere than they began."""
    columns = [i for i, name in enumerate(evidence.variables) if name in evidence.flat_priors]
    if not columns:
        return []
    rows = standardised(evidence.draws[..., columns].transpose(2, 0, 1)).transpose(1, 0, 2)
    of_chains = split_r_hat(halves_of(rows[:, :, None, :])).mean(axis=0)
    worst = np.argsort(-of_chains)
    return [columns[i] for i in worst if of_chains[i] > BAD_R_HAT]


def stuck(evidence: Evidence, found: Convergence) -> Finding | None:
    """Chains that hardly move, or variables that do not in one chain, or in any."""
    remedy = "start elsewhere (init=...), tune longer, or use another sampler for what does not move"
    if evidence.held:
        labels = list(evidence.held)
        return Finding("stuck", evidence.held, f"{labels[0]}{and_others(labels)} has not moved in any chain", remedy)
    draws = evidence.draws
    is_real = _is_real(draws)
    if draws.shape[1] < _LEAST_MOVING or evidence.is_constant or not is_real.any():
        return None
    moves = _moves(draws, np.flatnonzero(is_real)).mean(axis=1)
    slow = [c for c in np.flatnonzero(moves < FEW_MOVES) if not _has_atoms(draws[:, :, is_real], int(c))]
    if slow:
        chains = name_chains(evidence, np.array(slow))
        return Finding("stuck", (), f"{chains} moved in fewer than {FEW_MOVES:.0%} of the draws", remedy)
    # What does not stand still has mostly moved by the second draw.
    stands = (draws[:, 0] == draws[:, 1]) & (draws[:, 0] == draws[:, -1])
    chain, column = np.nonzero(stands)
    stands[chain, column] = np.ptp(draws[chain, :, column], axis=1) == 0
    held = [
        int(i)
        for i in np.flatnonzero(is_real & stands.any(axis=0) & ~stands.all(axis=0))
        if not all(_has_atoms(draws[:, :, [i]], int(c)) for c in np.flatnonzero(stands[:, i]))
    ]
    if not held:
        return None
    labels = [evidence.labels[i] for i in held]
    where = name_chains(evidence, np.flatnonzero(stands[:, held[0]]))
    return Finding("stuck", tuple(labels), f"{labels[0]}{and_others(labels)} does not move in {where}", remedy)


def _is_real(draws: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which columns have draws that are no whole numbers."""
    result = np.zeros(draws.shape[2], bool)
    # The first draws tell it of nearly all.
    for some in (draws[:1, :_FIRST_DRAWS], draws):
        left = np.flatnonzero(~result)
        result[left] = (some[:, :, left] % 1 != 0).any(axis=(0, 1))
    return result


def _moves(draws: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return, by chain and draw but for the first, whether some of the columns differ from the draw before."""
    first = draws[:, :, columns[0]]
    moves: NDArray[np.bool_] = first[:, 1:] != first[:, :-1]
    # Where one number has moved the others need not be looked at.
    chain, draw = np.nonzero(~moves)
    moves[chain, draw] = (draws[chain, draw + 1][:, columns] != draws[chain, draw][:, columns]).any(axis=1)
    return moves


def _has_atoms(draws: NDArray[np.float64], chain: int) -> bool:
    """Whether it has a reason that a chain repeats its draws: they are values that all columns come back to.

    A chain that is stuck stays at numbers that no chain that moves has, and that it does not find again.
    """
    own = draws[chain]
    is_kept = (np.diff(own, axis=0) == 0).all(axis=1)
    if not is_kept.any():
        return False
    # The state that is repeated most: where it is kept, column by column.
    states, counts = np.unique(own[1:][is_kept], axis=0, return_counts=True)
    state = states[counts.argmax()]
    others = np.delete(draws, chain, axis=0)
    is_elsewhere = ((others == state).any(axis=1) & (np.ptp(others, axis=1) > 0)).any(axis=0)
    is_there = own == state
    comes_back = (np.diff(is_there.astype(np.int8), axis=0, prepend=0) == 1).sum(axis=0) > 1
    return bool((comes_back | is_elsewhere).all())
