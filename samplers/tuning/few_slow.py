"""Whether few elements of a position are much slower than the others, told by variances of draws and gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit

type Vector = NDArray[np.float64]

SLOW_PRODUCT, LARGE_PRODUCT, MOST_LARGE, MANY = 16.0, 4.0, 0.1, 100
"""Of products of both variances: how often the largest is their geometric mean where a metric from variances of draws
alone pays, twice in theory (see `has_few_slow`); from where one is large; what share may be, and of how many elements.
Where more are, their gradients are large where the scale of a hierarchy is small; of fewer, correlations may be why."""


@njit(cache=True, error_model="numpy")
def has_few_slow(draws: Vector, gradients: Vector) -> bool:
    """Return whether few elements are much slower than all others where draws and gradients count alike.

    Trajectories turn when most elements do. In the metric of draws and gradients an element oscillates in proportion to
    the fourth root of the product of its two variances, which is one for independent normal ones: where it is large in
    few elements, these have not come far when the others have turned, and in each draw they make the square root of it
    less headway. With variances of draws alone all take equally long to turn, by steps shorter by the fourth root.

    Parameters
    ----------
    draws, gradients : array, shape (d,), float64
        Their variances; a common factor does not matter.
    """
    num_known, total, largest = 0, 0.0, 0.0
    for i in range(draws.size):
        product = draws[i] * gradients[i]
        if 0.0 < product < np.inf:
            num_known += 1
            total += np.log(product)
            largest = max(largest, product)
    if num_known < MANY:
        return False
    typical = np.exp(total / num_known)
    num_large = 0
    for i in range(draws.size):
        num_large += draws[i] * gradients[i] > LARGE_PRODUCT * typical
    return bool(largest > SLOW_PRODUCT * typical and num_large <= MOST_LARGE * num_known)
