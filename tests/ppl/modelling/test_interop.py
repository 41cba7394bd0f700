"""What PyMC models bring along: coords, dims, transforms, data. Their log-densities are those of `tests/corpus`.

Answers: PyMC's log-densities, and SciPy's.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from scipy import stats

import ppl
from graphs.errors import ModelError
from graphs.joint.logprob import logprob
from graphs.supports import UNIT
from graphs.surgery.interpreting import INTERPRETED
from tests.corpus.catalogue import in_double_precision


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


COUNTS = np.array([3, 0, 2, 5, 1, 4])
OUTCOMES = {
    "counts": lambda rate: pm.Poisson("y", rate, observed=pm.Data("data", COUNTS)),
    "counts as floats": lambda rate: pm.Poisson("y", rate, observed=pm.Data("data", COUNTS * 1.0)),
    "booleans": lambda rate: pm.Bernoulli("y", pm.math.exp(-rate), observed=pm.Data("data", COUNTS > 2)),
    "integers of a density": lambda rate: pm.Normal("y", rate, 1.0, observed=pm.Data("data", COUNTS)),
    "a slice": lambda rate: pm.Normal("y", rate, 1.0, observed=pm.Data("data", COUNTS * 0.5)[1:4]),
    "flattened": lambda rate: pm.Normal("y", rate, 1.0, observed=pm.Data("data", COUNTS.reshape(2, 3)).ravel()),
    "a column": lambda rate: pm.Poisson("y", rate, observed=pm.Data("data", COUNTS.reshape(2, 3))[:, 1]),
    "by an index of data": lambda rate: pm.Poisson(
        "y", rate, observed=pm.Data("data", COUNTS)[pm.Data("row", np.array([5, 0]))]
    ),
    "standardised": lambda rate: pm.Normal("y", rate, 1.0, observed=_standardised(pm.Data("data", COUNTS * 0.5))),
    "shared": lambda rate: pm.Poisson("y", rate, observed=pytensor.shared(COUNTS)),
    "shared, of single precision": lambda rate: pm.Normal(
        "y", rate, 1.0, observed=pytensor.shared((COUNTS * 0.5).astype("float32"))
    ),
    "constants": lambda rate: pm.Poisson("y", rate, observed=2 * pt.constant(COUNTS)),
    "stacked": lambda rate: pm.Normal(
        "y", rate, 1.0, observed=pt.stack([pm.Data("a", COUNTS), pm.Data("b", COUNTS + 1)], axis=1)
    ),
}


def _standardised(data):
    return (data - data.mean()) / data.std()


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcomes_may_be_functions_of_data(name):
    """The log-density is PyMC's, and so is what was observed."""
    with in_double_precision():
        with pm.Model() as pm_model:
            y = OUTCOMES[name](pm.HalfNormal("rate", 5.0))
        expected = pm_model.compile_logp(mode=INTERPRETED)({"rate_log__": np.log(2.0)})
    model = ppl.from_pymc(pm_model)
    total = logprob(model, space="unconstrained")
    found = total.total.eval({total.values["rate"]: np.log(2.0)}, mode=INTERPRETED)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(model.observed_data["y"], pm_model.rvs_to_values[y].eval(mode=INTERPRETED))


def test_shared_arrays_are_what_they_are_now():
    """In means, sizes and indices, which PyMC's models may use beside pm.Data."""
    x, group = pytensor.shared(np.array([1.0, 2.0, 3.0]), name="x"), pytensor.shared(np.array([0, 1, 1]))
    with pm.Model() as pm_model:
        slope = pm.Normal("slope", size=group.max() + 1)
        pm.Deterministic("fitted", slope[group] * x)
        pm.Potential("penalty", -((slope * x.mean()) ** 2))
        pm.Normal("y", slope[group] * x, 1.0, observed=[1.1, 1.9, 3.2])
    model = ppl.from_pymc(pm_model)
    expected = pm_model.compile_logp(mode=INTERPRETED)({"slope": np.array([0.4, 0.9])})
    x.set_value(np.zeros(3))
    total = logprob(model)
    assert total.values["slope"].type.shape == (2,)
    np.testing.assert_allclose(total.total.eval({total.values["slope"]: [0.4, 0.9]}, mode=INTERPRETED), expected)
    assert not [v for v in ancestors(model.deterministics.values()) if v is x or v is group]


@pytest.mark.parametrize("where", ["outcome", "covariate"])
def test_minibatches_are_refused(where):
    with pm.Model() as pm_model:
        x, y = pm.Minibatch(np.arange(10.0), np.arange(10.0), batch_size=5)
        observed, x = (y, 1.0) if where == "outcome" else (np.arange(5.0), x)
        pm.Normal("y", pm.Normal("slope") * x, 1.0, observed=observed, total_size=10)
    with pytest.raises(ModelError, match=r"y depends on a minibatch.*Give the whole arrays"):
        ppl.from_pymc(pm_model)


def test_missing_values_that_pymc_does_not_impute_are_refused():
    with pm.Model() as pm_model:
        pm.Normal("y", pm.Normal("mu"), 1.0, observed=pytensor.shared(np.array([1.0, np.nan])))
    with pytest.raises(ModelError, match="data of y have missing values"):
        ppl.from_pymc(pm_model)


def test_initial_values_may_be_functions_of_data():
    with pm.Model() as pm_model:
        pm.Normal("a", initval=2 * pt.constant(1.5))
        pm.Normal("b", initval=pytensor.shared(0.7))
        pm.Normal("c", initval="prior")
    assert dict(ppl.from_pymc(pm_model).parts.initial_values) == {"a": 3.0, "b": 0.7, "c": "prior"}
    with pm_model:
        a = pm_model["a"]
        pm.Normal("d", initval=a)
    with pytest.raises(ModelError, match="initial value of d depends on other variables"):
        ppl.from_pymc(pm_model)
    assert pm_model.rvs_to_initial_values[pm_model["d"]] is a


def test_dims_that_do_not_fit_an_expression_are_left_out():
    """PyMC does not check them; Bambi's ordinal models have some."""
    with pm.Model(coords={"g": list("abc")}) as pm_model:
        a = pm.Normal("a", dims="g")
        pm.Deterministic("some", a[1:], dims="g")
        pm.Deterministic("twice", 2 * a, dims="g")
    assert dict(ppl.from_pymc(pm_model).dims) == {"a": ("g",), "twice": ("g",)}


def test_each_node_is_copied_once_and_the_model_of_pymc_stays(monkeypatch):
    """PyTensor's own way to copy looks every generator up in a list of all."""
    from pytensor.compile import rebuild
    from pytensor.graph.traversal import toposort

    with pm.Model() as pm_model:
        x = pm.Normal("x0")
        for step in range(30):
            x = pm.Normal(f"x{step + 1}", x)
        pm.Normal("y", x, observed=1.0)
    nodes = list(toposort(pm_model.basic_RVs))
    monkeypatch.setattr(rebuild, "rebuild_collect_shared", lambda *_, **__: pytest.fail("quadratic"))
    model = ppl.from_pymc(pm_model)
    copied = list(toposort([*model.latent.values(), *model.observed.values()]))
    assert len(copied) == len(nodes)
    assert set(nodes).isdisjoint(copied)
    assert list(toposort(pm_model.basic_RVs)) == nodes
