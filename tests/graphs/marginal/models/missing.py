"""Discrete data with missing elements, used further by other variables, deterministics and potentials."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, Case, Catalogue, W, X, Y

MODELS = Catalogue()
NAN = np.nan


@MODELS.add
def binary_covariate() -> Case:
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1)
    x = ppl.Bernoulli("x", ppl.Beta("p", 2, 2), size=6)
    y = ppl.Normal("y", a + b * x, 0.9)
    return ppl.Model({x: np.array([1, NAN, 0, NAN, NAN, 1]), y: Y[:6]}), {"a": 0.3, "b": 1.4, "p": 0.37}


@MODELS.add
def binary_covariate_that_depends_on_another() -> Case:
    """Both have gaps, in different rows and in the same one."""
    first = ppl.Bernoulli("first", 0.37, size=5)
    second = ppl.Bernoulli("second", ppl.Beta("p", 2, 2, size=2)[first])
    b = ppl.Normal("b", 0, 1, size=3)
    y = ppl.Normal("y", b[0] * first + b[1] * second + b[2] * first * second, 0.9)
    data = {first: np.array([1, NAN, 0, NAN, 1]), second: np.array([NAN, NAN, 1, 0, 0]), y: Y[:5]}
    return ppl.Model(data), {"p": np.array([0.31, 0.74]), "b": MU}


@MODELS.add
def labels_by_mask() -> Case:
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), size=6)
    mu = ppl.Normal("mu", 0, 2, size=3)
    known = np.ma.masked_array([0, 1, 2, 1, 0, 2], [False, True, False, True, True, False])
    return ppl.Model({k: known, ppl.Normal("y", mu[k], 0.9): Y[:6]}), {"w": W, "mu": MU}


@MODELS.add
def matrix_with_gaps() -> Case:
    x = ppl.Bernoulli("x", np.array([0.37, 0.64]), size=(3, 2))
    b = ppl.Normal("b", 0, 1, size=2)
    y = ppl.Normal("y", pt.dot(x, b), 0.9)
    return ppl.Model({x: np.array([[1, NAN], [NAN, NAN], [0, 1]]), y: Y[:3]}), {"b": MU[:2]}


@MODELS.add
def groups_with_gaps() -> Case:
    k = ppl.Categorical("k", W, size=4)
    mu = ppl.Normal("mu", 0, 2, size=3)
    y = ppl.Normal("y", mu[k[np.array([3, 0, 0, 1, 3, 2])]], 0.9)
    return ppl.Model({k: np.array([NAN, 2, NAN, NAN]), y: Y[:6]}), {"mu": MU}


@MODELS.add
def counts_with_gaps() -> Case:
    n = ppl.Binomial("n", np.array([3, 5, 2, 4]), ppl.Beta("p", 2, 2))
    scaled = ppl.Deterministic("scaled", 0.6 * n)
    y = ppl.Normal("y", scaled, 1.1)
    tilt = ppl.Potential("tilt", -0.1 * n**2)
    return ppl.Model({n: np.array([1, NAN, NAN, 4]), y: Y[:4]}, scaled, tilt), {"p": 0.46}


@MODELS.add
def overdispersed_counts_with_gaps() -> Case:
    n = ppl.BetaBinomial("n", ppl.Gamma("a", 2, 1), 2.3, 4, size=4)
    y = ppl.Poisson("y", 0.6 + n)
    return ppl.Model({n: np.array([NAN, 3, NAN, 0]), y: COUNTS[:4]}), {"a": 1.7}


@MODELS.add
def uniform_counts_with_gaps() -> Case:
    n = ppl.DiscreteUniform("n", 2, 5, size=3)
    p = ppl.Beta("p", 2, 2)
    return ppl.Model({n: np.array([NAN, 5, NAN]), ppl.Binomial("y", n, p): np.array([1, 3, 2])}), {"p": 0.46}


@MODELS.add
def outcomes_with_gaps() -> Case:
    """Missing outcomes that nothing depends on: they add up to one."""
    b = ppl.Normal("b", 0, 1, size=2)
    y = ppl.Bernoulli("y", logit_p=pt.dot(X, b))
    return ppl.Model({y: np.array([1, NAN, 0, NAN, 1, NAN])}), {"b": MU[:2]}


@MODELS.add
def all_missing() -> Case:
    x = ppl.Categorical("x", W, size=3)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({x: np.full(3, NAN), ppl.Normal("y", mu[x], 0.9): Y[:3]}), {"mu": MU}


@MODELS.add
def gaps_tied_by_a_potential() -> Case:
    """Neighbours prefer the same label, known or not."""
    k = ppl.Categorical("k", W, size=6)
    strength = ppl.HalfNormal("strength", 1)
    ties = ppl.Potential("ties", strength * pt.eq(k[1:], k[:-1]).sum())
    return ppl.Model({k: np.array([NAN, 2, NAN, NAN, 0, NAN])}, ties), {"strength": 0.74}


@MODELS.add
def gaps_in_a_loop() -> Case:
    """A chain of vectors of which parts are known."""
    p = ppl.Beta("p", 2, 2, size=2)
    data = np.array([[1, NAN, 0], [NAN, NAN, 0], [1, NAN, NAN], [0, 1, 1]])
    x = ppl.Bernoulli("x0", 0.43, size=3)
    observed = {x: data[0]}
    for t in range(1, 4):
        x = ppl.Bernoulli(f"x{t}", p[x])
        observed[x] = data[t] if np.isnan(data[t]).any() else data[t].astype(int)
    return ppl.Model(observed), {"p": np.array([0.31, 0.74])}


@MODELS.add
def answers_with_gaps_under_classes() -> Case:
    k = ppl.Categorical("k", W, size=3)
    p = ppl.Beta("p", 2, 2, size=(3, 2))
    answers = ppl.Bernoulli("answers", p[k])
    later = ppl.Poisson("later", 0.4 + answers.sum(axis=1))
    data = {answers: np.array([[1, NAN], [NAN, NAN], [0, 1]]), later: COUNTS[:3]}
    return ppl.Model(data), {"p": np.array([[0.21, 0.63], [0.74, 0.36], [0.47, 0.91]])}


@MODELS.add
def selection() -> Case:
    """Whether a label is missing depends on the label."""
    x = ppl.Bernoulli("x", ppl.Beta("p", 2, 2), size=5)
    told = ppl.Bernoulli("told", ppl.Beta("r", 2, 2, size=2)[x])
    data = np.array([1, NAN, 0, NAN, 1])
    values = {"p": 0.37, "r": np.array([0.83, 0.46])}
    return ppl.Model({x: data, told: (~np.isnan(data)).astype(int)}), values


@MODELS.add
def total_of_a_row_with_gaps() -> Case:
    x = ppl.Binomial("x", 2, 0.43, size=(2, 3))
    total = ppl.Normal("total", x.sum(axis=1), SIGMA[0])
    m = ppl.Normal("m", 0, 1)
    first = ppl.Normal("first", m * x[:, 0], 1.1)
    data = {x: np.array([[1, NAN, NAN], [NAN, 2, 0]]), total: np.array([3.2, 2.7]), first: Y[:2]}
    return ppl.Model(data), {"m": 0.57}
