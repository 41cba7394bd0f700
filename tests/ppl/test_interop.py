"""PyMC models run unchanged: the same log-density, coords, dims, transforms and data."""

from __future__ import annotations

import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import ppl
from graphs.backends.c import settle_blas
from graphs.errors import ModelError
from graphs.interpreting import INTERPRETED
from graphs.logprob import logprob


def eight_schools():
    with pm.Model(coords={"school": list("ABCDEFGH")}) as model:
        se = pm.Data("se", np.array([15.0, 10, 16, 11, 9, 11, 10, 18]), dims="school")
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        raw = pm.Normal("raw", 0, 1, dims="school")
        theta = pm.Deterministic("theta", mu + tau * raw, dims="school")
        pm.Normal("y", theta, se, observed=np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), dims="school")
    return model


def transforms():
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.array([1.5, 2.5, 3.5]))
        mu = pm.Normal("mu", 0, 3, shape=3, transform=pm.distributions.transforms.ordered, initval=[-1, 0, 1])
        s = pm.Uniform("s", 0.5, 2.5)
        p = pm.Beta("p", 2, 3)
        pm.NormalMixture("y", w, mu, s, observed=np.array([0.3, -1.2, 2.2]))
        pm.Potential("extra", -((p - 0.3) ** 2))
    return model


def missing():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pm.Model() as model:
            m = pm.Normal("m", 0, 2)
            pm.Normal("y", m, 1, observed=np.array([0.3, np.nan, 1.1]))
    return model


def zero_inflated():
    with pm.Model() as model:
        rate = pm.HalfNormal("rate", 2)
        pm.ZeroInflatedPoisson("y", 0.5, rate, observed=[0, 1, 2])
        pm.Censored("c", pm.Normal.dist(rate, 0.5), lower=-1, upper=3, observed=[0.2, 1.0, 3.0])
        pm.HurdleGamma("h", 0.5, 2, 3, observed=[0, 1.0, 2.0])
    return model


def time_series():
    with pm.Model() as model:
        walk = pm.GaussianRandomWalk("walk", mu=0.5, sigma=2, init_dist=pm.Normal.dist(0, 0.5), steps=3)
        pm.AR("ar", rho=[0.5], sigma=2, init_dist=pm.Normal.dist(0, 0.5), observed=[0, 1, 2.0])
        pm.Normal("y", walk, 1, observed=np.array([0.1, 0.4, 0.2, 0.9]))
        pm.StickBreakingWeights("w", 1.5, 3)
        pm.ZeroSumNormal("zero", 1, shape=3)
    return model


def covariance():
    with pm.Model() as model:
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0, size=2))
        pm.MvNormal("y", np.zeros(2), chol=chol, observed=np.array([[0.3, -0.2], [1.1, 0.4]]))
    return model


MODELS = [eight_schools, transforms, missing, covariance, zero_inflated, time_series]


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_log_density_is_pymcs(make):
    pm_model = make()
    model = ppl.from_pymc(pm_model)
    settle_blas()
    derived = logprob(model, space="unconstrained")
    rng = np.random.default_rng(3)
    start = pm_model.initial_point()
    points = {name: np.asarray(value) + 0.3 * rng.normal(size=np.shape(value)) for name, value in start.items()}
    expected = pm_model.compile_logp(mode=INTERPRETED)(points)
    by_name = {v.name: v for v in derived.values.values()}
    found = derived.total.eval({by_name[name]: value for name, value in points.items()}, mode=INTERPRETED)
    # PyMC takes logarithms of its own small constants in single precision, we in double.
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_components_of_composed_distributions_are_no_latent_variables():
    w = ppl.Dirichlet("w", np.ones(2))
    m = ppl.Normal("m", 0, 1, size=2)
    y = ppl.NormalMixture("y", w, m, 1.0, size=4)
    z = ppl.ZeroInflatedPoisson("z", ppl.Beta("psi", 1, 1), 2.0, size=3)
    model = ppl.Model({y: np.zeros(4), z: np.array([0, 1, 2])})
    assert set(model.latent) == {"w", "m", "psi"}


def test_coords_dims_and_data_are_kept():
    model = ppl.from_pymc(eight_schools())
    assert model.coords["school"] == tuple("ABCDEFGH")
    assert model.dims["theta"] == ("school",)
    assert list(model.deterministics) == ["theta"]
    assert "se" in model.constant_data


def test_initial_values_are_kept():
    model = ppl.from_pymc(transforms())
    np.testing.assert_array_equal(model.parts.initial_values["mu"], [-1, 0, 1])


def test_only_pymc_models():
    with pytest.raises(ModelError, match=r"pymc\.Model is needed"):
        ppl.from_pymc(pt.dscalar())
