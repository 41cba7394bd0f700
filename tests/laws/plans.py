"""The law of plans: a sweep leaves the distribution that it draws from as it is, here the prior of what has no data.

Variables are mapped to (0, 1) by their distribution functions, and are then uniform.
"""

from __future__ import annotations

import arviz as az
import numpy as np
from numpy.typing import NDArray

BOUND = 4.5
"""Monte Carlo errors: one false alarm in 150,000 comparisons."""
LEAST_SIZE = 300
"""Effective draws, of which the error is known to some 5%."""


def assert_is_uniform(draws: NDArray[np.float64], name: str) -> None:
    """Assert that chains of draws are uniform: their mean, their variance, and how often they are below 0.1.

    Parameters
    ----------
    draws : (chains, draws, n) float64 array
        The draws.
    name : str
        Of the variable.
    """
    shown = {
        "mean": (draws, 1 / 2),
        "variance": ((draws - 0.5) ** 2, 1 / 12),
        "lowest": ((draws < 0.1).astype(float), 0.1),
    }
    for what, (values, expected) in shown.items():
        for i in range(values.shape[-1]):
            ess = float(az.ess(az.convert_to_dataset({"x": values[..., i]}))["x"])
            assert ess > LEAST_SIZE, (name, what, ess)
            z = (values[..., i].mean() - expected) / (values[..., i].std() / np.sqrt(ess))
            assert abs(z) < BOUND, (name, what, z)
