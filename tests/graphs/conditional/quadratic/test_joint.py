"""Variables that are normal together are found, and their joint law is the full conditional of all of them.

Answers: matrix algebra of linear models, in NumPy, and quadrature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytensor.tensor as pt
import pytest

import graphs
import ppl
import samplers
from graphs.conditional import MultivariateNormal, find_conditional, find_discrepancy, find_joint_blocks, joint_normal
from graphs.conditional.quadratic.joint import split_vector
from graphs.density import LogDensity
from graphs.joint.logprob import logprob
from graphs.supports import POSITIVE
from graphs.surgery.interpreting import interpret
from graphs.surgery.rebuilding import substitute

RNG = np.random.default_rng(4)
TIMES = np.array([-1.3, -0.4, 0.2, 1.7])
GROWTH = RNG.normal(2.0, 1.4, size=(3, 4))
GROUP = np.array([0, 1, 1, 2, 0, 2, 1])
Y = RNG.normal(size=7)


def growth() -> LogDensity:
    """Lines of three animals, with unknown means of intercepts and slopes."""
    ma, mb = ppl.Normal("ma", 0.3, 4.1), ppl.Normal("mb", 0.1, 3.7)
    ta, tb, tc = (ppl.Gamma(name, 2.1, 1.3) for name in ("ta", "tb", "tc"))
    a, b = ppl.Normal("a", ma, tau=ta, size=3), ppl.Normal("b", mb, tau=tb, size=3)
    return logprob(ppl.Model({ppl.Normal("y", a[:, None] + b[:, None] * TIMES, tau=tc): GROWTH})).logdensity


def named(density: LogDensity) -> dict[str, object]:
    return {str(v.name): v for v in density.inputs}


def blocks_of(density: LogDensity, names: str) -> list[set[str]]:
    values = named(density)
    found = find_joint_blocks(density, [values[n] for n in names.split()])
    return [{str(v.name) for v in group} for group in found]


def test_everything_that_is_normal_together_is_one_block():
    assert blocks_of(growth(), "ma mb a b") == [{"ma", "mb", "a", "b"}]


def test_the_joint_law_is_the_full_conditional_of_all():
    """Against matrix algebra: precision and mean of the eight unknowns are those of a linear model."""
    density = growth()
    values = named(density)
    parts = [values[n] for n in ("ma", "mb", "a", "b")]
    law = joint_normal(density, parts)
    assert law is not None
    ta, tb, tc = 0.7, 1.9, 2.6
    found = interpret([values[n] for n in ("ta", "tb", "tc")], [law.parameters["precision"], law.parameters["linear"]])
    precision, linear = found(*(np.asarray(t) for t in (ta, tb, tc)))
    rows, weights, targets = [], [], []
    unit = np.eye(8)
    for row, target, weight in ((unit[0], 0.3, 4.1**-2), (unit[1], 0.1, 3.7**-2)):
        rows, targets, weights = [*rows, row], [*targets, target], [*weights, weight]
    for i in range(3):
        for row, weight in ((unit[2 + i] - unit[0], ta), (unit[5 + i] - unit[1], tb)):
            rows, targets, weights = [*rows, row], [*targets, 0.0], [*weights, weight]
        for t, value in zip(TIMES, GROWTH[i], strict=True):
            rows, targets, weights = [*rows, unit[2 + i] + t * unit[5 + i]], [*targets, value], [*weights, tc]
    design = np.array(rows)
    np.testing.assert_allclose(precision, design.T @ (np.array(weights)[:, None] * design), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(linear, design.T @ (np.array(weights) * targets), rtol=1e-10, atol=1e-12)


def products_of_two() -> LogDensity:
    """Quadratic in each of f and w, not in both; the intercept goes with either."""
    f, w = ppl.Normal("f", 0, 1, size=7), ppl.Normal("w", 0, 2)
    c = ppl.Normal("c", 0, 3)
    return logprob(ppl.Model({ppl.Normal("y", c + f * w, 0.7): Y})).logdensity


def test_products_are_not_drawn_together():
    density = products_of_two()
    [block] = blocks_of(density, "f w c")
    assert block in ({"f", "c"}, {"w", "c"})


def test_what_does_not_depend_on_each_other_stays_apart():
    a, b = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1, size=3)
    model = ppl.Model({ppl.Normal("y", a, 1.0, size=7): Y, ppl.Normal("z", b[GROUP], 1.0): Y})
    assert blocks_of(logprob(model).logdensity, "a b") == []


def test_large_variables_join_where_few_elements_depend_on_each_other():
    m = ppl.Normal("m", 0, 1)
    e = ppl.Normal("e", m, 1.0, size=3000)
    density = logprob(ppl.Model({ppl.Normal("y", e, 1.0): np.zeros(3000)})).logdensity
    assert blocks_of(density, "m e") == [{"m", "e"}]
    mixed = ppl.Model({ppl.Normal("y", pt.dot(np.ones((2, 3000)), e), 1.0): np.zeros(2)})
    assert blocks_of(logprob(mixed).logdensity, "m e") == []


def test_wrong_joint_laws_are_rejected():
    density = growth()
    values = named(density)
    law = joint_normal(density, [values["ma"], values["a"]])
    assert law is not None
    stand_ins = dict(zip(law.parts, split_vector(law.variable, law.parts), strict=True))
    [joined] = substitute([density.total], stand_ins)
    wrong = replace(
        law, law=MultivariateNormal(law.variable, {**law.parameters, "linear": 2 * law.parameters["linear"]})
    )
    assert find_discrepancy(joined, law, density.supports) is None
    assert find_discrepancy(joined, wrong, density.supports) is not None


def test_the_kernel_draws_jointly():
    """The posterior of a linear model with known precisions is normal: one sweep is one independent draw."""
    m, b = pt.dscalar("m"), pt.dvector("b", shape=(3,))
    total = -0.5 * (m**2 / 9 + ((b - m) ** 2).sum() / 0.04 + ((Y - b[GROUP]) ** 2).sum())
    kernel = samplers.gibbs(LogDensity(total, (m, b)))
    assert [law.family for law in kernel.laws] == ["MultivariateNormal"]
    step = graphs.compile(kernel)
    state = kernel.init({"m": 0.0, "b": np.zeros(3)})
    _, draws, _ = step.run(np.random.default_rng(2), state, 4000)
    found = np.column_stack([draws["m"], draws["b"]])
    precision = np.zeros((4, 4))
    precision[0, 0] = 1 / 9 + 3 / 0.04
    precision[0, 1:] = precision[1:, 0] = -1 / 0.04
    precision[1:, 1:] = np.diag(1 / 0.04 + np.bincount(GROUP))
    mean = np.linalg.solve(precision, np.append(0, np.bincount(GROUP, Y)))
    covariance = np.linalg.inv(precision)
    # Independent draws: four standard errors.
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - mean), 4 * np.sqrt(np.diag(covariance) / 4000))
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=4 * np.diag(covariance).max() * np.sqrt(2 / 4000))
    correlation = np.corrcoef(found[1:, 0], found[:-1, 0])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(4000)


def test_an_order_of_single_variables_is_kept():
    m, b = pt.dscalar("m"), pt.dvector("b", shape=(3,))
    total = -0.5 * (m**2 / 9 + ((b - m) ** 2).sum() / 0.04 + ((Y - b[GROUP]) ** 2).sum())
    kernel = samplers.gibbs(LogDensity(total, (m, b)), order=["b", "m"])
    assert [str(law.variable.name) for law in kernel.laws] == ["b", "m"]


@pytest.mark.parametrize("backend", ["numba", *(pytest.param(name, marks=pytest.mark.slow) for name in ("c", "jax"))])
def test_plan_and_sample(backend):
    a, b = ppl.Normal("a", 0, 5), ppl.Normal("b", 0, 5, size=2)
    tau = ppl.Gamma("tau", 3, 2)
    design = RNG.normal(size=(20, 2)) + 1
    data = 1.3 + design @ [0.7, -1.1] + RNG.normal(size=20)
    model = ppl.Model({ppl.Normal("y", a + pt.dot(design, b), tau=tau): data})
    plan = ppl.plan(model, sampler="gibbs")
    assert "jointly with b" in str(plan)
    assert "jointly with a" in str(plan)
    trace = ppl.sample(model, draws=1500, tune=50, chains=2, seed=1, sampler="gibbs", backend=backend, progress=False)
    full = np.column_stack([np.ones(20), design])
    # By quadrature over tau: given it all is normal.
    grid = np.linspace(0.01, 8, 4000)
    weights, means = [], []
    for t in grid:
        precision = t * full.T @ full + np.eye(3) / 25
        mean = np.linalg.solve(precision, t * full.T @ data)
        evidence = (
            10 * np.log(t) - 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * (t * data @ data - mean @ precision @ mean)
        )
        weights.append(evidence + 2 * np.log(t) - 2 * t)
        means.append(mean)
    weight = np.exp(np.array(weights) - max(weights))
    expected = (weight[:, None] * np.array(means)).sum(axis=0) / weight.sum()
    draws = np.concatenate([trace.posterior["a"].to_numpy()[..., None], trace.posterior["b"].to_numpy()], axis=-1)
    flat = draws.reshape(-1, 3)
    # Nearly independent draws: five standard errors.
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - expected), 5 * flat.std(axis=0) / np.sqrt(len(flat)))


def test_positive_variables_do_not_join():
    density = growth()
    values = named(density)
    assert density.supports[values["ta"]] == POSITIVE
    assert joint_normal(density, [values["a"], values["ta"]]) is None
    law, _ = find_conditional(density, values["ta"])
    assert law is not None
