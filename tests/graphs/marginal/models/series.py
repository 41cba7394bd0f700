"""Chains written as loops and as scans: of scalars, of vectors, with covariates, coupled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

import ppl
from tests.graphs.marginal.models.catalogue import COUNTS, MU, SIGMA, SWITCHING, Case, Catalogue, P, W, Y

MODELS = Catalogue()


def table() -> TensorVariable:
    return pt.constant(P)


# Loops


@MODELS.add
def loop_of_scalars() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=3)
    s = [ppl.Categorical("s0", W)]
    for t in range(1, 5):
        s.append(ppl.Categorical(f"s{t}", table()[s[-1]]))
    return ppl.Model({ppl.Normal(f"y{t}", mu[x], 0.9): Y[t] for t, x in enumerate(s)}), {"mu": MU}


@MODELS.add
def loop_with_an_unknown_table() -> Case:
    rows = ppl.Dirichlet("P", np.ones((3, 3)))
    s = [ppl.Categorical("s0", W)]
    for t in range(1, 5):
        s.append(ppl.Categorical(f"s{t}", rows[s[-1]]))
    y = ppl.Normal("y", pt.constant(MU)[pt.stack(s)], 0.9)
    return ppl.Model({y: Y[:5]}), {"P": P}


@MODELS.add
def loop_with_covariates() -> Case:
    b, c = ppl.Normal("b", 0, 1, size=2), ppl.Normal("c", 0, 1)
    s = [ppl.Bernoulli("s0", 0.43)]
    for t in range(1, 6):
        s.append(ppl.Bernoulli(f"s{t}", logit_p=b[0] * Y[t] + b[1] * s[-1]))
    observed = {ppl.Poisson(f"y{t}", pt.exp(c * x + 0.2)): COUNTS[t] for t, x in enumerate(s)}
    return ppl.Model(observed), {"b": np.array([0.57, 1.23]), "c": 0.86}


@MODELS.add
def loop_of_two_lags() -> Case:
    tables = pt.constant(np.stack([SWITCHING, SWITCHING[::-1]])[..., 1])
    s = [ppl.Bernoulli("s0", 0.43), ppl.Bernoulli("s1", 0.61)]
    for t in range(2, 6):
        s.append(ppl.Bernoulli(f"s{t}", tables[s[-2], s[-1]]))
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal(f"y{t}", m * x, 0.9): Y[t] for t, x in enumerate(s)}), {"m": 1.37}


@MODELS.add
def loop_that_skips() -> Case:
    """Each depends on the one three steps before, and the sum of all is seen."""
    s = [ppl.Bernoulli(f"s{t}", 0.3 + 0.1 * t) for t in range(3)]
    for t in range(3, 7):
        s.append(ppl.Bernoulli(f"s{t}", 0.2 + 0.5 * s[t - 3]))
    a = ppl.Normal("a", 0, 1)
    return ppl.Model({ppl.Normal("y", a * sum(s), 0.9): 2.2}), {"a": 0.46}


@MODELS.add
def loop_of_vectors() -> Case:
    mu = ppl.Normal("mu", 0, 2, size=3)
    s = [ppl.Categorical("s0", W, size=2)]
    for t in range(1, 3):
        s.append(ppl.Categorical(f"s{t}", table()[s[-1]]))
    return ppl.Model({ppl.Normal(f"y{t}", mu[x], 0.9): Y[2 * t : 2 * t + 2] for t, x in enumerate(s)}), {"mu": MU}


@MODELS.add
def loop_of_vectors_stacked() -> Case:
    p = ppl.Beta("p", 2, 2, size=2)
    s = [ppl.Bernoulli("s0", 0.43, size=3)]
    for t in range(1, 4):
        s.append(ppl.Bernoulli(f"s{t}", p[s[-1]]))
    y = ppl.Normal("y", pt.stack(s, axis=1) * 1.4, 0.9)
    return ppl.Model({y: np.outer(SIGMA, Y[:4])}), {"p": np.array([0.23, 0.76])}


@MODELS.add
def epidemic_between_neighbours() -> Case:
    """Contagion on a line of three: the chance depends on the neighbours a step before."""
    beta = ppl.HalfNormal("beta", 1)
    ill, seen = [ppl.Bernoulli("ill0", 0.37, size=3)], {}
    for t in range(1, 4):
        before = ill[-1]
        near = pt.concatenate([before[1:], [0]]) + pt.concatenate([[0], before[:-1]])
        ill.append(ppl.Bernoulli(f"ill{t}", 1 - pt.exp(-0.1 - beta * near - 1.3 * before)))
        seen[ppl.Bernoulli(f"seen{t}", 0.06 + 0.81 * ill[-1])] = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 1]])[t - 1]
    return ppl.Model(seen), {"beta": 0.64}


@MODELS.add
def coupled_loops() -> Case:
    """Two chains that drive each other."""
    a, b = [ppl.Bernoulli("a0", 0.43)], [ppl.Bernoulli("b0", 0.61)]
    for t in range(1, 4):
        a.append(ppl.Bernoulli(f"a{t}", 0.1 + 0.6 * a[t - 1] + 0.2 * b[t - 1]))
        b.append(ppl.Bernoulli(f"b{t}", 0.8 - 0.5 * a[t - 1] * b[t - 1]))
    m = ppl.Normal("m", 0, 1, size=2)
    observed = {ppl.Normal(f"y{t}", m[0] * a[t] + m[1] * b[t], 0.9): Y[t] for t in range(4)}
    return ppl.Model(observed), {"m": MU[:2]}


@MODELS.add
def branching_tree() -> Case:
    """Evolution along a tree: four leaves, states of nucleotides, lengths of branches (Felsenstein's pruning)."""
    length = ppl.Gamma("length", 2, 3, size=3)
    # Jukes and Cantor.
    same, other = 0.25 + 0.75 * pt.exp(-4 * length / 3), 0.25 - 0.25 * pt.exp(-4 * length / 3)
    moves = other[:, None, None] + (same - other)[:, None, None] * np.eye(4)
    root = ppl.Categorical("root", np.full(4, 0.25))
    left, right = ppl.Categorical("left", moves[0][root]), ppl.Categorical("right", moves[1][root])
    leaves = [ppl.Categorical(f"leaf{i}", moves[2][p]) for i, p in enumerate([left, left, right, right])]
    return ppl.Model(dict(zip(leaves, [0, 1, 0, 3], strict=True))), {"length": np.array([0.31, 0.52, 0.23])}


@MODELS.add
def many_sites_on_a_tree() -> Case:
    """The same for all sites at once."""
    t = ppl.Gamma("t", 2, 3, size=2)
    same, other = 0.25 + 0.75 * pt.exp(-4 * t / 3), 0.25 - 0.25 * pt.exp(-4 * t / 3)
    moves = other[:, None, None] + (same - other)[:, None, None] * np.eye(4)
    root = ppl.Categorical("root", np.full(4, 0.25), size=3)
    inner = ppl.Categorical("inner", moves[0, root])
    leaves = {
        ppl.Categorical("a", moves[1, inner]): np.array([0, 2, 1]),
        ppl.Categorical("b", moves[1, inner]): np.array([0, 2, 3]),
        ppl.Categorical("c", moves[0, root]): np.array([1, 2, 3]),
    }
    return ppl.Model(leaves), {"t": np.array([0.31, 0.23])}


@MODELS.add
def loop_with_known_states() -> Case:
    """Some steps of a chain are observed."""
    mu = ppl.Normal("mu", 0, 2, size=3)
    s, observed = [ppl.Categorical("s0", W)], {}
    for t in range(1, 6):
        s.append(ppl.Categorical(f"s{t}", table()[s[-1]]))
        observed[ppl.Normal(f"y{t}", mu[s[-1]], 0.9)] = Y[t]
    return ppl.Model({**observed, s[2]: 1, s[5]: 2}), {"mu": MU}


@MODELS.add
def loop_with_many_children() -> Case:
    """Twenty-two declared one by one under one index, which are taken together."""
    mu = ppl.Normal("mu", 0, 2, size=3)
    k = ppl.Categorical("k", W)
    data = np.cos(np.arange(22) * 1.7)
    return ppl.Model({ppl.Normal(f"y{i}", mu[k] * (1 + 0.1 * i), 0.9): data[i] for i in range(22)}), {"mu": MU}


# Scans


def scanned(step: Any, **kwargs: Any) -> Any:
    return pytensor.scan(step, return_updates=False, **kwargs)


def generator(seed: int = 1) -> Any:
    return pt.random.shared_rng(seed=seed)


@MODELS.add
def scan_with_a_random_start() -> Case:
    first = ppl.Categorical("first", W)
    rows = ppl.Dirichlet("P", np.ones((3, 3)))

    def step(previous, rng, rows):
        rng, s = rng.categorical(rows[previous])
        return s, rng

    s, _ = scanned(step, outputs_info=[first, generator()], non_sequences=[rows], n_steps=4)
    s.name = "s"
    y = ppl.Normal("y", pt.constant(MU)[s], ppl.HalfNormal("sigma", 2))
    start = ppl.Normal("start", pt.constant(MU)[first], 1.1)
    return ppl.Model({y: Y[:4], start: 0.3}), {"P": P, "sigma": 0.92}


@MODELS.add
def scan_with_counts_inside() -> Case:
    rate = ppl.Gamma("rate", 2, 1, size=3)

    def step(previous, rng, rate):
        rng, s = rng.categorical(pt.constant(P)[previous])
        rng, y = rng.poisson(rate[s])
        return s, y, rng

    info = [pt.constant(1, dtype="int64"), None, generator()]
    _, y, _ = scanned(step, outputs_info=info, non_sequences=[rate], n_steps=5)
    y.name = "y"
    return ppl.Model({y: COUNTS[:5]}), {"rate": np.array([0.7, 2.6, 5.1])}


@MODELS.add
def scan_with_covariates() -> Case:
    b = ppl.Normal("b", 0, 1, size=(3, 3))

    def step(x, previous, rng, b):
        rng, s = rng.categorical(pt.special.softmax(b[previous] + x * np.array([0.0, 0.4, -0.3])))
        return s, rng

    info = [pt.constant(2, dtype="int64"), generator()]
    s, _ = scanned(step, sequences=[pt.constant(Y[:5])], outputs_info=info, non_sequences=[b])
    s.name = "s"
    y = ppl.Normal("y", pt.constant(MU)[s], 0.9)
    return ppl.Model({y: Y[:5]}), {"b": np.outer(MU, SIGMA)}


@MODELS.add
def scan_of_two_lags() -> Case:
    tables = pt.constant(np.stack([SWITCHING, SWITCHING[::-1]])[..., 1])

    def step(second, first, rng):
        rng, s = rng.bernoulli(tables[second, first])
        return s, rng

    info = [{"initial": pt.constant(np.array([0, 1])), "taps": [-2, -1]}, generator()]
    s, _ = scanned(step, outputs_info=info, n_steps=6)
    s.name = "s"
    m = ppl.Normal("m", 0, 1)
    return ppl.Model({ppl.Normal("y", m * s, 0.9): Y[:6]}), {"m": 1.37}


@MODELS.add
def scan_of_a_batch() -> Case:
    p = ppl.Beta("p", 2, 2, size=2)

    def step(previous, rng, p):
        rng, s = rng.bernoulli(p[previous])
        return s, rng

    info = [pt.constant(np.array([0, 1, 1])), generator()]
    s, _ = scanned(step, outputs_info=info, non_sequences=[p], n_steps=4)
    s.name = "s"
    return ppl.Model({ppl.Normal("y", 1.4 * s, 0.9): np.outer(Y[:4], SIGMA)}), {"p": np.array([0.23, 0.76])}


@MODELS.add
def two_scans() -> Case:
    """Factorial: two sequences meet in one emission."""

    def step(previous, rng, p):
        rng, s = rng.bernoulli(p[previous])
        return s, rng

    p, q = ppl.Beta("p", 2, 2, size=2), ppl.Beta("q", 2, 2, size=2)
    zero = pt.constant(0, dtype="int64")
    a, _ = scanned(step, outputs_info=[zero, generator(1)], non_sequences=[p], n_steps=4)
    b, _ = scanned(step, outputs_info=[zero, generator(2)], non_sequences=[q], n_steps=4)
    a.name, b.name = "a", "b"
    y = ppl.Normal("y", 1.3 * a - 0.6 * b, 0.9)
    return ppl.Model({y: Y[:4]}), {"p": np.array([0.23, 0.76]), "q": np.array([0.57, 0.34])}


@MODELS.add
def scan_read_at_its_end() -> Case:
    def step(previous, rng):
        rng, s = rng.categorical(pt.constant(P)[previous])
        return s, rng

    s, _ = scanned(step, outputs_info=[pt.constant(0, dtype="int64"), generator()], n_steps=5)
    s.name = "s"
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[s[-1]] + 0.3 * s[1], 0.9): 0.74}), {"mu": MU}
