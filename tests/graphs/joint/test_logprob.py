"""Joint log-probabilities, term by term, and what they say when there is none.

Answers: SciPy's densities.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from scipy import stats

import ppl
from graphs import DerivationError, Layout, ModelError, logprob
from graphs.joint.preparation import widen
from graphs.surgery.random_graph import find_random_variables


def hierarchy():
    tau = ppl.HalfNormal("tau", 2.5)
    theta = ppl.Normal("theta", 0.5, tau, size=3)
    return ppl.Model({ppl.Normal("y", theta, 1.3): np.array([0.3, -1.2, 2.1])})


def test_terms_are_those_of_each_variable():
    density = logprob(hierarchy())
    given = {density.values["tau"]: 0.9, density.values["theta"]: np.array([0.2, -0.5, 1.1])}
    terms = {n: t.eval({v: x for v, x in given.items() if v in ancestors([t])}) for n, t in density.terms.items()}
    np.testing.assert_allclose(terms["tau"], stats.halfnorm.logpdf(0.9, scale=2.5))
    np.testing.assert_allclose(terms["theta"], stats.norm.logpdf([0.2, -0.5, 1.1], 0.5, 0.9))
    np.testing.assert_allclose(terms["y"], stats.norm.logpdf([0.3, -1.2, 2.1], [0.2, -0.5, 1.1], 1.3))
    np.testing.assert_allclose(density.total.eval(given), sum(t.sum() for t in terms.values()))


def test_no_random_variable_is_left_and_guards_are_gone():
    density = logprob(hierarchy(), space="unconstrained")
    assert not find_random_variables(density.terms.values())
    operations = {str(v.owner.op) for v in ancestors(density.terms.values()) if v.owner is not None}
    assert not any("Check" in op or "Switch" in op for op in operations)


def test_a_value_outside_its_support_has_density_zero():
    density = logprob(hierarchy())
    given = {density.values["tau"]: -0.9, density.values["theta"]: np.array([0.2, -0.5, 1.1])}
    assert density.total.eval(given) == -np.inf


def test_symbolic_data_become_inputs():
    y = pt.dvector("data")
    y = pt.tensor("data", dtype="float64", shape=(2,))
    density = logprob({pm.Normal.dist(0.5, 1.3, size=2): y})
    assert density.logdensity.inputs == (y,)
    np.testing.assert_allclose(density.total.eval({y: [0.1, 0.9]}), stats.norm.logpdf([0.1, 0.9], 0.5, 1.3).sum())


def test_derived_observations():
    noise = pm.Normal.dist(0.3, 0.8)
    np.testing.assert_allclose(
        logprob({pt.exp(noise): 1.7}).total.eval(), stats.lognorm.logpdf(1.7, 0.8, 0, np.exp(0.3))
    )
    mu = ppl.Normal("mu", 0, 2)
    density = logprob({mu + pm.Normal.dist(0, 0.7): 1.1})
    expected = stats.norm.logpdf(0.4, 0, 2) + stats.norm.logpdf(1.1, 0.4, 0.7)
    np.testing.assert_allclose(density.total.eval({density.values["mu"]: 0.4}), expected)


def test_constants_of_python_are_double():
    graph = pt.log(2) + pt.as_tensor(np.float32(0.1))
    assert graph.type.dtype == "float32"
    [wide] = widen([graph])
    assert wide.type.dtype == "float64"
    np.testing.assert_allclose(wide.eval(), np.log(2) + np.float64(np.float32(0.1)), rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "scipy"),
    [
        (lambda: (pm.Poisson.dist(3), 2), stats.poisson.logpmf(2, 3)),
        (lambda: (pm.Binomial.dist(127, 0.3), 40), stats.binom.logpmf(40, 127, 0.3)),
        (lambda: (pm.HalfStudentT.dist(3, 36), 10.0), np.log(2) + stats.t.logpdf(10, 3, 0, 36)),
        (lambda: (pm.Gamma.dist(3, 7), 0.4), stats.gamma.logpdf(0.4, 3, scale=1 / 7)),
        (lambda: (pm.StudentT.dist(3, 1, sigma=20), 4.0), stats.t.logpdf(4, 3, 1, 20)),
        (lambda: (pm.InverseGamma.dist(3, 100), 30.0), stats.invgamma.logpdf(30, 3, scale=100)),
    ],
)
def test_small_integer_parameters_keep_double_precision(make, scipy):
    rv, value = make()
    np.testing.assert_allclose(logprob({rv: value}).total.eval(), scipy, rtol=1e-9)


def test_errors():
    x = pm.Normal.dist(0, 1, size=3)
    with pytest.raises(ModelError, match=r"has shape \(2,\), but normal_1 has shape \(3,\)"):
        logprob({x: np.zeros(2)})
    with pytest.raises(ModelError, match="A model or a mapping"):
        logprob(3)
    with pytest.raises(ModelError, match="space is 'natural'"):
        logprob({x: np.zeros(3)}, space="unconstraned")
    with pytest.raises(ModelError, match="marginalize is 'auto'"):
        logprob({x: np.zeros(3)}, marginalize="k")
    with pytest.raises(ModelError, match="is discrete but its value is a float"):
        logprob({pm.Poisson.dist(3.0): 2.5})
    with pytest.raises(ModelError, match="is not a random variable"):
        logprob({"x": 1.0})
    with pytest.raises(DerivationError, match=r"No (joint )?log-probability can be derived") as caught:
        logprob({pt.sort(pm.Normal.dist(0, 1, size=3) ** 3 % 2): np.zeros(3)})
    assert caught.value.subgraph is not None


def test_layout_is_a_bijection_and_names_what_is_missing():
    layout = Layout(("a", "b"), ((2, 2), ()), ("float64", "int64"))
    vector = layout.pack({"a": np.arange(4.0).reshape(2, 2), "b": 7})
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 7])
    batch = layout.unpack(np.stack([vector, vector]))
    assert batch["a"].shape == (2, 2, 2)
    assert batch["b"].dtype == np.int64
    with pytest.raises(ModelError, match="No value for b"):
        layout.pack({"a": np.zeros((2, 2))})
    with pytest.raises(ModelError, match=r"value of b has shape \(1,\)"):
        layout.pack({"a": np.zeros((2, 2)), "b": [1]})
    with pytest.raises(ModelError, match="static shape"):
        Layout.of([pt.dvector("x")])
