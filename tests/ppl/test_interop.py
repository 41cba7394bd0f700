"""What PyMC models bring along: coords, dims, transforms, data. Their log-densities are those of `tests/corpus`."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError
from graphs.interpreting import INTERPRETED
from graphs.logprob import logprob
from graphs.supports import UNIT


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


def test_gaussian_processes_are_taken_over_without_a_warning():
    with pm.Model() as pm_model:
        pm.gp.Latent(cov_func=pm.gp.cov.ExpQuad(1, 0.5)).prior("f", X=np.linspace(0, 1, 4)[:, None])
    assert list(ppl.from_pymc(pm_model).latent) == ["f_rotated_"]


def test_logit_normal_variables_stay_in_the_unit_interval():
    """PyMC has no transform of them, so that its samplers leave their support."""
    with pm.Model() as pm_model:
        pm.LogitNormal("p", 0.3, 1.2)
    assert pm_model.value_vars[0].name == "p"
    for model in (ppl.from_pymc(pm_model), ppl.Model(ppl.LogitNormal("p", 0.3, 1.2))):
        total = logprob(model, space="unconstrained")
        assert [v.name for v in total.values.values()] == ["p_logodds__"]
        assert total.supports["p"] == UNIT
        # On the real line it is normal.
        found = total.total.eval({total.values["p"]: 1.7}, mode=INTERPRETED)
        np.testing.assert_allclose(found, stats.norm(0.3, 1.2).logpdf(1.7), rtol=1e-12)


def test_only_pymc_models():
    with pytest.raises(ModelError, match=r"pymc\.Model is needed"):
        ppl.from_pymc(pt.dscalar())
