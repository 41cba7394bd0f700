"""Probabilities that are exactly zero or one, states that the data exclude, and sums that underflow."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import MU, SIGMA, Case, Catalogue, W, X, Y

MODELS = Catalogue()


@MODELS.add
def certain_rows() -> Case:
    k = ppl.Categorical("k", np.array([[1.0, 0.0, 0.0], [0.0, 0.43, 0.57], [0.0, 0.0, 1.0], W]))
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[k], 0.9): Y[:4]}), {"mu": MU}


@MODELS.add
def certain_bits() -> Case:
    z = ppl.Bernoulli("z", np.array([0.0, 1.0, 0.37]))
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * z, 0.9): Y[:3]}), {"m": 1.4}


@MODELS.add
def certain_by_a_parent() -> Case:
    """A gate: closed means off."""
    gate = ppl.Bernoulli("gate", ppl.Beta("open", 2, 2))
    z = ppl.Bernoulli("z", gate * ppl.Beta("p", 2, 2, size=3))
    y = ppl.Normal("y", 1.4 * z, 0.9)
    return ppl.Model({y: Y[:3]}), {"open": 0.63, "p": np.array([0.23, 0.47, 0.81])}


@MODELS.add
def certain_by_a_product_of_parents() -> Case:
    """The chance is a difference that is zero at one state only."""
    a, b = ppl.Bernoulli("a", 0.37, size=3), ppl.Bernoulli("b", 0.64, size=3)
    q = ppl.Beta("q", 2, 2)
    z = ppl.Bernoulli("z", 1 - q ** (a + 2 * b))
    return ppl.Model({z: np.array([0, 1, 1])}), {"q": 0.71}


@MODELS.add
def nothing_to_catch() -> Case:
    """No contact, no infection: one minus a power whose exponent may be zero."""
    n = ppl.Binomial("n", 3, 0.43, size=3)
    q = ppl.Beta("q", 2, 2)
    ill = ppl.Binomial("ill", 4, 1 - q**n)
    return ppl.Model({ill: np.array([0, 2, 4])}), {"q": 0.71}


@MODELS.add
def nothing_to_catch_with_logs() -> Case:
    n = ppl.Binomial("n", 3, 0.43, size=3)
    rate = ppl.Gamma("rate", 2, 2)
    ill = ppl.Bernoulli("ill", 1 - pt.exp(-rate * n))
    return ppl.Model({ill: np.array([0, 1, 0])}), {"rate": 0.64}


@MODELS.add
def weights_with_holes() -> Case:
    """A state that a mask forbids, by logits of minus infinity."""
    allowed = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
    logits = ppl.Normal("logits", 0, 1, size=3)
    w = pt.special.softmax(pt.switch(allowed, logits, -np.inf), axis=-1)
    k = ppl.Categorical("k", w)
    return ppl.Model({ppl.Normal("y", pt.constant(MU)[k], 0.9): Y[:4]}), {"logits": SIGMA}


@MODELS.add
def excluded_by_bounds() -> Case:
    """A uniform likelihood that ends before the data, for some states."""
    k = ppl.Categorical("k", W, size=4)
    upper = ppl.Gamma("upper", 4, 1, size=3)
    return ppl.Model({ppl.Uniform("y", 0, upper[k]): np.array([0.3, 1.4, 2.8, 0.8])}), {"upper": 1 + SIGMA}


@MODELS.add
def excluded_by_a_truncation() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=3)
    mu = ppl.Normal("mu", 0, 1, size=2)
    y = ppl.TruncatedNormal("y", mu[k], 0.9, lower=1.0 * k - 0.5)
    return ppl.Model({y: np.array([0.13, 1.46, -0.27])}), {"mu": MU[:2]}


@MODELS.add
def excluded_by_the_family() -> Case:
    """A positive family and a real one, with negative data."""
    z = ppl.Bernoulli("z", 0.37, size=4)
    a = ppl.Gamma("a", 2, 1)
    y = pt.switch(z, pm.Gamma.dist(a, 1.3, shape=4), pm.Normal.dist(0.3, a, shape=4))
    y.name = "y"
    return ppl.Model({y: Y[:4]}), {"a": 1.7}


@MODELS.add
def excluded_by_counts() -> Case:
    """More successes than tries, at some states."""
    n = ppl.DiscreteUniform("n", 0, 5, size=3)
    p = ppl.Beta("p", 2, 2)
    return ppl.Model({ppl.Binomial("y", n, p): np.array([0, 2, 5])}), {"p": 0.46}


@MODELS.add
def excluded_by_a_rate_of_zero() -> Case:
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 2), size=4)
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("y", rate * z): np.array([0, 3, 0, 1])}), {"psi": 0.37, "rate": 2.3}


@MODELS.add
def excluded_by_a_potential() -> Case:
    k = ppl.Categorical("k", W, size=4)
    m = ppl.Normal("m", 0, 1)
    ordered = ppl.Potential("ordered", pt.switch(k[1:] >= k[:-1], 0.0, -np.inf))
    return ppl.Model({ppl.Normal("y", m * k, 0.9): Y[:4]}, ordered), {"m": 1.4}


@MODELS.add
def excluded_by_the_logarithm_of_an_indicator() -> Case:
    k = ppl.Categorical("k", W, size=4)
    m = ppl.Normal("m", 0, 1)
    ordered = ppl.Potential("ordered", pt.log(k[1:] >= k[:-1]).sum())
    return ppl.Model({ppl.Normal("y", m * k, 0.9): Y[:4]}, ordered), {"m": 1.4}


@MODELS.add
def excluded_in_a_chain() -> Case:
    """Emissions that exclude all states but one, step by step."""
    s = ppl.MarkovChain("s", np.array([[0.6, 0.4, 0.0], [0.0, 0.7, 0.3], [0.2, 0.0, 0.8]]), W, steps=5)
    width = ppl.Gamma("width", 3, 2)
    y = ppl.Uniform("y", s - width, s + width)
    return ppl.Model({y: np.array([0.2, 0.9, 1.3, 2.2, 1.7])}), {"width": 0.8}


@MODELS.add
def weights_at_their_limit() -> Case:
    """A weight that the sampler has driven almost to zero."""
    v = ppl.Beta("v", 2, 2)
    k = ppl.Bernoulli("k", v**300, size=3)
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * k, 0.9): Y[:3]}), {"v": 0.13, "m": 1.4}


@MODELS.add
def far_from_all_components() -> Case:
    """Every likelihood underflows."""
    k = ppl.Categorical("k", W, size=3)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[k], 0.01): np.array([40.0, -70.0, 0.2])}), {"mu": MU}


@MODELS.add
def scales_far_apart() -> Case:
    k = ppl.Categorical("k", W, size=3)
    sigma = ppl.HalfNormal("sigma", 100, size=3)
    y = ppl.Normal("y", 0, sigma[k])
    return ppl.Model({y: np.array([1e-9, 2.0, 3e4])}), {"sigma": np.array([1e-8, 1.3, 2e4])}


@MODELS.add
def chain_that_underflows() -> Case:
    """The path that wins begins in the state that is least probable by far."""
    s = ppl.MarkovChain("s", [[0.9, 0.1], [1e-12, 1 - 1e-12]], [1 - 1e-9, 1e-9], steps=6)
    scale = ppl.Gamma("scale", 2, 1)
    return ppl.Model({ppl.Normal("y", 60.0 * s, scale): np.full(6, 60.3)}), {"scale": 0.7}


@MODELS.add
def logits_far_apart() -> Case:
    b = ppl.Normal("b", 0, 100, size=2)
    k = ppl.Bernoulli("k", logit_p=pt.dot(X[:4], b))
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * k, 0.9): Y[:4]}), {"b": np.array([40.0, -50.0]), "m": 1.4}


@MODELS.add
def softmax_far_apart() -> Case:
    b = ppl.Normal("b", 0, 100, size=(2, 3))
    k = ppl.Categorical("k", pt.special.softmax(pt.dot(X[:4], b), axis=-1))
    m = ppl.Normal("m", 0, 1)
    values = {"b": np.array([[300.0, -200.0, 40.0], [-500.0, 100.0, 70.0]]), "m": 1.4}
    return ppl.Model({ppl.Normal("y", m * k, 0.9): Y[:4]}), values


@MODELS.add
def same_component_twice() -> Case:
    """Ties: neither state is better."""
    k = ppl.Bernoulli("k", 0.5, size=3)
    m = ppl.Normal("m", 0, 1, size=2)
    return ppl.Model({ppl.Normal("y", m[k], 0.9): Y[:3]}), {"m": np.array([0.7, 0.7])}


@MODELS.add
def single_state() -> Case:
    k = ppl.Categorical("k", np.array([1.0]), size=3)
    m = ppl.Normal("m", 0, 1, size=1)
    return ppl.Model({ppl.Normal("y", m[k], 0.9): Y[:3]}), {"m": np.array([0.7])}


@MODELS.add
def single_element() -> Case:
    k = ppl.Categorical("k", W, size=(1, 1))
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[k], 0.9): Y[:4].reshape(2, 2)}), {"mu": MU}


@MODELS.add
def forgotten_by_the_data() -> Case:
    """A state that influences nothing, and one that influences a shape only."""
    k = ppl.Categorical("k", W, size=3)
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m + 0 * k, 0.9): Y[:3]}, k), {"m": 0.7}
