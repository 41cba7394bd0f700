"""The benchmarks run, and what they time gives right answers; no times are asserted.

Answers: quadrature by SciPy, PyMC's log-densities, and code by hand.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numba.extending import is_jitted

import ppl
from benchmarks import (
    after_chains,
    bivariate_gibbs,
    evaluation,
    first_draw,
    hand_hmm,
    hand_nuts,
    marginal_models,
    marginal_recovery,
    marginalization,
    memory,
    mixture_density,
    nuts_overhead,
    rmh_mixture,
    same_draws,
    scaled_t_gibbs,
)
from benchmarks.__main__ import NAMES, main
from benchmarks.measure import is_installed, print_table, rows_of, skipped, timed
from graphs.surgery.interpreting import interpret, without_c

# By quadrature: SciPy's dblquad over x in (0, 8), y in (-6, 6).
BIVARIATE_MEANS = 0.6510590629974939, 0.6359707143845065


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)])
def loops_by_hand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops that are written by hand for Numba run as they stand; in the long tests they are compiled, as when timed.

    To compile them takes ten seconds, and there are a few steps to make.
    """
    if request.param == "interpreted":
        for module in (hand_hmm, marginal_recovery):
            for name, function in [*vars(module).items()]:
                if is_jitted(function):
                    monkeypatch.setattr(module, name, function.py_func)


def assert_mean(draws: np.ndarray, expected: float) -> None:
    """Compare the mean of one chain with the error that batches of it tell."""
    batches = draws[: draws.size // 20 * 20].reshape(20, -1).mean(axis=1)
    assert abs(draws.mean() - expected) < 4.5 * batches.std(ddof=1) / math.sqrt(20)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    costs = iter([9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    contenders = {"ours": lambda: next(costs), "theirs": lambda: next(costs)}
    print_table("Title", [*rows_of("task", contenders, 3, "s", 1.0, 3.0), skipped("task", "absent", "not installed")])
    printed = capsys.readouterr().out
    lines = {line.split("|")[2].strip(): [c.strip() for c in line.split("|")[3:6]] for line in printed.splitlines()[5:]}
    assert lines == {
        "ours": ["3 s", "", "<= 3: yes"],
        "theirs": ["4 s", "1.33", ""],
        "absent": ["skipped: not installed", "", ""],
    }


def test_time_per_count() -> None:
    assert timed(lambda: None, 1e9)() < 1e-6


def test_unknown_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit):
        main()
    assert len(NAMES) == 12


def test_nuts_overhead() -> None:
    for contender in (
        nuts_overhead.by_model(nuts_overhead.standard_normal(3), 20, True),
        nuts_overhead.by_model(nuts_overhead.eight_schools(), 20, False, chains=2),
        nuts_overhead.by_kernel(3, 20),
        nuts_overhead.by_hand(3, 20),
    ):
        assert contender() > 0


def test_hand_written_nuts() -> None:
    draws, num_gradients = hand_nuts.sample(np.zeros(2), 0.9, np.array([1.0, 0.5]), 4000, np.random.default_rng(1))
    assert num_gradients > 4000
    for column in draws.T:
        assert_mean(column, 0.0)
        assert_mean(column**2, 1.0)


def test_scaled_t_gibbs() -> None:
    data = scaled_t_gibbs.DATA[:60]
    ours = scaled_t_gibbs.by_kernel(data, 3000)()
    ours = np.column_stack([ours["mu"], ours["alpha2"] * ours["tau2"]])[200:]
    by_numpy = scaled_t_gibbs.by_numpy(data, 3000, np.random.default_rng(1))[200:]
    by_hand = scaled_t_gibbs.by_hand(data, 3000, np.random.default_rng(2))[200:]
    assert scaled_t_gibbs.one_by_one(data, 2, np.random.default_rng(1)).shape == (2, 2)
    for other in (by_numpy, by_hand):
        for i in (0, 1):
            assert_mean(ours[:, i] - other[:, i], 0.0)


def test_bivariate_gibbs() -> None:
    ours = bivariate_gibbs.by_kernel(1000)()
    by_hand = bivariate_gibbs.by_hand(1000, np.random.default_rng(1))
    for x, y in ((ours["x"], ours["y"]), by_hand.T):
        assert_mean(x, BIVARIATE_MEANS[0])
        assert_mean(y, BIVARIATE_MEANS[1])
    assert bivariate_gibbs.loop(2, np.random.default_rng(1)).shape == (2, 2)


def test_rmh_mixture() -> None:
    expected = float(rmh_mixture.WEIGHTS @ rmh_mixture.LOCATIONS)
    ours = rmh_mixture.by_kernel(1000, 300)()
    by_numpy = rmh_mixture.by_numpy(1000, 300)
    by_hand = rmh_mixture.by_hand(1000, 300, np.random.default_rng(1))
    for positions in (ours, by_numpy, by_hand):
        assert_mean(positions, expected)


def test_memory() -> None:
    if not memory.STATUS.exists():
        pytest.skip("memory is read from /proc")
    assert memory.by_rvgraph(50, 50, 200) >= 0
    assert memory.by_models(3, 1) < memory.MOST_MEGABYTES


def test_first_draw() -> None:
    assert first_draw.by_rvgraph(2, 2, 1).shape == (1, 2, 3)


def test_mixture_density() -> None:
    """All forms of the density are the same number."""
    points = mixture_density.data(9, 2)
    declared = evaluation.declared_density(mixture_density.declare(points, 2))
    by_mixture = evaluation.pymc_density(mixture_density.marginalised(points, 2))
    values = [
        evaluation.by_program(evaluation.as_program(*d), mixture_density.point(d[1], 2))(1)
        for d in (declared, by_mixture)
    ]
    # PyMC's graph holds constants of single precision: it is off by 1.3e-7.
    np.testing.assert_allclose(values[0], values[1], rtol=1e-8)


@pytest.mark.skipif(not is_installed("jax"), reason="JAX is not installed")
def test_mixture_density_in_jax() -> None:
    points = mixture_density.data(9, 2)
    total, inputs = evaluation.pymc_density(mixture_density.marginalised(points, 2))
    assert [v.name.split("_")[0] for v in inputs] == ["w", "mu", "sigma"]
    at = mixture_density.point(inputs, 2)
    ours = evaluation.by_program(evaluation.as_program(total, inputs), at)(1)
    # What it leaves out: the Dirichlet's and the half-normals' constants, and the simplex transform's.
    constants = math.log(2) + 2 * math.log(2)
    in_jax = evaluation.by_jax(mixture_density.in_jax(points, 2), at)(1)
    assert in_jax + constants == pytest.approx(ours, rel=1e-4)


TESTED = (marginalization.OURS, marginalization.NUMBA, marginal_models.IN_JAX, marginal_models.SCAN)
CASES = {
    "mixture": partial(marginal_models.mixture_case, 9, 3),
    "hmm": partial(marginal_models.hmm_case, 12, 3),
    "poisson": partial(marginal_models.poisson_case, 9),
}


@pytest.mark.parametrize("kind", ["mixture", pytest.param("hmm", marks=pytest.mark.slow), "poisson"])
@pytest.mark.usefixtures("loops_by_hand")
def test_marginalization(kind: str) -> None:
    """All contenders that are installed say how much more probable one point is than another; constants may differ."""
    case = CASES[kind]()
    name = {"mixture": "mu", "hmm": "mu", "poisson": "b"}[kind]
    moved = replace(case, at={**case.at, name: case.at[name] + 0.3})
    differences = {
        who: build(moved)(1) - build(case)(1)
        for who, (build, reason) in marginalization.builders(case).items()
        # Compiling scans with PyTensor's Numba takes a minute, and JAX is tested in single precision.
        if reason is None and who in TESTED
    }
    by_hand = case.by_hand()
    points = [[c.at[v.name.split("_")[0]].reshape(v.type.shape) for v in by_hand.value_vars] for c in (case, moved)]
    with without_c():
        at = interpret(by_hand.value_vars, [by_hand.logp()])
        expected = at(*points[1])[0] - at(*points[0])[0]
    assert differences.pop(marginalization.OURS) == pytest.approx(expected, rel=1e-6)
    for difference in differences.values():
        assert difference == pytest.approx(expected, abs=1e-3)


@pytest.mark.usefixtures("loops_by_hand")
def test_hidden_markov_model_by_hand() -> None:
    """The gradient written by hand is that of the value."""
    case, rng = CASES["hmm"](), np.random.default_rng(1)
    at = np.concatenate([v.ravel() for v in case.at.values()]) + 0.1 * rng.standard_normal(10)
    space = np.empty((2, 3, 3)), np.empty((2, 12, 3)), np.empty(12)
    gradient, other = np.empty(10), np.empty(10)
    hand_hmm.value_and_gradient(at, case.data["y"], 3, gradient, *space)
    for i in range(10):
        step = 1e-5 * (np.arange(10) == i)
        points = (at + step, at - step)
        above, below = (hand_hmm.value_and_gradient(x, case.data["y"], 3, other, *space) for x in points)
        assert gradient[i] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-7)


def test_chains_written_one_by_one() -> None:
    assert marginalization.rewrite_seconds(marginalization.OURS, 3) > 0
    assert len(marginal_models.loop_in_pymc(3).free_RVs) == len(ppl.Model(marginal_models.declared_loop(3)).latent) == 4


@pytest.mark.parametrize("kind", ["mixture", pytest.param("hmm", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("loops_by_hand")
def test_recovery(kind: str) -> None:
    """Ours and the loop written by hand draw each state equally often."""
    case = CASES[kind]()
    draws = marginal_recovery.posterior(case, 2, 1000)
    ours, by_hand = (
        np.asarray(build(case, draws)()).reshape(2000, -1)
        for build in (marginal_recovery.by_rvgraph, marginal_recovery.by_hand)
    )
    for state in range(case.num_states):
        for a, b in zip((ours == state).T, (by_hand == state).T, strict=True):
            pooled = np.mean([a, b])
            assert abs(a.mean() - b.mean()) <= 4.5 * math.sqrt(2 * pooled * (1 - pooled) / 2000)


def test_same_draws_are_told_from_others() -> None:
    """A digest depends on names, values, their order and their type, not on how they lie in memory."""
    draws = np.arange(6.0).reshape(2, 3)
    others = (
        {"y": draws},
        {"x": draws[::-1]},
        {"x": draws.T},
        {"x": draws.view(np.int64)},
        {"x": np.where(draws == 5, 5 + 1e-15, draws)},
    )
    found = [same_draws.digest(each) for each in ({"x": draws}, *others)]
    assert len(set(found)) == len(found)
    assert same_draws.digest({"x": np.asfortranarray(draws)}) == found[0]


def test_runs_of_same_draws() -> None:
    assert len(set(same_draws.RUNS)) == 40
    assert {run.model for run in same_draws.RUNS} <= set(same_draws.makers())
    assert {run.how for run in same_draws.RUNS} == {*same_draws.OPTIONS, "hmc", "em"}


def test_same_draws_against_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digests"

    def returned(option: str) -> int:
        monkeypatch.setattr("sys.argv", ["same_draws", option, str(file), "--runs", "changed_data", "latent_index"])
        return same_draws.main()

    monkeypatch.setattr(same_draws, "digest_of_run", lambda run: f"{run.seed:016}")
    assert returned("--write") == returned("--against") == 0
    monkeypatch.setattr(same_draws, "digest_of_run", lambda run: f"{1:016}")
    assert returned("--against") == 1
    assert [line for line in capsys.readouterr().out.splitlines() if "differs" in line] == [
        f"{1:016} drawn numba 2 discrete.latent_index  differs: {2:016} in the file"
    ]
    monkeypatch.setattr(same_draws, "digest_of_run", lambda run: same_draws.FAILED + "DerivationError")
    assert returned("--write") == 1


def test_draws_are_the_same_again() -> None:
    run = same_draws.Run("default", "structures.changed_data")
    found = [same_draws.digest_of_run(each) for each in (run, run, run._replace(seed=2))]
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == len(found[2]) == same_draws.LENGTH


def test_stages_of_a_call_are_timed() -> None:
    """Each is seen, and together they are part of the whole call; what is timed is put back."""
    original = after_chains.running.to_datatree
    found = after_chains.stages(after_chains.ordinary(), 1, draws=20, tune=20)
    assert set(found) == {*(label for _, _, label in after_chains.STAGES), "whole call"}
    assert sum(found.values()) - found["whole call"] - found["drawn back"] <= found["whole call"]
    assert after_chains.running.to_datatree is original
