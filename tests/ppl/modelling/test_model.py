"""Models: what is found in the graph, how data are put on it, names and dims.

Answers: SciPy's densities, and the enumeration; messages are written out.
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
from graphs.errors import DerivationError, ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.laws.sums import evaluator


def test_latent_variables_are_found_parents_first():
    tau = ppl.HalfNormal("tau", 5)
    theta = ppl.Normal("theta", ppl.Normal("mu", 0, 5), tau, size=3)
    y = ppl.Normal("y", theta, 2.0)
    model = ppl.Model({y: np.zeros(3)})
    names = list(model.latent)
    assert set(names) == {"mu", "tau", "theta"}
    assert names.index("theta") == 2
    assert list(model.observed) == ["y"]


def test_three_ways_to_declare_mix_and_unnamed_variables_get_stable_names():
    _, a = pt.random.shared_rng(seed=1).normal(0.0, 2.0)
    b = pm.Gamma.dist(2.0, 3.0)
    c = ppl.Normal("c", a * b, 1)
    y = pm.Normal.dist(c, 0.7)
    model = ppl.Model({y: 1.3})
    assert set(model.latent) == {"normal_1", "gamma_1", "c"}
    assert list(model.observed) == ["normal_2"]
    values = {"normal_1": 0.4, "gamma_1": 0.9, "c": -0.3}
    expected = stats.norm.logpdf(0.4, 0, 2) + stats.gamma.logpdf(0.9, 2, scale=1 / 3)
    expected += stats.norm.logpdf(-0.3, 0.36, 1) + stats.norm.logpdf(1.3, -0.3, 0.7)
    np.testing.assert_allclose(evaluator(logprob(model))(values)[0], expected, rtol=1e-12)


def test_shared_arrays_are_constants():
    """In means, sizes, potentials, deterministics and data; of y ~ Normal(slope * x, 1) the density is SciPy's."""
    x, y_data = pytensor.shared(np.array([1.0, 2.0, 3.0]), name="x"), pytensor.shared(np.array([1.0, 2.0, 4.0]))
    slope = ppl.Normal("slope", 0, 1, size=(x.shape[0],))
    y = ppl.Normal("y", slope * x, 1)
    model = ppl.Model(
        {y: y_data[::-1]}, ppl.Potential("p", -(x * slope).sum()), ppl.Deterministic("d", slope.sum() * x)
    )
    x.set_value(np.zeros(3))
    y_data.set_value(np.zeros(3))
    at = np.array([0.3, -0.2, 0.5])
    expected = stats.norm.logpdf(at).sum() - 1.4 + stats.norm.logpdf([4.0, 2.0, 1.0], at * [1, 2, 3]).sum()
    np.testing.assert_allclose(evaluator(logprob(model))({"slope": at})[0], expected, rtol=1e-12)
    outputs = [*model.observed.values(), *model.deterministics.values()]
    assert not [v for v in ancestors(outputs) if v is x]
    with pytest.raises(ModelError, match="data of y depend on more than data"):
        ppl.Model({y: 2 * slope})


def test_a_model_is_immutable():
    model = ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1): 0.3})
    with pytest.raises(AttributeError, match="immutable"):
        model.latent = {}


def test_data_with_more_axes_repeat_the_variable():
    y = ppl.Normal("y", ppl.Normal("m", 0, 1), 2.0)
    model = ppl.Model({y: np.array([0.1, 0.9])})
    expected = stats.norm.logpdf(0.5) + stats.norm.logpdf([0.1, 0.9], 0.5, 2).sum()
    np.testing.assert_allclose(evaluator(logprob(model))({"m": 0.5})[0], expected)


def test_missing_elements_become_a_latent_variable():
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", m, 2.0, size=4)
    model = ppl.Model({y: np.array([0.1, np.nan, 0.9, np.nan])})
    assert set(model.latent) == {"m", "y_missing"}
    assert list(model.observed) == ["y_observed"]
    assert list(model.deterministics) == ["y"]
    missing = np.array([1.2, -0.7])
    expected = stats.norm.logpdf(0.5) + stats.norm.logpdf([0.1, 1.2, 0.9, -0.7], 0.5, 2).sum()
    np.testing.assert_allclose(evaluator(logprob(model))({"m": 0.5, "y_missing": missing})[0], expected)


def test_masked_arrays_and_children_of_partly_missing_variables():
    x = ppl.Normal("x", ppl.Normal("m", 0, 1), 2.0, size=3)
    y = ppl.Normal("y", 0.7 * x, 1.1)
    data = np.ma.masked_array([0.1, 99.0, 0.9], mask=[False, True, False])
    model = ppl.Model({x: data, y: np.array([0.3, 0.2, 0.1])})
    value = evaluator(logprob(model))({"m": 0.5, "x_missing": np.array([1.2])})[0]
    full = np.array([0.1, 1.2, 0.9])
    expected = stats.norm.logpdf(0.5) + stats.norm.logpdf(full, 0.5, 2).sum()
    expected += stats.norm.logpdf([0.3, 0.2, 0.1], 0.7 * full, 1.1).sum()
    np.testing.assert_allclose(value, expected)


def test_missing_rows_and_elements_of_vectors():
    m = ppl.Normal("m", 0, 1, size=2)
    covariance = np.array([[1.2, 0.3], [0.3, 0.8]])
    full = np.array([[1.0, 2.0], [-0.4, 0.9], [0.2, 1.0]])
    prior = stats.norm.logpdf([0.3, -0.2]).sum()
    expected = prior + stats.multivariate_normal([0.3, -0.2], covariance).logpdf(full).sum()
    row = full.copy()
    row[1] = np.nan
    element = full.copy()
    element[1, 0] = np.nan
    for data, missing in ((row, full[[1]]), (element, full[1, [0]])):
        y = ppl.MvNormal("y", m, covariance, size=3)
        model = ppl.Model({y: data})
        value = evaluator(logprob(model))({"m": np.array([0.3, -0.2]), "y_missing": missing})[0]
        np.testing.assert_allclose(value, expected)


def test_missing_finite_values_are_summed_out():
    p = ppl.Beta("p", 2.5, 1.5)
    z = ppl.Bernoulli("z", p, size=3)
    model = ppl.Model({z: np.array([1.0, np.nan, 0.0])})
    summed = logprob(model, marginalize="require")
    assert list(summed.values) == ["p"]
    expected = stats.beta.logpdf(0.3, 2.5, 1.5) + np.log(0.3) + np.log(0.7)
    np.testing.assert_allclose(evaluator(summed)({"p": 0.3})[0], expected)


def test_deterministics_potentials_data_and_dims():
    x = ppl.Data("x", np.array([0.5, 1.5, 2.5]), dims="time")
    slope = ppl.Normal("slope", 0, 1)
    line = ppl.Deterministic("line", slope * x, dims="time")
    y = ppl.Normal("y", line, 1.1, dims="time")
    penalty = ppl.Potential("penalty", -(slope**4))
    model = ppl.Model({y: np.array([0.4, 1.1, 2.2])}, penalty, coords={"time": [10, 20, 30]})
    assert list(model.deterministics) == ["line"]
    assert list(model.potentials) == ["penalty"]
    np.testing.assert_array_equal(model.constant_data["x"], [0.5, 1.5, 2.5])
    assert model.dims["line"] == ("time",)
    assert model.coords["time"] == (10, 20, 30)
    expected = stats.norm.logpdf(0.8) + stats.norm.logpdf([0.4, 1.1, 2.2], 0.8 * np.array([0.5, 1.5, 2.5]), 1.1).sum()
    np.testing.assert_allclose(evaluator(logprob(model))({"slope": 0.8})[0], expected - 0.8**4)


@pytest.mark.parametrize("data", [[2.0, -1.0, 1.0], [2.0, np.nan, 1.0]])
def test_the_expression_that_a_deterministic_names_is_observed(data):
    mu = ppl.Normal("mu", 0, 1)
    y = ppl.Deterministic("y", mu + pm.Normal.dist(0, 2, size=3), dims="unit")
    half = ppl.Deterministic("half", y / 2)
    model = ppl.Model({y: data}, half, coords={"unit": list("abc")})
    assert "half" in model.deterministics
    lp = logprob(model, marginalize=False)
    values = {"mu": 0.3, "y_missing": [0.7]}
    found = interpret(list(lp.values.values()), lp.total)(*(np.asarray(values[n]) for n in lp.values))
    whole = np.where(np.isnan(data), 0.7, data)
    assert found == pytest.approx(stats.norm.logpdf(0.3) + stats.norm.logpdf(whole, 0.3, 2).sum(), rel=1e-12)


def test_density_is_a_model_of_its_own():
    density = ppl.Density(
        lambda x, y: 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x, support={"x": "positive", "y": "real"}
    )
    model = ppl.Model(density)
    value = evaluator(logprob(model))({"x": 1.7, "y": 0.6})[0]
    np.testing.assert_allclose(value, 2 * np.log(1.7) - 1.7 * 0.36 - 0.36 + 1.2 - 6.8)


def test_dprint_graphviz_and_repr_show_the_model(capsys):
    mu = ppl.Normal("mu", 0, 10)
    model = ppl.Model({ppl.Normal("y", mu, 1): np.zeros(2)})
    model.dprint()
    assert "normal_rv" in capsys.readouterr().out
    assert '"mu" -> "y"' in model.to_graphviz().source
    assert model._repr_html_()
    assert repr(model) == "Model(latent: mu; observed: y)"


def test_integer_parameters_do_not_overflow():
    """PyTensor keeps 36 as int8, whose square is 16: PyMC's own density of this variable is wrong."""
    s = pm.HalfStudentT.dist(3, 36)
    s.name = "s"
    value = evaluator(logprob(ppl.Model(s)))({"s": 10.0})[0]
    np.testing.assert_allclose(value, np.log(2) + stats.t.logpdf(10, 3, 0, 36), rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ppl.Model({ppl.Normal("y", 0, 1, size=3): np.zeros(4)}), r"data of y have shape \(4,\).*\(3,\)"),
        (lambda: ppl.Model({ppl.Gamma("y", 2, 1, size=2): np.array([1.0, -2.0])}), r"outside its support.*y\[1\] = -2"),
        (lambda: ppl.Model({ppl.Poisson("y", 3, size=2): np.array([1, -2])}), r"outside its support.*y\[1\] = -2"),
        (lambda: ppl.Model({ppl.Categorical("y", [0.5, 0.5]): 2}), r"outside its support.*= 2"),
        (lambda: ppl.Model({ppl.Poisson("y", 3, size=2): np.array([1.0, 2.5])}), r"whole numbers; y\[1\] = 2.5"),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1, size=2): np.array([1.0, np.inf])}), r"not finite: y\[1\] = inf"),
        (lambda: ppl.Model({pt.dscalar("x") + 1: 2.0}), "observed but is not random"),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1): "text"}), "numbers are needed"),
        (lambda: ppl.Model({ppl.Normal("chain", 0, 1): 0.0}), "'chain' cannot be the name"),
        (
            lambda: ppl.Model(
                {ppl.Dirichlet("y", np.ones(3), size=2): np.array([[0.2, np.nan, 0.3], [0.2, 0.3, 0.5]])}
            ),
            "misses elements inside a row",
        ),
        (lambda: ppl.Model({ppl.Normal("a/b", 0, 1): 0.0}), "'a/b' cannot be the name"),
        (lambda: ppl.Model({"y": 1.0}), "keys of the data are random variables"),
        (
            lambda: ppl.Model({ppl.Normal("y", ppl.Normal("a", 0, 1) + ppl.Normal("a", 0, 1), 1): 0.0}),
            "Two variables are named 'a'",
        ),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1): 0.0}, dims={"z": "t"}), r"dims names 'z'.*y"),
        (
            lambda: ppl.Model({ppl.Normal("y", 0, 1, size=2): np.zeros(2)}, dims={"y": "t"}, coords={"t": [1, 2, 3]}),
            "length 2 along 't', but coords has 3",
        ),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1): 0.0}, pt.dscalar("free") * 2), "neither random nor declared"),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1): 0.0})["nothing"], "There is no variable 'nothing'"),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1): 0.0}, dims={"y": "t"}), "y has 0 axes but dims"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_underivable_log_probability_names_the_variable_and_the_smallest_graph():
    a = pm.Normal.dist(0, 1, size=3)
    y = pt.sort(pt.sin(a))
    y.name = "y"
    with pytest.raises(DerivationError, match=r"No log-probability can be derived for y.*Sin") as caught:
        logprob({y: np.zeros(3)})
    assert caught.value.variable == "y"
    assert "Sin" in str(caught.value.subgraph.owner.op)


def test_ambiguous_noise_is_refused():
    y = ppl.Normal("a", 0, 1) + ppl.Normal("b", 0, 1)
    with pytest.raises(DerivationError, match="does not tell which one is measured"):
        logprob({y: 0.0})


@pytest.mark.parametrize(("sampler", "own"), [("nuts", "1|g_log__"), ("slice", "1|g_scale__")])
def test_names_that_the_samplers_use_themselves(sampler, own):
    scale, level = ppl.HalfNormal("1|g", 1), ppl.Normal(own, 5, 0.1)
    model = ppl.Model({ppl.Normal("y", level, scale): np.array([4.0, 5.5, 6.0])})
    sweep = ppl.plan(model, sampler=sampler, compress=False).sweep
    assert own in sweep.layout.names
    assert len(set(sweep.layout.names)) == len(sweep.layout.names) == len(sweep.variables)
