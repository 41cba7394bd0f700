"""Zero inflation, hurdles, occupancy, capture and recapture, survival."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, Case, Catalogue, W, X, Y

MODELS = Catalogue()
VISITS = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
HISTORIES = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])


@MODELS.add
def zero_inflation_with_covariates() -> Case:
    a, b = ppl.Normal("a", 0, 1, size=2), ppl.Normal("b", 0, 1, size=2)
    z = ppl.Bernoulli("z", logit_p=pt.dot(X, a))
    y = ppl.Poisson("y", z * pt.exp(pt.dot(X, b)))
    return ppl.Model({y: np.array([0, 3, 0, 1, 0, 2])}), {"a": np.array([0.4, -0.7]), "b": np.array([0.3, 0.6])}


@MODELS.add
def zero_inflation_by_switch() -> Case:
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 3), size=5)
    alpha, mu = ppl.Gamma("alpha", 2, 1), ppl.Gamma("mu", 2, 1)
    y = ppl.NegativeBinomial("y", mu=pt.switch(pt.eq(z, 1), mu, 1e-6), alpha=alpha)
    return ppl.Model({y: np.array([0, 3, 0, 7, 1])}), {"psi": 0.37, "alpha": 1.7, "mu": 2.3}


@MODELS.add
def zeros_that_are_certain() -> Case:
    """A component that is zero for sure."""
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 3), size=4)
    y = pt.switch(z, pm.Poisson.dist(ppl.Gamma("rate", 2, 1), shape=4), pm.DiracDelta.dist(0, shape=4))
    y.name = "y"
    return ppl.Model({y: np.array([0, 3, 0, 1])}), {"psi": 0.37, "rate": 2.3}


@MODELS.add
def hurdle() -> Case:
    """Zero, or a count that is at least one."""
    z = ppl.Bernoulli("z", ppl.Beta("psi", 2, 3), size=4)
    positive = pm.Truncated.dist(pm.Poisson.dist(ppl.Gamma("rate", 2, 1)), lower=1, upper=None, shape=4)
    y = pt.switch(z, positive, pm.DiracDelta.dist(0, shape=4))
    y.name = "y"
    return ppl.Model({y: np.array([0, 3, 0, 1])}), {"psi": 0.37, "rate": 2.3}


@MODELS.add
def zeros_and_ones() -> Case:
    """Shares that may be exactly nothing or everything, as narrow components at both ends."""
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(3)), size=4)
    a, b = pt.constant(np.array([0.2, 60.0, 2.3])), pt.constant(np.array([60.0, 0.3, 1.7]))
    y = ppl.Beta("y", a[k], b[k])
    return ppl.Model({y: np.array([1e-4, 0.43, 0.9999, 0.72])}), {"w": W}


@MODELS.add
def zero_inflated_tries() -> Case:
    z = ppl.Bernoulli("z", 0.64, size=4)
    p = ppl.Beta("p", 2, 2, size=4)
    y = ppl.Binomial("y", np.array([3, 5, 2, 7]), z * p)
    return ppl.Model({y: np.array([0, 2, 0, 7])}), {"p": np.array([0.23, 0.44, 0.61, 0.87])}


@MODELS.add
def occupancy() -> Case:
    """Some visits were not made."""
    psi, p = ppl.Beta("psi", 2, 2), ppl.Beta("p", 2, 2, size=3)
    z = ppl.Bernoulli("z", psi, size=4)
    made = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]])
    y = ppl.Bernoulli("y", z[:, None] * p * made)
    return ppl.Model({y: VISITS * made}), {"psi": 0.43, "p": np.array([0.31, 0.57, 0.22])}


@MODELS.add
def occupancy_in_long_form() -> Case:
    site = np.array([2, 0, 0, 1, 3, 2, 1, 0])
    b = ppl.Normal("b", 0, 1, size=2)
    z = ppl.Bernoulli("z", pt.sigmoid(pt.dot(X[:4], b)))
    p = pt.sigmoid(ppl.Normal("effort", 0, 1) * Y)
    y = ppl.Bernoulli("y", z[site] * p)
    return ppl.Model({y: np.array([1, 0, 1, 0, 0, 0, 0, 1])}), {"b": np.array([0.4, -0.7]), "effort": 0.6}


@MODELS.add
def occupancy_with_false_positives() -> Case:
    z = ppl.Bernoulli("z", 0.43, size=4)
    p = ppl.Uniform("p", 0, 1, size=2)
    y = ppl.Bernoulli("y", p[z][:, None], size=(4, 3))
    return ppl.Model({y: VISITS}), {"p": np.array([0.08, 0.57])}


@MODELS.add
def two_species() -> Case:
    """The second one avoids the first."""
    a = ppl.Bernoulli("a", 0.43, size=4)
    b = ppl.Bernoulli("b", ppl.Beta("psi", 2, 2, size=2)[a])
    p = ppl.Beta("p", 2, 2, size=2)
    seen_a = ppl.Binomial("seen_a", 3, a * p[0])
    seen_b = ppl.Binomial("seen_b", 3, b * p[1] * (1 - 0.3 * a))
    data = {seen_a: np.array([2, 0, 0, 1]), seen_b: np.array([0, 1, 0, 2])}
    return ppl.Model(data), {"psi": np.array([0.68, 0.23]), "p": np.array([0.36, 0.59])}


@MODELS.add
def states_of_breeding() -> Case:
    """Absent, present, or breeding; what is seen is never more than there is."""
    w = ppl.Dirichlet("w", np.ones(3))
    state = ppl.Categorical("state", w, size=4)
    p, q = ppl.Beta("p", 2, 2), ppl.Beta("q", 2, 2)
    table = pt.stack([pt.stack([1.0, 0.0, 0.0]), pt.stack([1 - p, p, 0.0]), pt.stack([1 - p, p * (1 - q), p * q])])
    y = ppl.Categorical("y", table[state][:, None, :], size=(4, 2))
    return ppl.Model({y: np.array([[0, 1], [0, 0], [2, 1], [1, 1]])}), {"w": W, "p": 0.36, "q": 0.71}


@MODELS.add
def colonisation_and_extinction() -> Case:
    """Occupancy over several seasons, as a loop of vectors over sites."""
    gamma, epsilon, p = ppl.Beta("gamma", 2, 2), ppl.Beta("epsilon", 2, 2), ppl.Beta("p", 2, 2)
    z, seen = [ppl.Bernoulli("z0", 0.43, size=3)], {}
    data = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    for t in range(3):
        if t:
            z.append(ppl.Bernoulli(f"z{t}", z[-1] * (1 - epsilon) + (1 - z[-1]) * gamma))
        seen[ppl.Binomial(f"seen{t}", 2, z[t] * p)] = data[t]
    return ppl.Model(seen), {"gamma": 0.29, "epsilon": 0.16, "p": 0.63}


@MODELS.add
def number_of_animals() -> Case:
    """M0: animals that may not exist, all alike."""
    psi, p = ppl.Uniform("psi", 0, 1), ppl.Uniform("p", 0, 1)
    w = ppl.Bernoulli("w", psi, size=5)
    y = ppl.Binomial("y", 3, w * p)
    return ppl.Model({y: HISTORIES.sum(axis=1)}, ppl.Deterministic("N", w.sum())), {"psi": 0.64, "p": 0.37}


@MODELS.add
def occasions_differ() -> Case:
    """Mt."""
    psi, p = ppl.Uniform("psi", 0, 1), ppl.Uniform("p", 0, 1, size=3)
    w = ppl.Bernoulli("w", psi, size=5)
    y = ppl.Bernoulli("y", w[:, None] * p[None, :])
    return ppl.Model({y: HISTORIES}), {"psi": 0.64, "p": np.array([0.37, 0.52, 0.21])}


@MODELS.add
def animals_learn() -> Case:
    """Mb: who was caught before is caught with another probability."""
    psi, p, c = ppl.Uniform("psi", 0, 1), ppl.Uniform("p", 0, 1), ppl.Uniform("c", 0, 1)
    w = ppl.Bernoulli("w", psi, size=5)
    caught = np.cumsum(HISTORIES, axis=1) - HISTORIES > 0
    y = ppl.Bernoulli("y", w[:, None] * pt.switch(caught, c, p))
    return ppl.Model({y: HISTORIES}), {"psi": 0.64, "p": 0.37, "c": 0.18}


@MODELS.add
def animals_differ() -> Case:
    """Mh: two kinds of animals, easy and hard to catch."""
    w = ppl.Bernoulli("w", ppl.Uniform("psi", 0, 1), size=5)
    kind = ppl.Bernoulli("kind", 0.29, size=5)
    p = ppl.Uniform("p", 0, 1, size=2)
    y = ppl.Binomial("y", 3, w * p[kind])
    return ppl.Model({y: HISTORIES.sum(axis=1)}), {"psi": 0.64, "p": np.array([0.17, 0.62])}


@MODELS.add
def survival_from_the_first_capture() -> Case:
    """Cormack, Jolly and Seber, one step after the other for all animals: before its first capture one is alive."""
    histories = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]])
    first = histories.argmax(axis=1)
    phi, p = ppl.Uniform("phi", 0, 1, size=3), ppl.Uniform("p", 0, 1)
    alive, seen = [ppl.Bernoulli("alive0", np.ones(3))], {}
    for t in range(1, 4):
        chance = pt.switch(t <= first, 1.0, alive[-1] * phi[t - 1])
        alive.append(ppl.Bernoulli(f"alive{t}", chance))
        seen[ppl.Bernoulli(f"seen{t}", pt.switch(t <= first, histories[:, t], alive[t] * p))] = histories[:, t]
    return ppl.Model(seen), {"phi": np.array([0.83, 0.64, 0.71]), "p": 0.46}


@MODELS.add
def recoveries_of_the_dead() -> Case:
    """Alive, just dead, long dead: a Markov chain for each animal, with an observation table."""
    phi, p, r = ppl.Uniform("phi", 0, 1), ppl.Uniform("p", 0, 1), ppl.Uniform("r", 0, 1)
    moves = pt.stack([pt.stack([phi, 1 - phi, 0.0]), pt.constant([0.0, 0.0, 1.0]), pt.constant([0.0, 0.0, 1.0])])
    state = ppl.MarkovChain("state", moves, [1.0, 0.0, 0.0], steps=3, size=2)
    table = pt.stack([pt.stack([1 - p, p, 0.0]), pt.stack([1 - r, 0.0, r]), pt.constant([1.0, 0.0, 0.0])])
    y = ppl.Categorical("y", table[state])
    return ppl.Model({y: np.array([[1, 0, 2], [1, 1, 0]])}), {"phi": 0.73, "p": 0.46, "r": 0.31}


@MODELS.add
def arrivals_and_departures() -> Case:
    """Jolly and Seber: not yet there, there, gone; two observers of one animal."""
    entry, phi, p = ppl.Beta("entry", 2, 2, size=3), ppl.Beta("phi", 2, 2), ppl.Beta("p", 2, 2)
    rows = [pt.stack([1 - entry, entry, pt.zeros(3)], axis=1)]
    rows += [pt.stack([pt.zeros(3), pt.alloc(phi, 3), pt.alloc(1 - phi, 3)], axis=1)]
    moves = pt.stack([*rows, pt.constant(np.tile([0.0, 0.0, 1.0], (3, 1)))], axis=1)
    state = ppl.MarkovChain("state", moves, [1.0, 0.0, 0.0], steps=4, time_varying=True)
    seen = ppl.Bernoulli("seen", pt.eq(state[1:], 1) * p, size=(2, 3))
    values = {"entry": np.array([0.23, 0.36, 0.17]), "phi": 0.73, "p": 0.46}
    return ppl.Model({seen: np.array([[0, 1, 0], [0, 0, 0]])}), values


@MODELS.add
def dogs_that_learn_or_not() -> Case:
    """Avoidance learning: trials before depend on what happened, and some dogs never learn."""
    shocks = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1]])
    before = np.cumsum(shocks, axis=1) - shocks
    avoided = np.arange(4) - before
    a, b = ppl.HalfNormal("a", 1), ppl.HalfNormal("b", 1)
    learns = ppl.Bernoulli("learns", ppl.Beta("share", 3, 2), size=3)
    y = ppl.Bernoulli("y", pt.exp(-0.01 - learns[:, None] * (a * avoided + b * before)))
    return ppl.Model({y: shocks}), {"a": 0.42, "b": 0.17, "share": 0.71}


@MODELS.add
def dogs_with_missing_trials() -> Case:
    """What was not written down changes all trials after it."""
    a, b = ppl.HalfNormal("a", 1), ppl.HalfNormal("b", 1)
    shocks, observed = [], {}
    for t, data in enumerate([1, None, 0, None, 1]):
        before = sum(shocks) if shocks else 0
        shocks.append(ppl.Bernoulli(f"shock{t}", pt.exp(-0.2 - a * (t - before) - b * before)))
        if data is not None:
            observed[shocks[-1]] = data
    return ppl.Model(observed), {"a": 0.42, "b": 0.17}


@MODELS.add
def numbers_at_sites() -> Case:
    """An N-mixture: counts of unknown numbers, more than was ever seen at each site."""
    counts = np.array([[2, 1, 3], [0, 1, 0]])
    p = ppl.Beta("p", 2, 2)
    n = ppl.DiscreteUniform("n", counts.max(axis=1), 7)
    return ppl.Model({ppl.Binomial("y", n[:, None], p, size=(2, 3)): counts}), {"p": 0.44}


@MODELS.add
def numbers_with_a_mean() -> Case:
    lam, p = ppl.Beta("lam", 2, 2, size=3), ppl.Beta("p", 2, 2)
    n = ppl.Binomial("n", 8, lam)
    y = ppl.Binomial("y", n[:, None], p, size=(3, 2))
    return ppl.Model({y: COUNTS[[0, 1, 3, 0, 1, 4]].reshape(3, 2)}), {"lam": W, "p": 0.44}


@MODELS.add
def removals() -> Case:
    """Each pass takes animals away from those that are left."""
    caught = np.array([3, 1, 1])
    n = ppl.DiscreteUniform("n", 5, 11)
    p = ppl.Beta("p", 2, 2)
    left = n - np.concatenate([[0], np.cumsum(caught)[:-1]])
    return ppl.Model({ppl.Binomial("y", left, p): caught}), {"p": 0.44}
