"""What goes wrong in a loop over sweeps is said, and what was drawn is kept.

Answers: where the walk ends, by hand; messages are written out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

from graphs.density import LogDensity
from graphs.errors import BackendError, ModelError, SamplingError
from samplers import DrawBlock, NUTSBlock, RunSettings, Sweep, SweepResult, compile_sweep
from tests.samplers.loop.test_chain import normal_sweep, nuts_sweep


def failing_sweep(limit: float) -> Sweep:
    """A random walk whose next step is NaN beyond a limit."""
    x = pt.tensor("x", shape=())
    rng = pt.random.rng("rng")
    next_rng, noise = rng.normal(0.0, 1.0)
    draw = pt.switch(pt.abs(x) > limit, np.nan, x + noise)
    return Sweep((x,), (DrawBlock("gibbs", (x,), rng, next_rng, (draw,)),))


def run_failing(limit: float) -> SweepResult:
    return compile_sweep(failing_sweep(limit)).run(np.array([[0.0], [1.0]]), RunSettings(tune=0, draws=2000, seed=13))


def test_a_failed_draw_stops_its_chain_and_keeps_the_rest() -> None:
    result = run_failing(20.0)
    assert np.all(result.status == 2)
    assert result.draws.shape == (2, 2000, 1)
    for number, length in enumerate(result.num_draws):
        assert 10 < length < 2000
        assert np.isfinite(result.draws[number, :length]).all()
        assert np.isnan(result.draws[number, length:]).all()
    assert not result.interrupted


def test_a_chain_that_cannot_start_raises() -> None:
    with pytest.raises(SamplingError, match="Chain 1 cannot start: a value that is not finite was drawn for x"):
        run_failing(0.5)
    x = pt.tensor("x", shape=())
    with pytest.raises(SamplingError, match="Chain 0 cannot start: the log-density of x is not finite"):
        compile_sweep(nuts_sweep(pt.log(x), x)).run(np.array([[-1.0]]), RunSettings(tune=0, draws=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tune": -1}, "tune is -1; it must be at least 0"),
        ({"draws": -1}, "draws is -1"),
        ({"thin": 0}, "thin is 0"),
        ({"max_tree_depth": 21}, "max_tree_depth is 21; it must be at least 1, at most 20"),
        ({"target_accept": 1.0}, "target_accept is 1.0"),
        ({"init": np.zeros((2, 9))}, r"init has shape \(2, 9\); it must be \(chains, 10\)"),
        ({"init": np.full((1, 10), np.nan)}, "Chain 0 starts at nan"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    given = {"init": np.zeros((1, 10)), "tune": 1, "draws": 1} | arguments
    with pytest.raises(SamplingError, match=message):
        compile_sweep(normal_sweep()).run(given.pop("init"), RunSettings(**given))


def test_unknown_backend() -> None:
    with pytest.raises(BackendError, match="fortran"):
        compile_sweep(normal_sweep(), "fortran")


def test_blocks_must_fit_the_joint_state() -> None:
    x, y, z = (pt.tensor(name, shape=()) for name in "xyz")
    density = LogDensity(-(x**2) - z**2, (x, z))
    with pytest.raises(ModelError, match="neighbours"):
        compile_sweep(Sweep((x, y, z), (NUTSBlock((x, z), density),)))
    with pytest.raises(ModelError, match="z is moved by a block"):
        compile_sweep(Sweep((x, y), (NUTSBlock((x, z), density),)))
    k = pt.tensor("k", dtype="int64", shape=())
    with pytest.raises(ModelError, match="k is discrete"):
        compile_sweep(Sweep((k,), (NUTSBlock((k,), LogDensity(-(k**2), (k,))),)))
