"""EM over covariance and precision matrices: Gaussian mixtures against their algorithm by hand, and with priors.

Answers: the algorithms by hand, and gradients of the exact posterior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.special import logsumexp

import graphs
import ppl
import samplers
from graphs.density import LogDensity
from graphs.errors import SamplingError
from graphs.expectation.matrix_modes import find_matrix_mode
from graphs.joint.logprob import logprob
from graphs.supports import POSITIVE
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(5)
KIND = RNG.integers(3, size=150)
MEANS = np.array([[0.0, 0.0], [5.0, 1.0], [-1.0, 6.0]])
FACTORS = np.array([[[1.0, 0.0], [0.5, 0.7]], [[0.8, 0.0], [-0.6, 1.1]], [[1.3, 0.0], [0.2, 0.4]]])
Y = MEANS[KIND] + (FACTORS[KIND] @ RNG.normal(size=(150, 2, 1)))[..., 0]
START = {
    "w": np.array([0.3, 0.3, 0.4]),
    "mu": np.array([[1.0, 0.5], [4.0, 2.0], [0.0, 4.0]]),
    "X": np.stack([1.5 * np.eye(2), 2.0 * np.eye(2), np.eye(2)]),
}


def mixture(kind: str, y: Any = Y) -> Any:
    w, mu = ppl.Dirichlet("w", np.ones(3)), ppl.Normal("mu", 0, 10, size=(3, 2))
    matrices = ppl.Flat("X", size=(3, 2, 2))
    k = ppl.Categorical("k", w, size=len(y))
    return ppl.Model({ppl.MvNormal("y", mu[k], **{kind: matrices[k]}): y})


def densities(y: Any, w: Any, mu: Any, covariances: Any) -> Any:
    logs = [np.log(w[j]) + stats.multivariate_normal.logpdf(y, mu[j], covariances[j]) for j in range(len(w))]
    return np.stack(logs, axis=1)


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_gaussian_mixture_takes_the_steps_of_the_algorithm_by_hand(backend):
    assert_steps_by_hand("cov", backend)


# To compile takes twenty times as long: what is compiled is of the kind of that above.
@pytest.mark.usefixtures("few_calls")
def test_precision_matrices_take_the_steps_of_the_algorithm_by_hand():
    assert_steps_by_hand("tau", "numba")


def assert_steps_by_hand(kind: str, backend: str) -> None:
    result = samplers.em(
        mixture(kind), init=START, max_iterations=5, tolerance=0, objective="likelihood", backend=backend
    )
    w, mu, covariances = START["w"], START["mu"], START["X"]
    covariances = np.linalg.inv(covariances) if kind == "tau" else covariances
    trace = []
    for _ in range(6):
        logs = densities(Y, w, mu, covariances)
        trace.append(logsumexp(logs, axis=1).sum())
        r = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        last = w, mu, np.linalg.inv(covariances) if kind == "tau" else covariances
        w, mu = r.mean(axis=0), r.T @ Y / r.sum(axis=0)[:, None]
        centred = Y[:, None] - mu
        covariances = np.einsum("nk,nki,nkj->kij", r, centred, centred) / r.sum(axis=0)[:, None, None]
    np.testing.assert_allclose(result.trace, trace, rtol=1e-10)
    for name, expected in zip(("w", "mu", "X"), last, strict=True):
        np.testing.assert_allclose(result.point[name], expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(result.responsibilities["k"], r, rtol=1e-7, atol=1e-10)


def wishart_on_precisions() -> Any:
    w, mu = ppl.Dirichlet("w", [1.5, 2.0, 1.2]), ppl.Normal("mu", 0.3, 5, size=(3, 2))
    tau = ppl.Wishart("tau", 5, np.array([[0.7, 0.1], [0.1, 0.4]]), size=3)
    k = ppl.Categorical("k", w, size=150)
    return ppl.Model({ppl.MvNormal("y", mu[k], tau=tau[k]): Y})


def inverse_wishart_by_potential() -> Any:
    """One covariance matrix for all components, its inverse Wishart prior written out."""
    w, mu = ppl.Dirichlet("w", [1.5, 2.0, 1.2]), ppl.Normal("mu", 0.3, 5, size=(3, 2))
    cov = ppl.Flat("cov", size=(2, 2))
    scale = np.array([[1.2, 0.3], [0.3, 0.8]])
    prior = -4.0 * pt.linalg.slogdet(cov)[1] - 0.5 * pt.trace(scale @ pt.linalg.inv(cov))
    k = ppl.Categorical("k", w, size=150)
    return ppl.Model({ppl.MvNormal("y", mu[k], cov): Y}, ppl.Potential("prior", prior))


def wishart_on_covariances() -> Any:
    """The conditional has both X and its inverse in it."""
    w, mu = ppl.Dirichlet("w", [1.5, 2.0, 1.2]), ppl.Normal("mu", 0.3, 5, size=(3, 2))
    cov = ppl.Wishart("cov", 5, np.array([[0.7, 0.1], [0.1, 0.4]]), size=3)
    k = ppl.Categorical("k", w, size=150)
    return ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): Y})


# Compiled are the steps of the algorithm by hand, above.
@pytest.mark.usefixtures("few_calls")
@pytest.mark.parametrize("case", [wishart_on_precisions, inverse_wishart_by_potential, wishart_on_covariances])
def test_ends_at_a_stationary_point_of_the_exact_posterior(case):
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
            gradient = gradient - (gradient * result.point[name]).sum(axis=-1, keepdims=True)
        if gradient.shape[-2:] == (2, 2):
            # Only symmetric changes are possible.
            gradient = gradient + np.swapaxes(gradient, -1, -2)
        np.testing.assert_allclose(gradient, 0, atol=1e-3, err_msg=name)


def test_many_rows_cost_as_much_as_few_nodes():
    """The log-densities of 150 rows are interpolated from the six that determine a quadratic in two dimensions."""
    from samplers.maximising.steps import EMSteps

    steps = EMSteps(logprob(mixture("cov"), marginalize=False), None, "likelihood", "numba", 2**24)
    shapes = [c.type.shape for c in steps._fast.found.inputs]
    assert sorted(shapes) == [(3, 1), (3, 6)]


@pytest.mark.usefixtures("few_calls")
def test_narrow_components_far_apart_are_computed_exactly():
    """Interpolation would lose ten digits where clusters of size 1e-6 are a thousand apart."""
    y = np.concatenate([1e-6 * RNG.normal(size=(60, 2)), 1000.0 + RNG.normal(size=(60, 2))])
    w, mu = ppl.Dirichlet("w", np.ones(2)), ppl.Flat("mu", size=(2, 2))
    cov = ppl.Flat("cov", size=(2, 2, 2))
    k = ppl.Categorical("k", w, size=120)
    model = ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): y})
    start = {
        "w": np.array([0.5, 0.5]),
        "mu": np.array([[0.0, 0.0], [1000.0, 1000.0]]),
        "cov": np.stack([1e-12 * np.eye(2), np.eye(2)]),
    }
    result = samplers.em(model, objective="likelihood", init=start)
    expected = [densities(y, *(result.point[n] for n in ("w", "mu", "cov")))]
    np.testing.assert_allclose(result.trace[-1], logsumexp(expected[0], axis=1).sum(), rtol=1e-9)
    np.testing.assert_allclose(result.point["cov"][0], np.cov(y[:60].T, bias=True), rtol=1e-6)


@pytest.mark.usefixtures("few_calls")
def test_a_singular_covariance_names_its_component():
    y = np.concatenate([np.zeros((20, 2)), Y[:60] + 20.0])
    w, mu = ppl.Dirichlet("w", np.ones(2)), ppl.Flat("mu", size=(2, 2))
    cov = ppl.Flat("cov", size=(2, 2, 2))
    k = ppl.Categorical("k", w, size=80)
    model = ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): y})
    start = {
        "w": np.array([0.5, 0.5]),
        "mu": np.array([[0.1, 0.1], [20.0, 20.0]]),
        "cov": np.stack([np.eye(2), 9 * np.eye(2)]),
    }
    with pytest.raises(SamplingError, match=r"(?s)matrix cov\[0\] became singular.*priors"):
        samplers.em(model, objective="likelihood", init=start)


@pytest.mark.parametrize(("sign", "linear", "inverse"), [(1, 1, 0), (-1, 0, 1), (1, 1, 1), (-1, 1, 1)])
def test_modes_of_matrices_are_stationary(sign, linear, inverse):
    x, a = pt.tensor("X", shape=(3, 2, 2)), pt.tensor("a", shape=(3,), dtype="float64")
    b, c = np.array([[2.0, 0.3], [0.3, 1.2]]), np.array([[1.0, -0.2], [-0.2, 0.7]])
    logs = 2.0 * pt.log(pt.diagonal(pt.linalg.cholesky(x), axis1=-2, axis2=-1)).sum(axis=-1)
    total = sign * (a * logs).sum() - linear * (b * x).sum() - inverse * (c * pt.linalg.inv(x)).sum()
    found = find_matrix_mode(LogDensity(total, (x, a), {a: POSITIVE}), x)
    assert found is not None
    at = np.stack([b, c, np.eye(2)])
    assert (found.linear is not None, found.inverse is not None) == (bool(linear), bool(inverse))
    given = np.array([1.3, 2.2, 0.4])
    # PyTensor's own compiler would take a minute for decompositions.
    mode = interpret([x, a], found.mode())(at, given)
    gradient = interpret([x, a], pytensor.grad(total, x))(mode, given)
    np.testing.assert_allclose(gradient + np.swapaxes(gradient, -1, -2), 0, atol=1e-12)
    assert (np.linalg.eigvalsh(mode) > 0).all()


def test_a_quadratic_form_is_no_log_density_of_definite_matrices():
    x = pt.tensor("X", shape=(2, 2))
    assert find_matrix_mode(LogDensity(-pt.sqr(x).sum(), (x,)), x) is None
    assert find_matrix_mode(LogDensity(-pt.exp(x).sum(), (x,)), x) is None


def test_density_of_vectors_with_precision_matrices():
    matrices = np.stack([[[2.0, 0.3], [0.3, 1.2]], [[0.7, -0.2], [-0.2, 0.9]]])
    mean, index = np.array([0.3, -0.2]), np.array([0, 1, 1, 0])
    tau = ppl.Flat("tau", size=(2, 2, 2))
    one = graphs.logprob(ppl.Model({ppl.MvNormal("y", mean, tau=tau[0], size=4): Y[:4]}))
    each = graphs.logprob(ppl.Model({ppl.MvNormal("y", mean, tau=tau[index]): Y[:4]}))
    for lp, places in ((one, [0, 0, 0, 0]), (each, index)):
        expected = [
            stats.multivariate_normal.logpdf(row, mean, np.linalg.inv(matrices[i]))
            for row, i in zip(Y[:4], places, strict=True)
        ]
        np.testing.assert_allclose(interpret(list(lp.values.values()), [lp.terms["y"]])(matrices)[0], expected)
