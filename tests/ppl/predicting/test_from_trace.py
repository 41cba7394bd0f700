"""Models whose variables are drawn from a trace.

Answers: the draws of the trace, counted; closed forms of normal models.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from xarray import Dataset, DataTree

import ppl
from graphs.errors import ModelError


def trace_of(**draws: np.ndarray) -> DataTree:
    """Return a trace with draws (chains, draws, ...) of variables."""
    variables = {
        name: (["chain", "draw", *(f"{name}_{i}" for i in range(array.ndim - 2))], array)
        for name, array in draws.items()
    }
    return DataTree.from_dict({"posterior": Dataset(variables)})


def test_variables_come_from_the_same_draw() -> None:
    """Perfectly correlated in the trace, they stay so; each draw comes as often as others."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2, 50))
    trace = trace_of(a=a, b=np.stack([a, 2 * a], axis=-1))
    mean = ppl.Normal("a", 0, 1)
    pair = ppl.Normal("b", mean, 1, size=2)
    model = ppl.Model(ppl.Normal("y", pair.sum(), 0.5))
    known = ppl.condition_on_trace(model, trace)
    prior = ppl.prior_predictive(known, draws=5000, seed=2).prior
    np.testing.assert_array_equal(prior["b"].to_numpy()[..., 1], 2 * prior["a"].to_numpy())
    which = np.searchsorted(np.sort(a.ravel()), prior["a"].to_numpy().ravel())
    assert stats.chisquare(np.bincount(which, minlength=100)).pvalue > 1e-4
    residual = (prior["y"] - 3 * prior["a"]).to_numpy().ravel()
    assert stats.kstest(residual, stats.norm(0, 0.5).cdf).pvalue > 1e-4
    partly = ppl.condition_on_trace(model, trace, ["a"])
    assert "b" in partly.latent
    assert "a" in partly.deterministics


def test_one_posterior_is_the_prior_of_the_next() -> None:
    """Two normal data one after the other: the mean of both, within the error that 2000 draws of the first leave."""
    mu = ppl.Normal("mu", 0, 10)
    y = ppl.Normal("y", mu, 1)
    first = ppl.sample(ppl.Model({y: 1.0}), draws=500, chains=4, seed=1, progress=False)
    known = ppl.observe(ppl.condition_on_trace(ppl.Model(y), first), {"y": 2.0})
    second = ppl.sample(known, draws=1000, chains=2, seed=1, progress=False, max_states=4000)
    if "mu" not in second.posterior:
        second = ppl.recover(known, second, seed=1)
    found = second.posterior["mu"].to_numpy()
    assert found.mean() == pytest.approx(3.0 / 2.01, abs=0.15)
    assert found.std() == pytest.approx(2.01**-0.5, rel=0.15)


def test_predictions_under_an_intervention() -> None:
    """The confounder has its posterior, and what is set its value."""
    z = ppl.Normal("z", 0, 1)
    x = ppl.Normal("x", z, 1)
    model = ppl.Model(ppl.Normal("y", x + z, 0.5))
    trace = trace_of(z=np.full((1, 20), 0.7))
    held = ppl.do(ppl.condition_on_trace(model, trace), {"x": 2.0})
    y = ppl.prior_predictive(held, draws=2000, seed=1).prior["y"].to_numpy().ravel()
    assert stats.kstest(y, stats.norm(2.7, 0.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("draws", "names", "message"),
    [
        ({"q": np.zeros((1, 5))}, None, "draws of no variable of the model"),
        ({"mu": np.zeros((1, 5))}, ["y"], "var_names asks for 'y'; latent are mu"),
        ({"mu": np.zeros((1, 5))}, "mu", r"var_names is a list of names: \['mu'\]"),
        ({"mu": np.zeros((1, 5, 2))}, None, "mu has shape"),
    ],
)
def test_what_does_not_fit_is_refused(draws: dict, names: object, message: str) -> None:
    mu = ppl.Normal("mu", 0, 1)
    model = ppl.Model({ppl.Normal("y", mu, 1): 0.0})
    with pytest.raises(ModelError, match=message):
        ppl.condition_on_trace(model, trace_of(**draws), names)  # type: ignore[arg-type]
