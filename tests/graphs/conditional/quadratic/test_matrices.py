"""Laws through matrices: scales of covariances, means, classes of covariances, lattices; squares of real variables.

Answers: the joint log-density (tests/laws), and matrix algebra by NumPy and SciPy.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.sparse as sp
from scipy import stats

import ppl
from graphs.bounds.guards import strip_guards
from graphs.conditional import find_conditional
from graphs.joint.logprob import logprob
from graphs.supports import POSITIVE_DEFINITE
from graphs.surgery.interpreting import interpret
from tests.laws.conditionals import assert_is_full_conditional

rng = np.random.default_rng(3)
DATA = rng.normal(1.3, 2.2, size=7)
TIMES = np.abs(DATA) + 0.3
ROWS = rng.normal(size=(7, 2))
COV = np.array([[2.0, 0.3, 0.1], [0.3, 1.4, -0.2], [0.1, -0.2, 0.9]])
PRIOR = np.array([[2.0, 0.3], [0.3, 1.1]])
MEAN = np.array([0.1, 0.2, 0.7])


def derived(model, name):
    lp = logprob(model, marginalize=False)
    law, reason = find_conditional(lp.logdensity, lp.values[name])
    assert law is not None, reason
    assert_is_full_conditional(lp.logdensity, lp.values[name], law)
    return law, lp


def parameters_at(law, **values):
    """Return the parameters of a law at values of what it depends on."""
    inputs = {v.name: v for p in law.parameters.values() for v in pm.pytensorf.inputvars(p)}
    function = interpret([inputs[n] for n in inputs], list(law.parameters.values()))
    return dict(zip(law.parameters, function(*(np.asarray(values[n], "float64") for n in inputs)), strict=True))


def test_scale_of_a_covariance_and_of_a_precision():
    square = (DATA[:3] - MEAN) @ np.linalg.solve(COV, DATA[:3] - MEAN)
    v = ppl.InverseGamma("v", 1.7, 2.3)
    law, _ = derived(ppl.Model({ppl.MvNormal("y", MEAN, v * COV): DATA[:3]}), "v")
    found = parameters_at(law)
    assert law.family == "InverseGamma"
    np.testing.assert_allclose([found["shape"], found["scale"]], [1.7 + 1.5, 2.3 + square / 2], rtol=1e-10)
    t = ppl.Gamma("t", 1.7, 2.3)
    law, _ = derived(ppl.Model({ppl.MvNormal("y", MEAN, tau=COV * t / 2.6): DATA[:3]}), "t")
    square = (DATA[:3] - MEAN) @ COV @ (DATA[:3] - MEAN) / 2.6
    found = parameters_at(law)
    assert law.family == "Gamma"
    np.testing.assert_allclose([found["shape"], found["rate"]], [1.7 + 1.5, 2.3 + square / 2], rtol=1e-10)


def test_amplitude_and_values_of_a_gaussian_process():
    kernel = np.exp(-0.5 * (np.arange(7)[:, None] - np.arange(7)) ** 2 / 4) + 1e-3 * np.eye(7)
    amplitude = ppl.InverseGamma("amplitude", 2.2, 1.7)
    x = ppl.MvNormal("x", np.zeros(7), amplitude * kernel)
    model = ppl.Model({ppl.Normal("y", x, 1.3): DATA})
    assert derived(model, "x")[0].family == "MultivariateNormal"
    law, _ = derived(model, "amplitude")
    found = parameters_at(law, x=DATA)
    np.testing.assert_allclose(found["scale"], 1.7 + DATA @ np.linalg.solve(kernel, DATA) / 2, rtol=1e-8)


def test_a_scalar_in_the_mean_of_a_vector():
    slope = np.array([1.1, 2.3, 0.4])
    m = ppl.Normal("m", 0.7, 2.5)
    law, _ = derived(ppl.Model({ppl.MvNormal("y", m * slope, COV): DATA[:3]}), "m")
    precision = 1 / 2.5**2 + slope @ np.linalg.solve(COV, slope)
    mean = (0.7 / 2.5**2 + slope @ np.linalg.solve(COV, DATA[:3])) / precision
    found = parameters_at(law)
    np.testing.assert_allclose([found["mean"], found["variance"]], [mean, 1 / precision], rtol=1e-10)


def test_classes_of_covariances():
    """The class of each point of a mixture of normal distributions with full covariances, against SciPy."""
    w = np.array([0.3, 0.7])
    k = ppl.Categorical("k", w, size=7)
    mu = ppl.MvNormal("mu", np.array([0.1, 0.6]), PRIOR, size=2)
    cov = ppl.InverseWishart("cov", 5.3, PRIOR, size=2)
    model = ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): ROWS})
    law, lp = derived(model, "k")
    at, covs = rng.normal(size=(2, 2)), np.stack([PRIOR, PRIOR + 0.4])
    [found] = interpret([lp.values["mu"], lp.values["cov"]], [law.parameters["probabilities"]])(at, covs)
    density = np.stack([w[j] * stats.multivariate_normal(at[j], covs[j]).pdf(ROWS) for j in range(2)], axis=-1)
    np.testing.assert_allclose(found, density / density.sum(axis=-1, keepdims=True), rtol=1e-9)
    for name, family in (("mu", "MultivariateNormal"), ("cov", "InverseWishart")):
        assert family in derived(model, name)[0].family


def test_factors_of_definite_matrices_need_no_guard():
    x = pt.tensor("x", shape=(4, 2, 2), dtype="float64")
    y = pt.tensor("y", shape=(2, 2), dtype="float64")
    k = np.array([0, 3, 3])
    known = {x: POSITIVE_DEFINITE}

    def is_stripped(matrix):
        diagonal = pt.diagonal(pt.linalg.cholesky(matrix), axis1=-2, axis2=-1)
        guarded = pt.switch(pt.all(diagonal > 0), pt.log(diagonal).sum(), -np.inf)
        return strip_guards(guarded, known).owner.op == pt.log(diagonal).sum().owner.op

    assert all(map(is_stripped, [x, x[k], x[1], 2.7 * x, x / 0.3, x + x[0], x.mT, pt.linalg.inv(x), x + PRIOR]))
    assert not any(
        map(is_stripped, [y, -x, x - x[0], x[:, k[:1]], x[..., ::-1], x + y, pt.as_tensor(-PRIOR) * 1.0 + x])
    )


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_conditional_autoregression_is_sparse(form):
    """A lattice of 8 by 8 places: precision ``tau (D - alpha W)`` and 1 / 1.3^2 of the data."""
    size = 8
    weights = np.zeros((size**2, size**2))
    for i in range(size**2):
        for j in ([i + 1] if (i + 1) % size else []) + ([i + size] if i + size < size**2 else []):
            weights[i, j] = weights[j, i] = 1
    tau, alpha = ppl.Gamma("tau", 2.2, 1.7), ppl.Uniform("alpha", 0, 0.95)
    adjacency = sp.csr_matrix(weights) if form == "sparse" else weights
    x = ppl.CAR("x", mu=np.full(size**2, 0.4), W=adjacency, alpha=alpha, tau=tau)
    y = rng.normal(size=size**2)
    law, lp = derived(ppl.Model({ppl.Normal("y", x, 1.3): y}), "x")
    assert law.family == "SparseNormal"
    [mean] = interpret([lp.values["tau"], lp.values["alpha"]], [law.mean()])(np.asarray(1.7), np.asarray(0.6))
    prior = 1.7 * (np.diag(weights.sum(axis=0)) - 0.6 * weights)
    expected = np.linalg.solve(prior + np.eye(size**2) / 1.69, prior @ np.full(size**2, 0.4) + y / 1.69)
    np.testing.assert_allclose(mean, expected, rtol=1e-9)
    law, _ = derived(ppl.Model({ppl.Normal("y", x, 1.3): y}), "tau")
    assert law.family == "Gamma"


def test_squares_of_real_variables_scale_variances():
    """Parameter expansion: ``y ~ N(0.4, alpha^2 u)``, alpha of either sign."""
    a, u = ppl.Normal("a", 0.3, 1.7), ppl.InverseGamma("u", 2.2, 1.7, size=7)
    law, _ = derived(ppl.Model({ppl.Normal("y", 0.4, pt.sqrt(a**2 * u)): DATA}), "u")
    found = parameters_at(law, a=-1.4)
    assert law.family == "InverseGamma"
    np.testing.assert_allclose(found["scale"], 1.7 + (DATA - 0.4) ** 2 / (2 * 1.96), rtol=1e-10)


@pytest.mark.parametrize("family", ["exponential", "weibull"])
def test_survival_times_censored_above_need_no_auxiliary_variables(family):
    """Every time, censored or not, is an exposure; deaths alone count."""
    censored = np.array([0, 1, 0, 0, 1, 1, 0], dtype=bool)
    t = ppl.Gamma("t", 1.7, 2.3)
    power = 1.0 if family == "exponential" else 2.1
    base = pm.Exponential.dist(t, shape=7) if power == 1 else pm.Weibull.dist(2.1, t ** (-1 / 2.1), shape=7)
    end = np.where(censored, TIMES, TIMES + 1.0)
    law, _ = derived(ppl.Model({ppl.Censored("y", base, lower=None, upper=end): TIMES}), "t")
    found = parameters_at(law)
    expected = [1.7 + (~censored).sum(), 2.3 + (TIMES**power).sum()]
    np.testing.assert_allclose([found["shape"], found["rate"]], expected, rtol=1e-10)
