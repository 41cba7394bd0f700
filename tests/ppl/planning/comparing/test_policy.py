"""Which sampler a plan chooses where that is left to it, and why.

Answers: effective sizes of autoregressions in closed form, counts of operations by hand, and what was measured.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scalar import basic as scalars
from scipy.sparse import csr_matrix

import ppl
import ppl.planning.comparing.pilot
import ppl.planning.comparing.policy
from graphs.backends.numba.lowering.random import UNIVARIATE, VECTOR
from graphs.errors import BackendError
from graphs.sparse.ops import draw_sparse_normal
from graphs.sparse.pattern import find_pattern
from ppl.planning.comparing.pilot import effective_fractions, pilot, prolonged
from ppl.planning.comparing.policy import Prediction
from ppl.planning.work import (
    PER_CALL_OF_SPARSE,
    PER_COLUMN_OF_SPARSE,
    PER_DRAW,
    PER_ELEMENT_OF_LINALG,
    PER_NODE,
    PER_PRODUCT,
    PER_PRODUCT_OF_LINALG,
    PER_PRODUCT_OF_SPARSE,
    PER_SCALAR,
    PER_SCATTERED,
    work_of,
)

rng = np.random.default_rng(3)
DESIGN = rng.normal(size=(40, 3))
OUTCOME = DESIGN @ np.array([1.0, -0.5, 0.3]) + rng.normal(size=40)


def regression() -> ppl.Model:
    b, v = ppl.Normal("b", 0, 10, size=3), ppl.InverseGamma("v", 2, 1)
    return ppl.Model({ppl.Normal("y", DESIGN @ b, pt.sqrt(v)): OUTCOME})


def scales_that_hang_together() -> ppl.Model:
    """Each nearly fixes the other: alone it hardly moves."""
    a = ppl.InverseGamma("a", 2.0, 1.0)
    return ppl.Model(ppl.Gamma("b", 2000.0, 2000.0 / a))


@pytest.mark.parametrize("correlation", [-0.4, 0.0, 0.5, 0.9])
def test_effective_draws_of_an_autoregression_are_those_of_theory(correlation: float) -> None:
    """(1 - r) / (1 + r); 20 columns of 4000 draws: 10% is over four standard errors of their mean, seen at r = 0.9."""
    noise = np.random.default_rng(1).normal(size=(4000, 20))
    draws = np.empty_like(noise)
    draws[0] = noise[0]
    for t in range(1, 4000):
        draws[t] = correlation * draws[t - 1] + np.sqrt(1 - correlation**2) * noise[t]
    expected = (1 - correlation) / (1 + correlation)
    found = np.median(effective_fractions(draws))
    assert found == pytest.approx(expected, rel=0.1)


def test_what_does_not_move_has_one_effective_draw() -> None:
    assert effective_fractions(np.ones((50, 1)))[0] == 1 / 50


def test_a_slow_scale_is_not_lost_among_fast_elements() -> None:
    """Variables are drawn in another order than they lie in; of 495 draws of a scale its data hardly tell 4 count."""
    rng = np.random.default_rng(1)
    effects = ppl.Normal("effects", ppl.Normal("mean", 0, 10), ppl.HalfNormal("scale", 1), size=200)
    outcome = ppl.Normal("y", effects + ppl.Normal("slope", 0, 1) * rng.normal(size=200), 2.0)
    plan = ppl.plan(ppl.Model({outcome: rng.normal(size=200)}), sampler="gibbs")
    assert [v.name for block in plan.sweep.blocks for v in block.variables] != list(plan.sweep.layout.names)
    found = pilot(plan, 550)
    assert found is not None
    sizes = dict(zip(plan.sweep.layout.names, map(len, found.seen), strict=True))
    assert sizes == {"mean": 1, "scale": 1, "effects": 200, "slope": 1}
    scale = plan.sweep.layout.names.index("scale")
    draws = found.draws[:, found.seen[scale]]
    of_mean, of_spread = (effective_fractions(each)[0] for each in (draws, np.abs(draws - np.median(draws))))
    np.testing.assert_allclose(found.effective, np.sqrt(of_mean * of_spread), rtol=1e-12)
    assert found.effective < 0.05


def test_gibbs_sampling_is_chosen_where_it_mixes_well() -> None:
    """Independent draws of 1000 rates; in the same time NUTS makes fewer that are as good in the tails."""
    rng = np.random.default_rng(2)
    rates = ppl.Gamma("rates", 2, 1, size=1000)
    model = ppl.Model({ppl.Poisson("y", 20 * rates): rng.poisson(20 * rng.gamma(2, 1, 1000))})
    assert ppl.plan(model).is_exact
    plan = ppl.plan(model, marginalize=False)
    assert {a.method for a in plan.assignments} == {"gibbs"}
    assert "Gibbs sampling for all: predicted" in plan.policy
    assert plan.policy in str(plan)
    assert plan.policy in plan._repr_html_()


@pytest.mark.usefixtures("without_tables")
def test_nuts_is_chosen_where_gibbs_sampling_hardly_moves() -> None:
    plan = ppl.plan(scales_that_hang_together(), marginalize=False)
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "NUTS for all: Gibbs sampling of a, b would give at most" in plan.policy


def test_an_order_is_obeyed() -> None:
    assert {a.method for a in ppl.plan(regression(), sampler="nuts").assignments} == {"nuts"}
    forced = ppl.plan(scales_that_hang_together(), sampler="gibbs")
    assert {a.method for a in forced.assignments} == {"gibbs"}
    assert not forced.policy


def counts_with_rates(size: int) -> ppl.Model:
    """Rates given their law are independent; that law has no full conditional."""
    rng = np.random.default_rng(2)
    exposures = rng.uniform(5, 50, size)
    counts = rng.poisson(rng.gamma(2, 1, size) * exposures)
    rates = ppl.Gamma("rates", ppl.LogNormal("a", 0, 1), ppl.LogNormal("b", 0, 1), size=size)
    return ppl.Model({ppl.Poisson("y", rates * exposures): counts})


@pytest.mark.usefixtures("without_tables")
def test_there_is_no_choice_where_no_variable_has_a_law() -> None:
    b = ppl.Normal("b", 0, 1)
    plan = ppl.plan(ppl.Model({ppl.Poisson("y", pt.exp(b), size=3): np.array([1, 0, 2])}))
    assert plan.method_of("b") == "nuts"
    assert plan.policy.startswith("NUTS for all continuous variables: none of them has a full conditional")
    angle, distance = ppl.Uniform("angle", -1.5, 1.5), ppl.Normal("distance", 0, 1)
    plan = ppl.plan(ppl.Model({ppl.Normal("y", pt.tan(angle) + distance, 1.0, size=3): np.array([1.0, 0.0, 2.0])}))
    assert (plan.method_of("angle"), plan.method_of("distance")) == ("nuts", "nuts")
    angle, distance = ppl.Uniform("angle", -1.5, 1.5), ppl.Normal("distance", 0, ppl.LogNormal("scale", 0, 1), size=4)
    data = {ppl.Normal("y", pt.tan(angle) + distance, 1.0): np.array([1.0, 0.0, 2.0, 1.0])}
    plan = ppl.plan(ppl.Model(data))
    assert (plan.method_of("angle"), plan.method_of("distance")) == ("nuts", "integrate")
    assert plan.policy.startswith("NUTS for what is not integrated out")


def test_laws_are_mixed_with_nuts_where_that_pays() -> None:
    """Of 2002 dimensions NUTS has to move two; measured, that gives eight times the effective draws a second."""
    plan = ppl.plan(counts_with_rates(2000), marginalize=False)
    assert {a.name: a.method for a in plan.assignments} == {"a": "nuts", "b": "nuts", "rates": "gibbs"}
    assert plan.policy.startswith("Gibbs sampling for rates, NUTS for a, b: predicted ")
    assert plan.policy in str(plan)


def test_laws_are_not_mixed_with_nuts_where_they_mix_slowly() -> None:
    """Measured, NUTS alone gives 25 times the effective draws a second: the scale and the effects fix each other."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 20)
    outcome = (rng.uniform(size=800) < 1 / (1 + np.exp(-rng.normal(size=40)[group]))).astype(int)
    effects = ppl.Normal("effects", ppl.Normal("mu", 0, 5), ppl.LogNormal("tau", 0, 1), size=40)
    plan = ppl.plan(ppl.Model({ppl.Bernoulli("y", logit_p=effects[group]): outcome}), marginalize=False)
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert plan.policy.startswith("NUTS for all: ")
    assert "Gibbs steps for mu, effects beside it" in plan.policy


def test_pilot_runs_that_would_take_long_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppl.planning.comparing.pilot, "MOST_SECONDS", 1e-6)
    plan = ppl.plan(counts_with_rates(2000), marginalize=False)
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "would take too long; sampler='gibbs' draws rates from full conditionals" in plan.policy


@pytest.mark.usefixtures("without_tables")
def test_no_pilot_run_is_made_where_nothing_can_be_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep draws 3000 Polya-gamma variables: were it independent of the last, gradients would still be cheaper."""
    monkeypatch.setattr(ppl.planning.comparing.policy, "pilot", None)
    monkeypatch.setattr(ppl.planning.comparing.policy, "HARDNESS", 2.0)
    design = np.random.default_rng(1).normal(size=(3000, 2))
    outcome = (design[:, 0] > 0).astype(int)
    plan = ppl.plan(ppl.Model({ppl.Bernoulli("y", logit_p=design @ ppl.Normal("b", 0, 1, size=2)): outcome}))
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "Gibbs sampling of b would give at most 0." in plan.policy


def test_failed_pilot_runs_leave_it_to_nuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppl.planning.comparing.policy, "pilot", lambda plan, num_sweeps: None)
    plan = ppl.plan(counts_with_rates(2000), marginalize=False)
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "left the domain of its laws" in plan.policy


def test_what_only_another_backend_compiles_is_left_to_nuts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sweep: object, backend: str) -> None:
        raise BackendError("No machine code.", backend)

    monkeypatch.setattr(ppl.planning.comparing.pilot, "CompiledSweep", refuse)
    plan = ppl.plan(counts_with_rates(2000), marginalize=False)
    assert {a.method for a in plan.assignments} == {"nuts"}
    assert "Numba lacks one" in plan.policy


def test_steps_beside_nuts_in_any_case_are_counted_on_both_sides() -> None:
    """A count without bounds is drawn whatever moves the rest."""
    rate = ppl.Gamma("rate", 2.0, 1.0)
    size = ppl.Poisson("size", 4 * rate)
    model = ppl.Model({ppl.Normal("y", size, ppl.LogNormal("scale", 0, 1), size=3): np.array([3.0, 2.0, 4.0])})
    plan = ppl.plan(model, marginalize=False)
    assert plan.method_of("size") == "gibbs"
    assert "predicted" in plan.policy or "mix slowly" in plan.policy


@pytest.mark.parametrize(
    ("gain", "effective", "is_for_gibbs"), [(2.0, 0.5, True), (1.1, 0.5, True), (0.9, 0.5, False), (9.0, 0.05, False)]
)
def test_the_larger_rate_wins_unless_it_is_slow(gain: float, effective: float, is_for_gibbs: bool) -> None:
    prediction = Prediction(effective, gain, ("x",), ("s",))
    assert prediction.is_for_gibbs == is_for_gibbs
    assert str(prediction).startswith("Gibbs sampling for x, NUTS for s" if is_for_gibbs else "NUTS for all")


def test_work_is_counted_by_shape() -> None:
    matrix, vector = pt.tensor("m", shape=(30, 20)), pt.tensor("v", shape=(20,))
    assert work_of([matrix @ vector]) == pytest.approx(2 * 30 * 20 * PER_PRODUCT, abs=4 * PER_NODE)
    assert work_of([pt.exp(vector)]) == 20 * PER_SCALAR[scalars.Exp] + PER_NODE
    # Counted where loops are fused, too.
    both = pytensor.function([vector], pt.exp(vector) + 1.0, mode="NUMBA").maker.fgraph.outputs
    assert work_of(both) == pytest.approx(work_of([pt.exp(vector) + 1.0]), rel=0.1)
    square = pt.tensor("s", shape=(12, 12))
    expected = 12**3 / 3 * PER_PRODUCT_OF_LINALG + 12**2 * PER_ELEMENT_OF_LINALG + PER_NODE
    assert work_of([pt.linalg.cholesky(square)]) == pytest.approx(expected)
    rows = pt.tensor("rows", shape=(500,))
    scattered = pt.inc_subtensor(pt.zeros(20)[np.arange(500) % 20], rows)
    assert work_of([scattered]) == pytest.approx(500 * PER_SCATTERED, abs=4 * PER_NODE)


def test_draws_by_sparse_factors_are_counted_by_their_columns() -> None:
    """The factor of a chain has two elements in each column but the last: 4 products with it, and 1."""
    adjacency = csr_matrix(np.eye(30) + np.eye(30, k=1) + np.eye(30, k=-1))
    pattern = find_pattern(adjacency)
    assert pattern is not None
    values = pt.tensor("values", shape=pattern.places.shape)
    linear, noise = pt.tensor("linear", shape=(30,)), pt.tensor("noise", shape=(30,))
    expected = 117 * PER_PRODUCT_OF_SPARSE + 30 * PER_COLUMN_OF_SPARSE + PER_CALL_OF_SPARSE + PER_NODE
    assert work_of([draw_sparse_normal(values, linear, noise, pattern)]) == pytest.approx(expected)


@pytest.mark.parametrize("sampler", ["nuts", "gibbs"])
def test_a_pilot_run_goes_on_where_it_was(sampler: str) -> None:
    """Its draws are kept, NUTS learns no more, and what is added is the same every time and as good as the rest."""
    plan = ppl.plan(regression(), sampler=sampler)
    run = pilot(plan, 400)
    assert run is not None
    longer, again = (prolonged(run, 600) for _ in range(2))
    assert len(longer.draws) == len(run.draws) + 600
    np.testing.assert_array_equal(longer.draws[: len(run.draws)], run.draws)
    np.testing.assert_array_equal(longer.draws, again.draws)
    steps = [known.step_size for known in run.result.learnt[0]]
    assert [known.step_size for known in longer.result.learnt[0]] == pytest.approx(steps)
    before, added = run.draws, longer.draws[len(run.draws) :]
    errors = np.hypot(*(part.std(axis=0) / (effective_fractions(part) * len(part)) ** 0.5 for part in (before, added)))
    assert (np.abs(added.mean(axis=0) - before.mean(axis=0)) < 4.0 * errors).all()


def test_costly_draws_are_counted_as_such() -> None:
    """Their cost is found by name: every name is that of a distribution which compiled sweeps draw."""
    assert set(PER_DRAW) <= {*UNIVARIATE, *VECTOR, "wald", "wishart"}
    generator = pt.random.shared_rng(seed=1)
    outcome = np.zeros(750)
    b = ppl.Normal("b", 0.0, 10.0, size=2)
    logistic = ppl.Model({ppl.Bernoulli("y", logit_p=pt.dot(np.ones((750, 2)), b)): outcome.astype(int)})
    draws = [graph for block in ppl.plan(logistic, sampler="gibbs").sweep.blocks for graph in block.draws]
    normal = generator.normal(0.0, pt.vector("scale", shape=(750,)))[1]
    assert work_of(draws) > 10 * work_of([normal])


def test_what_depends_on_data_alone_is_no_work() -> None:
    vector = pt.tensor("v", shape=(20,))
    data = pt.as_tensor(DESIGN)
    assert work_of([pt.exp(data).sum() * vector]) == work_of([2.0 * vector])


def test_work_of_loops_counts_their_steps() -> None:
    start = pt.scalar("start")
    found = [
        work_of([pytensor.scan(lambda x: pt.exp(x), outputs_info=start, n_steps=n, return_updates=False)])
        for n in (10, 1000)
    ]
    assert found[1] > 50 * found[0]


def test_the_choice_is_reproducible() -> None:
    assert ppl.plan(regression()).policy == ppl.plan(regression()).policy


def test_slow_chains_are_left_to_nuts_however_cheap():
    """A pilot run cannot tell how slow they are: of autocorrelations longer than itself it sees the beginning."""
    for gain, effective, is_for_gibbs in ((5.0, 0.5, True), (5.0, 0.05, False), (0.5, 0.5, False)):
        prediction = Prediction(effective, gain)
        assert prediction.is_for_gibbs == is_for_gibbs
        assert str(prediction).startswith("Gibbs sampling" if is_for_gibbs else "NUTS")
    assert "mixes slowly (0.05 effective draws a sweep" in str(Prediction(0.05, 5.0))
