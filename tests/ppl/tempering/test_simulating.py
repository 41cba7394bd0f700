"""Simulators sampled by particles of falling tolerance.

Answers: closed forms: the posterior of a Gaussian kernel of the mean of normal data is that of a normal mean whose
variance has the square of the tolerance added; as that falls it is the exact posterior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

import ppl
from graphs.errors import ModelError

# PyMC's own.
pytestmark = pytest.mark.filterwarnings("ignore:.*RandomVariable.*:DeprecationWarning")

DATA = np.random.default_rng(3).normal(2.0, 1.0, 20)


def mean_model(epsilon: float, **options: Any) -> ppl.Model:
    centre = ppl.Normal("centre", 0, 5)
    options = {"summary": "mean", "size": len(DATA), **options}
    simulated = ppl.Simulator(
        "s", lambda rng, centre, size: rng.normal(centre, 1.0, size=size), centre, epsilon=epsilon, **options
    )
    return ppl.Model({simulated: DATA})


def assert_normal(trace: Any, epsilon: float) -> None:
    """Errors of mean and deviation, by the number of particles of which there are descendants."""
    variance = 1 / len(DATA) + epsilon**2
    precision = 1 / variance + 1 / 25
    mean, sd = DATA.mean() / variance / precision, precision**-0.5
    draws, founders = trace.posterior["centre"].to_numpy(), trace.attrs["num_founders"]
    assert founders > 30
    assert abs(draws.mean() - mean) < 4 * sd / founders**0.5
    assert abs(draws.std() / sd - 1) < 4 / (2 * founders) ** 0.5


def test_the_posterior_of_a_tolerance() -> None:
    trace = ppl.smc(mean_model(0.5), 500, seed=1, progress=False)
    assert_normal(trace, 0.5)
    tolerances = trace.attrs["s_tolerances"]
    assert tolerances[-1] == 0.5
    assert (np.diff(tolerances) < 0).all()
    assert list(trace.posterior.data_vars) == ["centre"]
    assert ppl.posterior_predictive(mean_model(0.5), trace, seed=1).posterior_predictive["s"].shape == (4, 125, 20)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1.0, 0.3, 0.1])
def test_the_exact_posterior_as_the_tolerance_falls(epsilon: float) -> None:
    assert_normal(ppl.smc(mean_model(epsilon), 1000, seed=2, progress=False), epsilon)


@pytest.mark.slow
def test_simulators_of_pymc() -> None:
    with pm.Model() as model:
        centre = pm.Normal("centre", 0, 5)
        pm.Simulator(
            "s",
            lambda rng, centre, size: rng.normal(centre, 1.0, size=size),
            centre,
            sum_stat="mean",
            epsilon=0.5,
            observed=DATA,
        )
    assert_normal(ppl.smc(ppl.from_pymc(model), 500, seed=1, progress=False), 0.5)


def test_simulators_that_fail() -> None:
    def model(function: Any) -> ppl.Model:
        mu = ppl.Normal("mu", 0, 5)
        return ppl.Model({ppl.Simulator("wave", function, mu, size=3): [1.0, 2.0, 3.0]})

    with pytest.raises(
        ModelError, match=r"simulator wave returns an array of shape \(2,\); its data have shape \(3,\)"
    ):
        ppl.smc(model(lambda rng, mu, size: np.zeros(2)), progress=False)
    with pytest.raises(ModelError, match="simulator wave returned no number for 3 of 3"):
        ppl.smc(model(lambda rng, mu, size: np.full(size, np.nan)), progress=False)
    with pytest.raises(ModelError, match="simulator wave fails at a draw from the prior: ZeroDivisionError"):
        ppl.smc(model(lambda rng, mu, size: 1 / 0), progress=False)
    with pytest.raises(ModelError, match="no number for 1 of 3 elements"):
        ppl.smc(model(lambda rng, mu, size: np.where(np.arange(3) > 1, np.nan, mu)), progress=False)


def test_what_is_no_number_is_impossible(caplog: pytest.LogCaptureFixture) -> None:
    """Below one the simulator has no value: neither has the posterior."""
    low = ppl.Uniform("low", 0.0, 2.0)
    simulated = ppl.Simulator(
        "s", lambda rng, low, size: np.full(size, low if low > 1.0 else np.nan), low, epsilon=1.0, size=2
    )
    trace = ppl.smc(ppl.Model({simulated: [1.0, 1.0]}), 100, seed=1, progress=False)
    assert float(trace.posterior["low"].min()) > 1.0
    assert trace.attrs["num_not_a_number"] > 20
    assert "no number" in caplog.text
