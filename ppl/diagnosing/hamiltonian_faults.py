"""Faults of Hamiltonian dynamics: divergences and where they are, energies, trajectories that were cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from ppl.diagnosing.convergence import Convergence
from ppl.diagnosing.evidence import FEW_DIVERGENCES, Evidence
from ppl.diagnosing.finding import Finding, name_chains
from samplers.tuning.ranks import average_ranks

LEAST_E_BFMI = 0.3
MANY_SATURATED = 0.05
_FALSE_ALARM = 1e-3
_NARROW = 0.5
_MOST_RANKED = 200


def divergences(evidence: Evidence, found: Convergence) -> Finding | None:
    """Say how many draws diverged, and in the tail of which variable."""
    diverging = evidence.diverging
    if diverging is None or not diverging.any():
        return None
    count = int(diverging.sum())
    if evidence.without_gradient[0] > 0.5 * count:
        # `missing_gradients` says why.
        return None
    message = f"{count} of {diverging.size} draws diverged"
    chains = np.flatnonzero(diverging.sum(axis=1) > 0.9 * count)
    if len(evidence.chains) > 1 and chains.size and count > FEW_DIVERGENCES:
        message += f", nearly all in {name_chains(evidence, chains)}"
    place = _place(evidence, diverging) if count >= FEW_DIVERGENCES else None
    if place is None:
        remedy = "raise target_accept (0.95), use stronger priors, or reparametrise (non-centred hierarchies)"
        message += "" if count >= FEW_DIVERGENCES else ", too few to say where"
        return Finding("divergences", (), message, remedy)
    column, where, is_low = place
    label = evidence.labels[column]
    remedy = f"if {label} is a scale of other variables, or its logarithm, write these non-centred (mean + scale * "
    remedy += "raw); else raise target_accept (0.95) or use a stronger prior"
    if not is_low:
        remedy = f"raise target_accept (0.95), or use a prior or a parametrisation that keeps {label} from there"
    return Finding("divergences", (label,), f"{message}, {where}", remedy)


def missing_gradients(evidence: Evidence, found: Convergence) -> Finding | None:
    """Say of which term the gradient was not finite where its log-density was, and trajectories ended there."""
    count, term = evidence.without_gradient
    if not count:
        return None
    ended = "1 trajectory" if count == 1 else f"{count} trajectories"
    return Finding(
        "gradient",
        (term,) if term else (),
        f"{ended} ended where the gradient of {term or 'the log-density'} is not finite, but its value is",
        "rewrite an expression that has a value there but no derivative (sqrt(0), 0 * inf, a switch over infinities)",
    )


def _place(evidence: Evidence, diverging: NDArray[np.bool_]) -> tuple[int, str, bool] | None:
    """Return the column whose ranks are least like all others' where draws diverged, the place in words, and if low."""
    # A chain that diverges again and again at one point tells of that point once.
    is_new = np.ones_like(diverging)
    is_new[:, 1:] = (np.diff(evidence.draws, axis=1) != 0).any(axis=2)
    flat = evidence.draws[is_new]
    is_bad = np.logical_or.reduceat(diverging.ravel(), np.flatnonzero(is_new.ravel()))
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.abs(flat[is_bad].mean(axis=0) - flat.mean(axis=0)) / flat.std(axis=0)
    columns = np.argsort(-np.nan_to_num(shift, nan=0.0))[:_MOST_RANKED]
    ranks = (average_ranks(flat[:, columns].T).T - 0.5) / len(flat)
    low, high = _improbability(ranks[is_bad]), _improbability(1 - ranks[is_bad])
    best = int(np.argmin(np.minimum(low, high)))
    if min(low[best], high[best]) > _FALSE_ALARM / (2 * flat.shape[1]):
        return None
    column, own = int(columns[best]), ranks[is_bad, best]
    is_low = bool(low[best] < high[best])
    edge = np.quantile(own, 0.9) if is_low else 1 - np.quantile(own, 0.1)
    side = "lowest" if is_low else "highest"
    where = f"where {evidence.labels[column]} is {'small' if is_low else 'large'}"
    if edge < _NARROW:
        where += f" (nine in ten in its {side} {max(edge, 0.01):.0%})"
    return column, where, is_low


def _improbability(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how probable ranks that small are, were they uniform: Fisher's test, exact for any number of them."""
    return np.asarray(chdtrc(2 * len(ranks), -2 * np.log(ranks).sum(axis=0)))


def low_e_bfmi(evidence: Evidence, found: Convergence) -> Finding | None:
    """Say where the energy changes too little from draw to draw."""
    numbers = e_bfmi(evidence)
    if numbers is None or not (numbers < LEAST_E_BFMI).any():
        return None
    message = f"E-BFMI is {np.nanmin(numbers):.2f} in chain {evidence.chains[int(np.nanargmin(numbers))]}"
    return Finding(
        "e_bfmi",
        (),
        f"{message}: momentum is renewed too timidly for the range of the log-density",
        "reparametrise heavy tails and hierarchies (non-centred), or tune longer",
    )


def e_bfmi(evidence: Evidence) -> NDArray[np.float64] | None:
    """Return the estimated Bayesian fraction of missing information of each chain (Betancourt, 2016)."""
    energy = evidence.energy
    if energy is None or energy.shape[1] < 4 or not np.isfinite(energy).all():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction: NDArray[np.float64] = np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1, ddof=1)
    return fraction


def saturated_trees(evidence: Evidence, found: Convergence) -> Finding | None:
    """Say how many trajectories were cut off."""
    if evidence.saturated is None or evidence.saturated.mean() <= MANY_SATURATED:
        return None
    count, depth = int(evidence.saturated.sum()), evidence.max_tree_depth
    return Finding(
        "tree_depth",
        (),
        f"{count} draws reached the maximum tree depth of {depth}: correct, but slow",
        "rescale or decorrelate the parameters, or raise max_tree_depth",
    )
