"""Tables of the ziggurat method for the normal and the exponential distribution.

References
----------
Marsaglia and Tsang (2000), The ziggurat method for generating random variables, J. Stat. Software 5(8).
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, exp, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

NUM_LAYERS = 256
NORMAL_TAIL = 3.6541528853610088
"""Where the last layer of the normal distribution ends and its tail begins."""
EXPONENTIAL_TAIL = 7.69711747013104972
"""The same for the exponential distribution."""


def _ziggurat(
    tail: float, area: float, density: Callable[[float], float], inverse: Callable[[float], float], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the acceptance thresholds, widths (per integer unit) and heights of the layers (section 2)."""
    unit = 2.0**bits
    edges = np.empty(NUM_LAYERS + 1)
    edges[NUM_LAYERS] = area / density(tail)
    edges[NUM_LAYERS - 1] = tail
    for i in range(NUM_LAYERS - 2, 0, -1):
        edges[i] = inverse(area / edges[i + 1] + density(edges[i + 1]))
    edges[0] = 0.0
    # Layer 0 is the base strip with the tail, of the width that makes its area that of the others.
    widths = np.concatenate(([edges[NUM_LAYERS]], edges[1:NUM_LAYERS]))
    inner = np.concatenate(([tail], edges[: NUM_LAYERS - 1]))
    thresholds = (inner / widths * unit).astype(np.int64)
    heights = np.array([1.0, *(density(float(x)) for x in edges[1:NUM_LAYERS])])
    return thresholds, widths / unit, heights


NORMAL_THRESHOLD, NORMAL_WIDTH, NORMAL_HEIGHT = _ziggurat(
    NORMAL_TAIL,
    NORMAL_TAIL * exp(-0.5 * NORMAL_TAIL**2) + sqrt(pi / 2) * erfc(NORMAL_TAIL / sqrt(2)),
    lambda x: exp(-0.5 * x * x),
    lambda y: sqrt(-2.0 * log(y)),
    52,
)
EXPONENTIAL_THRESHOLD, EXPONENTIAL_WIDTH, EXPONENTIAL_HEIGHT = _ziggurat(
    EXPONENTIAL_TAIL,
    (EXPONENTIAL_TAIL + 1.0) * exp(-EXPONENTIAL_TAIL),
    lambda x: exp(-x),
    lambda y: -log(y),
    53,
)
