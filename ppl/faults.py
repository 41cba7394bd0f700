"""What can be wrong with draws, one function for each fault: what it is, where, and what helps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ppl.convergence import Convergence, convergence, split, split_r_hat
from ppl.evidence import Evidence
from ppl.finding import Finding, and_others, means_by_chain, name_chains
from ppl.trajectories import divergences, low_e_bfmi, missing_gradients, saturated_trees

GOOD_R_HAT = 1.01
BAD_R_HAT = 1.1
"""Of chains that are not merely short, but in different places."""
LEAST_ESS = 100
"""For each chain: below, R-hat and the errors of quantiles are not reliable themselves (Vehtari et al., 2021)."""
FEW_MOVES = 0.05
_HUGE = 1e12
_GROWTH = 100.0
_LEAST_GROWING = 40
_GAP = 2.0
_IMPLIED = {
    "runaway": ("stuck", "modes", "r_hat", "gradient", "divergences", "e_bfmi", "tree_depth", "ess"),
    "stuck": ("modes", "r_hat", "ess"),
    "modes": ("r_hat", "ess"),
    "r_hat": ("ess",),
}
"""What follows from a fault and is not said again."""
_ORDER = 'its elements exchange places: order them, e.g. by transform="ordered"'


def find_faults(evidence: Evidence, found: Convergence) -> tuple[Finding, ...]:
    """Return all that is wrong, causes before their consequences."""
    findings = [rule(evidence, found) for rule in _RULES]
    kinds = {f.kind for f in findings if f is not None}
    # Chains that are in different places have a large R-hat and few effective draws: that is said once.
    implied = {kind for cause, kinds_after in _IMPLIED.items() if cause in kinds for kind in kinds_after}
    return tuple(f for f in findings if f is not None and f.kind not in implied)


def _stopped(evidence: Evidence, found: Convergence) -> Finding | None:
    longest = max(evidence.lengths)
    short = [i for i, n in enumerate(evidence.lengths) if n < longest]
    if not short:
        return None
    what = ", ".join(f"{i} after {evidence.lengths[i]}" for i in short)
    others = "the others are judged here" if len(evidence.chains) < len(evidence.lengths) else "the rest is missing"
    return Finding("stopped", (), f"chains stopped early ({what} draws); {others}", "look into why before using them")


def _not_finite(evidence: Evidence, found: Convergence) -> Finding | None:
    bad = [label for label in evidence.not_finite if label not in evidence.infinite]
    if not bad:
        return None
    worst = sorted(bad, key=evidence.not_finite.__getitem__, reverse=True)
    message = f"{worst[0]}{and_others(worst)} is not finite in {evidence.not_finite[worst[0]]} draws"
    return Finding("not finite", tuple(worst), message, "look for divisions by zero and overflow in its expression")


def _runaway(evidence: Evidence, found: Convergence) -> Finding | None:
    """Draws that grow without end, have grown beyond all reason, or wander where the prior does not hold them."""
    is_long = evidence.draws.shape[1] >= _LEAST_GROWING
    columns = [*_growing(evidence.draws), *_wandering(evidence)] if is_long else []
    columns = list(dict.fromkeys(columns))
    labels = [*evidence.infinite, *(evidence.labels[i] for i in columns)]
    if not labels:
        return None
    size = (
        "beyond the largest number" if evidence.infinite else f"to {np.abs(evidence.draws[..., columns[0]]).max():.1g}"
    )
    return Finding(
        "runaway",
        tuple(labels),
        f"{labels[0]}{and_others(labels)} has run away, {size}: the posterior looks improper",
        "give it a proper prior, or data that inform it",
    )


def _growing(draws: NDArray[np.float64]) -> list[int]:
    """Return the columns that grow a hundredfold, or have done so before the first draw, largest first."""
    size = np.abs(draws)
    quarter = draws.shape[1] // 4
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.median(size[:, -quarter:], axis=1) / np.median(size[:, :quarter], axis=1)
    grows = np.median(np.nan_to_num(growth), axis=0) > _GROWTH
    # What is large by its units does not span so many orders of magnitude.
    is_huge = (np.median(size, axis=(0, 1)) > _HUGE) & (np.ptp(draws, axis=(0, 1)) > _HUGE)
    columns = np.flatnonzero(grows | is_huge)
    return [int(i) for i in columns[np.argsort(-size[:, :, columns].max(axis=(0, 1)))]]


def _wandering(evidence: Evidence) -> list[int]:
    """Return the columns with a flat prior whose chains, each by itself, end elsewhere than they began."""
    columns = [i for i, name in enumerate(evidence.variables) if name in evidence.flat_priors]
    rows = evidence.draws[..., columns].transpose(0, 2, 1)
    halves = split(rows[:, :, None, :])
    of_chains = split_r_hat(halves).mean(axis=0)
    worst = np.argsort(-of_chains)
    return [columns[i] for i in worst if of_chains[i] > BAD_R_HAT]


def _stuck(evidence: Evidence, found: Convergence) -> Finding | None:
    """Chains that hardly move, or variables that do not in one chain."""
    draws = evidence.draws
    if draws.shape[1] < 20:
        return None
    is_real = (draws % 1 != 0).any(axis=(0, 1))
    if not is_real.any():
        return None
    moves = (np.diff(draws[:, :, is_real], axis=1) != 0).any(axis=2).mean(axis=1)
    slow = np.flatnonzero(moves < FEW_MOVES)
    remedy = "start elsewhere (init=...), tune longer, or use another sampler for what does not move"
    if slow.size:
        chains = name_chains(evidence, slow)
        return Finding("stuck", (), f"{chains} moved in fewer than {FEW_MOVES:.0%} of the draws", remedy)
    varies = np.ptp(draws, axis=1) > 0
    held = np.flatnonzero(is_real & varies.any(axis=0) & ~varies.all(axis=0))
    if not held.size:
        return None
    labels = [evidence.labels[i] for i in held]
    where = name_chains(evidence, np.flatnonzero(~varies[:, held[0]]))
    return Finding("stuck", tuple(labels), f"{labels[0]}{and_others(labels)} does not move in {where}", remedy)


def _modes(evidence: Evidence, found: Convergence) -> Finding | None:
    """Chains that are each at rest, in different places."""
    apart = _above(found.r_hat, BAD_R_HAT)
    halves = np.moveaxis(evidence.draws, 2, 0)[..., None, :]
    for i in apart:
        within = split_r_hat(split(halves[i]))
        means, scales = evidence.draws[:, :, i].mean(axis=1), evidence.draws[:, :, i].std(axis=1)
        if np.nanmax(within) < BAD_R_HAT and np.ptp(means) > _GAP * scales.mean():
            label = evidence.labels[i]
            message = f"the chains have settled in different places (R-hat {found.r_hat[i]:.2f}): "
            message += means_by_chain(evidence, i)
            labels = tuple(evidence.labels[j] for j in [i, *(j for j in apart if j != i)])
            if _is_exchanged(evidence, i):
                remedy = _ORDER
            else:
                remedy = (
                    f"the posterior has several modes: look at {label} in each, and use a prior or a reparametrisation "
                    "that leaves one, or weigh them"
                )
            return Finding("modes", labels, message, remedy)
    return None


def _is_exchanged(evidence: Evidence, column: int) -> bool:
    """Whether the elements of a variable agree between chains once they are in order."""
    own = [i for i, v in enumerate(evidence.variables) if v == evidence.variables[column]]
    if len(own) < 2:
        return False
    in_order = convergence(np.sort(evidence.draws[:, :, own], axis=2)).r_hat
    return bool(np.nanmax(in_order) < BAD_R_HAT)


def _r_hat(evidence: Evidence, found: Convergence) -> Finding | None:
    large = _above(found.r_hat, GOOD_R_HAT)
    if not large:
        return None
    labels = [evidence.labels[i] for i in large]
    message = f"R-hat is {found.r_hat[large[0]]:.3f} for {labels[0]}"
    message += f" and above {GOOD_R_HAT} for {len(large)} of {len(found.r_hat)} numbers" if len(large) > 1 else ""
    if found.r_hat[large[0]] > BAD_R_HAT:
        message += f"; {means_by_chain(evidence, large[0])}"
        remedy = "tune longer, or reparametrise; if the chains go on moving apart, look for an improper prior"
        remedy = _ORDER if _is_exchanged(evidence, large[0]) else remedy
        return Finding("r_hat", tuple(labels), message, remedy)
    return Finding("r_hat", tuple(labels), message, "run longer (draws=, tune=); reparametrise if that does not help")


def _ess(evidence: Evidence, found: Convergence) -> Finding | None:
    least = LEAST_ESS * len(evidence.chains)
    worst = []
    for what, sizes in (("bulk", found.ess_bulk), ("tails", found.ess_tail)):
        if np.isfinite(sizes).any() and np.nanmin(sizes) < least:
            worst.append((float(np.nanmin(sizes)), what, int(np.nanargmin(sizes))))
    if not worst:
        return None
    labels = tuple(dict.fromkeys(evidence.labels[i] for _, _, i in sorted(worst)))
    message = "only " + " and ".join(
        f"{size:.0f} effective draws in the {what} of {evidence.labels[i]}" for size, what, i in worst
    )
    factor = least / min(size for size, _, _ in worst)
    draws = int(np.ceil(factor * evidence.draws.shape[1] / 100) * 100)
    message += f" (of {evidence.draws[:, :, 0].size}; {least} are wanted)"
    return Finding("ess", labels, message, f"draws={draws}, or a parametrisation that mixes faster")


def _above(numbers: NDArray[np.float64], bound: float) -> list[int]:
    """Return where numbers exceed a bound, largest first."""
    large = np.flatnonzero(numbers > bound)
    return [int(i) for i in large[np.argsort(-numbers[large])]]


_RULES: tuple[Callable[[Evidence, Convergence], Finding | None], ...] = (
    _stopped,
    _not_finite,
    _runaway,
    _stuck,
    _modes,
    _r_hat,
    missing_gradients,
    divergences,
    low_e_bfmi,
    saturated_trees,
    _ess,
)
