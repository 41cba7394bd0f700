"""Multivariate normal full conditionals of anything quadratic, under the law test and against matrix algebra.

Answers: the joint log-density (tests/laws), and matrix algebra by NumPy and SciPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import toposort
from scipy import stats

from graphs.conditional import MultivariateNormal, find_conditional, find_discrepancy
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL
from graphs.surgery.interpreting import interpret
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_full_conditional

rng = np.random.default_rng(20)
DESIGN = rng.normal(size=(9, 3))
DATA = rng.normal(1.3, 2.2, size=9)
GROUP = np.array([0, 2, 1, 1, 0, 2, 2, 3, 0])
COVARIANCE = np.array([[1.4, 0.5, -0.2], [0.5, 0.9, 0.1], [-0.2, 0.1, 2.1]])


def regression() -> LogDensity:
    b, s = pm.Normal.dist(0.4, 2.3, shape=3), pm.HalfNormal.dist(1.7)
    return joint({"x": (b, REAL), "s": (s, POSITIVE)}, {pm.Normal.dist(pt.dot(DESIGN, b), s): DATA})


def regression_with_weights() -> LogDensity:
    """A variance for each row, latent: the product of the matrices is one of the sweep."""
    b, v = pm.Normal.dist(0.4, 2.3, shape=3), pm.InverseGamma.dist(2.1, 1.3, shape=9)
    return joint({"x": (b, REAL), "v": (v, POSITIVE)}, {pm.Normal.dist(DESIGN @ b + 0.3, pt.sqrt(v)): DATA})


def prior_with_a_covariance_and_a_mean() -> LogDensity:
    m, s = pm.Normal.dist(0.4, 2.3, shape=3), pm.HalfNormal.dist(1.7)
    b = pm.MvNormal.dist(m, COVARIANCE)
    return joint({"m": (m, REAL), "x": (b, REAL), "s": (s, POSITIVE)}, {pm.Normal.dist(DESIGN @ b, s): DATA})


def mean_of_rows() -> LogDensity:
    m = pm.MvNormal.dist(np.zeros(3), 4.1 * COVARIANCE)
    return joint({"x": (m, REAL)}, {pm.MvNormal.dist(m, COVARIANCE, shape=(9, 3)): DESIGN})


def linear_map_of_the_mean() -> LogDensity:
    m = pm.Normal.dist(0.2, 3.1, shape=2)
    return joint({"x": (m, REAL)}, {pm.MvNormal.dist(pt.dot(DESIGN[:3, :2], m), COVARIANCE): DATA[:3]})


def precision_matrix_of_another_variable() -> LogDensity:
    b, tau = pm.Normal.dist(0.4, 2.3, shape=3), pm.Gamma.dist(2.1, 1.3)
    y = pm.MvNormal.dist(b + 0.3, tau=tau * np.linalg.inv(COVARIANCE))
    return joint({"x": (b, REAL), "tau": (tau, POSITIVE)}, {y: DATA[:3]})


def effects_of_groups_and_slopes() -> LogDensity:
    """Rows of coefficients by group, intercept and slope."""
    b, s = pm.Normal.dist(0.4, 2.3, shape=(4, 2)), pm.HalfNormal.dist(1.7)
    mean = b[GROUP, 0] + b[GROUP, 1] * DESIGN[:, 0]
    return joint({"x": (b, REAL), "s": (s, POSITIVE)}, {pm.Normal.dist(mean, s): DATA})


def sums_and_differences() -> LogDensity:
    b, s = pm.Normal.dist(0.0, 1.3, shape=4), pm.HalfNormal.dist(1.7)
    means = pt.stack([b.sum(), b[0] - b[2], pt.cumsum(b)[2], b[1:].mean()])
    return joint({"x": (b, REAL), "s": (s, POSITIVE)}, {pm.Normal.dist(means, s): DATA[:4]})


def random_walk() -> LogDensity:
    x, s = pm.GaussianRandomWalk.dist(0.1, 0.8, init_dist=pm.Normal.dist(0, 3), steps=5), pm.HalfNormal.dist(1.7)
    return joint({"x": (x, REAL), "s": (s, POSITIVE)}, {pm.Normal.dist(x, s): DATA[:6]})


def state_space() -> LogDensity:
    """Two states, of which one is seen, with missing steps."""
    x, q = pt.dmatrix("x", shape=(6, 2)), pt.dscalar("q")
    move = np.array([[1.0, 0.3], [-0.2, 0.9]])
    steps = x[1:] - x[:-1] @ move.T
    total = -0.5 * ((steps**2).sum() / q + 5 * 2 * pt.log(q)) - 0.5 * (x[0] ** 2).sum() / 3.1
    return LogDensity(total - 0.5 * ((DATA[:4] - x[[0, 1, 3, 5], 0]) ** 2).sum() / 0.7, (x, q), {q: POSITIVE})


def loadings() -> LogDensity:
    """A factor model given its factors, both unknown."""
    f, w = pm.Normal.dist(0, 1, shape=(5, 2)), pm.Normal.dist(0, 1.4, shape=(2, 3))
    y = pm.Normal.dist(f @ w, 0.8)
    return joint({"f": (f, REAL), "x": (w, REAL)}, {y: DESIGN[:5]})


def several_kinds_of_children() -> LogDensity:
    b, s = pm.Normal.dist(0.4, 2.3, shape=3), pm.HalfNormal.dist(1.7)
    children = {
        pm.Normal.dist(DESIGN @ b, s): DATA,
        pm.MvNormal.dist(2 * b, COVARIANCE): DATA[:3],
        pm.LogNormal.dist(b[0] - b[2], 0.7): 1.9,
    }
    return joint({"x": (b, REAL), "s": (s, POSITIVE)}, children, extra=-0.3 * (b[0] * b[1] + pt.sqr(b[2])) / s)


CASES: list[Callable[[], LogDensity]] = [
    regression,
    regression_with_weights,
    prior_with_a_covariance_and_a_mean,
    mean_of_rows,
    linear_map_of_the_mean,
    precision_matrix_of_another_variable,
    effects_of_groups_and_slopes,
    sums_and_differences,
    random_walk,
    state_space,
    loadings,
    several_kinds_of_children,
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_law_is_the_full_conditional(case: Callable[[], LogDensity]) -> None:
    density = case()
    x = with_values(density)["x"]
    law, reason = find_conditional(density, x)
    assert law is not None, reason
    assert law.family == "MultivariateNormal"
    assert_is_full_conditional(density, x, law)


def test_what_depends_on_data_alone_is_a_constant():
    """A sweep multiplies a 3 x 3 matrix by a number, not the design by itself."""
    density = regression()
    law, _ = find_conditional(density, with_values(density)["x"])
    assert isinstance(law, MultivariateNormal)
    assert "Dot" not in "".join(str(n.op) for n in _nodes(law.parameters.values()))
    s = 0.7
    found = interpret([with_values(density)["s"]], list(law.parameters.values()))(np.asarray(s))
    np.testing.assert_allclose(found[0], DESIGN.T @ DESIGN / s**2 + np.eye(3) / 2.3**2, rtol=1e-12)
    np.testing.assert_allclose(found[1], DESIGN.T @ DATA / s**2 + 0.4 / 2.3**2, rtol=1e-12)


def _nodes(graphs):
    return toposort(list(graphs))


def test_draws_have_the_mean_and_the_covariance():
    density = mean_of_rows()
    x = with_values(density)["x"]
    law, _ = find_conditional(density, x)
    assert law is not None
    start = pt.random.rng("rng")
    generator, draws = start, []
    for _ in range(2):
        generator, draw = law.draw(generator)
        draws.append(draw)
    precision = np.linalg.inv(4.1 * COVARIANCE) + 9 * np.linalg.inv(COVARIANCE)
    covariance = np.linalg.inv(precision)
    mean = covariance @ np.linalg.inv(COVARIANCE) @ DESIGN.sum(axis=0)
    np.testing.assert_allclose(law.mean().eval(), mean, rtol=1e-10)
    function = interpret([start], [generator, *draws])
    state, sample = np.random.default_rng(1), []
    for _ in range(2000):
        state, *pair = function(state)
        sample += pair
    whitened = (np.array(sample) - mean) @ np.linalg.cholesky(precision)
    # Independent standard normal numbers, 12000 of them: one false alarm in a thousand, and seeds are fixed.
    assert stats.kstest(whitened.ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(3), atol=5 * np.sqrt(2 / 4000))


@pytest.mark.parametrize(
    "change",
    [
        lambda q, h: (q, -h),
        lambda q, h: (q / 2, h),
        lambda q, h: (pt.linalg.inv(q), h),
        lambda q, h: (q + 0.01, h),
        lambda q, h: (q, h + np.array([0.01, 0, 0])),
        lambda q, h: (q[::-1, ::-1], h[::-1]),
        lambda q, h: (pt.diag(pt.diagonal(q)), h),
    ],
)
def test_wrong_laws_are_rejected(change) -> None:
    density = regression()
    law, _ = find_conditional(density, with_values(density)["x"])
    assert law is not None
    precision, linear = change(law.parameters["precision"], law.parameters["linear"])
    wrong = MultivariateNormal(law.variable, {"precision": precision, "linear": linear})
    assert find_discrepancy(density.total, wrong, density.supports) is not None


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        (lambda x: -pt.exp(x.sum()), "different elements|features"),
        (lambda x: -((x[0] * x[1]) ** 2), "different elements"),
        (lambda x: x[0] * x[1] - x[2], "improper"),
    ],
)
def test_what_is_not_quadratic_or_improper_is_refused(term, reason) -> None:
    x, y = pt.dvector("x", shape=(3,)), pt.dscalar("y")
    law, why = find_conditional(LogDensity(term(x) * y**2 - y**2, (x, y)), x)
    assert law is None
    assert re.search(reason, why), why
