"""Sweeps turned into what the loop over sweeps runs: a table of blocks, and a program for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.density import gradients
from graphs.errors import ModelError
from graphs.layout import Layout
from samplers.blocks import Block, DrawBlock, NUTSBlock, SliceBlock, Sweep
from samplers.chain import state
from samplers.chain.programs import BindPrograms, Programs
from samplers.chain.result import statistics_of


def block_table(sweep: Sweep) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Describe the blocks as numbers.

    Parameters
    ----------
    sweep : Sweep
        The blocks.

    Returns
    -------
    table : array, shape (num_blocks, 12), int64
        Columns as in ``samplers.chain.state``.
    targets : array, int64
        Elements of the joint state that draw blocks move; the groups of slice blocks, each after its size.
    """
    layout = sweep.layout
    table = np.zeros((len(sweep.blocks), state.NUM_COLUMNS), np.int64)
    targets: list[int] = []
    num_statistics = 0
    for row, block in zip(table, sweep.blocks, strict=True):
        elements = [i for v in block.variables for i in _elements(layout, v)]
        row[state.SIZE] = len(elements)
        row[state.SCALE] = -1
        row[state.FIRST_STATISTIC] = num_statistics
        row[state.NUM_STATISTICS] = len(statistics_of(block))
        num_statistics += row[state.NUM_STATISTICS]
        if isinstance(block, NUTSBlock):
            row[state.KIND] = state.KIND_NUTS
            row[state.OFFSET] = _first_element(block, elements)
            row[state.IS_STALE] = _is_stale(sweep, block)
        elif isinstance(block, SliceBlock):
            row[state.KIND] = state.KIND_SLICE
            row[state.OFFSET] = elements[0] if elements else 0
            row[state.SCALE] = _elements(layout, block.scale)[0]
            row[state.NUM_LOGPROBS] = block.num_logprobs
            row[state.GROUPS], row[state.NUM_GROUPS] = len(targets), len(block.groups)
            row[state.IS_INTEGER] = block.is_integer
            targets += [int(i) for group in block.groups for i in (len(group), *group)]
        else:
            row[state.KIND] = state.KIND_DRAW
            row[state.OFFSET] = len(targets)
            row[state.TARGET] = round(1000 * block.target_acceptance)
            learnt = [i for m in block.memory for i in _elements(layout, m.variable)]
            row[state.NUM_LEARNT] = len(learnt)
            targets += [*elements, *learnt]
            if block.scale is not None:
                row[state.SCALE] = _elements(layout, block.scale)[0]
    return table, np.array(targets, np.int64)


def _elements(layout: Layout, variable: TensorVariable) -> range:
    """Return the elements of the joint state that hold a variable."""
    if variable.name not in layout.names:
        raise ModelError(f"{variable.name} is moved by a block, but is not in the joint state.", variable.name)
    where = layout.slice_of(variable.name)
    return range(where.start, where.stop)


def _first_element(block: NUTSBlock, elements: list[int]) -> int:
    """Return the first element of a NUTS block, whose elements are continuous and lie side by side."""
    for v in block.variables:
        if not v.type.dtype.startswith("float"):
            raise ModelError(f"{v.name} is discrete ({v.type.dtype}): NUTS cannot move it.", v.name)
    if elements != list(range(elements[0], elements[0] + len(elements))):
        names = ", ".join(str(v.name) for v in block.variables)
        raise ModelError(
            f"The variables {names} are moved by one NUTS block: they must be neighbours in the joint state."
        )
    return elements[0]


def _is_stale(sweep: Sweep, block: NUTSBlock) -> bool:
    """Return whether other blocks move what the block's log-density depends on."""
    moved = {v for other in sweep.blocks if other is not block for v in other.variables}
    moved |= {v for other in sweep.blocks for v in other.tuned}
    return bool(moved.intersection(block.logdensity.inputs))


def compile_numba(sweep: Sweep) -> BindPrograms:
    """Compile each block to a C function by Numba.

    Parameters
    ----------
    sweep : Sweep
        The blocks.

    Returns
    -------
    callable
        Gives each chain its own programs.
    """
    from graphs.backends.numba import compile_program

    def compile_block(block: Block) -> Any:
        if isinstance(block, DrawBlock):
            return compile_program(
                list(sweep.variables),
                list(block.outputs),
                value=block.acceptance_rate,
                rng=block.rng,
                next_rng=block.next_rng,
                name="draw",
            )
        # Its own elements of the joint state are out of date while the trajectory moves.
        context = [v.type(name=v.name) if v in block.variables else v for v in sweep.variables]
        if isinstance(block, SliceBlock):
            return compile_program([block.variable], [block.logprobs], context=context, name="logprobs")
        return compile_program(
            list(block.variables),
            gradients(block.logdensity, block.variables),
            value=block.logdensity.total,
            context=context,
            name="logdensity",
        )

    compiled = [compile_block(block) for block in sweep.blocks]

    def bind(seed: np.random.SeedSequence) -> Programs:
        bound = tuple(program.bind() for program in compiled)
        return Programs(np.array([b.row for b in bound], np.int64).reshape(-1, 4), bound)

    return bind
