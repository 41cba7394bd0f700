"""Runs that go on: paused, put into arrays, restored in a new run, and extended, draw what one run draws at once.

Answers: a run that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray

from graphs.density import LogDensity
from graphs.errors import SamplingError
from samplers import DrawBlock, NUTSBlock, RunSettings, Sweep, compile_sweep
from samplers.chain.going import Taken
from samplers.loop import chain_run
from samplers.slicing.block import SliceBlock
from samplers.tables.block import TabulatedBlock
from tests.samplers.loop.test_chain import conditional_sweep

CHAINS = 3


def correlated() -> Sweep:
    """Normal variables whose scales differ by so much that a dense metric pays early."""
    x = pt.tensor("x", shape=(4,))
    scales = np.array([1e-3, 1.0, 30.0, 1e3])
    turned = pt.dot(np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0], x)
    return Sweep((x,), (NUTSBlock((x,), LogDensity(-0.5 * ((turned / scales) ** 2).sum(), (x,))),))


def stretched() -> Sweep:
    """The same, but for a program in Python, which is slow."""
    x = pt.tensor("x", shape=(4,))
    scales = np.array([1.0, 1.0, 2.0, 4.0])
    return Sweep((x,), (NUTSBlock((x,), LogDensity(-0.5 * ((pt.cumsum(x) / scales) ** 2).sum(), (x,))),))


def by_table() -> Sweep:
    x = pt.tensor("x", shape=(2,))
    return Sweep((x,), (TabulatedBlock((x,), LogDensity((2.0 * x - pt.exp(x)).sum(), (x,))),))


def without_table() -> Sweep:
    """So bent that NUTS has to move it."""
    x = pt.tensor("x", shape=(2,))
    bent = LogDensity(-0.5 * x[0] ** 2 - 0.5 * (40.0 * (x[1] - x[0] ** 2)) ** 2, (x,))
    return Sweep((x,), (TabulatedBlock((x,), bent),))


def sliced() -> Sweep:
    x, width = pt.tensor("x", shape=(2,)), pt.tensor("width", shape=())
    return Sweep((x, width), (SliceBlock((x,), x - pt.exp(x), (np.arange(2),), width),))


SWEEPS: dict[str, tuple[Callable[[], Sweep], str, dict[str, Any]]] = {
    "dense": (correlated, "numba", {}),
    "pooled": (correlated, "numba", {"is_pooled": True}),
    "open": (correlated, "numba", {"tunes_until_agreed": True, "tune": 100}),
    "pooled, open": (correlated, "numba", {"tunes_until_agreed": True, "tune": 100, "is_pooled": True}),
    "JAX, open": (correlated, "jax", {"tunes_until_agreed": True, "tune": 100}),
    "low rank": (correlated, "numba", {"metric": "low_rank"}),
    "gibbs": (conditional_sweep, "numba", {"thin": 3}),
    "slice": (sliced, "numba", {}),
    "table": (by_table, "numba", {"draws": 1500, "tune": 30}),
    "no table": (without_table, "numba", {}),
    "C": (conditional_sweep, "c", {"thin": 2}),
    "C, dense": (stretched, "c", {"metric": "dense"}),
    "JAX": (correlated, "jax", {}),
    "JAX, pooled": (correlated, "jax", {"is_pooled": True}),
}


class Kept:
    """A keeper in memory, of which only what has been committed counts."""

    def __init__(self, num_rows: int = 7):
        self.num_rows = num_rows
        self.rows: dict[tuple[int, bool], list[NDArray]] = {}
        self.states: list[Mapping[str, NDArray]] = []

    def take(self, rows: Taken) -> None:
        found = self.rows.setdefault((rows.chain, rows.is_tuning), [])
        assert sum(map(len, found)) == rows.first
        found.append(np.concatenate([rows.draws, rows.statistics], axis=1))

    def is_due(self) -> bool:
        return True

    def commit(self, state: Mapping[str, NDArray]) -> None:
        assert all(isinstance(array, np.ndarray | np.generic) for array in state.values())
        self.states.append({name: np.array(array) for name, array in state.items()})

    def of(self, chain: int, is_tuning: bool, number: int | None = None) -> NDArray:
        return np.concatenate(self.rows[chain, is_tuning])[:number]


LONG = {"JAX", "JAX, open", "JAX, pooled"}  # 15, 106 and 20 CPU seconds, nearly all of it to compile


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in SWEEPS]
)
def case(request: pytest.FixtureRequest) -> tuple[Any, NDArray, dict[str, Any]]:
    make, backend, options = SWEEPS[request.param]
    if backend == "jax":
        pytest.importorskip("jax")
    compiled = compile_sweep(make(), backend)
    init = np.full((CHAINS, compiled.layout.size), 0.5)
    return compiled, init, {"tune": 90, "draws": 40, "seed": 3, "keep_tuning": True, **options}


def whole(case: tuple[Any, NDArray, dict[str, Any]]) -> Any:
    compiled, init, options = case
    return compiled.run(init, RunSettings(**options))


def rows_of(result: Any) -> list[NDArray]:
    """Return draws and statistics of each chain, of the warm-up and after it."""
    return [
        np.concatenate([draws[chain], *(s[chain][:, None].astype(float) for s in stats.values())], axis=1)
        for chain in range(CHAINS)
        for draws, stats in ((result.tuning_draws, result.tuning_stats), (result.draws, result.stats))
    ]


def test_any_state_goes_on_to_the_same_draws(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every checkpoint of a run, in its warm-up or later, continued by a run that knows nothing else."""
    compiled, init, options = case
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-4)
    expected = rows_of(whole(case))
    kept = Kept()
    assert compiled.begin(init, RunSettings(**options), kept).advance()
    for chain in range(CHAINS):
        for is_tuning in (True, False):
            np.testing.assert_array_equal(kept.of(chain, is_tuning), expected[2 * chain + (not is_tuning)])
    for state in kept.states[:: max(len(kept.states) // 4, 1)]:
        again = Kept()
        for chain in range(CHAINS):
            for is_tuning, name in ((True, "num_tuned"), (False, "num_kept")):
                before = kept.of(chain, is_tuning, int(state[name][chain]))
                again.rows[chain, is_tuning] = [before]
        run = compiled.begin(init, RunSettings(**options), again)
        run.restore(state)
        assert run.advance()
        for chain in range(CHAINS):
            for is_tuning in (True, False):
                np.testing.assert_array_equal(again.of(chain, is_tuning), expected[2 * chain + (not is_tuning)])


def test_longer_runs_begin_with_shorter_ones(case: Any) -> None:
    compiled, init, options = case
    run = compiled.begin(init, RunSettings(**{**options, "draws": 15}))
    assert run.advance()
    np.testing.assert_array_equal(run.num_kept, [15] * CHAINS)
    assert run.advance(options["draws"])
    for found, expected in zip(rows_of(run.result()), rows_of(whole(case)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_interrupted_run_goes_on(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, init, options = case
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-4)
    calls = 0

    def interrupt(states: list[dict]) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise KeyboardInterrupt

    run = compiled.begin(init, RunSettings(**options, callback=interrupt))
    while not run.advance():
        pass
    for found, expected in zip(rows_of(run.result()), rows_of(whole(case)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_state_of_another_run_is_refused() -> None:
    compiled, other = compile_sweep(correlated()), compile_sweep(conditional_sweep())
    state = compiled.begin(np.zeros((2, 4)), RunSettings(10, 10, seed=1)).state()
    run = other.begin(np.zeros((2, 2)), RunSettings(10, 10, seed=1))
    with pytest.raises(SamplingError, match="does not fit the run: of state"):
        run.restore(state)


def test_draws_of_a_random_generator_of_numpy_go_on() -> None:
    """A generator of C programs that has drawn half of a word."""
    x = pt.tensor("x", shape=(), dtype="int64")
    rng = pt.random.rng("rng")
    next_rng, draw = rng.integers(0, 100)
    sweep = Sweep((x,), (DrawBlock("gibbs", (x,), rng, next_rng, (draw.astype("int64"),)),))
    compiled, init = compile_sweep(sweep, "c"), np.zeros((1, 1))
    expected = compiled.run(init, RunSettings(0, 9, seed=1)).draws
    run = compiled.begin(init, RunSettings(0, 5, seed=1))
    run.advance()
    again = compiled.begin(init, RunSettings(0, 9, seed=1), kept := Kept())
    again.restore(run.state())
    kept.rows[0, False] = [run.result().draws[0]]
    again.advance()
    np.testing.assert_array_equal(kept.of(0, False), expected[0])
