"""Ranks of draws; R-hat and effective sample sizes are compared with ArviZ's where they are reported.

Answers: SciPy's ranks.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from samplers.tuning.ranks import average_ranks


@pytest.mark.parametrize("num_values", [1, 2, 7, 1_000_000])
def test_equal_numbers_share_a_rank(num_values: int) -> None:
    """Draws are equal where a proposal was rejected."""
    values = np.random.default_rng(1).integers(0, num_values, (5, 300)) / 7
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=1))


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_numbers_that_hardly_differ_have_ranks_of_their_own(scale: float) -> None:
    """Of some neighbours of zero and of others nothing is equal but the leading bits."""
    rng = np.random.default_rng(2)
    close = np.array([-1.0, 0.0, 1.0])[:, None] + rng.permuted(np.tile(np.arange(-200, 200), (3, 1)), axis=1) * 2.0**-52
    signed = np.where(rng.uniform(size=(1, 400)) < 0.5, -0.0, 0.0)
    values = scale * np.concatenate([close, signed, np.sort(close), rng.normal(size=(1, 400))])
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=1))
