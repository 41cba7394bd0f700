"""Networks of causes and effects, random fields, and other graphs of discrete variables."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

import ppl
from tests.graphs.marginal.models.catalogue import MU, SIGMA, Case, Catalogue, P, W, X, Y

MODELS = Catalogue()


def neighbours(s: TensorVariable) -> TensorVariable:
    """Return the sum over pairs of neighbours on a grid."""
    return (s[1:] * s[:-1]).sum() + (s[:, 1:] * s[:, :-1]).sum()


# Causes and effects


@MODELS.add
def alarm_with_unknown_table() -> Case:
    table = ppl.Beta("table", 1.5, 2.5, size=(2, 2))
    burglary, quake = ppl.Bernoulli("burglary", 0.11), ppl.Bernoulli("quake", 0.07)
    rings = ppl.Bernoulli("rings", table[burglary, quake])
    calls = [ppl.Bernoulli(n, pt.switch(rings, p, q)) for n, p, q in (("john", 0.9, 0.05), ("mary", 0.7, 0.01))]
    return ppl.Model({calls[0]: 1, calls[1]: 0}), {"table": np.array([[0.02, 0.29], [0.93, 0.96]])}


@MODELS.add
def patients() -> Case:
    """The same network for every patient, with gaps in what was asked."""
    smokes = ppl.Bernoulli("smokes", 0.43, size=4)
    risk = ppl.Beta("risk", 2, 2, size=2)
    cancer, cold = ppl.Bernoulli("cancer", risk[smokes]), ppl.Bernoulli("cold", 0.27, size=4)
    table = pt.constant(np.array([[0.06, 0.51], [0.74, 0.87]]))
    cough = ppl.Bernoulli("cough", table[cancer, cold])
    data = {cough: np.array([1, 0, 1, 1]), smokes: np.array([1, np.nan, 0, np.nan])}
    return ppl.Model(data), {"risk": np.array([0.07, 0.34])}


@MODELS.add
def exam() -> Case:
    """Difficulty, talent, grade, letter, with unknown weights of grades."""
    difficulty, talent = ppl.Bernoulli("difficulty", 0.4), ppl.Bernoulli("talent", 0.3, size=3)
    base = ppl.Normal("base", 0, 1, size=3)
    grade = ppl.Categorical(
        "grade",
        logit_p=base + (talent - difficulty)[:, None] * np.array([1.2, 0.1, -0.9]),
    )
    letter = ppl.Bernoulli("letter", pt.constant(np.array([0.9, 0.6, 0.04]))[grade])
    return ppl.Model({letter: np.array([1, 0, 1])}), {"base": MU}


@MODELS.add
def diseases_and_findings() -> Case:
    """Noisy-or of several causes for every finding."""
    disease = ppl.Bernoulli("disease", np.array([0.31, 0.12, 0.24, 0.08]))
    strength = ppl.Beta("strength", 2, 2, size=(3, 4))
    nothing = pt.prod(1 - strength * disease, axis=1)
    finding = ppl.Bernoulli("finding", 1 - 0.96 * nothing)
    values = np.outer([0.62, 0.91, 0.37], [0.83, 0.24, 0.56, 0.71])
    return ppl.Model({finding: np.array([1, 0, 1])}), {"strength": values}


@MODELS.add
def votes() -> Case:
    """A decision by majority, seen with an error."""
    vote = ppl.Bernoulli("vote", np.array([0.31, 0.62, 0.44, 0.73, 0.58]))
    wins = vote.sum() >= 3
    y = ppl.Bernoulli("y", pt.switch(wins, ppl.Beta("hit", 5, 2), 0.13))
    return ppl.Model({y: 1}), {"hit": 0.86}


@MODELS.add
def parity_checks() -> Case:
    """A code: words that break a parity are impossible."""
    bits = ppl.Bernoulli("bits", 0.47, size=6)
    checks = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]])
    broken = (pt.dot(checks, bits) % 2).sum()
    valid = ppl.Potential("valid", pt.switch(pt.eq(broken, 0), 0.0, -np.inf))
    y = ppl.Normal("y", 2.0 * bits - 1, ppl.HalfNormal("noise", 1))
    return ppl.Model({y: Y[:6]}, valid), {"noise": 0.83}


@MODELS.add
def soft_parity() -> Case:
    bits = ppl.Bernoulli("bits", np.array([0.3, 0.6, 0.2, 0.8]))
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * pt.mod(bits.sum(), 2), 0.7): 0.8}), {"m": 1.4}


@MODELS.add
def colouring() -> Case:
    """Neighbours never have the same colour: hard constraints on a graph."""
    i, j = np.array([0, 0, 1, 2, 3]), np.array([1, 2, 2, 3, 4])
    colour = ppl.Categorical("colour", W, size=5)
    differ = ppl.Potential("differ", pt.switch(pt.eq(colour[i], colour[j]), -np.inf, 0.0).sum())
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[colour], 0.9): Y[:5]}, differ), {"mu": MU}


# Random fields


@MODELS.add
def ising() -> Case:
    s = 2 * ppl.Bernoulli("k", 0.43, size=(3, 4)) - 1
    strength, field = ppl.Normal("strength", 0, 1), ppl.Normal("field", 0, 1)
    energy = ppl.Potential("energy", strength * neighbours(s) + field * s.sum())
    return ppl.Model(energy), {"strength": 0.46, "field": -0.27}


@MODELS.add
def noisy_image() -> Case:
    k = ppl.Bernoulli("k", 0.43, size=(2, 5))
    strength, mu = ppl.HalfNormal("strength", 1), ppl.Normal("mu", 0, 2, size=2)
    energy = ppl.Potential("energy", strength * neighbours(2 * k - 1))
    y = ppl.Normal("y", mu[k], 0.9)
    return ppl.Model({y: np.outer(SIGMA[:2], Y[:5])}, energy), {"strength": 0.37, "mu": MU[:2]}


@MODELS.add
def potts() -> Case:
    """Three labels on a two by three grid, written as terms for rows and for columns."""
    k = ppl.Categorical("k", W, size=(2, 3))
    strength = ppl.Normal("strength", 0, 1, size=2)
    down = ppl.Potential("down", strength[0] * pt.eq(k[1:], k[:-1]))
    right = ppl.Potential("right", strength[1] * pt.eq(k[:, 1:], k[:, :-1]))
    return ppl.Model(down, right), {"strength": np.array([0.64, -0.37])}


@MODELS.add
def potts_on_a_torus() -> Case:
    k = ppl.Bernoulli("k", 0.43, size=(3, 3))
    strength = ppl.Normal("strength", 0, 1)
    same = pt.eq(k, pt.roll(k, 1, axis=0)).sum() + pt.eq(k, pt.roll(k, 1, axis=1)).sum()
    return ppl.Model(ppl.Potential("energy", strength * same)), {"strength": 0.64}


@MODELS.add
def ring() -> Case:
    k = ppl.Categorical("k", W, size=6)
    table = ppl.Normal("table", 0, 1, size=(3, 3))
    ties = ppl.Potential("ties", table[k, pt.roll(k, -1)].sum())
    return ppl.Model(ties), {"table": np.outer(MU, SIGMA)}


@MODELS.add
def skipping_field() -> Case:
    """A conditional random field with ties over one step and over three."""
    k = ppl.Categorical("k", W, size=6)
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1)
    near = ppl.Potential("near", a * pt.eq(k[1:], k[:-1]).sum())
    far = ppl.Potential("far", (b * pt.constant(P)[k[3:], k[:-3]]).sum())
    return ppl.Model({ppl.Normal("y", 0.8 * k, 0.9): Y[:6]}, near, far), {"a": 0.74, "b": -0.56}


@MODELS.add
def boltzmann_machine() -> Case:
    """Restricted: every visible unit with every hidden one."""
    visible, hidden = ppl.Bernoulli("visible", 0.43, size=4), ppl.Bernoulli("hidden", 0.61, size=3)
    weights = ppl.Normal("weights", 0, 1, size=(4, 3))
    energy = ppl.Potential("energy", (weights * visible[:, None] * hidden[None, :]).sum())
    return ppl.Model(energy), {"weights": np.outer([0.4, -0.9, 1.3, 0.7], MU)}


@MODELS.add
def full_boltzmann_machine() -> Case:
    s = ppl.Bernoulli("s", 0.43, size=5)
    weights = ppl.Normal("weights", 0, 1, size=(5, 5))
    energy = ppl.Potential("energy", pt.dot(s, pt.dot(pt.triu(weights, 1), s)))
    return ppl.Model(energy), {"weights": np.outer(Y[:5], X[:5, 0])}


# Selection of variables


@MODELS.add
def spike_and_slab() -> Case:
    z = ppl.Bernoulli("z", ppl.Beta("share", 2, 2), size=2)
    beta, sigma = ppl.Normal("beta", 0, 1, size=2), ppl.HalfNormal("sigma", 2)
    y = ppl.Normal("y", pt.dot(X, z * beta), sigma)
    return ppl.Model({y: Y[:6]}), {"share": 0.37, "beta": MU[:2], "sigma": 1.2}


@MODELS.add
def spike_and_slab_priors() -> Case:
    """Narrow or wide: the index is a plate, although the data tie all coefficients."""
    z = ppl.Bernoulli("z", 0.37, size=2)
    beta = ppl.Normal("beta", 0, pt.switch(z, 2.3, 0.12))
    return ppl.Model({ppl.Normal("y", pt.dot(X, beta), 0.9): Y[:6]}), {"beta": np.array([0.83, 0.06])}


@MODELS.add
def integrated_coefficients() -> Case:
    """Coefficients integrated out: the covariance of the data depends on what is in the model."""
    z = ppl.Bernoulli("z", 0.37, size=2)
    scale = ppl.HalfNormal("scale", 1)
    covariance = pt.eye(4) + scale**2 * pt.dot(X[:4] * z, X[:4].T)
    return ppl.Model({ppl.MvNormal("y", np.zeros(4), covariance): Y[:4]}), {"scale": 1.3}


@MODELS.add
def factors_of_a_design() -> Case:
    z = ppl.Bernoulli("z", np.array([0.31, 0.62, 0.44, 0.73]))
    effects = ppl.Normal("effects", 0, 1, size=(3, 4))
    y = ppl.Normal("y", pt.dot(effects, z), 0.9)
    return ppl.Model({y: Y[:3]}), {"effects": np.outer(MU, [0.4, -0.9, 1.3, 0.7])}


@MODELS.add
def latent_features() -> Case:
    """Binary factor analysis: a matrix of features times their loadings."""
    z = ppl.Bernoulli("z", np.array([0.37, 0.58]), size=(3, 2))
    loadings = ppl.Normal("loadings", 0, 1, size=(2, 3))
    y = ppl.Normal("y", pt.dot(z, loadings), 0.9)
    return ppl.Model({y: np.outer(Y[:3], SIGMA)}), {"loadings": np.outer(SIGMA[:2], MU)}


@MODELS.add
def skills_and_tasks() -> Case:
    """A task is solved where all skills it needs are there (DINA)."""
    needs = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    skill = ppl.Bernoulli("skill", np.array([0.62, 0.44, 0.31]), size=(2, 3))
    able = pt.all(pt.ge(skill[:, None, :], needs), axis=-1)
    slip, guess = ppl.Beta("slip", 2, 5, size=4), ppl.Beta("guess", 2, 5, size=4)
    y = ppl.Bernoulli("y", pt.switch(able, 1 - slip, guess))
    values = {"slip": np.array([0.11, 0.23, 0.16, 0.08]), "guess": np.array([0.21, 0.13, 0.27, 0.18])}
    return ppl.Model({y: np.array([[1, 0, 1, 0], [1, 1, 0, 1]])}), values
