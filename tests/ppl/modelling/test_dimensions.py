"""Dims and labels: what results cannot hold is refused before anything is drawn; what they can hold is kept.

Answers: what xarray can hold; messages are written out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from pytensor.graph.basic import Constant
from scipy import stats

import ppl
from graphs.errors import ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from ppl.running.results import to_datatree


def scalar_outcome(*parents) -> ppl.Model:
    return ppl.Model({ppl.Normal("y", sum(p.sum() for p in parents), 1): 0.0})


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: ppl.Normal("x", 0, 1, dims={"chain": 2}), "'chain' cannot be the name of a dim"),
        (lambda: ppl.Normal("x", 0, 1, dims=("draw",), size=2), "'draw' cannot be the name of a dim"),
        (lambda: ppl.Normal("x", 0, 1, dims={"obs/site": 2}), "'obs/site' cannot be the name of a dim"),
        (lambda: ppl.Normal("x", 0, 1, dims={"x": 2}), "x has a dim of its own name"),
        (lambda: ppl.Data("x", [1.0, 2.0], dims="x"), "x has a dim of its own name"),
        (lambda: ppl.Deterministic("z", np.ones(2), dims="chain"), "'chain' cannot be the name of a dim"),
        (lambda: ppl.MarkovChain("s", np.eye(2), dims={"draw": 3}), "'draw' cannot be the name of a dim"),
        (lambda: ppl.InverseWishart("w", 4, np.eye(2), dims=("chain", "b")), "'chain' cannot be the name of a dim"),
        (lambda: ppl.Normal("x", 0, 1, dims=(None, "b"), size=(1, 1)), "one of them is None"),
        (lambda: ppl.Normal("x", 0, 1, dims=("a", "a"), size=(2, 2)), "cannot stand for two axes"),
        (lambda: ppl.Normal("x", 0, 1, dims=3), "a string, or one for each axis, not 3"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": -1}), "cannot have the length -1"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": "abc"}), "a sequence with one for each position"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": 2.5}), "a sequence with one for each position"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": True}), "a sequence with one for each position"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": [[1], [2]]}), r"\[1\] cannot be one"),
        (lambda: ppl.Normal("x", 0, 1, dims={"a": np.ones((2, 2))}), "cannot be one"),
        (lambda: ppl.Normal("chain", 0, 1), "'chain' cannot be the name of a variable"),
        (lambda: ppl.Data("a/b", [1]), "'a/b' cannot be the name of a variable"),
        (lambda: ppl.Normal("..", 0, 1), "'..' cannot be the name of a variable"),
        (lambda: ppl.Normal("a\0b", 0, 1), "cannot be the name of a variable"),
        (lambda: ppl.Normal("x", 0, 1, dims={".": 2}), "'.' cannot be the name of a dim"),
    ],
)
def test_refused_where_it_is_declared(declare, message):
    with pytest.raises(ModelError, match=message):
        declare()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: scalar_outcome(ppl.Normal("b", 0, 1, dims={"g": 3}), ppl.Normal("g", 0, 1)),
            "'g' is a variable and an axis of b",
        ),
        (
            lambda: scalar_outcome(ppl.Normal("b", 0, 1, size=3), ppl.Normal("b_dim_0", 0, 1)),
            "'b_dim_0' is a variable and an axis of b",
        ),
        (
            lambda: ppl.Model({ppl.Normal("y", ppl.Normal("y_dim_0", 0, 1), 1, size=3): np.zeros(3)}),
            "'y_dim_0' is a variable and an axis of y",
        ),
        (
            lambda: ppl.Model(
                {ppl.Normal("y", ppl.Data("u", [1.0, 2.0], dims="v") + ppl.Data("v", [1.0, 2.0]), 1): np.zeros(2)}
            ),
            "'v' is a variable and an axis of u",
        ),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1, size=2): np.zeros(2)}, dims={"y": "chain"}), "'chain' cannot be"),
        (lambda: ppl.Model({ppl.Normal("y", 0, 1, size=2): np.zeros(2)}, dims={"y": "y"}), "dim of its own name"),
        (lambda: ppl.Model(ppl.Normal("x", 0, 1, dims={"a": 2}), coords={"a": 5}), "not 5"),
        (lambda: ppl.Model(ppl.Normal("x", 0, 1, dims={"a": 2}), coords={"a": ["u"]}), "has 1 labels for it"),
        (
            lambda: scalar_outcome(
                ppl.Normal("x", 0, 1, dims={"a": ["u", "v"]}), ppl.Normal("z", 0, 1, dims={"a": ["v", "u"]})
            ),
            "'a' of z has other labels",
        ),
    ],
)
def test_refused_where_the_model_is_made(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_models_of_pymc_are_refused_too():
    with pm.Model() as model:
        b = pm.Normal("b", size=2)
        pm.Normal("y", b.sum() + pm.Normal("b_dim_0"), observed=0.0)
    with pytest.raises(ModelError, match="'b_dim_0' is a variable and an axis of b"):
        ppl.from_pymc(model)


def test_an_axis_of_data_does_not_stand_beside_draws():
    time = ppl.Data("time", np.arange(3.0), dims="observation")
    model = ppl.Model({ppl.Normal("y", ppl.Normal("b", 0, 1, dims={"time": 3}) * time, 1): np.zeros(3)})
    assert model.dims == {"b": ("time",), "time": ("observation",)}


LABELS = {
    "strings": ["ann", "bob"],
    "beyond ASCII": ["日本", "ü ß"],
    "numbers": [2020, 1999],
    "mixed": ["a", 1, None],
    "tuples": [("a", 1), ("b", 2)],
    "of different lengths": [("a",), ("b", 2)],
    "a tuple of labels": ("u", "v"),
    "duplicates": ["a", "a"],
    "missing": [None, "b"],
    "a range": range(2),
    "none at all": [],
    "numpy": np.array([0.5, 1.5]),
    "dates": pd.date_range("2024-01-01", periods=3),
    "of a time zone": pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin"),
    "periods": pd.period_range("2024-01", periods=2, freq="M"),
    "intervals": pd.interval_range(0, 2),
    "categories": pd.Categorical(["a", "b", "a"]).categories,
    "of several levels": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    "a column": pd.Series(["a", "b"], index=[7, 8]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_kept_as_they_are(kind):
    labels = LABELS[kind]
    x = ppl.Normal("x", 0, 1, dims={"unit": labels})
    assert x.type.shape == (len(labels),)
    model = ppl.Model(x, coords={"unit": labels})
    draws = np.random.default_rng(1).normal(size=(2, 4, len(labels)))
    found = to_datatree(model, {"posterior": {"x": draws}}, {}).posterior["x"]
    assert found.dims == ("chain", "draw", "unit")
    assert found.indexes["unit"].tolist() == list(labels)
    for i, label in enumerate(labels):
        if list(labels).count(label) == 1:
            np.testing.assert_array_equal(found[:, :, found.indexes["unit"].get_loc(label)], draws[:, :, i])


def test_labels_of_an_xarray_are_those_that_it_has():
    days = pd.date_range("2024-01-01", periods=2)
    array = xr.DataArray([1.0, 2.0], dims="day", coords={"day": days})
    b = ppl.Normal("b", 0, 1, dims={"day": array["day"]})
    model = ppl.Model({ppl.Normal("y", b * ppl.Data("x", array), 1): np.zeros(2)})
    assert model.coords == {"day": tuple(days)}


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT])
def test_missing_labels_are_equal_to_each_other(missing):
    copies = [[missing, "a"], pd.Series([missing, "a"], dtype=object)]
    x, z = (ppl.Normal(name, 0, 1, dims={"unit": c}) for name, c in zip("xz", copies, strict=True))
    assert len(scalar_outcome(x, z).coords["unit"]) == 2


def test_a_dimension_may_have_length_zero():
    x = ppl.Normal("x", 0, 1, dims={"unit": []})
    alone = ppl.sample(scalar_outcome(x), draws=2, chains=1, seed=1, progress=False, backend="c")
    assert alone.posterior["x"].dims == ("chain", "draw", "unit")
    assert alone.posterior["x"].shape == (1, 2, 0)
    other = ppl.Normal("other", 0, 1)
    trace = ppl.sample(scalar_outcome(x, other), draws=2, tune=2, chains=1, seed=1, progress=False, backend="c")
    assert trace.posterior["x"].shape == (1, 2, 0)


def test_a_variable_may_have_the_name_of_a_statistic(caplog):
    lp = ppl.Normal("lp", 0, 1, dims={"unit": ["a", "b"]})
    trace = ppl.sample(scalar_outcome(lp), draws=5, tune=5, chains=1, seed=1, progress=False, sampler="nuts")
    assert trace["posterior"]["lp"].dims == ("chain", "draw", "unit")
    assert trace["sample_stats"]["lp"].dims == ("chain", "draw")
    assert "Left out" not in caplog.text


def test_what_follows_a_run_goes_on_without_numbers():
    """Variables of length zero, in the trace or summed out, beside one that is recovered by Bayes' rule."""
    x, k = ppl.Normal("x", 0, 1, dims={"unit": []}), ppl.Bernoulli("k", 0.5, size=0)
    z, other = ppl.Bernoulli("z", 0.3), ppl.Normal("other", 0, 1)
    model = scalar_outcome(x, k, z, other)
    trace = ppl.sample(model, draws=20, tune=20, chains=2, seed=1, progress=False, sampler="nuts")
    assert set(ppl.diagnose(trace).r_hat) == {"other"}
    trace = ppl.log_likelihood(model, ppl.recover(model, trace, seed=1))
    trace = ppl.posterior_predictive(model, trace, seed=1)
    drawn, y = trace["posterior"], float(model.observed_data["y"])
    weights = [0.7 * stats.norm.pdf(y, drawn["other"]), 0.3 * stats.norm.pdf(y, drawn["other"] + 1)]
    np.testing.assert_allclose(drawn["z_probability"][..., 1], weights[1] / sum(weights))
    assert drawn["k"].shape == drawn["x"].shape == (2, 20, 0)
    assert trace["posterior_predictive"]["y"].shape == trace["log_likelihood"]["y"].shape == (2, 20)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: ppl.Dirichlet("x", np.ones(2), size=0),
        lambda: ppl.Normal("x", 0, 1, size=0, transform="ordered"),
        lambda: ppl.MvNormal("x", np.zeros(2), np.eye(2), size=0),
        lambda: ppl.Beta("x", 1, 1, size=0),
    ],
)
def test_variables_of_length_zero_are_not_transformed(declare):
    x = declare()
    model = scalar_outcome(x, ppl.Normal("other", 0, 1))
    trace = ppl.sample(model, draws=5, tune=5, chains=1, seed=1, progress=False, sampler="nuts")
    assert trace.posterior["x"].shape[2:] == x.type.shape


class BrokenTransform(pm.logprob.transforms.LogTransform):
    """One that is written for other shapes."""

    def backward(self, value, *inputs):
        if isinstance(value, Constant):
            # Where the ends of its image are looked for.
            return super().backward(value, *inputs)
        raise ValueError("three rows are wanted")


def test_transforms_that_fail_name_the_variable():
    with pytest.raises(ppl.PPLError, match=r"The transform .* of c.* fails: three rows are wanted") as raised:
        ppl.plan(ppl.Model(ppl.HalfNormal("c", 1, transform=BrokenTransform()), ppl.Normal("b", 0, 1)))
    assert raised.value.variable.startswith("c")


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_correlations_of_any_size_are_planned(n):
    """Of an even number, too: what stands for the factor while a plan is made is a vector, as the transform has it."""
    plan = ppl.plan(ppl.Model(ppl.LKJCorr("c", n=n, eta=2.0), ppl.Normal("b", 0, 1)), sampler="nuts")
    assert plan.sampled.values["c"].type.shape == (n * (n - 1) // 2,)


class TestLengths:
    """Where only the name of an axis is given, the model finds its length."""

    def test_from_coords(self):
        x = ppl.Normal("x", 0, 1, dims="subject")
        z = ppl.Deterministic("z", 2 * x, dims="subject")
        y = ppl.Normal("y", z[np.array([0, 1, 2, 2])], 1, dims="observation")
        model = ppl.Model({y: np.zeros(4)}, coords={"subject": ["a", "b", "c"]})
        assert {n: v.type.shape for n, v in model.named_variables.items()} == {"x": (3,), "z": (3,), "y": (4,)}
        assert model.dims == {"x": ("subject",), "z": ("subject",), "y": ("observation",)}

    def test_from_another_variable(self):
        x, z = ppl.Normal("x", 0, 1, dims="subject"), ppl.Normal("z", 0, 1, dims={"subject": ["a", "b"]})
        model = ppl.Model({ppl.Normal("y", x + z, 1): np.zeros(2)})
        assert model["x"].type.shape == (2,)

    def test_from_the_data(self):
        model = ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 1), 1, dims="day"): np.zeros(5)})
        assert model["y"].type.shape == (5,)

    def test_parameters_and_supports_keep_their_own_lengths(self):
        p = ppl.Dirichlet("p", np.ones(4), dims=("subject", "state"))
        x = ppl.Normal("x", np.zeros(4), 1, dims=("subject", "state"))
        model = ppl.Model(p, x, coords={"subject": ["a", "b", "c"]})
        assert model["p"].type.shape == model["x"].type.shape == (3, 4)

    def test_the_density_is_that_of_the_declared_length(self):
        x = ppl.Normal("x", 0, 2, dims="subject")
        y = ppl.Normal("y", x, 1, dims="subject")
        joint = logprob(ppl.Model({y: np.array([0.3, -1.0])}, coords={"subject": ["a", "b"]}))
        at = np.array([0.5, 1.5])
        expected = stats.norm(0, 2).logpdf(at).sum() + stats.norm(at, 1).logpdf([0.3, -1.0]).sum()
        np.testing.assert_allclose(interpret([joint.values["x"]], joint.total)(at), expected, rtol=1e-12)

    @pytest.mark.parametrize(
        ("dims", "coords", "message"),
        [
            ("subject", {}, "length of the dim 'subject' is not known"),
            ("subject", {"subject": ["a", "b"]}, "data of y have shape"),
        ],
    )
    def test_unknown_or_contradicting(self, dims, coords, message):
        x = ppl.Normal("x", 0, 1, dims=dims)
        with pytest.raises(ModelError, match=message):
            ppl.Model({ppl.Normal("y", x, 1): np.zeros(3)}, coords=coords)


@pytest.mark.parametrize("what", ["coords", "dims"])
def test_what_is_no_mapping_is_refused(what):
    with pytest.raises(ppl.ModelError, match=f"{what} of a model is a mapping"):
        ppl.Model(ppl.Normal("a", 0, 1), **{what: "abc"})
