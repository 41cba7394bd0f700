"""Slice sampling follows closed forms, whatever the width it starts from, in every backend."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import ppl
from graphs.errors import ModelError
from graphs.interpreting import interpret
from graphs.logprob import logprob
from samplers import slice as slicing
from samplers.blocks import Sweep
from samplers.run import compile_sweep
from samplers.slice import slice_block

RNG = np.random.default_rng(3)


def assert_distributed(draws, distribution):
    """Compare mean and deviation of draws (chain, draw), four and a half Monte Carlo standard errors allowed."""
    mean, deviation = distribution.mean(), distribution.std()
    assert abs(draws.mean() - mean) < 4.5 * deviation / np.sqrt(float(az.ess(draws)))
    squares = (draws - mean) ** 2
    assert abs(squares.mean() - deviation**2) < 4.5 * squares.std() / np.sqrt(float(az.ess(squares)))


TARGETS = {
    "normal": (lambda: ppl.Normal("x", 0.4, 2.3), stats.norm(0.4, 2.3)),
    "skewed": (lambda: ppl.Gamma("x", 0.7, 2.0), stats.gamma(0.7, scale=0.5)),
    "unit": (lambda: ppl.Beta("x", 0.8, 2.0), stats.beta(0.8, 2.0)),
    "heavy": (lambda: ppl.StudentT("x", nu=5, mu=1.0, sigma=0.1), stats.t(5, 1.0, 0.1)),
    "far": (lambda: ppl.Normal("x", 1e4, 1e-3), stats.norm(1e4, 1e-3)),
    "poisson": (lambda: ppl.Poisson("x", 0.8), stats.poisson(0.8)),
    "many": (lambda: ppl.Poisson("x", 5000.0), stats.poisson(5000.0)),
    "bounded": (lambda: ppl.Binomial("x", 7, 0.7), stats.binom(7, 0.7)),
}


@pytest.mark.parametrize("name", TARGETS)
def test_scalars(name):
    target, distribution = TARGETS[name]
    model = ppl.Model({}, target())
    trace = ppl.sample(
        model, draws=6000, tune=500, chains=2, seed=4, sampler={"x": "slice"}, marginalize=False, progress=False
    )
    assert ppl.plan(model, sampler={"x": "slice"}, marginalize=False).method_of("x") == "slice"
    assert_distributed(trace.posterior["x"].to_numpy(), distribution)


@pytest.mark.parametrize("width", [1e-3, 1e3])
def test_any_width_is_right(width):
    """The width decides only how many evaluations a draw takes."""
    x, w = pt.dscalar("x"), pt.dscalar("w")
    block = slice_block([-0.5 * pt.sqr(x - 1.0) / 0.3**2], x, w)
    compiled = compile_sweep(Sweep((x, w), (block,)))
    draws = 8000 if width > 1 else 60_000
    result = compiled.run(np.array([[1.0, width]] * 2), draws=draws, tune=0, seed=1)
    assert_distributed(result.draws[..., 0], stats.norm(1.0, 0.3))


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_elements_that_depend_on_each_other(backend):
    """A Gaussian Markov chain: the exact covariance, from two groups of elements."""
    x, w = pt.tensor("x", shape=(5,), dtype="float64"), pt.dscalar("w")
    terms = [-0.5 * pt.sqr(x - 0.3), -0.5 * pt.sqr(x[1:] - 0.8 * x[:-1]).sum() / 0.4]
    block = slice_block(terms, x, w)
    assert [list(group) for group in block.groups] == [[0, 2, 4], [1, 3]]
    precision = np.eye(5)
    for i in range(4):
        step = np.zeros(5)
        step[i], step[i + 1] = -0.8, 1.0
        precision += np.outer(step, step) / 0.4
    mean, covariance = np.linalg.solve(precision, np.full(5, 0.3)), np.linalg.inv(precision)
    compiled = compile_sweep(Sweep((x, w), (block,)), backend=backend)
    draws = 1500 if backend == "c" else 6000
    result = compiled.run(np.tile([0.0] * 5 + [1.0], (2, 1)), draws=draws, tune=300, seed=1)
    for i in range(5):
        assert_distributed(result.draws[..., i], stats.norm(mean[i], np.sqrt(covariance[i, i])))
    product = (result.draws[..., 1] - mean[1]) * (result.draws[..., 2] - mean[2])
    assert abs(product.mean() - covariance[1, 2]) < 4.5 * product.std() / np.sqrt(float(az.ess(product)))


def test_log_probabilities_of_elements_are_differences_of_the_joint():
    """Against the joint: changing one element changes its own log-probability by as much."""
    x = ppl.Normal("x", 0, 1, size=(2, 3))
    k = np.array([0, 1, 1, 0, 1])
    b = ppl.Normal("b", x.sum(axis=0)[0], 1.2)
    lp = logprob(ppl.Model({ppl.Normal("y", x[k, np.array([0, 1, 2, 2, 0])] * b, 0.8): RNG.normal(size=5)}))
    value = lp.values["x"]
    block = slice_block(list(lp.terms.values()), value, pt.dscalar("w"))
    function = interpret([value, lp.values["b"]], [block.logprobs, lp.total])
    at, size = RNG.normal(size=(2, 3)), np.asarray(0.7)
    before, joint = function(at, size)
    assert {0, 3}.isdisjoint(set(block.groups[0]) - {0}) or {0, 3}.isdisjoint(set(block.groups[0]) - {3})
    for i in range(6):
        moved = at.copy().ravel()
        moved[i] += 0.37
        after, total = function(moved.reshape(2, 3), size)
        np.testing.assert_allclose(after[i] - before[i], total - joint, rtol=1e-10, atol=1e-12)


def test_what_cannot_be_taken_apart_moves_one_by_one(monkeypatch):
    monkeypatch.setattr(slicing, "element_factors", lambda terms, variables: None)
    x, w = pt.tensor("x", shape=(3,), dtype="float64"), pt.dscalar("w")
    precision = np.array([[2.0, 0.6, 0.1], [0.6, 1.5, -0.4], [0.1, -0.4, 1.0]])
    block = slice_block([-0.5 * pt.dot(x, pt.dot(precision, x))], x, w)
    assert block.num_logprobs == 1
    assert [list(group) for group in block.groups] == [[0], [1], [2]]
    result = compile_sweep(Sweep((x, w), (block,))).run(np.ones((2, 4)), draws=8000, tune=300, seed=1)
    covariance = np.linalg.inv(precision)
    for i in range(3):
        assert_distributed(result.draws[..., i], stats.norm(0, np.sqrt(covariance[i, i])))


def test_integers_never_leave_their_bounds():
    """An index is never evaluated outside of what it indexes."""
    weights = np.array([0.1, 0.4, 0.2, 0.3])
    k = ppl.DiscreteUniform("k", 0, 3, size=2)
    p = ppl.Potential("p", pt.log(pt.constant(weights))[k].sum())
    trace = ppl.sample(
        ppl.Model({}, p),
        draws=8000,
        tune=100,
        chains=2,
        seed=1,
        marginalize=False,
        sampler={"k": "slice"},
        progress=False,
    )
    draws = trace.posterior["k"].to_numpy()
    for value, weight in enumerate(weights):
        is_value = (draws[..., 0] == value).astype(float)
        assert abs(is_value.mean() - weight) < 4.5 * np.sqrt(weight * (1 - weight) / float(az.ess(is_value)))


def test_sweeps_of_all_kinds():
    """Slice sampling beside NUTS, Gibbs and RMH: a normal sample with unknown mean and precision."""
    data = RNG.normal(1.0, 0.7, size=40)
    for methods in ({"m": "slice", "t": "gibbs"}, {"m": "nuts", "t": "slice"}, {"m": "slice", "t": "rmh"}):
        m, t = ppl.Normal("m", 0, 1000.0), ppl.Gamma("t", 1e-3, 1e-3)
        model = ppl.Model({ppl.Normal("y", m, tau=t): data})
        trace = ppl.sample(model, draws=6000, tune=500, chains=2, seed=3, sampler=methods, progress=False)
        scale = data.std(ddof=1) / np.sqrt(40)
        # With flat priors the mean follows Student's t distribution of 39 degrees of freedom.
        assert_distributed(trace.posterior["m"].to_numpy(), stats.t(39, data.mean(), scale))
    assert "n_evaluations" in trace.sample_stats


def test_unknown_methods_are_refused():
    with pytest.raises(ModelError, match="nuts, gibbs, rmh, slice"):
        ppl.plan(ppl.Model({}, ppl.Normal("x", 0, 1)), sampler="slices")
