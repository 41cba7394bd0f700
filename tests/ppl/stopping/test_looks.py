"""When draws are looked at, and what is asked of them.

Answers: ArviZ for effective sizes, R-hat and standard errors; chains whose numbers are known by how they were made.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
from arviz_stats.base import array_stats

import ppl
from ppl.stopping.judging import WAITED_FOR, look_at
from ppl.stopping.looks import GROWTH, LEAST_LOOKED_AT, looks
from ppl.stopping.until import check_until
from tests.ppl.diagnosing.test_diagnosis import correlated, tree


def normal(num_draws: int, num_chains: int = 4, seed: int = 1, size: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_chains, num_draws, size))


def test_looks_become_rarer_and_end_at_the_most():
    found = list(looks(ppl.Until(), 4, 100_000))
    assert found[0] == LEAST_LOOKED_AT
    assert found[-1] == 100_000
    ratios = np.array(found[1:-1]) / found[:-2]
    assert (ratios >= GROWTH).all()
    assert (ratios < GROWTH + 1 / LEAST_LOOKED_AT).all()


def test_nobody_looks_before_there_could_be_enough():
    assert next(looks(ppl.Until(ess=10_000), 4, 100_000)) == 2500
    assert list(looks(ppl.Until(ess=10_000), 4, 50)) == [50]


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.7])
def test_what_is_asked_is_met_where_arviz_says_so(rho):
    x = correlated(np.random.default_rng(2), (4, 600), rho)[:, :, None]
    axes = {"chain_axis": 0, "draw_axis": 1}
    ess = min(
        float(array_stats.ess(x, method=how, **options, **axes)[0])
        for how, options in (("bulk", {}), ("tail", {"prob": (0.05, 0.95)}))
    )
    r_hat = float(array_stats.rhat(x, **axes)[0])
    error = float(az.mcse(az.convert_to_dataset({"x": x[:, :, 0]}), method="mean")["x"])
    trace = tree({"x": x}, {})
    for factor, is_met in ((1.001, False), (0.999, True)):
        assert look_at(trace, ppl.Until(ess=ess * factor, r_hat=None)).is_met is is_met
        assert look_at(trace, ppl.Until(ess=None, r_hat=None, mcse=error / factor)).is_met is is_met
        assert look_at(trace, ppl.Until(ess=None, r_hat=None, mcse={"x": error / factor})).is_met is is_met
    if r_hat > 1:
        assert look_at(trace, ppl.Until(ess=None, r_hat=r_hat + 1e-6)).is_met
        assert not look_at(trace, ppl.Until(ess=None, r_hat=r_hat - 1e-6)).is_met


def test_what_is_missing_is_said_of_the_worst_number():
    x = normal(400)
    x[:, :, 1] = correlated(np.random.default_rng(3), (4, 400), 0.9)
    found = look_at(tree({"x": x}, {}), ppl.Until(ess=800))
    assert not found.is_met
    assert "x[1]" in found.missing
    assert look_at(tree({"x": x}, {}), ppl.Until(ess=800, var_names=["x"])) == found


def test_only_what_is_named_is_looked_at():
    good, bad = normal(400), correlated(np.random.default_rng(3), (4, 400), 0.95)
    trace = tree({"good": good, "bad": bad}, {})
    assert not look_at(trace, ppl.Until()).is_met
    assert look_at(trace, ppl.Until(var_names=["good"])).is_met


def test_elements_that_never_vary_beside_others_that_do_are_not_waited_for():
    x = normal(400)
    x[:, :, 0] = 1.0
    assert look_at(tree({"x": x}, {}), ppl.Until()).is_met


def test_a_variable_that_does_not_vary_is_waited_for_and_then_named():
    def found(num_draws: int):
        x = normal(num_draws)
        return look_at(tree({"x": x, "z": np.zeros((4, num_draws), int)}, {}), ppl.Until())

    early, late = found(WAITED_FOR // 2), found(WAITED_FOR)
    assert not early.is_met
    assert "z has not varied" in early.missing
    assert late.is_met
    assert late.constant == ("z",)


def test_nothing_that_varies_is_never_enough():
    found = look_at(tree({"z": np.zeros((4, WAITED_FOR), int)}, {}), ppl.Until())
    assert not found.is_met
    assert "nothing has varied" in found.never


def test_chains_that_have_stopped_are_left_out_and_one_alone_is_never_enough():
    x = normal(400)
    x[0, 100:] = np.nan
    assert look_at(tree({"x": x}, {}), ppl.Until()).is_met
    x[:3, 200:] = np.nan
    assert "one chain alone" in look_at(tree({"x": x}, {}), ppl.Until()).never
    assert not look_at(tree({"x": x}, {}), ppl.Until(r_hat=None, ess=300)).never
    x[:, 300:] = np.nan
    assert "every chain" in look_at(tree({"x": x}, {}), ppl.Until()).never


def test_a_number_that_is_not_finite_is_never_enough():
    x = normal(400)
    x[2, 7, 1] = np.nan
    found = look_at(tree({"x": x}, {}), ppl.Until(var_names=["x"]))
    assert "x[1] is not finite" in found.never


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ess": 0}, "ess is a number above 0"),
        ({"ess": float("nan")}, "ess is a number above 0"),
        ({"ess": "many"}, "ess is a number above 0"),
        ({"ess": True}, "ess is a number above 0"),
        ({"r_hat": 1.0}, "r_hat is a number above 1"),
        ({"mcse": -0.1}, "mcse is a number above 0"),
        ({"mcse": {"x": 0.0}}, "mcse is a number above 0"),
        ({"mcse": {}}, "mcse holds no variable"),
        ({"seconds": 0}, "seconds is a number above 0"),
        ({"var_names": "x"}, "var_names is a list of names"),
        ({"var_names": []}, "var_names names no variable"),
        ({"var_names": [1]}, "var_names is a list of names"),
        ({"ess": None, "r_hat": None}, "nothing is asked"),
        ({"most_draws": 0}, "most_draws is a whole number"),
        ({"most_draws": 1.5}, "most_draws is a whole number"),
    ],
)
def test_what_nothing_could_meet_is_refused(arguments, message):
    with pytest.raises(ppl.SamplingError, match=message):
        ppl.Until(**arguments)


@pytest.mark.parametrize(
    ("until", "draws", "chains", "message"),
    [
        (400, None, 4, r"until is a ppl\.Until"),
        (ppl.Until(), 1000, 4, "Both draws=1000 and until"),
        (ppl.Until(), None, 1, "there is one"),
        (ppl.Until(ess=1000, most_draws=100), None, 4, "raise most_draws"),
        (ppl.Until(var_names=["y"]), None, 4, "of which this run keeps no draws"),
        (ppl.Until(mcse={"y": 0.1}), None, 4, "of which this run keeps no draws"),
        (ppl.Until(var_names=["fixed"]), None, 4, "one possible value"),
    ],
)
def test_what_a_run_could_never_meet_is_refused_before_it(until, draws, chains, message):
    with pytest.raises(ppl.PPLError, match=message):
        check_until(until, draws, chains, ["x", "fixed"], ["fixed"])


def test_what_is_asked_is_said_in_words():
    assert str(ppl.Until()) == "ess 400, r_hat 1.01"
    asked = ppl.Until(ess=None, mcse={"x": 0.1}, seconds=60, var_names=["x"])
    assert str(asked) == "r_hat 1.01, mcse of x 0.1, seconds 60 of x"
