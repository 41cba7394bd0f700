"""Sums over discrete variables equal the enumeration of every configuration, values and gradients.

Answers: the enumeration of every configuration, and SciPy's densities.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp
from scipy.stats import binom, norm, poisson

import ppl
from graphs.errors import DerivationError, ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import INTERPRETED, interpret
from tests.graphs.marginal.indexed_models import (
    CASES,
    MU,
    W,
    Y,
    plate,
    shared_by_two,
    states_that_give_several_latents_their_scale,
)
from tests.laws.sums import assert_is_marginal


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_sum_equals_enumeration(case):
    model, values = case()
    summed = assert_is_marginal(model, values)
    assert summed.sums


TABLE = pt.constant(np.arange(9.0).reshape(3, 3))
ENTANGLED: dict[str, Callable[[Any, Any], Any]] = {
    "reversed": lambda mu, k: mu[k[::-1]],
    "permuted": lambda mu, k: mu[k[np.array([2, 0, 1])]],
    "outer sum": lambda mu, k: mu[k][:, None] + mu[k][None, :],
    "stacked": lambda mu, k: pt.stack([mu[k], 2 * mu[k]]),
    "grouped": lambda mu, k: mu[k[np.array([0, 0, 1, 2, 2])]],
    "part": lambda mu, k: mu[k[1:]],
    "sum": lambda mu, k: mu[k].sum(),
    "permuted by a product": lambda mu, k: pt.dot(np.eye(3)[[1, 2, 0]], mu[k]),
    "softmax": lambda mu, k: pt.special.softmax(mu[k]),
    "centred": lambda mu, k: mu[k] - mu[k].mean(),
    "table of pairs": lambda mu, k: TABLE[k, k[::-1]],
    "partly set": lambda mu, k: pt.zeros(3)[1:].set(mu[k][1:]),
    "cumulative": lambda mu, k: pt.cumsum(mu[k]),
    "sorted": lambda mu, k: pt.sort(mu[k]),
}


@pytest.mark.parametrize("name", ENTANGLED)
def test_elements_that_depend_on_each_other_are_summed_rightly_or_refused(name):
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=3)
    y = ppl.Normal("y", ENTANGLED[name](mu, k), 1.1)
    shape = tuple(y.shape.eval())
    data = np.linspace(-1, 2, int(np.prod(shape))).reshape(shape)
    with contextlib.suppress(DerivationError):
        assert_is_marginal(ppl.Model({y: data}), {"mu": MU})


def test_published_mixture():
    w, loc, scale = [0.2, 0.3, 0.1, 0.4], [-2, 0, 3.2, 2.5], [1.2, 1, 5, 2.8]
    rng, n = pt.random.shared_rng(seed=1).normal(loc, scale)
    rng, i = rng.categorical(w)
    y = n[i]
    joint = np.log(w) + norm.logpdf(10, loc, scale)
    assert abs(joint[3] - -6.452221131239579) < 1e-12
    assert abs(logsumexp(joint) - -5.351399349203) < 1e-11
    np.testing.assert_allclose(logprob({y: 10.0, i: 3}).total.eval(), joint[3], rtol=1e-14)
    np.testing.assert_allclose(logprob({y: 10.0}).total.eval(), logsumexp(joint), rtol=1e-14)


def test_impossible_everywhere_has_no_nan_in_its_gradient():
    import pytensor

    a = pt.dscalar("a")
    k = pm.Bernoulli.dist(0.3, size=2)
    y = pm.Uniform.dist(pt.switch(k, 0.0, a), 3.0)
    value = logprob({y: np.array([-5.0, 2.0])}).total
    gradient = pytensor.grad(value, a)
    assert value.eval({a: 1.0}, mode=INTERPRETED) == -np.inf
    assert np.isfinite(gradient.eval({a: 1.0}, mode=INTERPRETED))


def test_zero_weight_leaves_the_gradient_finite():
    import pytensor

    w = pt.dvector("w")
    w = pt.specify_shape(w, 2)
    k = pm.Categorical.dist(w, size=4)
    mu = pt.dscalar("mu")
    y = pm.Normal.dist(pt.stack([mu, 1.0])[k], 1.0)
    value = logprob({y: Y}).total
    gradient = pytensor.grad(value, mu)
    givens = {w.owner.inputs[0]: np.array([1.0, 0.0]), mu: 0.3}
    np.testing.assert_allclose(value.eval(givens, mode=INTERPRETED), norm.logpdf(Y, 0.3).sum())
    np.testing.assert_allclose(gradient.eval(givens, mode=INTERPRETED), (Y - 0.3).sum())


def test_terms_are_named_by_what_was_summed_together():
    model, _ = shared_by_two()
    assert "y+x" in logprob(model).terms or "x+y" in logprob(model).terms


def test_summed_terms_never_lose_each_other_by_their_names():
    a, b = ppl.Bernoulli("a", 0.3), ppl.Bernoulli("b", 0.6)
    y = ppl.Normal("y+x", a, 1.1)
    x = ppl.Normal("x", a, 1.3)
    z = ppl.Normal("y", a + 0 * b, 0.9)
    model = ppl.Model({y: 0.4, x: 0.1, z: 0.2})
    assert_is_marginal(model, {})


def test_jacobian_of_a_summed_term_is_counted_once():
    model, _ = states_that_give_several_latents_their_scale()
    natural, moved = logprob(model), logprob(model, space="unconstrained")
    v = np.array([-0.5, 0.3, 0.9])
    expected = natural.total.eval({natural.values["s"]: np.exp(v)}, mode=INTERPRETED) + v.sum()
    np.testing.assert_allclose(moved.total.eval({moved.values["s"]: v}, mode=INTERPRETED), expected)


def clique() -> Any:
    """Thirty elements in one square: 2**30 joint states."""
    k = ppl.Bernoulli("k", 0.3, size=30)
    j = ppl.Bernoulli("j", 0.6, size=3)
    return ppl.Model({ppl.Normal("y", k.sum(), 1.1): 7.5, ppl.Normal("x", j * 1.3, 0.7): Y[:3]})


def test_too_many_elements_at_once_are_left_alone_with_a_reason():
    with pytest.raises(DerivationError, match=r"k cannot be summed out: .*30 discrete elements at once.*joint states"):
        logprob(clique(), marginalize="require")
    assert set(logprob(clique()).values) == {"k"}


def test_the_limit_is_an_argument():
    k = ppl.Bernoulli("k", 0.3, size=4)
    model = ppl.Model({ppl.Normal("y", k.sum() ** 2, 1.1): 7.5})
    assert not logprob(model, max_states=16).values
    assert set(logprob(model, max_states=15).values) == {"k"}


def test_index_out_of_range_names_both_lengths():
    k = ppl.Categorical("k", W, size=4)
    y = ppl.Normal("y", ppl.Normal("mu", 0, 1, size=2)[k], 1.0)
    with pytest.raises(ModelError, match=r"values up to 2.*mu.*only\s+2 rows"):
        logprob(ppl.Model({y: Y}))


def test_variables_that_are_not_there_or_have_no_law_cannot_be_named():
    model, _ = plate()
    with pytest.raises(ModelError, match=r"'nu'.*mu.*k|'nu'.*k.*mu"):
        logprob(model, marginalize=["nu"])
    with pytest.raises(DerivationError, match="mu cannot be integrated out"):
        logprob(model, marginalize=["k", "mu"])


def test_a_function_of_the_number_of_twenty() -> None:
    """All states of twenty stand beside each other: more than fit on the stack of compiled loops."""
    b = ppl.Bernoulli("b", 0.3, size=20)
    lp = logprob(ppl.Model({ppl.Poisson("x", 1.0 + b.sum() ** 2): 3}), marginalize="require")
    k = np.arange(21)
    np.testing.assert_allclose(
        interpret([], [lp.total])()[0], np.log(np.sum(binom.pmf(k, 20, 0.3) * poisson.pmf(3, 1.0 + k**2))), rtol=1e-10
    )
