"""The contract of every sampler that moves variables in sweeps, discovered as in `test_kernels`.

Answers: closed forms, SciPy's distributions and quadrature, as in `test_kernels`.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from samplers import BUILDERS as BY_NAME
from samplers import SAMPLERS, DrawBlock, Move, RunSettings, Sweep, compile_sweep
from samplers.builders import BlockBuilder, SweepTarget
from samplers.registry import SamplerName
from samplers.renewal import Renewal
from tests.laws.kernels import assert_leaves_exactly
from tests.samplers.targets import WEIGHTS, Target, assert_stationary, finite, row, skewed

NUM_STARTS = 800
BUILDERS: dict[str, BlockBuilder] = {**BY_NAME, "renewal": Renewal()}


def in_a_sweep(builder: BlockBuilder, target: Target) -> Sweep:
    """The blocks of a builder, and what they move and learn."""
    density = target.logdensity
    values = {str(v.name): v for v in density.inputs}
    blocks = builder.blocks(
        SweepTarget(density, (density.total,), (density.total,), values, lambda name: name), [*values]
    )
    return Sweep((*density.inputs, *(v for block in blocks for v in block.tuned)), tuple(blocks))


def test_builders_are_found() -> None:
    assert {"barker", "nuts", "rmh", "slice"} <= set(BY_NAME) <= set(SAMPLERS)
    assert all(builder.name == name for name, builder in BY_NAME.items())


def test_type_checkers_know_all_names():
    assert set(get_args(SamplerName)) == {"gibbs", *BY_NAME}


@pytest.mark.parametrize(
    "name", [name for name, builder in BUILDERS.items() if isinstance(builder, Move) and not builder.needs_gradient]
)
def test_finite_targets_are_left_exactly(name: str) -> None:
    """Exactly, by all that may be drawn: of steps that are graphs."""
    sweep = in_a_sweep(BUILDERS[name], finite())
    [block] = sweep.blocks
    assert isinstance(block, DrawBlock)
    tuned = [*block.tuned.values()]
    assert_leaves_exactly(WEIGHTS, sweep.variables, block.draws[0], lambda k: [np.asarray(k), *tuned])


def sweeps() -> list[Any]:
    """Every sampler that moves variables in sweeps, with every kind of variable that it moves."""
    found = [(name, skewed()) for name in BY_NAME]
    found += [(name, finite()) for name, builder in BUILDERS.items() if not builder.needs_gradient]
    return [
        pytest.param(BUILDERS[name], target, id=f"{name}-{target.logdensity.inputs[0].name}") for name, target in found
    ]


@pytest.mark.parametrize(("builder", "target"), sweeps())
@pytest.mark.parametrize("backend", ["numba", "jax", pytest.param("c", marks=pytest.mark.slow)])
def test_sweeps_leave_exact_draws(builder: BlockBuilder, target: Target, backend: str) -> None:
    """As for kernels: a chain from each of many exact draws, one sweep without tuning."""
    if backend == "jax":
        pytest.importorskip("jax")
    sweep = in_a_sweep(builder, target)
    before = target.draws(np.random.default_rng(1), NUM_STARTS)
    tuned = {str(v.name): start for v, start in sweep.tuned.items()}
    init = np.stack([sweep.layout.pack(row(before, i) | tuned) for i in range(NUM_STARTS)])
    draws = compile_sweep(sweep, backend).run(init, RunSettings(tune=0, draws=1, seed=2)).draws[:, 0]
    after = sweep.layout.unpack(draws)
    assert all((after[name] != before[name]).any() for name in before)
    for variable, start in tuned.items():
        np.testing.assert_array_equal(after[variable], np.broadcast_to(start, after[variable].shape))
    assert_stationary(after, target)
