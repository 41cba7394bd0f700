"""Expectation-maximisation: against the algorithms written by hand, and stationary points of the exact likelihood.

Answers: the algorithms by hand, and gradients of the sum over the latent variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

import ppl
import samplers
from graphs.errors import DerivationError, ModelError, SamplingError
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(11)
KIND = RNG.choice(2, size=60, p=[0.35, 0.65])
Y = RNG.normal(np.array([-2.0, 1.5])[KIND], np.array([0.6, 1.1])[KIND])
MEANS = np.array([-1.0, 0.5])
X = np.column_stack([np.ones(60), RNG.normal(size=60)])
SEQUENCE = np.repeat([0, 1, 0, 1, 1, 0], 8)
SERIES = RNG.normal(np.array([-1.0, 2.0])[SEQUENCE], 0.8)


def mixture() -> Any:
    w, mu, v = ppl.Dirichlet("w", [1.5, 2.0]), ppl.Normal("mu", 0.3, 4, size=2), ppl.InverseGamma("v", 2.3, 1.7, size=2)
    k = ppl.Categorical("k", w, size=60)
    return ppl.Model({ppl.Normal("y", mu[k], pt.sqrt(v[k])): Y})


def hidden_markov() -> Any:
    table, start = ppl.Dirichlet("P", np.array([[2.0, 1.2], [1.3, 2.5]])), ppl.Dirichlet("start", [1.2, 1.4])
    mu, v = ppl.Normal("mu", 0, 4, size=2), ppl.InverseGamma("v", 2.3, 1.7)
    s = ppl.MarkovChain("s", table, start, steps=48)
    return ppl.Model({ppl.Normal("y", mu[s], pt.sqrt(v)): SERIES})


def zero_inflation() -> Any:
    z = ppl.Bernoulli("z", ppl.Beta("psi", 1.5, 2.0), size=12)
    rate = ppl.Gamma("rate", 2.2, 0.7)
    return ppl.Model({ppl.Poisson("y", z * rate): np.array([0, 3, 0, 0, 2, 4, 0, 0, 1, 0, 5, 0])})


def regressions() -> Any:
    """Lines of two kinds, their coefficients drawn jointly."""
    k = ppl.Bernoulli("k", 0.4, size=60)
    b = ppl.Normal("b", 0, 2, size=(2, 2))
    tau = ppl.Gamma("tau", 2.0, 1.0, size=2)
    return ppl.Model({ppl.Normal("y", (X * b[k]).sum(axis=-1), tau=tau[k]): Y})


def crossed() -> Any:
    """Two kinds of effects at once, each of an element that others share."""
    rows, columns = np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4)
    k, j = ppl.Bernoulli("k", 0.4, size=4), ppl.Bernoulli("j", ppl.Beta("p", 2, 2), size=5)
    a = ppl.Normal("a", 0, 2, size=(2, 2))
    return ppl.Model({ppl.Normal("y", a[k[rows], j[columns]], 0.7): Y[:20]})


def scale_with_a_half_normal_prior() -> Any:
    k = ppl.Bernoulli("k", 0.4, size=60)
    m, s = ppl.Normal("m", 0, 3, size=2), ppl.HalfNormal("s", 2.0, size=2)
    return ppl.Model({ppl.Normal("y", m[k], s[k]): Y})


CASES: list[Callable[[], Any]] = [
    mixture,
    hidden_markov,
    zero_inflation,
    regressions,
    crossed,
    scale_with_a_half_normal_prior,
]


# Compiled are the steps of the algorithms by hand, below.
@pytest.mark.usefixtures("few_calls")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_ends_at_a_stationary_point_of_the_exact_posterior(case):
    """The gradient comes from the sum over the latent variables, not from the expected log-probability."""
    model = case()
    result = samplers.em(model, restarts=2, seed=3, tolerance=1e-15, max_iterations=5000)
    assert result.is_converged
    assert (np.diff(result.trace) >= -1e-9).all()
    lp = logprob(model)
    names, values = list(lp.values), list(lp.values.values())
    function = interpret(values, [lp.total, *pytensor.grad(lp.total, values)])
    total, *gradients = function(*(result.point[n] for n in names))
    np.testing.assert_allclose(total, result.trace[-1], rtol=1e-10)
    for name, gradient in zip(names, gradients, strict=True):
        if lp.supports[name].kind == "simplex":
            # Along the simplex only: weighted by the point, the gradient is the same in all directions.
            gradient = gradient - (gradient * result.point[name]).sum(axis=-1, keepdims=True)
        # EM converges linearly: it stops when a step gains 1e-15, where gradients are of the order 1e-6.
        np.testing.assert_allclose(gradient, 0, atol=2e-4, err_msg=name)
        scale = np.maximum(1, np.abs(result.point[name]))
        assert np.abs(gradient / scale).max() < 1e-3


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_mixture_takes_the_steps_of_the_algorithm_by_hand(backend):
    assert_steps_by_hand(mixture(), {"w": np.array([0.4, 0.6]), "mu": MEANS, "v": np.array([1.0, 2.0])}, backend)


def test_means_alone_take_the_steps_by_hand_in_c():
    """In C each of few operations takes as long to compile as all of them elsewhere."""
    mu, k = ppl.Normal("mu", 0.3, 4, size=2), ppl.Categorical("k", [0.4, 0.6], size=60)
    model = ppl.Model({ppl.Normal("y", mu[k], pt.sqrt(pt.constant([1.0, 2.0])[k])): Y})
    assert_steps_by_hand(model, {"mu": MEANS}, "c")


def assert_steps_by_hand(model: Any, start: dict[str, NDArray], backend: str) -> None:
    """Steps of a mixture of two normal components; parameters that have no start stay what they are."""
    result = samplers.em(model, init=start, max_iterations=6, tolerance=0, objective="likelihood", backend=backend)
    point = {"w": np.array([0.4, 0.6]), "mu": MEANS, "v": np.array([1.0, 2.0])}
    trace = []
    for _ in range(7):
        logs = np.log(point["w"]) + stats.norm.logpdf(Y[:, None], point["mu"], np.sqrt(point["v"]))
        trace.append(logsumexp(logs, axis=1).sum())
        r = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        last = dict(point)
        mu = (r * Y[:, None]).sum(axis=0) / r.sum(axis=0)
        v = (r * (Y[:, None] - mu) ** 2).sum(axis=0) / r.sum(axis=0)
        point |= {name: new for name, new in (("w", r.mean(axis=0)), ("mu", mu), ("v", v)) if name in start}
    np.testing.assert_allclose(result.trace, trace, rtol=1e-10)
    for name in start:
        np.testing.assert_allclose(result.point[name], last[name], rtol=1e-9)
    np.testing.assert_allclose(result.responsibilities["k"], r, rtol=1e-9)


def test_hidden_markov_model_takes_the_steps_of_baum_and_welch():
    start = {
        "P": np.array([[0.7, 0.3], [0.4, 0.6]]),
        "start": np.array([0.5, 0.5]),
        "mu": np.array([-0.5, 1.0]),
        "v": np.asarray(1.0),
    }
    result = samplers.em(hidden_markov(), init=start, max_iterations=5, tolerance=0, objective="likelihood")
    P, p0, mu, v = start.values()
    trace = []
    for _ in range(6):
        emitted = stats.norm.logpdf(SERIES[:, None], mu, np.sqrt(v))
        forward, backward = np.zeros((48, 2)), np.zeros((48, 2))
        forward[0] = np.log(p0) + emitted[0]
        for t in range(1, 48):
            forward[t] = logsumexp(forward[t - 1][:, None] + np.log(P), axis=0) + emitted[t]
        for t in range(46, -1, -1):
            backward[t] = logsumexp(np.log(P) + emitted[t + 1] + backward[t + 1], axis=1)
        total = logsumexp(forward[-1])
        trace.append(total)
        gamma = np.exp(forward + backward - total)
        moves = forward[:-1, :, None] + np.log(P) + (emitted + backward)[1:, None, :] - total
        counts = np.exp(moves).sum(axis=0)
        last = P, p0, mu, v
        P, p0 = counts / counts.sum(axis=1, keepdims=True), gamma[0]
        mu = (gamma * SERIES[:, None]).sum(axis=0) / gamma.sum(axis=0)
        v = (gamma * (SERIES[:, None] - mu) ** 2).sum() / 48
    np.testing.assert_allclose(result.trace, trace, rtol=1e-10)
    for name, expected in zip(start, last, strict=True):
        np.testing.assert_allclose(result.point[name], expected, rtol=1e-8)
    np.testing.assert_allclose(result.responsibilities["s"], gamma, rtol=1e-8, atol=1e-12)


def test_random_starts_are_reproducible_and_the_best_is_kept(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    seen = []
    model = mixture()
    first = samplers.em(model, restarts=4, seed=5, report=lambda i, value: seen.append((i, value)))
    second = ppl.em(model, restarts=4, seed=5)
    np.testing.assert_array_equal(first.trace, second.trace)
    assert first.trace[-1] == np.nanmax(first.restarts)
    assert seen[0][0] == 0
    shown = capsys.readouterr().err
    assert "start 4/4" in shown
    assert f"iteration {seen[-1][0]}" in shown
    assert "converged after" in str(first)


@pytest.mark.usefixtures("few_calls")
def test_likelihood_without_a_maximum_is_reported():
    """A component of one point has a variance of zero, and the likelihood no bound."""
    y = np.array([0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0])
    k = ppl.Bernoulli("k", 0.5, size=7)
    m, v = ppl.Normal("m", 0, 10, size=2), ppl.InverseGamma("v", 2, 2, size=2)
    model = ppl.Model({ppl.Normal("y", m[k], pt.sqrt(v[k])): y})
    with pytest.raises(SamplingError, match=r"unbounded.*priors"):
        samplers.em(model, objective="likelihood", seed=1, init={"m": np.array([0.1, 6.0]), "v": np.array([1.0, 1.0])})
    assert samplers.em(model, seed=1, restarts=3).is_converged


def logistic() -> Any:
    b = ppl.Normal("b", 0, 1)
    k = ppl.Bernoulli("k", logit_p=b * Y)
    return ppl.Model({ppl.Normal("y", k * 1.0, 1.0): Y})


def unbounded() -> Any:
    n = ppl.Poisson("n", ppl.Gamma("rate", 2, 1))
    return ppl.Model({ppl.Normal("y", n * ppl.Bernoulli("z", 0.4), 1.0): 2.0})


def continuous() -> Any:
    return ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1.0): 2.0})


@pytest.mark.parametrize(
    ("case", "options", "error", "message"),
    [
        (logistic, {}, DerivationError, "b has no maximum in closed form"),
        (unbounded, {}, ModelError, "n is discrete.*give it a bound"),
        (continuous, {}, ModelError, "no discrete latent variable"),
        (
            mixture,
            {"latent": ["mu"]},
            ModelError,
            "k is discrete, and no parameter to maximise: it has to be among the latent variables",
        ),
        (mixture, {"objective": "mean"}, ModelError, "objective is 'posterior' or 'likelihood'"),
        (mixture, {"init": {"w": [0.5, 0.5]}}, ModelError, "init lacks mu"),
        (mixture, {"init": {"w": [0.5, 0.5], "mu": [0, 0, 0], "v": [1, 1]}}, ModelError, "init of mu has shape"),
        (mixture, {"init": {}, "restarts": 2}, ModelError, "leave restarts at 1"),
    ],
)
def test_bad_input(case, options, error, message):
    with pytest.raises(error, match=message):
        samplers.em(case(), **options)
