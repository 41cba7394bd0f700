"""Simulation-based calibration.

Answers: the uniform distribution, which places have if sampling is right (Talts et al. 2018); a sampler that is wrong.
"""

import numpy as np
import pytest
from scipy.stats import kstest

import ppl
from ppl.criticising.calibration import place
from samplers import Move, Moved


class NearZero(Move):
    """Stays near zero, whatever the density is."""

    name = "near_zero"

    def step(self, logdensity, values, rng, memory):
        [x] = values
        next_rng, noise = rng.normal(0.0, 1.0, size=x.type.shape)
        return Moved([0.5 * x + 0.1 * noise], next_rng)


def model_of_counts() -> ppl.Model:
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("n", rate, size=4): np.zeros(4, int)})


@pytest.mark.parametrize("is_discrete", [False, True])
def test_places_of_independent_draws_are_uniform(is_discrete):
    rng = np.random.default_rng(1)
    draw = (lambda *shape: rng.poisson(1.5, shape)) if is_discrete else (lambda *shape: rng.normal(size=shape))
    places = np.array([place(draw(3), draw(2, 50, 3), rng) for _ in range(300)])
    assert kstest(places.ravel(), "uniform").pvalue > 0.001  # one false alarm in a thousand, of a fixed seed


def test_exact_draws_are_calibrated_and_the_seed_says_all():
    found = ppl.sbc(model_of_counts(), 12, draws=100, seed=1, progress=False)
    assert found.prior_sbc["rate"].shape == (1, 12)
    assert found.attrs["least_p_value"] > 0.001
    assert found.uniformity["rate"] == pytest.approx(kstest(found.prior_sbc["rate"][0], "uniform").pvalue)
    first, again = (ppl.sbc(model_of_counts(), 2, seed=2, progress=False).prior_sbc["rate"] for _ in "ab")
    assert np.array_equal(first, again)


@pytest.mark.slow
def test_a_sampler_that_is_wrong_is_found():
    mu = ppl.Normal("mu", 0, 1)
    model = ppl.Model({ppl.Normal("y", mu, 1, size=8): np.zeros(8)})
    wrong = ppl.sbc(model, 40, draws=200, tune=20, seed=1, progress=False, sampler={"mu": NearZero()})
    assert wrong.attrs["least_p_value"] < 0.01
    right = ppl.sbc(model, 40, draws=200, tune=200, seed=1, progress=False, sampler="nuts")
    assert right.attrs["least_p_value"] > 0.01


def test_what_cannot_be_simulated_is_refused():
    mu = ppl.Flat("mu")
    with pytest.raises(ppl.ModelError, match="mu"):
        ppl.sbc(ppl.Model({ppl.Normal("y", mu, 1): 0.3}))
    nu = ppl.Normal("nu", 0, 1)
    y = ppl.Normal("y", nu, 1)
    with pytest.raises(ppl.ModelError, match="potential pull"):
        ppl.sbc(ppl.Model({y: 0.3}, ppl.Potential("pull", -(nu**2))))
    with pytest.raises(ppl.ModelError, match="no data"):
        ppl.sbc(ppl.Model(nu))
    with pytest.raises(ppl.ModelError, match="at least 2"):
        ppl.sbc(ppl.Model({y: 0.3}), 1)
    with pytest.raises(ppl.PPLError, match="'beta'"):
        ppl.sbc(ppl.Model({y: 0.3}), 5, var_names=["beta"])
    with pytest.raises(ppl.SamplingError, match="targt"):
        ppl.sbc(ppl.Model({y: 0.3}), 2, progress=False, targt_accept=0.9)
