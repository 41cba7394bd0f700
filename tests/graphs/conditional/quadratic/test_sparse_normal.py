"""Normal laws of many elements of which few depend on each other: state spaces, hierarchies, lattices.

Answers: dense matrix algebra by NumPy, SciPy's densities, and quadrature.
"""

from __future__ import annotations

from dataclasses import replace

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
import samplers
from graphs.conditional import SparseNormal, find_conditional, find_discrepancy, joint_normal
from graphs.density import LogDensity
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from graphs.surgery.rebuilding import substitute

RNG = np.random.default_rng(9)
T = 40
SERIES = np.cumsum(RNG.normal(size=T)) + RNG.normal(size=T)
SEEN = np.delete(np.arange(T), [3, 17, 18])


def local_level():
    """A random walk, seen with noise at most times."""
    x, s = pt.dvector("x", shape=(T,)), pt.dscalar("s")
    total = -0.5 * pt.sqr(x[0]) / 4 - 0.5 * (pt.sqr(pt.diff(x)) * s).sum() - 0.5 * pt.sqr(SERIES[SEEN] - x[SEEN]).sum()
    precision = np.zeros((T, T))
    precision[0, 0] = 0.25
    for t in range(1, T):
        precision[t - 1 : t + 1, t - 1 : t + 1] += 1.7 * np.array([[1, -1], [-1, 1]])
    precision[SEEN, SEEN] += 1.0
    linear = np.zeros(T)
    linear[SEEN] = SERIES[SEEN]
    return total, x, {s: 1.7}, precision, linear


def cycles():
    """An autoregression of order two."""
    x, s = pt.dvector("x", shape=(T,)), pt.dscalar("s")
    innovations = x[2:] - 1.2 * x[1:-1] + 0.5 * x[:-2]
    total = -0.5 * s * pt.sqr(innovations).sum() - 0.5 * pt.sqr(x[:2]).sum() - 0.5 * pt.sqr(SERIES - x).sum() / 0.3
    matrix = np.zeros((T - 2, T))
    for t in range(T - 2):
        matrix[t, t : t + 3] = 0.5, -1.2, 1.0
    precision = 1.7 * matrix.T @ matrix + np.eye(T) / 0.3
    precision[[0, 1], [0, 1]] += 1.0
    return total, x, {s: 1.7}, precision, SERIES / 0.3


def lattice():
    """A conditional autoregression on a grid."""
    x, s = pt.dmatrix("x", shape=(6, 7)), pt.dscalar("s")
    data = RNG.normal(size=(6, 7))
    total = (
        -0.5 * s * (pt.sqr(x[1:] - x[:-1]).sum() + pt.sqr(x[:, 1:] - x[:, :-1]).sum()) - 0.5 * pt.sqr(data - x).sum()
    )
    precision = np.eye(42)
    for i in range(6):
        for j in range(7):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < 6 and m < 7:
                    a, b = 7 * i + j, 7 * k + m
                    precision[[a, b], [a, b]] += 1.7
                    precision[[a, b], [b, a]] -= 1.7
    return total, x, {s: 1.7}, precision, data.ravel()


CASES = [local_level, cycles, lattice]


def dense(law, at):
    """Return the matrix and the linear coefficients of a law at values of the other variables."""
    found = interpret(list(at), [law.parameters["precision"], law.parameters["linear"]])(*map(np.asarray, at.values()))
    matrix = np.zeros((law.pattern.size,) * 2)
    matrix[law.pattern.first, law.pattern.second] = matrix[law.pattern.second, law.pattern.first] = found[0]
    return matrix, found[1]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_parameters_are_those_of_matrix_algebra(case):
    total, x, at, precision, linear = case()
    law, reason = find_conditional(total, x)
    assert isinstance(law, SparseNormal), reason
    found = dense(law, at)
    np.testing.assert_allclose(found[0], precision, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found[1], linear, rtol=1e-12, atol=1e-13)
    assert law.pattern.num_operations < 10 * T * np.sqrt(T)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_density_mean_and_draws(case):
    total, x, at, precision, linear = case()
    law, _ = find_conditional(total, x)
    covariance = np.linalg.inv(precision)
    mean = covariance @ linear
    value = RNG.normal(size=x.type.shape)
    function = interpret([*at, x], [law.logprob(x), law.mean(), law.condition])
    logprob_there, mean_there, condition = function(*map(np.asarray, at.values()), value)
    np.testing.assert_allclose(
        logprob_there, stats.multivariate_normal(mean, covariance).logpdf(value.ravel()), rtol=1e-9
    )
    np.testing.assert_allclose(mean_there.ravel(), mean, rtol=1e-9, atol=1e-12)
    assert bool(condition)
    [fixed] = substitute([total], {s: pt.constant(v) for s, v in at.items()})
    kernel = samplers.gibbs(LogDensity(fixed, (x,)))
    _, draws, _ = graphs.compile(kernel).run(np.random.default_rng(1), kernel.init({"x": value}), 20_000)
    found = draws["x"].reshape(20_000, -1)
    # Independent draws: five standard errors, of 40 means and of 1600 covariances.
    assert (np.abs(found.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / 20_000)).all()
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (np.abs(np.cov(found.T) - covariance) < 5 * scale * np.sqrt(2 / 20_000)).all()


def test_wrong_laws_are_rejected():
    total, x, _, _, _ = local_level()
    law, _ = find_conditional(total, x)
    assert find_discrepancy(total, law, {}) is None
    for name, factor in (("precision", 1.001), ("linear", -1.0)):
        wrong = replace(law, parameters={**law.parameters, name: factor * law.parameters[name]})
        assert find_discrepancy(total, wrong, {}) is not None
    one = np.ones(len(law.pattern.first))
    one[-1] = 0.0
    lost = replace(law, parameters={**law.parameters, "precision": one * law.parameters["precision"]})
    assert find_discrepancy(total, lost, {}) is not None


def test_a_large_hierarchy_is_one_block():
    """Groups, their regions and a grand mean, 2,111 unknowns: exact draws of all at once."""
    region = np.arange(2000) % 110
    m = ppl.Normal("m", 0, 10)
    r = ppl.Normal("r", m, 1.0, size=110)
    g = ppl.Normal("g", r[region], 0.5)
    data = RNG.normal(size=2000)
    density = logprob(ppl.Model({ppl.Normal("y", g, 1.0): data})).logdensity
    law = joint_normal(density, [v for v in density.inputs if v.name in ("m", "r", "g")])
    assert isinstance(law.law, SparseNormal)
    assert law.law.pattern.num_operations < 20_000
    mean = interpret([], law.mean())()
    # The mean of the grand mean: regions are seen through means of their groups.
    counts = np.bincount(region)
    weights = 1 / (1.0 + (0.25 + 1.0) / counts)
    means = np.bincount(region, data) / counts
    order = [str(v.name) for v in law.parts]
    assert order[0] == "m"
    np.testing.assert_allclose(mean[0], (weights @ means) / (weights.sum() + 0.01), rtol=1e-9)


def test_dense_dependence_is_not_taken_for_sparse():
    x = pt.dvector("x", shape=(40,))
    law, _ = find_conditional(-0.5 * pt.sqr(x).sum() - 0.5 * pt.sqr(pt.dot(RNG.normal(size=(60, 40)), x)).sum(), x)
    assert law.family == "MultivariateNormal"


@pytest.mark.parametrize("backend", ["numba", *(pytest.param(name, marks=pytest.mark.slow) for name in ("c", "jax"))])
def test_a_state_space_model(backend):
    """Precisions and states by Gibbs; the posterior mean of the states against quadrature over both precisions."""
    walk, noise = ppl.Gamma("walk", 3, 2), ppl.Gamma("noise", 3, 2)
    x = ppl.GaussianRandomWalk("x", sigma=1 / pt.sqrt(walk), init_dist=pm.Normal.dist(0, 2.0), steps=29)
    data = SERIES[:30]
    model = ppl.Model({ppl.Normal("y", x, tau=noise): data})
    plan = ppl.plan(model, sampler="gibbs")
    assert {a.name: a.reason for a in plan.assignments}["x"] == "SparseNormal full conditional"
    draws = 6000 if backend != "c" else 1500
    trace = ppl.sample(model, draws=draws, tune=200, chains=2, seed=2, sampler="gibbs", backend=backend, progress=False)
    structure = np.zeros((30, 30))
    for t in range(1, 30):
        structure[t - 1 : t + 1, t - 1 : t + 1] += np.array([[1, -1], [-1, 1]])
    grid = np.exp(np.linspace(-4, 3, 60))
    weights, means = [], []
    for a in grid:
        for b in grid:
            precision = a * structure + b * np.eye(30)
            precision[0, 0] += 0.25
            prior = a * structure
            prior[0, 0] += 0.25
            mean = np.linalg.solve(precision, b * data)
            evidence = 15 * np.log(b) + 0.5 * (np.linalg.slogdet(prior)[1] - np.linalg.slogdet(precision)[1])
            evidence -= 0.5 * (b * data @ data - mean @ precision @ mean)
            weights.append(evidence + 3 * np.log(a * b) - 2 * (a + b))
            means.append(mean)
    weight = np.exp(np.array(weights) - max(weights))
    expected = weight @ np.array(means) / weight.sum()
    found = trace.posterior["x"].to_numpy()
    effective = np.array([float(az.ess(found[..., t])) for t in range(30)])
    assert (np.abs(found.mean(axis=(0, 1)) - expected) < 4.5 * found.std(axis=(0, 1)) / np.sqrt(effective)).all()
