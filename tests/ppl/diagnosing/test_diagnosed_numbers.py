"""R-hat, effective sizes and E-BFMI in a diagnosis are ArviZ's.

Answers: ArviZ.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from arviz_stats.base import array_stats

import ppl
from ppl.diagnosing.convergence import convergence
from tests.ppl.diagnosing.test_diagnosis import correlated, healthy, tree


@pytest.mark.parametrize(
    "shape", [(4, 1000, 6), (4, 37, 6), (2, 501, 6), (1, 200, 6), (3, 10, 6), (4, 5, 6), (2, 4, 6)]
)
def test_numbers_are_arvizs(shape):
    rng = np.random.default_rng(7)
    draws = rng.normal(size=shape)
    draws[:, :, 0] = correlated(rng, shape[:2], 0.95)
    draws[:, :, 1] = correlated(rng, shape[:2], -0.6)
    draws[:, :, 2] = rng.poisson(0.5, shape[:2])
    draws[:, :, 3] = rng.uniform(size=shape[:2]) < 0.8
    draws[0, :, 4] += 2
    draws[0, 0, 3], draws[-1, -1, 3] = 0, 1
    found = convergence(draws)
    axes = {"chain_axis": 0, "draw_axis": 1}
    np.testing.assert_allclose(found.ess_bulk, array_stats.ess(draws, method="bulk", **axes), rtol=1e-10)
    tail = array_stats.ess(draws, method="tail", prob=(0.05, 0.95), **axes)
    np.testing.assert_allclose(found.ess_tail, tail, rtol=1e-10)
    if shape[0] > 1:
        np.testing.assert_allclose(found.r_hat, array_stats.rhat(draws, **axes), rtol=1e-10)
    else:
        assert np.isnan(found.r_hat).all()


def test_e_bfmi_is_arvizs():
    posterior, stats = healthy()
    stats["energy"] = np.cumsum(stats["energy"], axis=1)
    trace = tree(posterior, stats)
    expected = az.bfmi(trace)["energy"].to_numpy()
    np.testing.assert_allclose(ppl.diagnose(trace).e_bfmi, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 1000, 40), (4, 40000, 5)])
def test_threads_find_the_same_numbers(shape):
    draws = np.random.default_rng(3).normal(size=shape)
    alone, together = convergence(draws), convergence(draws, num_threads=3)
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
