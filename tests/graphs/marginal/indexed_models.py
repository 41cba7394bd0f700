"""Small models whose data pick elements by discrete variables, and what else may depend on these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt

import ppl

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
