"""A compressed log-density is the uncompressed one, value and gradient; what has no statistics is left alone.

Answers: the log-density that is not compressed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppl
from graphs.compression import compressed
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.graphs.compression.catalogue import MODELS
from tests.laws.likelihoods import assert_is_same


@pytest.mark.parametrize("name", MODELS)
def test_compressed_log_density_is_the_same(name):
    how, make = MODELS[name]
    before = logprob(make(), space="unconstrained")
    after, found = compressed(before)
    if how is None:
        assert found == ()
        assert after is before
        return
    assert any(how in c.how for c in found), found
    assert_is_same(before, after)


@pytest.mark.parametrize("name", ["regression", "all vary", "negative binomial by group", "categorical by group"])
def test_natural_space_too(name):
    before = logprob(MODELS[name][1](), space="natural")
    after, _ = compressed(before)
    values = list(before.values.values())
    rng = np.random.default_rng(1)
    shapes = [v.type.shape for v in values]
    point = [
        rng.dirichlet(np.ones(s[-1]), s[:-1]) if n == "w" else rng.gamma(3.0, 0.4, s)
        for n, s in zip(before.values, shapes, strict=True)
    ]
    expected, found = interpret(values, [before.total, after.total])(*point)
    assert found == pytest.approx(expected, rel=1e-10)


@settings(max_examples=12)
@given(st.data())
def test_linear_models_at_random(data):
    """Columns, groups, weights, scales and shapes in any combination."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows, size, groups = data.draw(st.integers(40, 200)), data.draw(st.integers(0, 5)), data.draw(st.integers(1, 8))
    group = rng.integers(0, groups, rows)
    x = rng.normal(size=(rows, size)) * 10.0 ** rng.integers(-3, 4, size) + rng.normal(0, 5, size)
    parts: list[Any] = [rng.normal(size=rows)]
    if size:
        parts.append(pt.dot(pt.constant(x), ppl.Normal("b", 0, 1, size=size)))
    if data.draw(st.booleans()):
        parts.append(ppl.Normal("m", 0, 1))
    if data.draw(st.booleans()):
        parts.append(ppl.Normal("a", 0, 1, size=groups)[group])
    if data.draw(st.booleans()):
        parts.append(ppl.Normal("c", 0, 1, size=groups)[group] * rng.normal(size=rows))
    sigma = data.draw(st.sampled_from(["number", "scalar", "groups", "known"]))
    scales = {
        "number": lambda: 0.7,
        "scalar": lambda: ppl.HalfNormal("s", 1),
        "groups": lambda: ppl.HalfNormal("s", 1, size=groups)[group],
        "known": lambda: rng.uniform(0.5, 2, rows),
    }
    model = ppl.Model({ppl.Normal("y", sum(parts), scales[sigma]()): rng.normal(100.0, 1.0, rows)})
    if not model.latent:
        return
    before = logprob(model, space="unconstrained")
    after, _ = compressed(before)
    assert_is_same(before, after)


def test_data_that_may_change_are_not_compressed():
    x = pt.dvector("x", shape=(50,))
    m = ppl.Normal("m", 0, 1)
    before = logprob({ppl.Normal("y", m * x, 1.0): pt.constant(np.ones(50)), m: m.type("m")})
    after, found = compressed(before)
    assert found == ()
    assert after is before


def test_no_parameter_lets_rows_be_impossible_and_possible():
    """Where data are impossible the compressed density is minus infinity too."""
    lam = ppl.Gamma("lam", 2, 2)
    data = np.r_[np.arange(30), -1]
    before = logprob({ppl.Poisson("y", lam): pt.constant(data), lam: (value := lam.type())})
    after, _ = compressed(before)
    assert interpret([value], [before.total, after.total])(1.3) == [-np.inf, -np.inf]
