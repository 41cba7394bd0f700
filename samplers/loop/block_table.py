"""Sweeps turned into what the loop over sweeps runs: a table of blocks, and a program for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from samplers.blocks import BlockProgram, Sweep
from samplers.centring.coordinates import CentredProgram
from samplers.chain import state
from samplers.chain.programs import BindPrograms, Programs


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
    table = np.zeros((len(sweep.blocks), state.NUM_COLUMNS), np.int64)
    targets: list[int] = []
    num_statistics = 0
    for row, block in zip(table, sweep.blocks, strict=True):
        row[state.SIZE] = sum(len(sweep.elements(v)) for v in block.variables)
        row[state.SCALE] = -1
        row[state.FIRST_STATISTIC] = num_statistics
        row[state.NUM_STATISTICS] = len(block.statistics)
        num_statistics += row[state.NUM_STATISTICS]
        block.describe(row, targets, sweep)
    return table, np.array(targets, np.int64)


def scales_of(sweep: Sweep) -> list[int]:
    """Return the elements of the joint state that tuning moves and that begin above zero: scales, variances."""
    return [
        element
        for variable, start in sweep.tuned.items()
        for element, number in zip(sweep.elements(variable), np.ravel(start), strict=True)
        if number > 0
    ]


def _context(program: BlockProgram, sweep: Sweep) -> Sequence[TensorVariable]:
    """Return what a program is given besides the variables that it moves."""
    if program.context is not None:
        return program.context
    # Its own elements of the joint state are out of date while the block moves them.
    moving = program.moving
    return [v.type(name=v.name) if v in moving else v for v in sweep.variables] if moving else ()


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

    def compile_block(program: BlockProgram) -> Any:
        moving = program.moving
        return compile_program(
            list(moving or sweep.variables),
            list(program.outputs),
            value=program.value,
            context=_context(program, sweep),
            rng=program.rng,
            next_rng=program.next_rng,
            name=program.name,
        )

    compiled = [compile_block(block.program) for block in sweep.blocks]
    found = {number: own for number, block in enumerate(sweep.blocks) if (own := block.coordinates(sweep)) is not None}
    parameters = {number: compile_block(own.parameters) for number, own in found.items()}
    num_state = sweep.layout.size

    def bind(seed: np.random.SeedSequence) -> Programs:
        bound = tuple(program.bind() for program in compiled)
        centred = {
            number: CentredProgram(bound[number], program.bind(), found[number].where, num_state)
            for number, program in parameters.items()
        }
        rows = [centred[number].row if number in centred else b.row for number, b in enumerate(bound)]
        return Programs(np.array(rows, np.int64).reshape(-1, 4), bound, centred)

    return bind
