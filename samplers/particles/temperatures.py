"""How far the next density may be from the present one: by the effective size of the weights that lead there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float64]

_BISECTIONS = 60
_SMALLEST = 1e-300


def effective_share(log_weights: Vector) -> float:
    """Return the effective size of weights as a share of their number: one where they are equal.

    Parameters
    ----------
    log_weights : array, shape (n,), float64
        Minus infinity is a weight of zero.
    """
    largest = log_weights.max()
    if largest == -np.inf:
        return 0.0
    weights = np.exp(log_weights - largest)
    return float(weights.sum() ** 2 / (weights**2).sum() / weights.size)


def next_temperature(temperature: float, loglikelihoods: Vector, share: float) -> float:
    """Return the temperature at which the effective size of the weights is a share of that of those possible at all.

    All particles count the same at the present one, so that this is the conditional effective size [1]_ as well.

    Parameters
    ----------
    temperature : float
        The present one, below 1.
    loglikelihoods : array, shape (n,), float64
        What is tempered, at each particle; minus infinity where that is impossible.
    share : float
        Between 0 and 1.

    Returns
    -------
    float
        Above the present one; 1 at most.

    References
    ----------
    .. [1] Zhou, Johansen and Aston (2016). Toward automatic model comparison: an adaptive sequential Monte Carlo
       approach. Journal of Computational and Graphical Statistics 25.

    Examples
    --------
    >>> ll = np.array([-1.0, -2.0, -3.0])
    >>> found = next_temperature(0.0, ll, 0.9)
    >>> round(effective_share(found * ll), 6)
    0.9
    """
    least = share * effective_share(np.where(loglikelihoods == -np.inf, -np.inf, 0.0))
    longest = 1.0 - temperature
    # Effective sizes fall as steps grow; multiplied by infinity, impossible particles stay so.
    if effective_share(longest * loglikelihoods) >= least:
        return 1.0
    low, high = np.log(_SMALLEST), np.log(longest)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if effective_share(np.exp(middle) * loglikelihoods) >= least:
            low = middle
        else:
            high = middle
    following = temperature + float(np.exp(low))
    return min(1.0, following if following > temperature else float(np.nextafter(temperature, 2.0)))
