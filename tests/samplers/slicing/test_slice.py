"""Slice sampling follows closed forms, whatever the width it starts from, in every backend.

Answers: closed forms, by SciPy.
"""

from __future__ import annotations

import sys

import arviz as az
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
import samplers
from graphs.density import LogDensity
from graphs.errors import ModelError, SamplingError
from graphs.joint.logprob import logprob
from graphs.marginal.lifting import MixingError
from graphs.supports import POSITIVE, SIMPLEX, integers, interval
from graphs.surgery.interpreting import interpret
from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.loop.run import compile_sweep
from samplers.slicing.block import slice_block

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
    result = compiled.run(np.array([[1.0, width]] * 2), RunSettings(draws=draws, tune=0, seed=1))
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
    result = compiled.run(np.tile([0.0] * 5 + [1.0], (2, 1)), RunSettings(draws=draws, tune=300, seed=1))
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
    monkeypatch.setattr(sys.modules["samplers.slicing.block"], "factors", lambda *_: MixingError(""))
    x, w = pt.tensor("x", shape=(3,), dtype="float64"), pt.dscalar("w")
    precision = np.array([[2.0, 0.6, 0.1], [0.6, 1.5, -0.4], [0.1, -0.4, 1.0]])
    block = slice_block([-0.5 * pt.dot(x, pt.dot(precision, x))], x, w)
    assert block.num_logprobs == 1
    assert [list(group) for group in block.groups] == [[0], [1], [2]]
    result = compile_sweep(Sweep((x, w), (block,))).run(np.ones((2, 4)), RunSettings(draws=8000, tune=300, seed=1))
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
    with pytest.raises(ModelError, match=r"choose from gibbs, .*slice"):
        ppl.plan(ppl.Model({}, ppl.Normal("x", 0, 1)), sampler="slices")


def a_joint_of_three_kinds():
    """Real, positive and integer: m | n ~ Normal(0.4 n, 0.7), g | m ~ Gamma(2.6, exp(m / 3)), n ~ Poisson(1.3)."""
    m, n = pt.dscalar("m"), pt.lscalar("n")
    g = pt.tensor("g", shape=(2,), dtype="float64")
    total = n * np.log(1.3) - pt.gammaln(n + 1.0) - 0.5 * pt.sqr((m - 0.4 * n) / 0.7)
    total = total + (2.6 * m / 3 + 1.6 * pt.log(g) - g * pt.exp(m / 3)).sum()
    return LogDensity(total, (m, g, n), {g: POSITIVE, n: integers(0)})


@pytest.mark.parametrize("backend", ["numba", *(pytest.param(b, marks=pytest.mark.slow) for b in ("c", "jax"))])
def test_a_kernel_of_its_own(backend):
    """Each variable against its closed form: the parents are drawn first, so that their marginals are the priors."""
    kernel = samplers.slice(a_joint_of_three_kinds(), width={"m": 1.5, "g": 3.0, "n": 2.0})
    step = graphs.compile(kernel, backend=backend)
    state = kernel.init({"m": 0.3, "g": [1.2, 0.6], "n": 2})
    rng = np.random.default_rng(4)
    once, info = step(rng, state)
    assert state.position["m"] == 0.3
    assert once.position["n"].dtype == np.int64
    assert bool(info.is_finite)
    assert info.num_evaluations > 9
    _, draws, info = step.run(rng, state, 500 if backend == "c" else 8000)
    assert info.is_finite == 1
    assert (draws["g"] > 0).all()
    poisson = stats.poisson(1.3)
    mean_of_m, variance_of_m = 0.4 * 1.3, 0.49 + 0.16 * 1.3
    # E exp(-m / 3) = E exp(-2 n / 15) exp(0.49 / 18), and g exp(m / 3) is Gamma(2.6).
    mean_of_g = 2.6 * np.exp(1.3 * (np.exp(-0.4 / 3) - 1)) * np.exp(0.49 / 18)
    for name, values, mean in (
        ("n", draws["n"], poisson.mean()),
        ("n == 0", draws["n"] == 0, poisson.pmf(0)),
        ("m", draws["m"], mean_of_m),
        ("m squared", (draws["m"] - mean_of_m) ** 2, variance_of_m),
        ("g", draws["g"][:, 1], mean_of_g),
    ):
        values = np.asarray(values, "float64")
        error = values.std() / np.sqrt(float(az.ess(values[None])))
        assert abs(values.mean() - mean) < 4.5 * error, name


def test_a_kernel_keeps_every_other_step_and_repeats_itself():
    kernel = samplers.slice(a_joint_of_three_kinds())
    step = graphs.compile(kernel, backend="numba")
    state = kernel.init({"m": 0.3, "g": [1.2, 0.6], "n": 2})
    last, every, _ = step.run(np.random.default_rng(1), state, 20)
    again, other, _ = step.run(np.random.default_rng(1), state, 20, thin=2)
    np.testing.assert_array_equal(every["g"][1::2], other["g"])
    np.testing.assert_array_equal(last.position["g"], every["g"][-1])
    np.testing.assert_array_equal(last.position["g"], again.position["g"])


def test_bounds_hold_where_the_log_density_does_not_know_them():
    x = pt.dscalar("x")
    kernel = samplers.slice(LogDensity(-0.5 * x**2, (x,), {x: interval(0.3, 1.9)}))
    _, draws, _ = graphs.compile(kernel).run(np.random.default_rng(2), kernel.init({"x": 1.0}), 4000)
    assert draws["x"].min() > 0.3
    assert_distributed(draws["x"][None], stats.truncnorm(0.3, 1.9))


def test_what_a_kernel_refuses():
    x = pt.dscalar("x")
    w = pt.tensor("w", shape=(3,), dtype="float64")
    with pytest.raises(ModelError, match=r"w is .*simplex"):
        samplers.slice(LogDensity(pt.log(w).sum(), (w,), {w: SIMPLEX}))
    with pytest.raises(SamplingError, match="Slice sampling of x needs a positive width, not -1"):
        samplers.slice((-(x**2), [x]), width=-1)
    with pytest.raises(SamplingError, match="Slice sampling of x needs a positive width, not None"):
        samplers.slice((-(x**2), [x]), width={"y": 1})
    with pytest.raises(SamplingError, match="initial position is -inf"):
        samplers.slice((pt.log(x), [x])).init({"x": 0.0})


def test_a_kernel_prints_its_graph():
    x = pt.dscalar("x")
    assert "Slice" in samplers.slice((-(x**2), [x])).dprint(file="str")
