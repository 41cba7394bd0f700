"""Variables that are set, seen, or declared otherwise.

Answers: the same models declared so from the beginning; closed forms of linear normal models (Pearl's back door and
front door); SciPy's distributions.
"""

from __future__ import annotations

import io
import pickle

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret, without_c


def log_density(model: ppl.Model, **values: object) -> float:
    """Of all variables, nothing summed out."""
    joint = logprob(model, marginalize=False)
    inputs = [joint.values[name] for name in values]
    arrays = [np.asarray(v, joint.values[n].type.dtype) for n, v in values.items()]
    with without_c():
        return float(interpret(inputs, joint.total)(*arrays))


def confounded() -> ppl.Model:
    """Both x and y depend on z, and y on x."""
    z = ppl.Normal("z", 0, 1)
    x = ppl.Normal("x", z, 1)
    return ppl.Model(ppl.Normal("y", x + z, 1))


def test_to_set_is_not_to_see() -> None:
    """Set, x says nothing about z, of mean 0; seen, the mean of z is x/2, of variance 1/2."""
    model = confounded()
    set_to, seen = ppl.do(model, {"x": 2.0}), ppl.observe(model, {"x": 2.0})
    assert (list(set_to.latent), list(set_to.observed)) == (["z", "y"], [])
    assert (list(seen.latent), list(seen.observed)) == (["z", "y"], ["x"])
    assert list(model.latent) == ["z", "x", "y"], "the model is as it was"
    of_set = ppl.prior_predictive(set_to, draws=4000, seed=1).prior
    assert stats.kstest(of_set["y"].to_numpy().ravel(), stats.norm(2.0, 2**0.5).cdf).pvalue > 1e-4
    found = ppl.sample(seen, draws=1000, chains=4, seed=1, progress=False).posterior
    assert stats.kstest(found["z"].to_numpy().ravel()[::4], stats.norm(1.0, 0.5**0.5).cdf).pvalue > 1e-4
    np.testing.assert_array_equal(set_to.constant_data["x"], 2.0)


def test_the_effect_of_a_mediator() -> None:
    """Of x -> m -> y, with m set nothing of x is left in y."""
    x = ppl.Normal("x", 0, 1)
    m = ppl.Normal("m", 3 * x, 1)
    model = ppl.Model(ppl.Normal("y", 2 * m, 1))
    for value in (-1.0, 2.0):
        held = ppl.do(model, {"m": 0.5, "x": value})
        assert log_density(held, y=1.3) == pytest.approx(stats.norm.logpdf(1.3, 1.0, 1.0))
        total = ppl.do(model, {"x": value})
        expected = stats.norm.logpdf(0.7, 3 * value, 1.0) + stats.norm.logpdf(1.3, 1.4, 1.0)
        assert log_density(total, m=0.7, y=1.3) == pytest.approx(expected)


def test_what_had_data_can_be_set() -> None:
    mu = ppl.Normal("mu", 0, 1)
    a = ppl.Normal("a", mu, 1, size=2)
    model = ppl.Model({a: [0.3, 0.1], ppl.Normal("b", a, 1): [1.0, 2.0]})
    changed = ppl.do(model, {"a": [5.0, 6.0]})
    assert list(changed.observed) == ["b"]
    assert "a" not in changed.observed_data
    expected = stats.norm.logpdf(0.2) + stats.norm.logpdf([1.0, 2.0], [5.0, 6.0]).sum()
    assert log_density(changed, mu=0.2) == pytest.approx(expected)


def test_what_is_computed_or_data_can_be_set() -> None:
    x = ppl.Data("x", [1.0, 2.0, 3.0], dims={"time": ["a", "b", "c"]})
    slope = ppl.Normal("slope", 0, 1)
    line = ppl.Deterministic("line", slope * x, dims="time")
    model = ppl.Model({ppl.Normal("y", line, 1): [1.0, 2.0, 4.0]})
    other = ppl.do(model, {"x": [2.0, 0.0, 1.0]})
    expected = stats.norm.logpdf(0.5) + stats.norm.logpdf([1.0, 2.0, 4.0], [1.0, 0.0, 0.5]).sum()
    assert log_density(other, slope=0.5) == pytest.approx(expected)
    assert other.dims["x"] == ("time",)
    flat = ppl.do(model, {"line": 1.0})
    np.testing.assert_array_equal(flat.constant_data["line"], np.ones(3))
    assert flat.dims["line"] == ("time",)
    assert log_density(flat, slope=0.5) == pytest.approx(
        stats.norm.logpdf(0.5) + stats.norm.logpdf([1.0, 2.0, 4.0], 1.0).sum()
    )
    trace = ppl.sample(flat, draws=50, tune=50, chains=2, seed=1, progress=False)
    assert trace.constant_data["line"].dims == ("time",)


def test_discrete_variables_and_missing_elements() -> None:
    p = ppl.Beta("p", 2, 2)
    k = ppl.Binomial("k", 5, p, size=3)
    y = ppl.Normal("y", k, 1)
    model = ppl.Model({y: [1.0, np.nan, 2.0]})
    assert "y_missing" in model.latent
    set_to = ppl.do(model, {"k": 2})
    assert log_density(set_to, p=0.3, y_missing=[2.5]) == pytest.approx(
        stats.beta.logpdf(0.3, 2, 2) + stats.norm.logpdf([1.0, 2.5, 2.0], 2.0).sum()
    )
    all_set = ppl.do(model, {"y": [0.0, 1.0, 2.0]})
    assert list(all_set.observed) == []
    assert set(all_set.latent) == {"p", "k"}
    with pytest.raises(ModelError, match="k is discrete but would be set to"):
        ppl.do(model, {"k": [0.5, 1, 2]})


def test_missing_elements_of_what_is_observed_later() -> None:
    mu = ppl.Normal("mu", 0, 1)
    model = ppl.Model(ppl.Normal("y", mu, 1, size=3))
    given = [0.3, np.nan, 0.5]
    mu = ppl.Normal("mu", 0, 1)
    direct = ppl.Model({ppl.Normal("y", mu, 1, size=3): given})
    later = ppl.observe(model, {"y": given})
    assert set(later.latent) == set(direct.latent) == {"mu", "y_missing"}
    values = {"mu": 0.2, "y_missing": [0.9]}
    assert log_density(later, **values) == pytest.approx(log_density(direct, **values))
    again = ppl.observe(ppl.observe(model, {"y": [1.0, 2.0, 3.0]}), {"y": [0.0, 0.0, 1.0]})
    np.testing.assert_array_equal(again.observed_data["y"], [0.0, 0.0, 1.0])
    assert log_density(again, mu=0.2) == pytest.approx(
        stats.norm.logpdf(0.2) + stats.norm.logpdf([0.0, 0.0, 1.0], 0.2).sum()
    )


def test_models_of_pymc() -> None:
    with pm.Model(coords={"g": ["a", "b"]}) as pm_model:
        tau = pm.HalfNormal("tau", 1)
        theta = pm.Normal("theta", 0, tau, dims="g")
        pm.Normal("y", theta, 1, observed=[0.3, 1.2], dims="g")
    model = ppl.from_pymc(pm_model)
    set_to = ppl.do(model, {"theta": [0.0, 1.0]})
    with pm.do(pm_model, {"theta": np.array([0.0, 1.0])}) as theirs:
        expected = theirs.compile_logp(jacobian=False)({"tau_log__": np.log(0.7)})
    assert log_density(set_to, tau=0.7) == pytest.approx(float(expected))
    seen = ppl.observe(model, {"theta": [0.0, 1.0]})
    assert log_density(seen, tau=0.7) == pytest.approx(float(expected) + stats.norm.logpdf([0.0, 1.0], 0, 0.7).sum())
    other = model.replace({"tau": ppl.Exponential("tau", 2.0)})
    values = {"tau": 0.7, "theta": [0.1, 0.2]}
    change = stats.expon.logpdf(0.7, scale=0.5) - stats.halfnorm.logpdf(0.7)
    assert log_density(other, **values) == pytest.approx(log_density(model, **values) + change)
    assert other.dims["theta"] == ("g",)


def test_other_priors_and_likelihoods() -> None:
    def declared(sigma: object) -> ppl.Model:
        mu = ppl.Normal("mu", 0, 1)
        return ppl.Model({ppl.Normal("y", mu, sigma, size=2, dims="row"): [0.3, 1.2]})

    model = declared(ppl.HalfNormal("sigma", 1))
    scale = ppl.Exponential("scale", 1)
    with_scale = model.replace({"sigma": ppl.HalfCauchy("sigma", scale)})
    direct = declared(ppl.HalfCauchy("sigma", ppl.Exponential("scale", 1)))
    assert set(with_scale.latent) == {"scale", "sigma", "mu"}
    values = {"scale": 0.5, "sigma": 1.3, "mu": -0.2}
    assert log_density(with_scale, **values) == pytest.approx(log_density(direct, **values))
    heavy = model.replace({"y": ppl.StudentT("y", 4, model["mu"], sigma=model["sigma"], size=2)})
    assert list(heavy.observed) == ["y"]
    assert heavy.dims["y"] == ("row",)
    assert log_density(heavy, sigma=1.3, mu=-0.2) == pytest.approx(
        stats.halfnorm.logpdf(1.3) + stats.norm.logpdf(-0.2) + stats.t.logpdf([0.3, 1.2], 4, -0.2, 1.3).sum()
    )
    computed = model.replace({"sigma": np.e ** (model["mu"] * 0.5)})
    assert list(computed.deterministics) == ["sigma"]
    assert log_density(computed, mu=0.4) == pytest.approx(
        stats.norm.logpdf(0.4) + stats.norm.logpdf([0.3, 1.2], 0.4, np.exp(0.2)).sum()
    )
    trace = ppl.sample(with_scale, draws=50, tune=100, chains=2, seed=1, progress=False)
    assert {"scale", "sigma", "mu"} <= set(trace.posterior.data_vars)
    assert log_density(pickle.loads(pickle.dumps(with_scale)), **values) == pytest.approx(log_density(direct, **values))


def test_potentials_see_what_is_set_and_the_graph_is_shown() -> None:
    x = ppl.Normal("x", 0, 1)
    w = ppl.Normal("w", x, 1)
    model = ppl.Model(ppl.Potential("penalty", -(x**2) * w), w)
    changed = ppl.do(model, {"x": 2.0})
    assert log_density(changed, w=0.5) == pytest.approx(stats.norm.logpdf(0.5, 2.0) - 4.0 * 0.5)
    shown = io.StringIO()
    changed.dprint(file=shown)
    assert "normal" in shown.getvalue()
    assert "'x'" in shown.getvalue() or "x" in shown.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: ppl.do("m", {"x": 1.0}), "Model is needed, not str"),
        (lambda m: ppl.observe(None, {"x": 1.0}), "Model is needed, not NoneType"),
        (lambda m: ppl.do(m, {"q": 1.0}), "There is no variable 'q' that could be set; the model has z, x, y"),
        (lambda m: ppl.do(m, {"x": [1.0, 2.0]}), r"have shape \(2,\), but x has shape \(\)"),
        (lambda m: ppl.do(m, {"x": np.nan}), "The values of x are not finite"),
        (lambda m: ppl.do(m, ["x"]), "values are given by name"),
        (lambda m: ppl.observe(m, {"q": 1.0}), "There is no variable 'q' to observe"),
        (lambda m: ppl.observe(m, {"x": "a"}), "The data of x"),
        (lambda m: m.replace({"q": ppl.Normal("q", 0, 1)}), "There is no variable 'q' to replace"),
        (lambda m: m.replace({"x": ppl.Normal("w", 0, 1)}), "What takes the place of x is called w"),
        (lambda m: m.replace({"x": ppl.Normal("x", 0, 1, size=2)}), "x is float64 of shape"),
        (lambda m: m.replace({"x": 1.0}), "x is replaced by a variable"),
        (lambda m: m.replace({"x": ppl.Normal("x", m["y"], 1)}), "depends on x itself"),
        (lambda m: m.replace({"x": ppl.Normal("x", ppl.Normal("z", 0, 2), 1)}), "Two variables would be named 'z'"),
    ],
)
def test_what_does_not_fit_is_refused(change: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        change(confounded())  # type: ignore[operator]
