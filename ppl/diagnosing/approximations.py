"""What the weights of independent draws say of the approximation that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from xarray import DataTree

from ppl.diagnosing.finding import Finding
from ppl.diagnosing.judged import attribute

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
