"""What can be wrong with draws, one function for each fault: what it is, where, and what helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri
from xarray import DataTree

from ppl.diagnosing.convergence import (
    BAD_R_HAT,
    LEAST_DRAWS,
    Convergence,
    halves_of,
    split_r_hat,
    standardised,
)
from ppl.diagnosing.evidence import Evidence
from ppl.diagnosing.finding import Finding, and_others, means_by_chain
from ppl.diagnosing.hamiltonian_faults import divergences, low_e_bfmi, missing_gradients, saturated_trees
from ppl.diagnosing.identification import exchanged, order_remedy, ridge, ridge_remedy
from ppl.diagnosing.judged import attribute
from ppl.diagnosing.motion import run_away, stuck

GOOD_R_HAT = 1.01
BAD_K = 0.7
"""Pareto k above which importance weights cannot be relied on (Vehtari et al. 2024, JMLR 25)."""
_FAR = 0.25
"""Standard deviations between a mean of draws and the same mean with weights that are worth saying."""
_SURE = 4.0
"""Of the standard errors of that difference: so many are beyond chance for thousands of variables."""
_SHARE = 2 / 3
"""Of the draws that weighted ones are worth, below which that is said: of 29 posteriors of one variable, each fitted by
the best normal distribution, all with more and k below 0.7 had means within 0.06 standard deviations, and all but one,
of Student's t with 3 degrees of freedom, standard deviations within a quarter."""
_OF_WEIGHTS = ("weights_ess", "weights_share", "weights_shift", "weights_shift_error", "weights_shift_of")
LEAST_ESS = 100
"""For each chain: below, R-hat and the errors of quantiles are not reliable themselves (Vehtari et al., 2021)."""
_FALSE_ALARM = 2e-5
"""How probable an R-hat above its bound may be, for all numbers of a run together, if their draws are independent."""
_GAP = 2.0
_IMPLIED = {
    "too few": ("constant", "stuck", "r_hat", "ess"),
    "constant": ("ess",),
    "runaway": ("stuck", "modes", "r_hat", "gradient", "divergences", "e_bfmi", "tree_depth", "ess"),
    "stuck": ("constant", "modes", "r_hat", "ess"),
    "modes": ("r_hat", "ess"),
    "r_hat": ("ess",),
}
"""What follows from a fault and is not said again."""


def far_approximation(trace: DataTree) -> Finding | None:
    """Return what the weights of an approximation say against it; None of chains, and where nothing does."""
    method, k = attribute(trace, "method"), float(attribute(trace, "pareto_k", "nan"))
    if k > BAD_K:
        message = (
            f"the draws are of an approximation ({method}) that is far from the posterior (Pareto k {k:.2f}, more than "
            f"{BAD_K}), and weights do not mend that"
        )
        return Finding("approximation", (), message, "ppl.sample(model, init=trace): chains that start at its draws")
    needed = why_weigh({name: attribute(trace, name, "nan") for name in _OF_WEIGHTS})
    if needed is None:
        return None
    message = f"the draws are of an approximation ({method}) that is not yet the posterior. {needed}"
    remedy = "weigh the draws by log_weight, or ppl.sample(model, init=trace)"
    return Finding("approximation", (attribute(trace, "weights_shift_of"),), message, remedy)


def why_weigh(attributes: Mapping[Any, Any]) -> str | None:
    """Return what weights do to draws, as a sentence; None where that is little, or may be chance."""
    moved, error, share = (float(attributes.get(f"weights_{n}", np.nan)) for n in ("shift", "shift_error", "share"))
    if np.isnan(moved) or not (moved > max(_FAR, _SURE * error) or share < _SHARE):
        return None
    return (
        f"Weights make the draws worth {float(attributes['weights_ess']):.0f} of equal weight ({share:.0%}), and move "
        f"the mean of {attributes['weights_shift_of']} by {moved:.2f} standard deviations on the real line"
    )


def about_approximation(trace: DataTree) -> str:
    """Return what is to be known of draws that have no fault, and are of an approximation; empty of chains."""
    found, method = attribute(trace, "pareto_k"), attribute(trace, "method")
    if not found:
        return ""
    is_exact = float(found) == -np.inf
    near = "all weights are equal: it is exact" if is_exact else f"Pareto k {float(found):.2f}"
    worth = attribute(trace, "weights_ess")
    use = "" if is_exact or method == "pathfinder" else "; weigh them by log_weight"
    if use and worth:
        use += f", by which they are worth {float(worth):.0f} of equal weight"
    return f" The draws are independent ones of an approximation ({method}), {near}{use}."


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


def _too_few(evidence: Evidence, found: Convergence) -> Finding | None:
    count = evidence.draws.shape[1]
    if count >= LEAST_DRAWS:
        return None
    message = f"{count} draw{'s' * (count > 1)} of each chain {'is' if count == 1 else 'are'} too few to judge"
    return Finding("too few", (), message, "draws=1000")


def _constant(evidence: Evidence, found: Convergence) -> Finding | None:
    if not evidence.is_constant:
        return None
    message = "no number differs between any two draws: whether the chains move cannot be judged"
    return Finding("constant", (), message, "if they should, start elsewhere (init=...) or use another sampler")


def _modes(evidence: Evidence, found: Convergence) -> Finding | None:
    """Chains that are each at rest, in different places."""
    apart = _above(found.r_hat, BAD_R_HAT)
    for i in apart:
        own = standardised(evidence.draws[:, :, i])
        within = np.nan_to_num(split_r_hat(halves_of(own[:, None, :])), nan=1.0)
        if within.max() < BAD_R_HAT and np.ptp(own.mean(axis=-1)) > _GAP * own.std(axis=-1).mean():
            label = evidence.labels[i]
            message = f"the chains have settled in different places (R-hat {found.r_hat[i]:.2f}): "
            message += means_by_chain(evidence, i)
            labels = tuple(evidence.labels[j] for j in [i, *(j for j in apart if j != i)])
            if elements := exchanged(evidence, found, i):
                remedy = order_remedy(evidence, elements, i)
            else:
                remedy = (
                    f"the posterior has several modes: look at {label} in each, and use a prior or a reparametrisation "
                    "that leaves one, or weigh them"
                )
            return Finding("modes", labels, message, remedy)
    return None


def _r_hat(evidence: Evidence, found: Convergence) -> Finding | None:
    bound = max(GOOD_R_HAT, _largest_by_chance(evidence))
    large = _above(found.r_hat, bound)
    if not large:
        return None
    labels = [evidence.labels[i] for i in large]
    message = f"R-hat is {found.r_hat[large[0]]:.3f} for {labels[0]}"
    message += f" and above {bound:.3g} for {len(large)} of {len(found.r_hat)} numbers" if len(large) > 1 else ""
    if found.r_hat[large[0]] > BAD_R_HAT:
        message += f"; {means_by_chain(evidence, large[0])}"
        remedy = "tune longer, or reparametrise; if the chains go on moving apart, look for an improper prior"
        if elements := exchanged(evidence, found, large[0]):
            return Finding("r_hat", tuple(labels), message, order_remedy(evidence, elements, large[0]))
    else:
        remedy = "run longer (draws=, tune=); reparametrise if that does not help"
    if along := ridge(evidence, large[0]):
        remedy = ridge_remedy(labels[0], along)
    return Finding("r_hat", tuple(labels), message, remedy)


def _largest_by_chance(evidence: Evidence) -> float:
    """Return the R-hat that independent draws of all numbers together hardly ever exceed.

    Of independent draws the ratio of the variances between and within half chains has an F distribution; R-hat is the
    larger of that of the draws and that of their distances from the median.
    """
    size, count = evidence.num_columns, evidence.draws.shape[1] // 2
    num_halves = 2 * len(evidence.chains)
    # scipy.stats would take half a second to import.
    ratio = fdtri(num_halves - 1, num_halves * (count - 1), 1 - _FALSE_ALARM / (2 * max(size, 1)))
    return float(np.sqrt((ratio + count - 1) / count))


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
    remedy = f"draws={draws}, or a parametrisation that mixes faster"
    if along := ridge(evidence, min(worst)[2]):
        remedy = f"draws={draws}; {ridge_remedy(labels[0], along)}"
    return Finding("ess", labels, message, remedy)


def _unmet(evidence: Evidence, found: Convergence) -> Finding | None:
    if not evidence.unmet:
        return None
    message = f"sampling stopped before the draws were what was asked for: {evidence.unmet}"
    return Finding("until", (), message, "go on from here (init=trace), or ask for less (ppl.Until)")


def _above(numbers: NDArray[np.float64], bound: float) -> list[int]:
    """Return where numbers exceed a bound, largest first."""
    large = np.flatnonzero(numbers > bound)
    return [int(i) for i in large[np.argsort(-numbers[large])]]


_RULES: tuple[Callable[[Evidence, Convergence], Finding | None], ...] = (
    _stopped,
    _too_few,
    _not_finite,
    run_away,
    stuck,
    _constant,
    _modes,
    _r_hat,
    missing_gradients,
    divergences,
    low_e_bfmi,
    saturated_trees,
    _ess,
    _unmet,
)
