"""Ranks of draws; R-hat and effective sample sizes are compared with ArviZ's where they are reported."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from ppl.diagnosing.convergence import average_ranks


@pytest.mark.parametrize("num_values", [1, 2, 7, 1_000_000])
def test_equal_numbers_share_a_rank(num_values: int) -> None:
    """Draws are equal where a proposal was rejected."""
    values = np.random.default_rng(1).integers(0, num_values, (5, 300)) / 7
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=1))
