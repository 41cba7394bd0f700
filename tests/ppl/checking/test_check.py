"""Models with one fault each, and sound ones.

Answers: each fault was put there, and its culprit is known; the sound models are ones that books and posteriors of
others are made of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import ppl
from graphs.errors import ModelError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -1.0, 0.5] + RNG.normal(size=40)
N = ppl.Normal


def orphan() -> ppl.Model:
    return ppl.Model({N("y", N("mu", 0, 1), 1): Y}, N("extra", 0, 1))


def orphan_by_a_slip() -> ppl.Model:
    with pm.Model() as pm_model:
        a, b = pm.Normal("a"), pm.Normal("b")
        pm.HalfNormal("sigma")
        pm.Normal("y", a + b * X[:, 0], 1.0, observed=Y)
    return ppl.from_pymc(pm_model)


def unused_coords() -> ppl.Model:
    beta = N("beta", 0, 1, dims="covariate")
    coords = {"covariate": ["a", "b", "c"], "contry": ["A", "B"]}
    return ppl.Model({N("y", X @ beta, 1): Y}, coords=coords)


def unused_data() -> ppl.Model:
    with pm.Model() as pm_model:
        pm.Data("weights", np.ones(40))
        pm.Normal("y", pm.Normal("mu"), 1, observed=Y)
    return ppl.from_pymc(pm_model)


def sum_of_two() -> ppl.Model:
    return ppl.Model({N("y", N("a", 0, 1) + N("b", 0, 1), 1): Y})


def product_of_two() -> ppl.Model:
    return ppl.Model({N("y", N("a", 0, 1) * N("b", 0, 1) + 1.0, 1): Y})


def product_of_vectors() -> ppl.Model:
    a, b = N("a", 0, 1, size=3), ppl.HalfNormal("b", 1, size=3)
    return ppl.Model({N("y", X @ (a * b), 1): Y})


def two_intercepts() -> ppl.Model:
    return ppl.Model({N("y", N("a", 0, 1) + N("b", 0, 1) * X[:, 0] + N("c", 0, 1) * np.ones(40), 1): Y})


def two_constant_columns() -> ppl.Model:
    x = np.column_stack([np.ones(40), X[:, 0], np.full(40, 2.0)])
    return ppl.Model({N("y", x @ N("beta", 0, 1, size=3), 1): Y})


def collinear_columns() -> ppl.Model:
    x = np.column_stack([X, X[:, 0] - 2 * X[:, 1]])
    return ppl.Model({N("y", x @ N("beta", 0, 1, size=4), 1): Y})


def collinear_scalars() -> ppl.Model:
    a, b, c = (N(name, 0, 1) for name in "abc")
    return ppl.Model({N("y", a * X[:, 0] + b * X[:, 1] + c * (X[:, 0] + X[:, 1]), 1): Y})


def wild_scales() -> ppl.Model:
    return ppl.Model({N("y", (X * [1.0, 1e6, 1.0]) @ N("beta", 0, 1, size=3), 1): Y})


def improper_sum() -> ppl.Model:
    a, b = ppl.Flat("a"), ppl.Flat("b")
    return ppl.Model({N("y", a + b * 2.0, 1): Y})


def improper_groups() -> ppl.Model:
    g = np.array([0, 1, 1, 0, 2] * 8)
    return ppl.Model({N("y", ppl.Flat("theta", size=4)[g], 1): Y})


def flat_scale_of_few() -> ppl.Model:
    tau = ppl.HalfFlat("tau")
    theta = N("theta", 0, tau, size=3)
    return ppl.Model({N("y", theta[np.arange(40) % 3], 1): Y})


def components_of_a_mixture() -> ppl.Model:
    w, mu = ppl.Dirichlet("w", np.ones(3)), N("mu", 0, 5, size=3)
    return ppl.Model({N("y", mu[ppl.Categorical("z", w, size=40)], 1): Y})


def components_by_pymc() -> ppl.Model:
    with pm.Model() as pm_model:
        mu, sigma = pm.Normal("mu", 0, 5, size=2), pm.HalfNormal("sigma", 1, size=2)
        pm.NormalMixture("y", [0.5, 0.5], mu, sigma, observed=Y)
    return ppl.from_pymc(pm_model)


def impossible_data() -> ppl.Model:
    y = RNG.exponential(size=20)
    shift = ppl.HalfNormal("shift", 1)
    return ppl.Model({ppl.Uniform("y", 0.0, 0.5 / (1.0 + shift)): y}, ppl.Deterministic("end", 0.5 / (1.0 + shift)))


def boundary_data() -> ppl.Model:
    y = np.array([0.2, 0.4, 1.0, 0.3])
    with pm.Model() as pm_model:
        pm.Beta("y", 2.0 + pm.HalfNormal("a", 1), 2.0, observed=y)
    return ppl.from_pymc(pm_model)


def prior_overflows() -> ppl.Model:
    rate = np.e ** N("log_rate", 0, 2000.0)
    return ppl.Model({N("y", rate, 1): Y})


def prior_is_far() -> ppl.Model:
    return ppl.Model({N("y", N("mu", 0, 1), ppl.HalfNormal("sigma", 1)): 1e6 + Y})


def column_and_vector() -> ppl.Model:
    column = ppl.Data("column", X[:, :1])
    error = N("a", 0, 1) * column - Y
    return ppl.Model(ppl.Potential("fit", -0.5 * error**2))


def moving_bound() -> ppl.Model:
    m = N("m", 0, 1)
    return ppl.Model({N("y", ppl.Uniform("u", m, m + 1), 1): Y})


def small_integers() -> ppl.Model:
    with pm.Model() as pm_model:
        size = pt.as_tensor(np.array([100, 50], dtype="int8")) * pt.as_tensor(np.int8(3))
        pm.Normal("y", pm.Normal("b") * size, 1, observed=[1.0, 2.0])
    return ppl.from_pymc(pm_model)


FAULTS: list[tuple[Callable[[], ppl.Model], str, set[str]]] = [
    (orphan, "orphan", {"extra"}),
    (orphan_by_a_slip, "orphan", {"sigma"}),
    (unused_coords, "unused-coords", {"contry"}),
    (unused_data, "unused-data", {"weights"}),
    (sum_of_two, "ridge", {"a", "b"}),
    (product_of_two, "ridge", {"a", "b"}),
    (product_of_vectors, "ridge", {"a", "b"}),
    (two_intercepts, "constant-column", {"a", "c"}),
    (two_constant_columns, "constant-column", {"beta"}),
    (collinear_columns, "collinear", {"beta"}),
    (collinear_scalars, "collinear", {"a", "b", "c"}),
    (wild_scales, "scales", {"beta"}),
    (improper_sum, "improper", {"a", "b"}),
    (improper_groups, "improper", {"theta"}),
    (flat_scale_of_few, "few-groups", {"tau", "theta"}),
    (components_of_a_mixture, "exchangeable", {"w", "mu"}),
    (components_by_pymc, "exchangeable", {"mu", "sigma"}),
    (impossible_data, "impossible-row", {"y"}),
    (boundary_data, "impossible-row", {"y"}),
    (prior_overflows, "prior-not-finite", {"y"}),
    (prior_is_far, "prior-far", {"y"}),
    (column_and_vector, "silent-axis", {"fit"}),
    (small_integers, "overflow", {"y"}),
    (moving_bound, "moving-bound", {"u", "m"}),
]


@pytest.mark.parametrize(("build", "code", "culprits"), [pytest.param(*f, id=f[0].__name__) for f in FAULTS])
def test_a_fault_is_found_with_its_culprit(build: Callable, code: str, culprits: set[str]) -> None:
    found = ppl.check(build())
    named = [set(concern.variables) for concern in found if concern.code == code]
    assert any(culprits <= names for names in named), str(found)


def regression() -> ppl.Model:
    return ppl.Model({N("y", N("a", 0, 5) + X @ N("beta", 0, 2, size=3), ppl.HalfNormal("sigma", 1)): Y})


def schools() -> ppl.Model:
    mu, tau = N("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    theta = N("theta", mu, tau, size=8)
    return ppl.Model({N("y", theta, [15.0, 10, 16, 11, 9, 11, 10, 18]): [28.0, 8, -3, 7, -1, 1, 18, 12]})


def two_series() -> ppl.Model:
    """Only the sum of the last steps is seen, but those before them tell which is which."""
    level, season = [N("level_0", 0, 1)], [N("season_0", 0, 1)]
    for t in range(1, 5):
        level.append(N(f"level_{t}", level[-1], 0.1))
        season.append(N(f"season_{t}", -season[-1], 0.1))
    return ppl.Model({N(f"y_{t}", level[t] + season[t], 1): float(Y[t]) for t in range(5)})


def non_centred() -> ppl.Model:
    g = np.arange(40) % 5
    a, tau, raw = N("a", 0, 2), ppl.HalfNormal("tau", 1), N("raw", 0, 1, size=5)
    return ppl.Model({ppl.Bernoulli("y", logit_p=a + tau * raw[g] + N("b", 0, 1) * X[:, 0]): (Y > 0).astype(int)})


def ordered_mixture() -> ppl.Model:
    w = ppl.Dirichlet("w", np.ones(2))
    mu = N("mu", 0, 5, size=2, transform="ordered", initval=[-1.0, 1.0])
    return ppl.Model({N("y", mu[ppl.Categorical("z", w, size=40)], 1): Y})


def flat_and_proper() -> ppl.Model:
    a, b = ppl.Flat("a"), ppl.Flat("b")
    return ppl.Model({N("y", a + b * X[:, 0], 1): Y})


def counts() -> ppl.Model:
    rate = ppl.Gamma("rate", 2, 1, size=4)
    return ppl.Model({ppl.Poisson("n", rate[np.arange(40) % 4]): RNG.poisson(2, 40)})


def walk() -> ppl.Model:
    x = ppl.GaussianRandomWalk("x", 0, ppl.HalfNormal("s", 1), init_dist=pm.Normal.dist(0, 1), steps=39)
    return ppl.Model({N("y", x, 1): Y})


def missing() -> ppl.Model:
    y = Y.copy()
    y[[3, 7]] = np.nan
    return ppl.Model({N("y", N("mu", 0, 2), ppl.HalfNormal("s", 2)): y})


def chain() -> ppl.Model:
    p = ppl.Beta("p", 2, 2, size=2)
    transition = np.array([[0.9, 0.1], [0.2, 0.8]])
    z = ppl.MarkovChain("z", transition, steps=20)
    return ppl.Model({ppl.Bernoulli("y", p[z]): (RNG.random(20) < 0.4).astype(int)})


def rasch() -> ppl.Model:
    ability, difficulty = N("ability", 0, 1, size=10), N("difficulty", 0, 1, size=10)
    right = (RNG.random((10, 10)) < 0.5).astype(int)
    return ppl.Model({ppl.Bernoulli("right", logit_p=ability[:, None] - difficulty[None, :]): right})


def spike_and_slab() -> ppl.Model:
    beta = N("beta", 0, 1, size=3) * ppl.Bernoulli("included", 0.5, size=3)
    return ppl.Model({N("y", X @ beta, 1): Y})


@pytest.mark.parametrize(
    "build",
    [
        spike_and_slab,
        regression,
        schools,
        non_centred,
        two_series,
        ordered_mixture,
        flat_and_proper,
        counts,
        walk,
        missing,
        chain,
        rasch,
    ],
    ids=lambda f: f.__name__,
)
def test_nothing_is_found_in_sound_models(build: Callable) -> None:
    assert ppl.check(build()).codes == ()


def test_what_is_silenced_and_how_it_is_shown() -> None:
    model = orphan()
    found = ppl.check(model)
    assert not found.is_ok
    assert len(found) == 1
    assert "orphan" in str(found)
    assert "<table>" in found._repr_html_()
    assert ppl.check(model, silence=["orphan"]).is_ok
    assert str(ppl.check(regression())) == "Nothing was found."
    with pytest.raises(ModelError, match="There is no code 'orphans'"):
        ppl.check(model, silence="orphans")
    with pytest.raises(ModelError, match="Model is needed, not str"):
        ppl.check("model")  # type: ignore[arg-type]
