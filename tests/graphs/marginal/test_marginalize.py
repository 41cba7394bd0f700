"""Sums over discrete variables equal the enumeration of every configuration, values and gradients."""

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
from graphs.surgery.interpreting import interpret
from tests.enumeration import assert_is_marginal

Y = np.array([-1.3, 0.4, 2.2, 0.7])
MU = np.array([-0.7, 1.9, 0.3])
SIGMA = np.array([0.6, 1.7, 2.3])
W = np.array([0.2, 0.5, 0.3])
Case = tuple[Any, dict[str, Any]]


def plate() -> Case:
    w = ppl.Dirichlet("w", np.array([2.0, 3.0, 1.5]))
    mu = ppl.Normal("mu", 0.5, 3, size=3)
    sigma = ppl.HalfNormal("sigma", 2.5, size=3)
    k = ppl.Categorical("k", w, size=4)
    y = ppl.Normal("y", mu[k], sigma[k])
    return ppl.Model({y: Y}), {"w": W, "mu": MU, "sigma": SIGMA}


def scalar_index() -> Case:
    mu = ppl.Normal("mu", 0.5, 3, size=3)
    k = ppl.Categorical("k", W)
    y = ppl.Normal("y", mu[k], 1.3, size=4)
    return ppl.Model({y: Y}), {"mu": MU}


def components_by_index() -> Case:
    rng, n = pt.random.shared_rng(seed=1).normal(MU, SIGMA)
    rng, i = rng.categorical(W)
    return {n[i]: 1.4}, {}


def bernoulli_switch() -> Case:
    a = ppl.Normal("a", 0, 2)
    z = ppl.Bernoulli("z", 0.3, size=4)
    y = ppl.Normal("y", pt.switch(z, a, -2.0), pt.switch(z, 1.7, 0.6))
    return ppl.Model({y: Y}), {"a": 0.8}


def bernoulli_times() -> Case:
    rate = ppl.Gamma("rate", 2.5, 1.5)
    z = ppl.Bernoulli("z", ppl.Beta("p", 2.5, 1.5), size=4)
    y = ppl.Poisson("y", z * rate + 1e-3)
    return ppl.Model({y: np.array([0, 2, 0, 5])}), {"rate": 2.2, "p": 0.35}


def shared_by_two() -> Case:
    mu = ppl.Normal("mu", 0.5, 3, size=3)
    k = ppl.Categorical("k", W, size=4)
    y = ppl.Normal("y", mu[k], 1.2)
    x = ppl.Poisson("x", pt.exp(pt.constant(np.array([0.1, 0.9, -0.5])))[k])
    return ppl.Model({y: Y, x: np.array([0, 1, 3, 2])}), {"mu": MU}


def index_of_rows() -> Case:
    k = ppl.Categorical("k", np.array([[0.1, 0.9], [0.6, 0.4], [0.3, 0.7], [0.25, 0.75]]))
    b = ppl.Normal("b", 0, 1, size=2)
    y = ppl.Normal("y", b[k] * np.array([1.0, 2.0, -1.0, 0.5]), 0.9)
    return ppl.Model({y: Y}), {"b": np.array([0.4, -1.1])}


def mixture_of_mixtures() -> Case:
    outer = ppl.Bernoulli("outer", 0.4, size=4)
    weights = pt.constant(np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]))
    inner = ppl.Categorical("inner", weights[outer])
    mu = ppl.Normal("mu", 0, 2, size=3)
    y = ppl.Normal("y", mu[inner], 1.1)
    return ppl.Model({y: Y}), {"mu": MU}


def two_indices() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=(3, 2))
    k = ppl.Categorical("k", W, size=4)
    j = ppl.Bernoulli("j", 0.3, size=4)
    y = ppl.Normal("y", mu[k, j], 1.1)
    return ppl.Model({y: Y}), {"mu": np.array([[-0.7, 1.9], [0.3, 0.6], [2.1, -1.2]])}


def rows_of_a_matrix() -> Case:
    """Index i is shared by a row of observations."""
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=2)
    y = ppl.Normal("y", mu[k][:, None], 0.9, size=(2, 3))
    return ppl.Model({y: np.array([[0.1, 0.5, -0.2], [2.2, 1.7, 1.1]])}), {"mu": MU}


def matrix_of_indices() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=(2, 2))
    y = ppl.Normal("y", mu[k], 0.9)
    return ppl.Model({y: Y.reshape(2, 2)}), {"mu": MU}


def multivariate_components() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=(2, 2))
    k = ppl.Bernoulli("k", 0.3, size=3)
    y = ppl.MvNormal("y", mu[k], np.array([[1.2, 0.3], [0.3, 0.8]]))
    data = np.array([[0.1, 0.5], [2.2, 1.7], [-0.4, 0.9]])
    return ppl.Model({y: data}), {"mu": np.array([[-0.7, 1.9], [0.3, 0.6]])}


def bounded_counts() -> Case:
    p = ppl.Beta("p", 2.5, 1.5)
    n = ppl.Binomial("n", 4, p, size=3)
    y = ppl.Normal("y", n * 0.7, 1.1)
    return ppl.Model({y: Y[:3]}), {"p": 0.35}


def discrete_uniform() -> Case:
    """A change point: the index is compared with the rows, not used to look something up."""
    early = ppl.Exponential("early", 0.7)
    late = ppl.Exponential("late", 0.7)
    tau = ppl.DiscreteUniform("tau", 1, 3)
    y = ppl.Poisson("y", pt.switch(np.arange(4) < tau, early, late))
    return ppl.Model({y: np.array([5, 4, 1, 0])}), {"early": 3.3, "late": 0.6}


def continuous_child() -> Case:
    """A latent continuous variable between the index and the data."""
    theta = ppl.Normal("theta", pt.constant(MU)[ppl.Categorical("k", W, size=4)], 0.5)
    y = ppl.Normal("y", theta, 1.1)
    return ppl.Model({y: Y}), {"theta": np.array([0.3, -0.2, 1.5, 0.9])}


def without_children() -> Case:
    k = ppl.Bernoulli("k", 0.3)
    y = ppl.Normal("y", ppl.Normal("m", 0, 1), 1.1, size=4)
    return ppl.Model({y: Y}, k), {"m": 0.4}


def through_potential() -> Case:
    k = ppl.Bernoulli("k", 0.3, size=4)
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", m, 1.1, size=4)
    return ppl.Model({y: Y}, ppl.Potential("tilt", k * m * 0.7)), {"m": 0.4}


def plate_of_one() -> Case:
    """A plate of length one follows nothing, and is broadcast against the data."""
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=1)
    y = ppl.Normal("y", mu[k], 1.1, size=4)
    return ppl.Model({y: Y}), {"mu": MU}


def states_not_from_zero() -> Case:
    k = ppl.DiscreteUniform("k", -2, 1, size=2)
    a = ppl.Normal("a", 0, 1, size=4)
    return ppl.Model({ppl.Normal("y", a[k] * k, 1.0): Y[:2]}), {"a": np.array([0.3, -0.8, 1.2, 0.6])}


def observed_parent_of_observed() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=4)
    x = ppl.Normal("x", mu[k], 1.3)
    y = ppl.Normal("y", x * mu[k], 0.7)
    return ppl.Model({x: Y, y: Y[::-1]}), {"mu": MU}


def as_many_states_as_elements() -> Case:
    """K equals n: an axis of states must not be taken for one of elements."""
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W, size=3)
    table = pt.constant(np.array([[0.1, 0.7, -0.3], [1.2, -0.5, 0.4], [0.9, 0.2, -1.1]]))
    y = ppl.Normal("y", mu[k] + mu + table[k, np.array([2, 0, 1])], 1.1)
    return ppl.Model({y: Y[:3]}), {"mu": MU}


def visits() -> Case:
    """Occupancy: one state per site, several visits."""
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 2), size=3)
    y = ppl.Bernoulli("y", (z * ppl.Beta("p", 2, 3))[:, None], size=(3, 4))
    data = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    return ppl.Model({y: data}), {"psi": 0.3, "p": 0.4}


def states_that_give_several_latents_their_scale() -> Case:
    """The term of s loses its axes; its Jacobian must not be counted once for each of them."""
    k = ppl.Categorical("k", W, size=1)
    s = ppl.HalfNormal("s", pt.constant(SIGMA)[k], size=3)
    return ppl.Model({ppl.Normal("y", 0, s, size=3): Y[:3]}), {"s": np.array([0.4, 1.3, 2.1])}


def condition_true_at_all_states() -> Case:
    k = ppl.Bernoulli("k", 0.3, size=3)
    a = ppl.Normal("a", 0, 1, size=(2, 3))
    y = ppl.Normal("y", pt.switch(k >= 0, 0.5 * k, a), 1.1, size=(2, 3))
    return ppl.Model({y: np.arange(6.0).reshape(2, 3)}), {"a": np.ones((2, 3)) * 0.3}


CASES: list[Callable[[], Case]] = [
    plate,
    scalar_index,
    components_by_index,
    bernoulli_switch,
    bernoulli_times,
    shared_by_two,
    index_of_rows,
    mixture_of_mixtures,
    two_indices,
    rows_of_a_matrix,
    matrix_of_indices,
    multivariate_components,
    bounded_counts,
    discrete_uniform,
    continuous_child,
    without_children,
    through_potential,
    plate_of_one,
    states_not_from_zero,
    observed_parent_of_observed,
    as_many_states_as_elements,
    visits,
    states_that_give_several_latents_their_scale,
    condition_true_at_all_states,
]


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
    assert value.eval({a: 1.0}) == -np.inf
    assert np.isfinite(gradient.eval({a: 1.0}))


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
    np.testing.assert_allclose(value.eval(givens), norm.logpdf(Y, 0.3).sum())
    np.testing.assert_allclose(gradient.eval(givens), (Y - 0.3).sum())


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
    expected = natural.total.eval({natural.values["s"]: np.exp(v)}) + v.sum()
    np.testing.assert_allclose(moved.total.eval({moved.values["s"]: v}), expected)


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


def test_only_finite_variables_can_be_named():
    model, _ = plate()
    with pytest.raises(ModelError, match=r"'mu' cannot be summed out.*k"):
        logprob(model, marginalize=["mu"])


def test_a_function_of_the_number_of_twenty() -> None:
    """All states of twenty stand beside each other: more than fit on the stack of compiled loops."""
    b = ppl.Bernoulli("b", 0.3, size=20)
    lp = logprob(ppl.Model({ppl.Poisson("x", 1.0 + b.sum() ** 2): 3}), marginalize="require")
    k = np.arange(21)
    np.testing.assert_allclose(
        interpret([], [lp.total])()[0], np.log(np.sum(binom.pmf(k, 20, 0.3) * poisson.pmf(3, 1.0 + k**2))), rtol=1e-10
    )
