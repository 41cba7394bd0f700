"""Indices that rows share: groups, crossed factors, networks of pairs, matrices."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, Case, Catalogue, W, X, Y

MODELS = Catalogue()
# Out of order, of different sizes, and nobody in group 2.
GROUP = np.array([3, 0, 0, 1, 3, 0, 4, 3])


@MODELS.add
def groups() -> Case:
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), size=5)
    mu, sigma = ppl.Normal("mu", 0, 2, size=3), ppl.HalfNormal("sigma", 2, size=3)
    y = ppl.Normal("y", mu[k[GROUP]], sigma[k[GROUP]])
    return ppl.Model({y: Y}), {"w": W, "mu": MU, "sigma": SIGMA}


@MODELS.add
def groups_looked_up_first() -> Case:
    """The other order: an effect for each group, then one for each row."""
    k = ppl.Categorical("k", W, size=5)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[k][GROUP] + 0.4 * X[:, 0][GROUP], 0.9): Y}), {"mu": MU}


@MODELS.add
def groups_with_effects_of_their_own() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=5)
    effect = ppl.Normal("effect", pt.constant(MU[:2])[k], 0.6)
    return ppl.Model({ppl.Normal("y", effect[GROUP], 0.9): Y}), {"effect": Y[1:6]}


@MODELS.add
def rows_within_groups() -> Case:
    """An index for each group, and one for each row with weights from its group."""
    k = ppl.Bernoulli("k", 0.37, size=2)
    group = np.array([1, 0, 1, 1, 0])
    j = ppl.Categorical("j", pt.constant(np.stack([W, W[[2, 0, 1]]]))[k[group]])
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[j], 0.9): Y[:5]}), {"mu": MU}


@MODELS.add
def groups_of_groups() -> Case:
    """Schools in districts: two indices of different lengths meet in every row."""
    district, school = np.array([1, 0, 1]), np.array([0, 2, 2, 1, 0, 1, 2])
    d, s = ppl.Bernoulli("d", 0.37, size=2), ppl.Categorical("s", W, size=3)
    a, b = ppl.Normal("a", 0, 1, size=2), ppl.Normal("b", 0, 1, size=3)
    y = ppl.Normal("y", a[d[district[school]]] * b[s[school]], 0.9)
    return ppl.Model({y: Y[:7]}), {"a": SIGMA[:2], "b": MU}


@MODELS.add
def groups_by_segments() -> Case:
    """Consecutive rows of different numbers, repeated."""
    k = ppl.Categorical("k", W, size=3)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", pt.repeat(mu[k], np.array([3, 1, 2])), 0.9): Y[:6]}), {"mu": MU}


@MODELS.add
def two_indices_of_one_table() -> Case:
    k, j = ppl.Categorical("k", W, size=4), ppl.Bernoulli("j", 0.37, size=4)
    mu, sigma = ppl.Normal("mu", 0, 2, size=(2, 3)), ppl.HalfNormal("sigma", 2, size=3)
    y = ppl.Normal("y", mu[j, k], sigma[k])
    return ppl.Model({y: Y[:4]}), {"mu": np.stack([MU, SIGMA]), "sigma": SIGMA}


@MODELS.add
def products_of_two_mixtures() -> Case:
    k, j = ppl.Categorical("k", W, size=3), ppl.Categorical("j", W[::-1], size=3)
    mu, nu = ppl.Normal("mu", 0, 2, size=3), ppl.Normal("nu", 0, 1, size=3)
    y = ppl.Normal("y", mu[k] + nu[j], pt.exp(0.2 * k - 0.3 * j))
    return ppl.Model({y: Y[:3]}), {"mu": MU, "nu": SIGMA}


@MODELS.add
def crossed_factors() -> Case:
    """Rows (i, j) of a sparse table: a long chain of cells ties all elements."""
    i, j = np.array([0, 0, 1, 1, 2, 2, 2, 0]), np.array([0, 1, 1, 2, 3, 0, 2, 3])
    a, b = ppl.Categorical("a", W, size=3), ppl.Bernoulli("b", 0.37, size=4)
    mu, nu = ppl.Normal("mu", 0, 2, size=3), ppl.Normal("nu", 0, 1, size=2)
    return ppl.Model({ppl.Normal("y", mu[a[i]] + nu[b[j]], 1.1): Y}), {"mu": MU, "nu": SIGMA[:2]}


@MODELS.add
def crossed_factors_of_a_full_table() -> Case:
    a, b = ppl.Bernoulli("a", [0.23, 0.61], size=2), ppl.Categorical("b", W, size=3)
    table = ppl.Normal("table", 0, 1, size=(2, 3))
    y = ppl.Normal("y", table[a[:, None], b[None, :]], 0.9)
    return ppl.Model({y: Y[:6].reshape(2, 3)}), {"table": np.stack([MU, SIGMA])}


@MODELS.add
def blocks_of_a_network() -> Case:
    """Stochastic block model: every pair of nodes is a factor."""
    z = ppl.Categorical("z", ppl.Dirichlet("w", np.ones(3)), size=5)
    eta = ppl.Beta("eta", 2, 2, size=(3, 3))
    i, j = np.triu_indices(5, k=1)
    y = ppl.Bernoulli("y", eta[z[i], z[j]])
    values = {"w": W, "eta": np.array([[0.81, 0.23, 0.37], [0.29, 0.64, 0.12], [0.43, 0.18, 0.72]])}
    return ppl.Model({y: np.array([1, 0, 0, 1, 1, 0, 1, 0, 1, 0])}), values


@MODELS.add
def blocks_of_a_matrix() -> Case:
    """The same as a matrix of all pairs, the diagonal included."""
    z = ppl.Bernoulli("z", 0.37, size=4)
    eta = ppl.Normal("eta", 0, 1, size=(2, 2))
    y = ppl.Normal("y", eta[z][:, z], 0.9)
    return ppl.Model({y: np.outer(Y[:4], Y[1:5])}), {"eta": np.array([[0.81, -0.23], [0.37, 1.29]])}


@MODELS.add
def annotators() -> Case:
    """Dawid and Skene: the true class of each item, a table of errors for each annotator; answers in long form."""
    item, annotator = np.array([0, 0, 1, 2, 2, 3, 3, 1]), np.array([0, 1, 0, 2, 1, 2, 0, 2])
    truth = ppl.Categorical("truth", ppl.Dirichlet("w", np.ones(3)), size=4)
    table = ppl.Dirichlet("table", np.ones((3, 3, 3)))
    answer = ppl.Categorical("answer", table[annotator, truth[item]])
    errors = np.array([np.roll(W, s) for s in range(9)]).reshape(3, 3, 3) * np.array([1.3, 0.8, 1.7])
    errors /= errors.sum(axis=-1, keepdims=True)
    return ppl.Model({answer: np.array([0, 1, 2, 2, 0, 1, 1, 2])}), {"w": W, "table": errors}


@MODELS.add
def matrix_of_indices() -> Case:
    k = ppl.Categorical("k", W, size=(2, 3))
    mu, column = ppl.Normal("mu", 0, 2, size=3), ppl.HalfNormal("column", 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[k], column): Y[:6].reshape(2, 3)}), {"mu": MU, "column": SIGMA}


@MODELS.add
def index_of_every_column() -> Case:
    k = ppl.Categorical("k", W, size=3)
    mu = ppl.Normal("mu", 0, 2, size=3)
    y = ppl.Normal("y", mu[k] + X[:4, :1], 0.9)
    return ppl.Model({y: np.outer(Y[:4], SIGMA)}), {"mu": MU}


@MODELS.add
def columns_of_a_table() -> Case:
    k = ppl.Categorical("k", W, size=4)
    table = ppl.Normal("table", 0, 1, size=(2, 3))
    return ppl.Model({ppl.Normal("y", table[:, k].T, 0.9): X[:4]}), {"table": np.stack([MU, SIGMA])}


@MODELS.add
def rows_and_columns() -> Case:
    """An index of rows and one of columns, each looked up in a table of its own."""
    r, c = ppl.Bernoulli("r", 0.37, size=3), ppl.Categorical("c", W, size=2)
    a, b = ppl.Normal("a", 0, 1, size=2), ppl.Normal("b", 0, 1, size=3)
    y = ppl.Normal("y", a[r][:, None] * b[c][None, :], 0.9)
    return ppl.Model({y: X[:3]}), {"a": SIGMA[:2], "b": MU}


@MODELS.add
def three_axes() -> Case:
    k = ppl.Bernoulli("k", 0.37, size=(2, 1, 3))
    mu = ppl.Normal("mu", 0, 1, size=2)
    y = ppl.Normal("y", mu[k] + X[:2, :, None], 0.9)
    return ppl.Model({y: np.linspace(-1.3, 2.2, 12).reshape(2, 2, 3)}), {"mu": MU[:2]}


@MODELS.add
def columns_split_by_hand() -> Case:
    """One matrix of indices whose columns mean different things."""
    k = ppl.Bernoulli("k", np.array([0.37, 0.64]), size=(3, 2))
    a, b = ppl.Normal("a", 0, 1, size=2), ppl.HalfNormal("b", 2, size=2)
    return ppl.Model({ppl.Normal("y", a[k[:, 0]], b[k[:, 1]]): Y[:3]}), {"a": MU[:2], "b": SIGMA[:2]}


@MODELS.add
def symmetric_pairs() -> Case:
    """Neighbours on a ring, listed in both directions."""
    i, j = np.array([0, 1, 2, 3, 1, 2, 3, 0]), np.array([1, 2, 3, 0, 0, 1, 2, 3])
    k = ppl.Categorical("k", W, size=4)
    mu = ppl.Normal("mu", 0, 2, size=3)
    y = ppl.Poisson("y", pt.exp(0.3 * mu[k[i]] - 0.2 * mu[k[j]]))
    return ppl.Model({y: COUNTS}), {"mu": MU}


@MODELS.add
def genotypes_of_a_family() -> Case:
    """Children's genotypes depend on two parents each; the allele's frequency is unknown."""
    q = ppl.Beta("q", 2, 3)
    weights = pt.stack([(1 - q) ** 2, 2 * q * (1 - q), q**2])
    founder = ppl.Categorical("founder", weights, size=3)
    gamete = np.array([0.0, 0.5, 1.0])
    table = np.empty((3, 3, 3))
    table[..., 0] = np.outer(1 - gamete, 1 - gamete)
    table[..., 2] = np.outer(gamete, gamete)
    table[..., 1] = 1 - table[..., 0] - table[..., 2]
    father, mother = np.array([0, 0, 2]), np.array([1, 1, 1])
    child = ppl.Categorical("child", pt.constant(table)[founder[father], founder[mother]])
    sick = ppl.Bernoulli("sick", pt.constant(np.array([0.03, 0.14, 0.87]))[child])
    return ppl.Model({sick: np.array([1, 0, 1])}), {"q": 0.37}
