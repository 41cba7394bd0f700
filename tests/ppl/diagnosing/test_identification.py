"""Elements that exchange places and numbers along a ridge are named, and nothing else is taken for them.

Answers: made-up draws that have the fault, or have not.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

import ppl

CHAINS, DRAWS = 4, 1000


def tree(posterior):
    return az.from_dict({"posterior": posterior})


def correlated(rng, shape, coefficient):
    values = rng.normal(size=shape)
    for t in range(1, shape[1]):
        values[:, t] = coefficient * values[:, t - 1] + np.sqrt(1 - coefficient**2) * values[:, t]
    return values


def test_one_element_that_differs_exchanges_places_with_none():
    """In order, the elements of 60 with heavy tails agree, though one has a larger scale in one chain."""
    random = np.random.default_rng(8)
    draws = np.abs(random.standard_cauchy(size=(CHAINS, DRAWS, 60)))
    draws[1, :, 7] *= 5
    posterior = {"scale": draws}
    faults = ppl.diagnose(tree(posterior)).findings
    assert faults
    assert not any("exchange" in f.remedy for f in faults)


def test_a_field_that_mixes_slowly_exchanges_nothing():
    """Of 36 places a few have not been sampled for long enough; in order all 36 agree, as any field does."""
    random = np.random.default_rng(3)
    draws = random.normal(size=(CHAINS, DRAWS, 36))
    for place, shifts in {10: [1, 0, -1, 0], 28: [0, -1, 0, 1], 32: [-1, 1, 1, -1]}.items():
        draws[:, :, place] += 0.6 * np.array(shifts)[:, None]
    faults = ppl.diagnose(tree({"phi": draws})).findings
    assert faults
    assert not any("exchange" in f.remedy for f in faults)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_ridge_is_named(sign):
    """Two numbers wander together; what is known of them is their difference, or their sum."""
    random = np.random.default_rng(9)
    slow = 10.0 * correlated(random, (CHAINS, DRAWS), 0.995)
    posterior = {}
    posterior["a"], posterior["b"] = slow + random.normal(size=slow.shape), sign * slow + random.normal(size=slow.shape)
    finding = ppl.diagnose(tree(posterior)).findings[0]
    assert finding.kind in ("modes", "r_hat", "ess")
    assert set(finding.variables[:2]) == {"a", "b"}
    assert "lie along a ridge" in finding.remedy
    assert ("difference" if sign > 0 else "sum") in finding.remedy


def test_numbers_that_wander_apart_lie_on_no_ridge():
    random = np.random.default_rng(10)
    posterior = {}
    for name in ("a", "b"):
        posterior[name] = correlated(random, (CHAINS, DRAWS), 0.98)
    faults = ppl.diagnose(tree(posterior)).findings
    assert faults
    assert not any("ridge" in f.remedy for f in faults)
