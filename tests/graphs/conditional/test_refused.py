"""Where there is no law: the reason names what prevents it.

Answers: the reason, written beside each density.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from graphs.conditional import Obstacle, ObstacleKind, conditional, find_conditional, find_law
from graphs.density import LogDensity
from graphs.supports import POSITIVE, REAL, SIMPLEX, UNIT, integers
from tests.graphs.conditional.joint import joint, with_values

DATA = np.array([0.3, -1.2, 2.2, 0.9])


def normal_with(latent, make_child: Callable, support=REAL) -> LogDensity:
    return joint({"x": (latent, support)}, {make_child(latent): DATA})


def truncated_but_declared_real() -> LogDensity:
    return normal_with(pm.Uniform.dist(0, 10), lambda x: pm.Normal.dist(x, 1.3, shape=4))


def truncated_normal_prior() -> LogDensity:
    x = pm.TruncatedNormal.dist(0.3, 1.2, lower=-1.0, upper=4.0)
    return normal_with(x, lambda x: pm.Normal.dist(x, 1.3, shape=4))


def pareto_bound() -> LogDensity:
    m = pm.Gamma.dist(2.0, 1.0)
    return joint({"x": (m, POSITIVE)}, {pm.Pareto.dist(1.7, m, shape=4): np.abs(DATA) + 3})


def gamma_shape() -> LogDensity:
    x = pm.Gamma.dist(2.0, 1.0)
    return joint({"x": (x, POSITIVE)}, {pm.Gamma.dist(x, 1.3, shape=4): np.abs(DATA)})


def student_t_mean() -> LogDensity:
    return normal_with(pm.Normal.dist(0.2, 1.2), lambda x: pm.StudentT.dist(4, mu=x, sigma=1.3, shape=4))


def logistic_regression() -> LogDensity:
    x = pm.Normal.dist(0.2, 1.2)
    return joint({"x": (x, REAL)}, {pm.Bernoulli.dist(logit_p=x * DATA): np.array([0, 1, 1, 0])})


def product_of_elements_of_a_positive_vector() -> LogDensity:
    x = pm.HalfNormal.dist(1.2, shape=3)
    design = np.random.default_rng(1).normal(size=(4, 3))
    return joint({"x": (x, POSITIVE)}, {pm.Normal.dist(design @ x, 1.3): DATA})


def indicators_of_a_chain() -> LogDensity:
    k = pt.lvector("x", shape=(5,))
    return LogDensity(
        pt.constant(np.random.default_rng(1).normal(size=(3, 3)))[k[1:], k[:-1]].sum(), (k,), {k: integers(0, 2)}
    )


def improper() -> LogDensity:
    x, y = pt.dscalars("x", "y")
    return LogDensity(3 * x - y**2, (x, y))


def logit_normal() -> LogDensity:
    x = pt.dscalar("x")
    return LogDensity(-((pt.log(x) - pt.log1p(-x)) ** 2), (x,), {x: UNIT})


def quadratic_on_the_simplex() -> LogDensity:
    x = pt.dvector("x", shape=(3,))
    return LogDensity(pt.sum(pt.log(x)) - pt.sum(x**2), (x,), {x: SIMPLEX})


def never_proper() -> LogDensity:
    x, y = pt.dscalars("x", "y")
    return LogDensity(x**2 * pt.exp(y) + y, (x, y))


def counts() -> LogDensity:
    n = pm.Poisson.dist(4.2)
    return joint({"x": (n, integers(0))}, {pm.Normal.dist(n, 1.3, shape=4): DATA})


REASONS = {
    truncated_but_declared_real: r"it is compared in the condition .*x",
    truncated_normal_prior: r"condition",
    pareto_bound: r"condition",
    gamma_shape: r"Gammaln\(x\)|gammaln\(x\)",
    student_t_mean: r"log\(",
    logistic_regression: r"sigmoid",
    product_of_elements_of_a_positive_vector: r"different elements",
    indicators_of_a_chain: r"different elements|not independent",
    improper: r"improper",
    logit_normal: r"no family is known that has the features",
    quadratic_on_the_simplex: r"no family is known that has the features",
    never_proper: r"improper",
    counts: r"log\(gamma",
}


@pytest.mark.parametrize("model", list(REASONS), ids=lambda m: m.__name__)
def test_no_law_with_the_reason(model: Callable[[], LogDensity]) -> None:
    density = model()
    law, reason = find_conditional(density, with_values(density)["x"])
    assert law is None, str(law)
    assert conditional(density, with_values(density)["x"]) is None
    assert re.search(REASONS[model], reason), reason


def test_variable_that_is_not_there() -> None:
    x, y = pt.dscalars("x", "y")
    assert find_conditional(-(x**2), y) == (None, "the log-density does not depend on it")


@pytest.mark.parametrize(
    ("total", "support", "kind"),
    [
        (lambda x, a: -pt.sqr(a), None, ObstacleKind.ABSENT),
        (lambda x, a: a - pt.sqr(a) + 0.0 * x, None, ObstacleKind.ABSENT),
        (lambda x, a: pt.log(x) + 3.0 * x - pt.sqr(a), POSITIVE, ObstacleKind.IMPROPER),
        (lambda x, a: pt.log(x) + pt.sqr(a) * x, POSITIVE, ObstacleKind.SEEMS_IMPROPER),
        (lambda x, a: -pt.cosh(x) - pt.sqr(a), None, ObstacleKind.NO_RULE),
    ],
)
def test_obstacles_say_which_kind_they_are(total: Callable, support: object, kind: ObstacleKind) -> None:
    x, a = pt.dscalars("x", "a")
    found = find_law(total(x, a), x, support)
    assert isinstance(found, Obstacle)
    assert found.kind is kind, found.reason
