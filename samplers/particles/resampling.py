"""Systematic resampling: numbers of offspring that differ from their means by less than one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float64]


def normalized(log_weights: Vector) -> tuple[Vector, float]:
    """Return weights that sum to one, and the logarithm of the mean of the weights that were given.

    Parameters
    ----------
    log_weights : array, shape (n,), float64
        Minus infinity is a weight of zero.
    """
    largest = float(log_weights.max())
    if largest == -np.inf:
        return np.full(log_weights.size, 1.0 / log_weights.size), -np.inf
    weights = np.exp(log_weights - largest)
    return weights / weights.sum(), largest + float(np.log(weights.mean()))


def systematic(weights: Vector, uniform: float) -> NDArray[np.int64]:
    """Return the ancestors of a new generation, in order.

    Ancestor ``i`` is taken for each number ``(k + uniform) / n`` in its part of the cumulated weights [1]_: ``n w_i``
    times on average over the uniform number, rounded up or down. Relatives stay side by side.

    Parameters
    ----------
    weights : array, shape (n,), float64
        They sum to one.
    uniform : float
        Between 0 and 1.

    Returns
    -------
    array, shape (n,), int64

    References
    ----------
    .. [1] Kitagawa (1996). Monte Carlo filter and smoother. Journal of Computational and Graphical Statistics 5.

    Examples
    --------
    >>> systematic(np.array([0.5, 0.1, 0.4, 0.0]), 0.5)
    array([0, 0, 2, 2])
    """
    cumulated = np.cumsum(weights)
    points = (np.arange(weights.size) + uniform) / weights.size * cumulated[-1]
    ancestors = np.searchsorted(cumulated, points, side="right")
    # Rounding must not lead past the last of those that have a weight.
    return np.minimum(ancestors, np.flatnonzero(weights)[-1]).astype(np.int64)
