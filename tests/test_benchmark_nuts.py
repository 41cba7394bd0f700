"""The comparison of NUTS by several tools: the same models in both forms, and right answers from each tool.

Answers: closed forms, and PyMC's log-densities.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

import ppl
from benchmarks import nuts, nuts_tools
from benchmarks.evaluation import declared_density
from benchmarks.measure import is_installed
from benchmarks.nuts_models import BenchmarkModel, models
from benchmarks.nuts_worker import Outcome, Worker
from graphs.surgery.interpreting import interpret

MODELS = models()
OF_EACH_FORM = (
    "mixture of 4, n=2000",
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhs",
    "mesquite-logmesquite_logvolume",
    "diamonds-diamonds",
    "sblri-blr",
    "arK-arK",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "bball_drive_event_1-hmm_drive_1",
    "gp_pois_regr-gp_pois_regr",
    "arma-arma11",
    "hudson_lynx_hare-lotka_volterra",
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", [n if n in OF_EACH_FORM else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_both_forms_are_the_same_model(name: str) -> None:
    """They say how much more probable one point is than another; constants of flat priors may differ."""
    model = MODELS[name]
    total, inputs = declared_density(model.declare())
    theirs = model.built_in_pymc()
    assert {v.name for v in inputs} == {v.name for v in theirs.value_vars}
    ours, by_name = interpret(inputs, total), {v.name: v for v in theirs.value_vars}
    logp = interpret([by_name[v.name] for v in inputs], theirs.logp())
    centre, rng = theirs.initial_point(), np.random.default_rng(1)
    points = [[centre[v.name] + rng.uniform(-0.5, 0.5, v.type.shape) for v in inputs] for _ in range(3)]
    differences = [np.diff([float(f(*point)) for point in points]) for f in (ours, logp)]
    # PyMC's graph of a mixture holds constants of single precision.
    np.testing.assert_allclose(differences[0], differences[1], rtol=1e-6)


def normal() -> BenchmarkModel:
    """Return a normal mean with a posterior in closed form."""

    def declare() -> ppl.Model:
        return ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0.5, 2.0), 1.3): 1.7})

    def in_pymc() -> pm.Model:
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("mu", 0.5, 2.0), 1.3, observed=1.7)
        return model

    return BenchmarkModel(declare, in_pymc)


PRECISION = 1 / 4 + 1 / 1.69
MEAN, SD = (0.5 / 4 + 1.7 / 1.69) / PRECISION, PRECISION**-0.5
TOOLS = [
    (*nuts_tools.OURS,),
    *(pytest.param((t,), marks=pytest.mark.slow) for t in nuts_tools.tools() if t not in nuts_tools.OURS),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("names", TOOLS, ids=" ".join)
def test_what_is_timed(names: tuple[str, ...]) -> None:
    for tool in (nuts_tools.tools()[name] for name in names):
        if not is_installed(tool.package):
            pytest.skip(f"{tool.package} is not installed")
    # In a process of its own, as in the benchmark: JAX cannot be given more devices once it has been used. Ours, which
    # can share one, do: each process imports for two seconds.
    script = f"from tests.test_benchmark_nuts import check_tool; [check_tool(name) for name in {names!r}]"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1], timeout=250)


def check_tool(name: str) -> None:
    """Compare what a tool draws with the closed form."""
    run = nuts_tools.tools()[name].compile(normal())(1)
    assert run.draws["mu"].shape == (4, 1000)
    ess = nuts_tools.least_ess(run.draws)
    assert 500 < ess < 12000
    # The Monte Carlo error of a mean and of a standard deviation, times 4.5.
    assert abs(run.draws["mu"].mean() - MEAN) < 4.5 * SD / math.sqrt(ess)
    assert abs(run.draws["mu"].std() / SD - 1) < 4.5 / math.sqrt(ess)
    assert run.seconds > 0
    # Each of 8000 transitions takes one gradient at least.
    assert math.isnan(run.num_gradients) or run.num_gradients > 8000


def test_least_effective_sample_size() -> None:
    rng = np.random.default_rng(1)
    independent, constant = rng.normal(size=(4, 100, 2)), np.zeros((4, 100))
    assert 200 < nuts_tools.least_ess({"x": independent}) < 800
    assert nuts_tools.least_ess({"x": independent, "y": np.cumsum(independent, axis=1)}) < 100
    assert nuts_tools.least_ess({"x": independent, "y": np.where(constant == 0, np.nan, 0)}) == 0


def test_a_tool_that_hangs_or_fails_is_named() -> None:
    with Worker("no such model", "rvgraph", 120.0) as worker:
        assert worker.failure == "failed: KeyError: 'no such model'"
        assert worker.run(1) is None
    with Worker("mixture of 4, n=2000", "rvgraph", 0.01) as worker:
        assert worker.failure == "did not finish"
        assert worker.run(1) is None


def test_medians_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates are medians after a run to warm up; a run that did not finish counts as nothing."""
    outcomes = [Outcome(ess, 2.0, 1000.0, 0, 1.0) for ess in (9000.0, 100.0, 300.0, 200.0)]
    ours = nuts.summed_up(outcomes, "")
    assert (ours.rate, ours.per_gradient, ours.microseconds, ours.in_loop, ours.note) == (100, 0.2, 2000, 0.5, "3")
    assert nuts.summed_up(outcomes[:1], "did not finish").note == "1, then did not finish"
    hung = nuts.summed_up([], "did not finish")
    slow, fast = nuts.summed_up(outcomes[1:], ""), nuts.summed_up([Outcome(800.0, 2.0, 1000.0, 0, math.nan)], "")
    results = {
        "a": {"rvgraph": ours, "nutpie": slow, "numpyro": hung},
        "b": {"rvgraph": ours, "nutpie": slow, "numpyro": fast},
        "c": {"rvgraph": ours, "nutpie": hung},
    }
    assert nuts.ratios(results, "rvgraph") == {"a": 100 / 125, "b": 100 / 400}
    rows = {row[1]: row[2:] for row in nuts.summary_rows(results)}
    assert rows["/ best peer, geometric mean"] == ("0.447", "2 reference posteriors", ">= 1.5: NO")
    assert rows["/ best peer, worst"] == ("0.25", "b", ">= 0.9: NO")
    assert nuts.geometric_mean([0.0, 2.0]) == 0.0


def test_names_of_models() -> None:
    assert nuts.select([], ["ab", "bc"], "model") == ["ab", "bc"]
    assert nuts.select(["c"], ["ab", "bc"], "model") == ["bc"]
    with pytest.raises(SystemExit, match="no model d; there are ab, bc"):
        nuts.select(["d"], ["ab", "bc"], "model")
