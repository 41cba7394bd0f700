"""What plans say of integrals: what they cost, and why others are not taken.

Answers: operations counted by hand on dense matrices; texts are written out.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import toposort

import graphs
import ppl
from ppl.planning.integrating import collapse
from ppl.planning.work import work_of, work_of_small_factors

GROUPS = np.repeat(np.arange(12), 5)
X = np.tile(np.arange(5.0) - 2.0, 12)


def _growth_curves(rng: np.random.Generator) -> ppl.Model:
    mean, scale = ppl.Normal("mean", 0, 5, size=2), ppl.HalfNormal("scale", 1, size=2)
    a, b = ppl.Normal("a", mean[0], scale[0], size=12), ppl.Normal("b", mean[1], scale[1], size=12)
    y = ppl.Normal("y", a[GROUPS] + b[GROUPS] * X, ppl.HalfNormal("s", 1))
    return ppl.Model({y: rng.normal(size=60)})


def test_the_size_of_the_factor_of_groups_beside_a_border():
    plan = ppl.plan(_growth_curves(np.random.default_rng(1)), marginalize=["a", "b", "mean"], progress=False)
    [step] = plan.natural.integrals
    # The precision of 12 pairs, each tied to two common means, filled with numbers that cancel nowhere.
    matrix = np.zeros((26, 26))
    for group in range(12):
        own = [2 * group, 2 * group + 1, 24, 25]
        block = np.random.default_rng(group).normal(size=(4, 4))
        matrix[np.ix_(own, own)] += block @ block.T + np.eye(4)
    factor = np.linalg.cholesky(matrix)
    assert step.num_factor == np.count_nonzero(factor)
    below = np.count_nonzero(np.tril(factor, -1), axis=0)
    # Each column divides its elements and adds all their products to what is left.
    assert abs(step.num_operations - (below + below * (below + 1) // 2).sum()) <= 4
    assert f"{step.num_factor}" in str(plan)


def _hazards() -> ppl.Model:
    hazard, arm = ppl.Gamma("hazard", 2, ppl.Gamma("rate", 2, 0.1), size=12), np.array([0.0, 1.0])
    mean = hazard[:, None] * np.arange(1.0, 25.0).reshape(12, 2) * pt.exp(ppl.Normal("effect", 0, 1) * arm)
    return ppl.Model({ppl.Poisson("y", mean): np.random.default_rng(1).poisson(3, size=(12, 2))})


def _variances() -> ppl.Model:
    variance = ppl.InverseGamma("variance", 3, ppl.HalfNormal("spread", 1), size=5)
    y = ppl.Normal("y", ppl.Normal("mean", 0, 1), pt.sqrt(variance))
    return ppl.Model({y: np.random.default_rng(1).normal(size=(9, 5))})


@pytest.mark.parametrize("model", [_hazards, _variances])
def test_nothing_is_left_to_guard_at_the_points_where_terms_are_evaluated(model):
    """They are means of gamma laws, which are positive: the gradient has no branch of zero rates."""
    name = "hazard" if model is _hazards else "variance"
    plan = ppl.plan(model(), sampler="nuts", marginalize=[name], progress=False)
    [block] = plan.sweep.blocks
    kinds = {type(getattr(node.op, "scalar_op", None)).__name__ for node in toposort(list(block.evaluated))}
    assert not kinds & {"Switch", "EQ", "IsNan"}


def test_the_plan_says_what_has_no_law():
    plan = ppl.plan(_growth_curves(np.random.default_rng(1)), marginalize=["a", "b", "mean"], progress=False)
    assert "for want of a law" not in str(plan)  # nobody asked whether the scales could be
    theta = ppl.Normal("theta", ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5), size=8)
    effects = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    model = ppl.Model({ppl.Normal("y", theta, np.array([15.0, 10, 16, 11, 9, 11, 10, 18])): effects})
    assert "not integrated out, for want of a law: tau" in str(ppl.plan(model, progress=False))


def test_the_plan_says_what_does_not_pay():
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 30, 400), rng.integers(0, 20, 400)
    a = ppl.Normal("a", 0, ppl.HalfNormal("scale_a", 1), size=30)
    b = ppl.Normal("b", 0, ppl.HalfNormal("scale_b", 1), size=20)
    model = ppl.Model({ppl.Normal("y", a[first] + b[second], 1.0): rng.normal(size=400)})
    collapsed = collapse(graphs.logprob(model), ["a", "b"], True, is_asked=False, is_required=False)
    assert not collapsed.joint.integrals
    assert collapsed.reasons["a"].startswith("without it a draw would take")
    assert not collapsed.course.without_law


@pytest.mark.parametrize(("sites", "is_tied"), [(60, True), (2, False)])
def test_what_would_tie_all_counts_stays(sites, is_tied):
    """Given the rate, abundances are independent and drawn at once; without it, each depends on all others."""
    rate, found = ppl.Gamma("rate", 2, 0.2), ppl.Beta("found", 1, 1)
    abundance = ppl.Poisson("abundance", rate, size=sites)
    seen = ppl.Binomial("seen", abundance[:, None], found, size=(sites, 3))
    model = ppl.Model({seen: np.random.default_rng(3).integers(0, 4, (sites, 3))})
    collapsed = collapse(graphs.logprob(model), ["rate"], True, is_asked=False, is_required=False)
    reason = collapsed.reasons["rate"]
    assert (reason == f"with it abundance is drawn in 1 step, without it in {sites}") == is_tied
    assert ("rate" in collapsed.joint.values) >= is_tied
    asked = collapse(graphs.logprob(model), ["rate"], True, is_asked=True, is_required=True)
    assert "rate" not in asked.joint.values


def test_small_factors_are_found_whether_or_not_they_could_be_many():
    """Linear algebra is written for any number of matrices; one is one."""
    matrix, vector = pt.dmatrix("matrix", shape=(6, 6)), pt.dvector("vector", shape=(6,))
    many, large = pt.dtensor3("many", shape=(50, 6, 6)), pt.dmatrix("large", shape=(100, 100))
    solution = pt.linalg.solve_triangular(pt.linalg.cholesky(matrix), vector, lower=True)
    assert work_of_small_factors(solution) > 0.0
    # All that there is but for what each operation takes to begin.
    assert work_of_small_factors(solution) == pytest.approx(work_of([solution]), rel=0.1)
    assert work_of_small_factors(pt.linalg.cholesky(many).sum() + pt.linalg.cholesky(large).sum()) == 0.0


def effects_of(kind: str) -> ppl.Model:
    """Effects without a law, under a mean that has one."""
    mean, scale = ppl.Normal("mean", 0, 1), ppl.HalfNormal("scale", 1)
    groups = np.arange(60) % 6
    if kind == "log-normal":
        rate = ppl.LogNormal("effect", mean, scale, size=6)[groups]
    elif kind == "walk":
        start = pm.Normal.dist(mean, scale)
        walk = ppl.GaussianRandomWalk("effect", mu=mean, sigma=scale, init_dist=start, steps=5)
        rate = pt.exp(walk)[groups]
    else:
        rate = pt.exp(ppl.Normal("effect", mean, scale, size=6))[groups]
    # A likelihood so dear that without the mean a draw would take as long.
    for _ in range(30):
        rate = pt.sqrt(rate**2 + 1e-6)
    return ppl.Model({ppl.Poisson("y", rate): np.arange(60) % 4})


@pytest.mark.parametrize("kind", ["normal", "log-normal", "walk"])
def test_what_effects_are_centred_by_is_not_integrated_out(kind: str) -> None:
    """Without their mean they would have no coordinates between centred and non-centred ones: the funnel would stay."""
    reasons = {a.name: a.reason for a in ppl.plan(effects_of(kind)).assignments}
    assert "effect, which stays, is moved between centred and non-centred coordinates with it" in reasons["mean"]
    assert "centring learnt" in reasons["effect"]


def test_with_effects_their_mean_is_integrated_out() -> None:
    """Eight schools: nothing stays that it would centre."""
    mean, scale = ppl.Normal("mean", 0, 5), ppl.HalfCauchy("scale", 5)
    effect = ppl.Normal("effect", mean, scale, size=8)
    errors = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    plan = ppl.plan(ppl.Model({ppl.Normal("y", effect, errors): np.array([28.0, 8, -3, 7, -1, 1, 18, 12])}))
    assert {plan.method_of("mean"), plan.method_of("effect")} == {"integrate"}


def test_where_all_mixes_slowly_dear_integrals_are_taken() -> None:
    """A field on a map with noise of its own: both scales are known by nothing but each other's rest."""
    rng, side = np.random.default_rng(34), 6
    places = np.arange(side * side)
    near = np.abs(places[:, None] // side - places // side) + np.abs(places[:, None] % side - places % side) == 1
    precision = np.diag(near.sum(1)) - 0.95 * near
    field = 0.7 * rng.multivariate_normal(np.zeros(side * side), np.linalg.inv(precision))
    x = rng.normal(size=side * side)
    a, b = ppl.Normal("a", 0, 2), ppl.Normal("b", 0, 2)
    phi = ppl.CAR("phi", mu=np.zeros(36), W=near.astype(int), alpha=ppl.Beta("alpha", 2, 1), tau=ppl.Gamma("tau", 2, 1))
    y = ppl.Normal("y", a + b * x + phi, ppl.HalfNormal("s", 1))
    plan = ppl.plan(ppl.Model({y: 1 + 0.3 * x + field + rng.normal(0, 0.3, 36)}))
    assert plan.method_of("phi") == "integrate"
    assert "which mixes slowly" in plan.policy
