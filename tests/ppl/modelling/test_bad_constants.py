"""An array that makes a model impossible is named, with its row, whatever it is written in.

Answers: the name of the array that was made impossible.
"""

from __future__ import annotations

import logging

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import graphs
import ppl
from graphs.errors import ModelError, PPLError
from ppl.modelling.bad_constants import explain

ROWS = np.arange(6)
Y = np.array([0.3, -0.2, 1.1, 0.4, 0.0, 0.7])
NAN = np.where(ROWS == 4, np.nan, 0.5)
INF = np.where(ROWS == 4, np.inf, 0.5)


def slope():
    return ppl.Normal("b", 0, 1)


def regression(mean):
    return ppl.Model({ppl.Normal("y", mean, 1): Y})


def loop():
    b = slope()
    mean = pytensor.scan(
        lambda x, before, b: 0.5 * before + b * x,
        sequences=[pt.as_tensor(NAN)],
        outputs_info=[pt.constant(0.0, dtype="float64")],
        non_sequences=[b],
        return_updates=False,
    )
    return regression(mean)


def mixture():
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Mixture("y", [0.5, 0.5], [pm.Normal.dist(m, 1), pm.Normal.dist(m * NAN, 1)]): Y})


BAD = {
    "product": (lambda: regression(slope() * NAN), r"shape \(6,\) in the expression b \* array has nan at \[4\]"),
    "infinite": (lambda: regression(slope() * INF), r"b \* array has inf at \[4\]"),
    "named": (lambda: regression(slope() * ppl.Data("height", NAN)), r"height has nan at \[4\].*probability of y"),
    "power": (lambda: regression(slope() * ppl.Data("height", NAN) ** 2), r"height has nan at \[4\]"),
    "matrix": (
        lambda: regression(np.column_stack([np.ones(6), NAN]) @ ppl.Normal("b", 0, 1, size=2)),
        r"\(6, 2\).*has nan at \[4, 1\]",
    ),
    "in a function": (
        lambda: regression(ppl.Deterministic("mu", pt.sin(slope() * ppl.Data("height", NAN)))),
        r"height has nan at \[4\]",
    ),
    "in a loop": (loop, r"has nan at \[4\]"),
    "in a component": (mixture, r"m \* array has nan at \[4\]"),
    "in a potential": (
        lambda: ppl.Model(b := slope(), ppl.Potential("p", -((b * ppl.Data("height", NAN)) ** 2).sum())),
        r"height has nan at \[4\].*probability of p",
    ),
    "of a summed state": (
        lambda: regression(ppl.Normal("m", 0, 1, size=2)[ppl.Categorical("k", [0.5, 0.5], size=6)] * NAN),
        r"m\[...\] \* array has nan at \[4\]",
    ),
    "of a prior": (
        lambda: regression(ppl.Normal("a", np.array([0.0, np.nan]), 1)[ROWS % 2]),
        r"shape \(2,\) that is a parameter of a has nan at \[1\]",
    ),
    "a scale of zero": (
        lambda: ppl.Model({ppl.Normal("y", slope(), np.where(ROWS == 3, 0.0, 1.0)): Y}),
        r"parameters of y have to satisfy sigma > 0; there is 0.0 at \[3\]",
    ),
    "a missing scale": (
        lambda: ppl.Model({ppl.Normal("y", slope(), np.where(ROWS == 3, np.nan, 1.0)): Y}),
        r"sigma > 0; there is nan at \[3\]",
    ),
    "a negative scale": (lambda: ppl.Model({ppl.Normal("y", slope(), -1.0): Y}), r"sigma > 0; there is -1.0"),
    "of a hierarchy": (
        lambda: regression(ppl.Normal("a", 0, np.array([1.0, 0.0]))[ROWS % 2]),
        r"parameters of a have to satisfy sigma > 0; there is 0.0 at \[1\]",
    ),
    "a shape": (
        lambda: ppl.Model({ppl.Gamma("y", [1.0, 0.0], ppl.HalfNormal("b", 1)): [1.0, 2.0]}),
        r"parameters of y have to satisfy alpha > 0.*; there is 0.0 at \[1\]",
    ),
    "a covariance": (
        lambda: ppl.Model({ppl.MvNormal("y", slope() * np.ones(2), np.array([[1.0, 2.0], [2.0, 1.0]])): np.zeros(2)}),
        "parameters of y have to satisfy posdef.*; that is not so",
    ),
}


def explained_logprob(model):
    graphs.logprob(model, marginalize=False)
    raise ModelError(explain(model) or "none found")


@pytest.mark.parametrize("kind", BAD)
def test_the_array_is_named(kind):
    make, message = BAD[kind]
    with pytest.raises(ModelError, match=message):
        explained_logprob(make())


@pytest.mark.parametrize("kind", ["product", "matrix", "a scale of zero"])
@pytest.mark.parametrize("options", [{}, {"sampler": "nuts"}, {"compress": False}])
def test_whatever_samples_it(kind, options):
    make, message = BAD[kind]
    with pytest.raises(ModelError, match=message):
        ppl.sample(make(), draws=2, tune=2, chains=1, seed=1, progress=False, backend="c", **options)


FINE = {
    "masked": lambda: regression(slope() * pt.switch(np.isnan(NAN), 0.0, NAN)),
    "vanishing": lambda: regression(slope() * pt.exp(-ppl.Data("time", INF))),
    "bounds": lambda: ppl.Model({ppl.TruncatedNormal("y", slope(), 1, lower=-np.inf, upper=9.0): Y}),
    "nothing": lambda: regression(slope()),
}


def test_a_weight_of_zero_is_named():
    weights = np.where(ROWS == 2, 0.0, 1.0)
    model = ppl.Model({ppl.Normal("y", slope(), 1 / pt.sqrt(ppl.Data("w", weights))): Y})
    with pytest.raises(ModelError, match=r"w has 0.0 at \[2\], so that the log-probability of y"):
        ppl.sample(model, draws=2, tune=2, chains=1, seed=1, progress=False, backend="c")


@pytest.mark.parametrize("kind", FINE)
def test_nothing_is_named_where_nothing_is_wrong(kind):
    assert explain(FINE[kind]()) is None


def test_another_failure_is_told_as_it_is():
    model = ppl.Model({ppl.Uniform("y", 0, ppl.HalfNormal("u", 1e-6)): [5.0, 6.0]})
    with pytest.raises(PPLError, match="log-probability of y"):
        ppl.sample(model, draws=2, tune=2, chains=1, seed=1, progress=False, backend="c")


def test_an_explanation_that_fails_explains_nothing(monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("bug")

    monkeypatch.setattr("ppl.modelling.bad_constants._not_finite", fail)
    with caplog.at_level(logging.DEBUG, "rvgraph"):
        assert explain(regression(slope() * NAN)) is None
