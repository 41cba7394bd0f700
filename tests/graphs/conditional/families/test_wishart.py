"""Full conditionals of positive definite matrices; wrong laws are rejected.

Answers: the joint log-density (tests/laws), SciPy's distributions, and textbooks named beside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.tensor.variable import TensorVariable
from scipy import stats

import ppl
import samplers
from graphs.conditional import InverseWishart, Law, Wishart, conditional, find_conditional, find_discrepancy
from graphs.density import LogDensity
from graphs.supports import POSITIVE, POSITIVE_DEFINITE, REAL, integers
from graphs.surgery.interpreting import INTERPRETED, interpret
from graphs.variables.inverse_wishart import InverseWishartRV
from tests.graphs.conditional.joint import joint, with_values
from tests.laws.conditionals import assert_is_full_conditional

rng = np.random.default_rng(21)
DATA = rng.normal(0.4, 1.7, size=(6, 3))
SCALE = np.array([[1.4, 0.5, -0.2], [0.5, 0.9, 0.1], [-0.2, 0.1, 2.1]])
DESIGN = rng.normal(size=(6, 2))
GROUP = np.array([0, 1, 1, 0, 1, 1])


def precision_of_rows() -> LogDensity:
    x, m = pm.Wishart.dist(5, SCALE), pm.MvNormal.dist(np.zeros(3), 4.1 * SCALE)
    return joint({"x": (x, POSITIVE_DEFINITE), "m": (m, REAL)}, {pm.MvNormal.dist(m, tau=x, shape=(6, 3)): DATA})


def precision_of_a_vector() -> LogDensity:
    x = pm.Wishart.dist(5, SCALE)
    return joint({"x": (x, POSITIVE_DEFINITE)}, {pm.MvNormal.dist(np.zeros(3), tau=x): DATA[0]})


def precision_of_two_kinds_of_children() -> LogDensity:
    x = pm.Wishart.dist(5, SCALE)
    m = pm.MvNormal.dist(np.full(3, 0.3), tau=0.7 * x)
    latent = {"x": (x, POSITIVE_DEFINITE), "m": (m, REAL)}
    return joint(latent, {pm.MvNormal.dist(m, tau=x, shape=(6, 3)): DATA}, extra=-1.3 * pt.trace(x))


def precision_of_regressions() -> LogDensity:
    x, b = pm.Wishart.dist(5, SCALE), pm.Normal.dist(0, 2.2, shape=(2, 3))
    return joint({"x": (x, POSITIVE_DEFINITE), "b": (b, REAL)}, {pm.MvNormal.dist(DESIGN @ b, tau=x): DATA})


def precision_of_scaled_rows() -> LogDensity:
    """The scale mixture of a multivariate t likelihood."""
    x, w = pm.Wishart.dist(5, SCALE), pm.Gamma.dist(2.1, 1.3, shape=6)
    y = pm.MvNormal.dist(np.zeros(3), tau=w[:, None, None] * x)
    return joint({"x": (x, POSITIVE_DEFINITE), "w": (w, POSITIVE)}, {y: DATA})


def precisions_of_groups() -> LogDensity:
    x = pm.Wishart.dist(5, SCALE, shape=(2, 3, 3))
    return joint({"x": (x, POSITIVE_DEFINITE)}, {pm.MvNormal.dist(np.zeros(3), tau=x[GROUP]): DATA})


def precisions_of_a_mixture() -> LogDensity:
    """The degrees of freedom are counts of another variable."""
    x, k = pm.Wishart.dist(5, SCALE, shape=(2, 3, 3)), pm.Bernoulli.dist(0.3, shape=6)
    y = pm.MvNormal.dist(np.zeros(3), tau=x[k])
    return joint({"x": (x, POSITIVE_DEFINITE), "k": (k, integers(0, 1))}, {y: DATA})


def with_latent_scale() -> LogDensity:
    s = pm.Gamma.dist(2.1, 1.3)
    x = pm.Wishart.dist(5, s * SCALE)
    return joint({"x": (x, POSITIVE_DEFINITE), "s": (s, POSITIVE)}, {pm.MvNormal.dist(np.zeros(3), tau=x): DATA[0]})


def scale_of_a_wishart_matrix() -> LogDensity:
    """A covariance matrix as the scale of an observed scatter matrix."""
    x = pm.Wishart.dist(4, SCALE)
    return joint({"x": (x, POSITIVE_DEFINITE)}, {}, extra=2.5 * pt.log(pt.linalg.det(x)) - pt.trace(SCALE @ x))


def covariance_of_rows() -> LogDensity:
    x, m = InverseWishartRV.rv_op(6.3, SCALE), pm.MvNormal.dist(np.zeros(3), 4.1 * SCALE)
    return joint({"x": (x, POSITIVE_DEFINITE), "m": (m, REAL)}, {pm.MvNormal.dist(m, x, shape=(6, 3)): DATA})


def covariance_by_its_factor() -> LogDensity:
    x = InverseWishartRV.rv_op(6.3, SCALE)
    y = pm.MvNormal.dist(np.zeros(3), chol=pt.linalg.cholesky(x), shape=(6, 3))
    return joint({"x": (x, POSITIVE_DEFINITE)}, {y: DATA})


def covariances_of_groups() -> LogDensity:
    x, m = InverseWishartRV.rv_op(6.3, SCALE, size=(2,)), pm.Normal.dist(0, 2.1, shape=3)
    return joint({"x": (x, POSITIVE_DEFINITE), "m": (m, REAL)}, {pm.MvNormal.dist(m, x[GROUP]): DATA})


def scale_of_another_matrix() -> LogDensity:
    x = InverseWishartRV.rv_op(6.3, SCALE)
    w = pm.Wishart.dist(5, x)
    return joint({"x": (x, POSITIVE_DEFINITE), "w": (w, POSITIVE_DEFINITE)}, {})


def covariance_by_its_density() -> LogDensity:
    x, s = pt.dmatrix("x", shape=(3, 3)), pt.dscalar("s")
    total = -4.7 * pt.log(pt.linalg.det(x)) - pt.trace(pt.linalg.solve(x, s * SCALE)) - s
    return LogDensity(total, (x, s), {x: POSITIVE_DEFINITE, s: POSITIVE})


WISHART: list[Callable[[], LogDensity]] = [
    precision_of_rows,
    precision_of_a_vector,
    precision_of_two_kinds_of_children,
    precision_of_regressions,
    precision_of_scaled_rows,
    precisions_of_groups,
    precisions_of_a_mixture,
    with_latent_scale,
    scale_of_a_wishart_matrix,
]
INVERSE: list[Callable[[], LogDensity]] = [
    covariance_of_rows,
    covariance_by_its_factor,
    covariances_of_groups,
    scale_of_another_matrix,
    covariance_by_its_density,
]


@pytest.mark.parametrize("case", [*WISHART, *INVERSE])
def test_law_is_the_full_conditional(case: Callable[[], LogDensity]) -> None:
    density = case()
    x = with_values(density)["x"]
    law, reason = find_conditional(density, x)
    assert law is not None, reason
    assert law.family == ("Wishart" if case in WISHART else "InverseWishart")
    assert_is_full_conditional(density, x, law)


def test_parameters_are_those_of_the_textbook() -> None:
    """Gelman et al., Bayesian Data Analysis, 3.6: scatter added to the scale, rows to the degrees of freedom."""
    mean = np.array([0.3, -0.8, 1.1])
    scatter = (DATA - mean).T @ (DATA - mean)
    for case, name, prior, degrees in (
        (precision_of_rows, "inverse_scale", np.linalg.inv(SCALE), 11.0),
        (covariance_of_rows, "scale", SCALE, 12.3),
    ):
        density = case()
        values = with_values(density)
        law = conditional(density, values["x"])
        assert law is not None
        found = interpret([values["m"]], [law.parameters["degrees_of_freedom"], law.parameters[name]])(mean)
        np.testing.assert_allclose(found[0], degrees, rtol=1e-12)
        np.testing.assert_allclose(found[1], prior + scatter, rtol=1e-11)


def test_parameters_keep_their_digits_whatever_the_unit_of_the_data() -> None:
    for unit in (1e-6, 1e6):
        x = pm.Wishart.dist(5, SCALE / unit**2)
        rows = pm.MvNormal.dist(np.zeros(3), tau=x, shape=(6, 3))
        density = joint({"x": (x, POSITIVE_DEFINITE)}, {rows: unit * DATA})
        law = conditional(density, density.inputs[0])
        assert law is not None
        expected = unit**2 * (np.linalg.inv(SCALE) + DATA.T @ DATA)
        np.testing.assert_allclose(interpret([], law.parameters["inverse_scale"])(), expected, rtol=1e-9)


def laws() -> dict[str, tuple[Law, stats.rv_continuous]]:
    x = pt.dmatrix("x", shape=(3, 3))
    return {
        "wishart": (
            Wishart(x, {"degrees_of_freedom": pt.constant(4.6), "inverse_scale": pt.constant(SCALE)}),
            stats.wishart(4.6, np.linalg.inv(SCALE)),
        ),
        "inverse": (
            InverseWishart(x, {"degrees_of_freedom": pt.constant(8.6), "scale": pt.constant(SCALE)}),
            stats.invwishart(8.6, SCALE),
        ),
    }


@pytest.mark.parametrize("name", ["wishart", "inverse"])
def test_density_mean_and_mode_are_those_of_scipy(name: str) -> None:
    law, expected = laws()[name]
    value = SCALE @ SCALE + np.eye(3)
    logprob, mean = interpret([law.variable], [law.logprob(law.variable), law.mean()])(value)
    np.testing.assert_allclose(logprob, expected.logpdf(value), rtol=1e-12)
    np.testing.assert_allclose(mean, expected.mean(), rtol=1e-12)
    large = type(law)(law.variable, {**law.parameters, "degrees_of_freedom": pt.constant(8.6)})
    mode = interpret([], [large.mode()])()[0]
    slope = interpret([law.variable], [pt.grad(large.logprob(law.variable), law.variable)])(mode)[0]
    np.testing.assert_allclose(slope + slope.T, 0.0, atol=1e-9)


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
@pytest.mark.parametrize("name", ["wishart", "inverse"])
def test_draws_have_the_distribution(name: str, backend: str) -> None:
    """Linear forms a'Xa of Wishart matrices are chi-squared ones, a'X^-1 a of their inverses (Mardia et al., 3.4).

    Kolmogorov-Smirnov tests of 4000 independent draws in three directions, and of the ratio of determinants that is a
    product of independent chi-squared variables, by its mean logarithm; false alarms at 1e-5 each.
    """
    law, _ = laws()[name]
    batch = pt.dtensor3("x", shape=(500, 3, 3))
    shapes = {"degrees_of_freedom": (500,)}
    parameters = {n: pt.broadcast_to(g, shapes.get(n, (500, 3, 3))) for n, g in law.parameters.items()}
    kernel = samplers.gibbs([type(law)(batch, parameters)])
    step, state = kernel.compile(backend=backend), kernel.init({"x": np.tile(SCALE, (500, 1, 1))})
    generator, parts = np.random.default_rng(3), []
    for _ in range(8):
        state, info = step(generator, state)
        assert info.is_proper
        parts.append(state.position["x"])
    draws = np.concatenate(parts)
    degrees = 4.6 if name == "wishart" else 8.6
    matrix = np.linalg.inv(SCALE)
    standard = draws if name == "wishart" else np.linalg.inv(draws)
    for direction in (np.array([1.0, 0.0, 0.0]), np.array([0.3, -1.2, 0.8]), np.array([0.0, 0.4, 1.0])):
        forms = np.einsum("i,nij,j->n", direction, standard, direction) / (direction @ matrix @ direction)
        assert stats.kstest(forms, stats.chi2(degrees).cdf).pvalue > 1e-5
    logdet = np.linalg.slogdet(standard)[1] - np.linalg.slogdet(matrix)[1]
    factors = [stats.loggamma(0.5 * (degrees - i)) for i in range(3)]
    mean, variance = sum(f.mean() + np.log(2.0) for f in factors), sum(f.var() for f in factors)
    assert abs(logdet.mean() - mean) < 4.4 * np.sqrt(variance / 4000)


def changed(**changes: Callable[[TensorVariable], TensorVariable]) -> Callable[[Law], Law]:
    def mutate(law: Law) -> Law:
        parameters = {name: changes.get(name, lambda g: g)(graph) for name, graph in law.parameters.items()}
        return type(law)(law.variable, parameters)

    return mutate


@pytest.mark.parametrize(
    ("case", "mutate"),
    [
        (precision_of_rows, changed(inverse_scale=pt.linalg.inv)),
        (precision_of_rows, changed(inverse_scale=lambda g: 2.0 * g)),
        (precision_of_rows, changed(inverse_scale=lambda g: g - np.linalg.inv(SCALE))),
        (precision_of_rows, changed(degrees_of_freedom=lambda g: g + 1.0)),
        (precision_of_rows, changed(degrees_of_freedom=lambda g: g - 5.0)),
        (covariance_of_rows, changed(scale=pt.linalg.inv)),
        (covariance_of_rows, changed(scale=lambda g: 0.5 * g)),
        (covariance_of_rows, changed(degrees_of_freedom=lambda g: g - 4.0)),
        (covariance_of_rows, lambda law: Wishart(law.variable, _renamed(law))),
    ],
)
def test_wrong_law_is_rejected(case: Callable[[], LogDensity], mutate: Callable[[Law], Law]) -> None:
    density = case()
    x = with_values(density)["x"]
    law = conditional(density, x)
    assert law is not None
    assert find_discrepancy(density.total, mutate(law), density.supports) is not None


def _renamed(law: Law) -> dict[str, TensorVariable]:
    return {"degrees_of_freedom": law.parameters["degrees_of_freedom"], "inverse_scale": law.parameters["scale"]}


def test_what_is_of_neither_form_has_no_law() -> None:
    """A Wishart prior on a covariance matrix: both X and its inverse occur."""
    x = pm.Wishart.dist(5, SCALE)
    density = joint({"x": (x, POSITIVE_DEFINITE)}, {pm.MvNormal.dist(np.zeros(3), x, shape=(6, 3)): DATA})
    law, reason = find_conditional(density, density.inputs[0])
    assert law is None
    assert "neither" in reason


def test_density_of_the_inverse_wishart_variable_is_that_of_scipy() -> None:
    value = SCALE @ SCALE + np.eye(3)
    rv = ppl.InverseWishart("x", 4.6, SCALE)
    np.testing.assert_allclose(pm.logp(rv, value).eval(), stats.invwishart(4.6, SCALE).logpdf(value), rtol=1e-12)


def test_draws_of_the_inverse_wishart_variable_have_its_moments() -> None:
    """Mean of 4000 draws, with errors from the closed variances (Press 1982): six standard errors."""
    draws = pm.draw(ppl.InverseWishart("x", 12.5, SCALE), 4000, random_seed=4, mode=INTERPRETED)
    expected = stats.invwishart(12.5, SCALE)
    error = np.sqrt(expected.var() / 4000)
    assert (np.abs(draws.mean(axis=0) - expected.mean()) < 6 * error).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.9, SCALE), "more than d - 1"),
        ((5, SCALE[:2]), "shape"),
        ((5, -SCALE), "positive definite"),
        ((5, np.triu(SCALE)), "symmetric"),
    ],
)
def test_bad_parameters_are_named(arguments: tuple, message: str) -> None:
    with pytest.raises(ppl.ModelError, match=message):
        ppl.InverseWishart("x", *arguments)
