"""Predictions of units by their labels: those of the trace are kept, new ones follow their prior given it.

Answers: numbers of the trace, and SciPy's distributions.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import ppl
from graphs.errors import ModelError
from ppl.running.results import to_datatree

LABELS = ["a", "b", "c"]
NUM_DRAWS = 4000
# A Kolmogorov-Smirnov test of a right answer fails once in a million seeds.
LEAST_P = 1e-6


def trace_of(model: ppl.Model, **values) -> xr.DataTree:
    """Return a trace in which the variables have given values in each of many draws, told apart by a little noise."""
    rng = np.random.default_rng(2)
    arrays = {
        name: np.asarray(value) + 1e-9 * rng.normal(size=(1, NUM_DRAWS, *np.shape(value)))
        for name, value in values.items()
    }
    return to_datatree(model, {"posterior": arrays}, {})


def hierarchy() -> ppl.Model:
    mu, sd = ppl.Normal("mu", 0, 1), ppl.HalfNormal("sd", 1)
    level = ppl.Normal("level", mu, sd, dims={"group": LABELS})
    group = ppl.Data("group_of", np.repeat([0, 1, 2], 2))
    return ppl.Model({ppl.Normal("y", level[group], 0.5): np.zeros(6)})


def predict(model, trace, **arguments):
    return ppl.posterior_predictive(model, trace, seed=1, backend="c", **arguments).posterior_predictive


@pytest.fixture(scope="module")
def of_hierarchy():
    model = hierarchy()
    return model, trace_of(model, mu=2.0, sd=3.0, level=[-1.0, 0.0, 1.0])


def test_known_labels_are_kept_in_any_order(of_hierarchy):
    model, trace = of_hierarchy
    found = predict(model, trace, coords={"group": ["c", "a"]}, var_names=["level"])
    np.testing.assert_array_equal(found["level"], trace.posterior["level"].sel(group=["c", "a"]))
    assert found["level"].indexes["group"].tolist() == ["c", "a"]


def test_new_labels_follow_their_prior(of_hierarchy):
    model, trace = of_hierarchy
    found = predict(model, trace, coords={"group": ["d", "b"]}, var_names=["level"])["level"]
    np.testing.assert_array_equal(found.sel(group="b"), trace.posterior["level"].sel(group="b"))
    assert stats.kstest(found.sel(group="d").to_numpy().ravel(), stats.norm(2, 3).cdf).pvalue > LEAST_P


def test_outcomes_of_old_and_new_groups(of_hierarchy):
    model, trace = of_hierarchy
    found = predict(model, trace, data={"group_of": [0, 3]}, coords={"group": [*LABELS, "d"]})["y"].to_numpy()
    assert found.shape == (1, NUM_DRAWS, 2)
    assert stats.kstest(found[0, :, 0], stats.norm(-1, 0.5).cdf).pvalue > LEAST_P
    assert stats.kstest(found[0, :, 1], stats.norm(2, np.hypot(3, 0.5)).cdf).pvalue > LEAST_P


def test_what_is_computed_of_groups_follows():
    """A hierarchy that is not centred: the new group has a new standard normal number."""
    mu, sd = ppl.Normal("mu", 0, 1), ppl.HalfNormal("sd", 1)
    z = ppl.Normal("z", 0, 1, dims={"group": LABELS})
    level = ppl.Deterministic("level", mu + sd * z, dims="group")
    model = ppl.Model({ppl.Normal("y", level, 0.5, dims="group"): np.zeros(3)})
    trace = trace_of(model, mu=2.0, sd=3.0, z=[-1.0, 0.0, 1.0])
    found = predict(model, trace, coords={"group": ["d", "a"]}, var_names=["level", "y"])
    known = (trace.posterior["mu"] + trace.posterior["sd"] * trace.posterior["z"]).sel(group="a")
    np.testing.assert_allclose(found["level"].sel(group="a"), known, rtol=1e-14)
    assert stats.kstest(found["level"].sel(group="d").to_numpy().ravel(), stats.norm(2, 3).cdf).pvalue > LEAST_P
    assert found["y"].dims == ("chain", "draw", "group")


def test_covariates_of_units_come_with_their_labels():
    """Along two axes at once; labels that an xarray brings need not be given."""
    weight = ppl.Data("weight", [1.0, 2.0, 3.0], dims={"group": LABELS})
    slope = ppl.Normal("slope", weight[:, None], 0.1, dims=("group", "year"), shape=(3, 2))
    model = ppl.Model({ppl.Normal("y", slope, 1, dims=("group", "year")): np.zeros((3, 2))}, coords={"year": [1, 2]})
    trace = trace_of(model, slope=np.arange(6.0).reshape(3, 2))
    new = xr.DataArray([50.0, 30.0], dims="group", coords={"group": ["d", "c"]})
    found = predict(model, trace, data={"weight": new}, coords={"year": [2, 3]}, var_names=["slope"])["slope"]
    known = trace.posterior["slope"].sel(group="c", year=2)
    np.testing.assert_array_equal(found.sel(group="c", year=2), known)
    for group, year, mean in (("d", 2, 50.0), ("d", 3, 50.0), ("c", 3, 30.0)):
        drawn = found.sel(group=group, year=year).to_numpy().ravel()
        assert stats.kstest(drawn, stats.norm(mean, 0.1).cdf).pvalue > LEAST_P


def test_a_single_new_unit():
    rate = ppl.Gamma("rate", 2, 1)
    p = ppl.Beta("p", rate, 1, dims={"player": LABELS})
    model = ppl.Model({ppl.Binomial("y", ppl.Data("n", [40, 35, 50]), p, dims="player"): [12, 20, 9]})
    trace = trace_of(model, rate=3.0, p=[0.1, 0.5, 0.9])
    found = predict(model, trace, data={"n": [4]}, coords={"player": ["new"]})["y"]
    counts = np.bincount(found.to_numpy().ravel(), minlength=5)
    # The chi-square test, of five cells.
    expected = NUM_DRAWS * stats.betabinom(4, 3.0, 1.0).pmf(np.arange(5))
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > LEAST_P
    with pytest.raises(ModelError, match=r"do not fit.*coords="):
        # Else all three players would be predicted with these four trials.
        predict(model, trace, data={"n": [4]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coords": {"unit": ["a"]}}, "coords names 'unit'; the dims of the model's variables are group"),
        ({"coords": {"group": ["d", "d"]}}, "labels of 'group' are not unique"),
        ({"coords": {"group": "abc"}}, "a sequence with one for each position"),
        ({"data": {"group_of": [0, 3]}}, "index 3 is out of bounds"),
        ({"data": {"group_of": [3] * 6}}, "index 3 is out of bounds"),
        ({"data": {"group_of": [0]}, "coords": {"group": ["a"]}, "var_names": ["mu"]}, "mu is in the trace"),
    ],
)
def test_messages(of_hierarchy, arguments, message):
    with pytest.raises(ModelError, match=message):
        predict(*of_hierarchy, **arguments)


@pytest.mark.parametrize(
    ("declare", "value", "message"),
    [
        (lambda: ppl.Normal("x", np.arange(3.0), 1, dims={"group": LABELS}), np.zeros(3), "do not fit the shapes"),
        (lambda: ppl.ZeroSumNormal("x", 1, dims={"group": LABELS}), np.zeros(3), "depend on each other"),
        (lambda: ppl.Flat("x", dims={"group": LABELS}), np.zeros(3), "prior of x is improper"),
    ],
)
def test_what_has_no_new_units(declare, value, message):
    x = declare()
    model = ppl.Model({ppl.Normal("y", x, 1, dims="group"): np.zeros(3)})
    with pytest.raises(ModelError, match=message):
        predict(model, trace_of(model, x=value), coords={"group": ["a", "d"]})


def _groups(labels):
    mean = ppl.Normal("mean", 0, 1, dims={"group": labels})
    return ppl.Model({ppl.Normal("y", mean, 1): np.arange(len(labels))})


@pytest.mark.parametrize("labels", [["c", "b", "a"], ["x", "y", "z"], [None, ("a", 1), "a"]])
def test_draws_of_other_labels_are_refused(labels):
    """They would be taken by position: those of one group for those of another."""
    first = ["a", "b", "c"] if isinstance(labels[0], str) else ["a", None, ("a", 1)]
    trace = ppl.sample(_groups(first), draws=5, tune=5, chains=1, seed=1, progress=False)
    other = _groups(labels)
    for function in (ppl.posterior_predictive, ppl.log_likelihood):
        with pytest.raises(ppl.ModelError, match=r"along 'group' mean has the labels .* there a, ") as raised:
            function(other, trace)
        assert raised.value.variable == "mean"


def test_labels_that_a_file_changes_are_those_of_the_model(tmp_path):
    model = _groups(["a", None])
    trace = ppl.sample(model, draws=5, tune=5, chains=1, seed=1, progress=False)
    trace.to_netcdf(tmp_path / "trace.nc")
    with xr.open_datatree(tmp_path / "trace.nc") as found:
        assert ppl.log_likelihood(model, found)["log_likelihood"]["y"].shape == (1, 5, 2)
