"""Small models with discrete latent variables of every kind, declared as a user would, with values of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl

Case = tuple[Any, dict[str, Any]]
W = np.array([0.2, 0.5, 0.3])
MU = np.array([0.1, -0.8, 1.2])
P = np.array([[0.7, 0.2, 0.1], [0.15, 0.55, 0.3], [0.25, 0.3, 0.45]])
Y = np.array([-1.3, 0.4, 2.2, 0.7, -0.2, 1.6, 0.9])
X = np.array([[0.3, -0.6], [1.2, 0.4], [-0.7, 0.8], [0.5, 1.1], [-1.4, -0.2]])


def means() -> Any:
    return ppl.Normal("mu", 0, 2, size=3)


# Mixtures


def groups_out_of_order() -> Case:
    """A ragged grouping with a group that has no rows."""
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), size=4)
    return ppl.Model({ppl.Normal("y", means()[k[np.array([2, 0, 0, 2, 2, 0, 3])]], 0.9): Y}), {"w": W, "mu": MU}


def crossed_factors() -> Case:
    k, j = ppl.Categorical("k", W, size=3), ppl.Bernoulli("j", 0.3, size=4)
    rows, columns = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 3, 0, 2])
    nu = ppl.Normal("nu", 0, 1, size=2)
    y = ppl.Normal("y", means()[k[rows]] + nu[j[columns]], 1.1)
    return ppl.Model({y: Y}), {"mu": MU, "nu": np.array([0.3, 1.1])}


def additive_indices() -> Case:
    k, j = ppl.Categorical("k", W, size=4), ppl.Bernoulli("j", 0.3, size=4)
    nu = ppl.Normal("nu", 0, 1, size=2)
    return ppl.Model({ppl.Normal("y", means()[k] * nu[j], 1.1): Y[:4]}), {"mu": MU, "nu": np.array([0.3, 1.1])}


def columns_by_index() -> Case:
    k = ppl.Categorical("k", W, size=4)
    table = ppl.Normal("table", 0, 1, size=(2, 3))
    data = np.arange(8.0).reshape(2, 4) / 4
    return ppl.Model({ppl.Normal("y", table[:, k], 0.9): data}), {"table": np.stack([MU, MU[::-1] * 0.7])}


def mixture_of_experts() -> Case:
    b = ppl.Normal("b", 0, 1, size=(2, 3))
    k = ppl.Categorical("k", pt.special.softmax(pt.constant(X) @ b, axis=-1))
    values = {"b": np.array([[0.4, -0.7, 0.2], [-0.3, 0.9, 0.6]]), "mu": MU}
    return ppl.Model({ppl.Normal("y", means()[k], 0.9): Y[:5]}), values


def covariance_by_index() -> Case:
    k = ppl.Bernoulli("k", 0.3, size=4)
    covariance = pt.constant(np.array([[[1.2, 0.3], [0.3, 0.8]], [[2.2, -0.4], [-0.4, 0.6]]]))
    centre = ppl.Normal("centre", 0, 1, size=(2, 2))
    y = ppl.MvNormal("y", centre[k], covariance[k])
    return ppl.Model({y: X[:4]}), {"centre": np.array([[0.4, -1.1], [0.2, 0.7]])}


def rows_of_indicators() -> Case:
    """Positions that are set, products with matrices from both sides, and a chosen array."""
    k = ppl.Categorical("k", W, size=4)
    rows = pt.set_subtensor(pt.zeros((4, 3))[np.arange(4), k], 1.0)
    b = ppl.Normal("b", 0, 1, size=(3, 2))
    location = pt.dot(rows, b) + pt.dot(b.T, rows.T).T + pt.dot(rows, means())[:, None]
    arrays = [pt.constant(np.array([0.3, -0.4])), pt.constant(np.array([0.1, 0.9])), b[0]]
    y = ppl.Normal("y", location + pt.choose(k[:, None], arrays), 0.9)
    return ppl.Model({y: X[:4]}), {"mu": MU, "b": np.array([[0.4, -1.1], [0.2, 0.7], [-0.3, 0.5]])}


def rows_of_products() -> Case:
    """Rows of states times a matrix, and each times one of its own: rows do not meet."""
    z = ppl.Bernoulli("z", 0.3, size=(3, 2))
    matrix = pt.constant(np.array([[0.5, -1.0], [0.7, 0.2]]))
    each = pt.constant(np.array([[[0.3, 0.1], [0.2, -0.6]], [[1.1, 0.4], [0.0, 0.9]], [[-0.2, 0.5], [0.8, 0.3]]]))
    location = z @ matrix + pt.matmul(z[:, None, :], each)[:, 0, :]
    return ppl.Model({ppl.Normal("y", location, 0.9): X[:3]}), {}


def families_by_switch() -> Case:
    m = ppl.Normal("m", 0, 1)
    z = ppl.Bernoulli("z", 0.3, size=4)
    y = pt.switch(z, pm.Normal.dist(m, 1.3, shape=4), pm.Laplace.dist(m + 1.0, 0.7, shape=4))
    y.name = "y"
    return ppl.Model({y: Y[:4]}), {"m": 0.4}


def families_by_stack() -> Case:
    m = ppl.Normal("m", 0, 1)
    k = ppl.Categorical("k", W)
    y = pt.stack([pm.Normal.dist(m, 1.3), pm.Laplace.dist(m, 0.7), pm.StudentT.dist(4, m, sigma=0.6)])[k]
    y.name = "y"
    return ppl.Model({y: 0.7}), {"m": 0.4}


def student_parameters() -> Case:
    """Three indexed parameters."""
    k = ppl.Categorical("k", W, size=4)
    nu, sigma = ppl.Gamma("nu", 4, 1, size=3), ppl.HalfNormal("sigma", 2, size=3)
    y = ppl.StudentT("y", nu[k], means()[k], sigma=sigma[k])
    return ppl.Model({y: Y[:4]}), {"mu": MU, "nu": np.array([3.3, 5.1, 2.2]), "sigma": np.array([0.6, 1.7, 2.3])}


def regressions() -> Case:
    """A mixture of regressions: rows of coefficients."""
    k = ppl.Bernoulli("k", 0.4, size=5)
    b = ppl.Normal("b", 0, 2, size=(2, 2))
    y = ppl.Normal("y", (pt.constant(X) * b[k]).sum(axis=-1), 0.8)
    return ppl.Model({y: Y[:5]}), {"b": np.array([[0.4, -1.1], [0.2, 0.7]])}


# Zero inflation, occupancy, capture and recapture


def zero_inflation() -> Case:
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 3), size=4)
    y = ppl.Poisson("y", z * ppl.Gamma("rate", 2, 1))
    return ppl.Model({y: np.array([0, 3, 0, 1])}), {"psi": 0.35, "rate": 2.2}


def occupancy_with_covariates() -> Case:
    b = ppl.Normal("b", 0, 1, size=2)
    z = ppl.Bernoulli("z", pt.sigmoid(pt.constant(X[:3]) @ b))
    p = ppl.Beta("p", 2, 2, size=2)
    y = ppl.Bernoulli("y", z[:, None] * p[None, :])
    data = np.array([[0, 1], [0, 0], [1, 1]])
    return ppl.Model({y: data}), {"b": np.array([0.4, -0.9]), "p": np.array([0.3, 0.6])}


def augmented_capture() -> Case:
    """M_t: animals that may not exist, seen with a probability of each occasion."""
    w = ppl.Bernoulli("w", ppl.Beta("psi", 2, 2), size=4)
    p = ppl.Beta("p", 2, 2, size=3)
    y = ppl.Bernoulli("y", w[:, None] * p)
    data = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]])
    return ppl.Model({y: data}), {"psi": 0.6, "p": np.array([0.3, 0.5, 0.2])}


def trap_response() -> Case:
    """M_b: who was caught before is caught with another probability."""
    w = ppl.Bernoulli("w", 0.6, size=3)
    p = ppl.Beta("p", 2, 2, size=2)
    data = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    caught = (np.cumsum(data, axis=1) - data > 0).astype(int)
    y = ppl.Bernoulli("y", w[:, None] * p[caught])
    return ppl.Model({y: data}), {"p": np.array([0.3, 0.7])}


def survival() -> Case:
    """Cormack-Jolly-Seber: alive or not, step by step, for all animals at once."""
    phi, p = ppl.Beta("phi", 3, 2), ppl.Beta("p", 2, 2)
    alive = [ppl.Bernoulli("alive0", 1.0, size=3)]
    seen = {}
    for t, row in enumerate(np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]]), 1):
        alive.append(ppl.Bernoulli(f"alive{t}", alive[-1] * phi, size=3))
        seen[ppl.Bernoulli(f"seen{t}", alive[-1] * p, size=3)] = row
    return ppl.Model(seen), {"phi": 0.8, "p": 0.4}


# Chains


def chain_by_potential() -> Case:
    k = ppl.Categorical("k", W, size=6)
    strength = ppl.Normal("strength", 1, 1)
    pairs = strength * pt.constant(np.log(P))[k[:-1], k[1:]]
    return ppl.Model({ppl.Normal("y", means()[k], 1.1): Y[:6]}, ppl.Potential("ties", pairs.sum())), {
        "mu": MU,
        "strength": 0.7,
    }


def factorial_chains() -> Case:
    """Two hidden chains with one emission."""
    a = ppl.MarkovChain("a", [[0.8, 0.2], [0.3, 0.7]], steps=4)
    b = ppl.MarkovChain("b", P, W, steps=4)
    y = ppl.Normal("y", 1.3 * a + means()[b], 1.1)
    return ppl.Model({y: Y[:4]}), {"mu": MU}


def categorical_emissions() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=5)
    emission = ppl.Dirichlet("emission", np.ones((3, 3)))
    return ppl.Model({ppl.Categorical("y", emission[s]): [0, 2, 1, 1, 0]}), {"emission": P[::-1]}


def missing_emissions() -> Case:
    """The missing emissions are discrete latent variables too."""
    s = ppl.MarkovChain("s", [[0.8, 0.2], [0.3, 0.7]], steps=5)
    y = ppl.Bernoulli("y", pt.constant(np.array([0.2, 0.9]))[s])
    return ppl.Model({y: np.array([1, np.nan, 0, np.nan, 1])}), {}


def series_of_different_lengths() -> Case:
    s = ppl.MarkovChain("s", P, W, steps=4, size=2)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    logp = pm.logp(pm.Normal.dist(means()[s], 1.1), pt.constant(Y[:6].repeat(2)[:8].reshape(2, 4)))
    return ppl.Model(ppl.Potential("emissions", pt.switch(mask, logp, 0.0))), {"mu": MU}


def covariates_in_a_loop() -> Case:
    b = ppl.Normal("b", 0, 1, size=2)
    s = [ppl.Bernoulli("s0", 0.4)]
    for t in range(1, 5):
        s.append(ppl.Bernoulli(f"s{t}", pt.sigmoid(b[0] * Y[t] + b[1] * s[-1])))
    return ppl.Model({ppl.Normal(f"y{t}", 1.4 * x, 0.9): Y[t] for t, x in enumerate(s)}), {"b": np.array([0.5, -1.2])}


def changes_of_a_batch() -> Case:
    tau = ppl.DiscreteUniform("tau", 1, 3, size=2)
    rate = ppl.Gamma("rate", 2, 1, size=2)
    y = ppl.Poisson("y", pt.switch(np.arange(4) < tau[:, None], rate[0], rate[1]))
    return ppl.Model({y: np.array([[3, 4, 0, 1], [5, 1, 0, 0]])}), {"rate": np.array([3.2, 0.7])}


def two_changes() -> Case:
    """The second change lies after the first one: its support depends on a latent variable."""
    first = ppl.DiscreteUniform("first", 0, 3)
    second = ppl.DiscreteUniform("second", first + 1, 6)
    rate = ppl.Exponential("rate", 1.0, size=3)
    t = np.arange(6)
    y = ppl.Poisson("y", pt.switch(t < first, rate[0], pt.switch(t < second, rate[1], rate[2])))
    return ppl.Model({y: np.array([2, 3, 0, 1, 4, 5])}), {"rate": np.array([1.2, 3.1, 0.7])}


# Bounded counts


def n_mixture() -> Case:
    n = ppl.DiscreteUniform("n", np.array([2, 1]), 6)
    p = ppl.Beta("p", 2, 2)
    return ppl.Model({ppl.Binomial("y", n[:, None], p, size=(2, 3)): np.array([[1, 2, 0], [0, 1, 1]])}), {"p": 0.4}


def counts_of_counts() -> Case:
    """A binomial of a latent number, observed with an error."""
    n = ppl.Binomial("n", 5, 0.45, size=2)
    caught = ppl.Binomial("caught", n, ppl.Beta("p", 2, 2))
    return ppl.Model({ppl.Normal("y", caught, 0.8): Y[1:3]}), {"p": 0.6}


def beta_binomial() -> Case:
    n = ppl.BetaBinomial("n", 2.5, 1.7, np.array([3, 5]))
    return ppl.Model({ppl.Poisson("y", 0.4 + n): np.array([2, 4])}), {}


def counts_within_bounds() -> Case:
    rate = ppl.Gamma("rate", 2, 1)
    cut = ppl.Truncated("cut", pm.Poisson.dist(rate), upper=4)
    clipped = ppl.Censored("clipped", pm.Poisson.dist(rate), lower=1, upper=3)
    rare = ppl.ZeroInflatedBinomial("rare", 0.4, 3, 0.3)
    votes = ppl.Multinomial("votes", 2, W)
    y = ppl.Normal("y", pt.stack([cut, clipped, rare, pt.dot(votes, np.array([0.4, -1.0, 2.0]))]) * 0.7, 0.9)
    return ppl.Model({y: Y[:4]}), {"rate": 1.7}


def hypergeometric() -> Case:
    n = ppl.HyperGeometric("n", 9, 4, 5)
    rate = ppl.Gamma("rate", 2, 1)
    return ppl.Model({ppl.Poisson("y", rate * (n + 0.5), size=3): np.array([2, 4, 1])}), {"rate": 0.8}


# Missing data


def missing_labels() -> Case:
    c = ppl.Categorical("c", ppl.Dirichlet("w", np.ones(3)), size=5)
    labels = np.ma.masked_array([0, 1, 2, 1, 0], [False, True, False, True, True])
    model = ppl.Model({c: labels, ppl.Normal("x", means()[c], 1.0): Y[:5]})
    return model, {"w": W, "mu": MU}


def missing_counts() -> Case:
    """Through a deterministic and a potential."""
    n = ppl.Binomial("n", 3, ppl.Beta("p", 2, 2), size=4)
    doubled = ppl.Deterministic("doubled", 2 * n)
    model = ppl.Model(
        {n: np.array([1.0, np.nan, 3.0, np.nan]), ppl.Normal("y", doubled, 1.2): Y[:4]},
        ppl.Potential("tilt", -0.1 * (n**2).sum()),
        doubled,
    )
    return model, {"p": 0.4}


# Networks and other graphs


def alarm() -> Case:
    burglary, quake = ppl.Bernoulli("burglary", 0.11), ppl.Bernoulli("quake", 0.07)
    rings = ppl.Bernoulli("rings", pt.constant(np.array([[0.01, 0.29], [0.94, 0.95]]))[burglary, quake])
    john = ppl.Bernoulli("john", pt.switch(rings, 0.9, 0.05))
    mary = ppl.Bernoulli("mary", pt.switch(rings, 0.7, 0.01))
    return ppl.Model({john: 1, mary: 1}), {}


def asia() -> Case:
    visit, smokes = ppl.Bernoulli("visit", 0.01), ppl.Bernoulli("smokes", 0.5)
    tuberculosis = ppl.Bernoulli("tuberculosis", pt.switch(visit, 0.05, 0.01))
    cancer = ppl.Bernoulli("cancer", pt.switch(smokes, 0.1, 0.01))
    bronchitis = ppl.Bernoulli("bronchitis", pt.switch(smokes, 0.6, 0.3))
    either = pt.or_(tuberculosis, cancer)
    xray = ppl.Bernoulli("xray", pt.switch(either, 0.98, 0.05))
    breath = ppl.Bernoulli("breath", pt.constant(np.array([[0.1, 0.8], [0.7, 0.9]]))[either, bronchitis])
    return ppl.Model({xray: 1, breath: 1}), {}


def student() -> Case:
    difficulty, talent = ppl.Bernoulli("difficulty", 0.4), ppl.Bernoulli("talent", 0.3)
    table = np.array([[[0.3, 0.4, 0.3], [0.9, 0.08, 0.02]], [[0.05, 0.25, 0.7], [0.5, 0.3, 0.2]]])
    grade = ppl.Categorical("grade", pt.constant(table)[difficulty, talent])
    letter = ppl.Bernoulli("letter", pt.constant(np.array([0.9, 0.6, 0.01]))[grade])
    test = ppl.Bernoulli("test", pt.switch(talent, 0.8, 0.05))
    return ppl.Model({letter: 1, test: 0}), {}


def ising() -> Case:
    k = ppl.Bernoulli("k", 0.4, size=(3, 4))
    s = 2 * k - 1
    strength = ppl.Normal("strength", 0, 1)
    energy = strength * ((s[1:] * s[:-1]).sum() + (s[:, 1:] * s[:, :-1]).sum())
    return ppl.Model(ppl.Potential("energy", energy)), {"strength": 0.45}


def potts_on_a_ring() -> Case:
    k = ppl.Categorical("k", W, size=5)
    return ppl.Model(ppl.Potential("ties", 0.8 * pt.eq(k, pt.roll(k, 1)))), {}


def noisy_or() -> Case:
    causes = ppl.Bernoulli("causes", [0.3, 0.1, 0.6, 0.2])
    q = ppl.Beta("q", 2, 2, size=4)
    effect = ppl.Bernoulli("effect", 1 - 0.95 * pt.prod(1 - q * causes))
    return ppl.Model({effect: 1}), {"q": np.array([0.7, 0.4, 0.2, 0.9])}


def parity() -> Case:
    bits = ppl.Bernoulli("bits", [0.3, 0.6, 0.2, 0.8])
    return ppl.Model({ppl.Normal("y", 1.0 * (bits.sum() % 2), 0.7): 0.8}), {}


def factors_of_a_design() -> Case:
    z = ppl.Bernoulli("z", 0.3, size=4)
    design = pt.constant(np.array([[1.0, 0.5, -1.2, 0.3], [0.2, 1.4, 0.6, -0.8], [0.9, -0.4, 0.1, 1.1]]))
    return ppl.Model({ppl.Normal("y", pt.dot(design, z), 1.1): Y[:3]}), {}


def correlated_noise() -> Case:
    z = ppl.Bernoulli("z", 0.3, size=3)
    covariance = np.array([[1.2, 0.3, 0.1], [0.3, 0.8, 0.2], [0.1, 0.2, 1.5]])
    b = ppl.Normal("b", 0, 1)
    return ppl.Model({ppl.MvNormal("y", b * z, covariance): Y[:3]}), {"b": 0.9}


def index_of_an_index() -> Case:
    x, k = ppl.Bernoulli("x", [0.3, 0.6, 0.2]), ppl.Categorical("k", W, size=2)
    return ppl.Model({ppl.Normal("y", 1.2 * x[k], 0.7): Y[:2]}), {}


def positions_set() -> Case:
    z = ppl.Bernoulli("z", 0.3, size=3)
    filled = pt.set_subtensor(pt.zeros(5)[np.array([4, 1, 2])], 1.2 * z)
    return ppl.Model({ppl.Normal("y", filled, 0.9): Y[:5]}), {}


def positions_increased() -> Case:
    z, j = ppl.Bernoulli("z", 0.3, size=2), ppl.Bernoulli("j", 0.6, size=4)
    increased = pt.inc_subtensor((0.5 * j)[1:3], 1.2 * z)
    return ppl.Model({ppl.Normal("y", increased, 0.9): Y[:4]}), {}


# Zero probabilities and impossible terms


def certain_and_impossible() -> Case:
    k = ppl.Categorical("k", np.array([[1.0, 0.0, 0.0], [0.0, 0.4, 0.6], [0.2, 0.0, 0.8]]))
    return ppl.Model({ppl.Normal("y", means()[k], 0.9): Y[:3]}), {"mu": MU}


def impossible_under_some_states() -> Case:
    k = ppl.Bernoulli("k", 0.4, size=3)
    upper = ppl.Gamma("upper", 2, 1, size=2)
    return ppl.Model({ppl.Uniform("y", 0, upper[k]): np.array([0.3, 1.4, 0.8])}), {"upper": np.array([0.9, 2.3])}


def deterministic_transitions() -> Case:
    s = ppl.MarkovChain("s", [[0.0, 1.0, 0.0], [0.0, 0.3, 0.7], [1.0, 0.0, 0.0]], [0.6, 0.0, 0.4], steps=5)
    return ppl.Model({ppl.Normal("y", means()[s], 1.1): Y[:5]}), {"mu": MU}


MODELS: list[Callable[[], Case]] = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", None) == __name__ and name not in ("means",)
]
