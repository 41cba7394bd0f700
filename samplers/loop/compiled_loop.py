"""The loop over sweeps compiled by Numba: once for all models, kept on disk."""

from __future__ import annotations

import ast
from collections.abc import Callable
from inspect import getsource, unwrap
from textwrap import indent
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from graphs.backends.numba.library.intrinsics import call_packed, unpack_as
from graphs.backends.numba.machine_code.inlined import KernelCompiler, inlined
from graphs.backends.numba.machine_code.kept import cfunc, njit
from graphs.backends.numba.machine_code.source import define, renamed
from graphs.once import once
from samplers.chain.state import ADDRESS, KIND, KIND_DRAW, Settings, new_chain
from samplers.loop import advance as chain
from samplers.loop.moves import move_of

# The loop allocates nothing: its caller owns all arrays. To count references to them cost as much as a cheap draw.
_OPTIONS = {"error_model": "numpy", "_nrt": False, "pipeline_class": KernelCompiler}
_MOVE = """def PROGRAM(arguments):
    {names} = unpack(arguments)
{body}
"""


@inlined
def _call_move(chain: Any, settings: Any, row: Any, block: Any, targets: Any, program: Any, iteration: Any) -> Any:
    """Call a compiled move."""
    return call_packed(row[ADDRESS], (chain, settings, row, block, targets, program, iteration))


def compiled_advance(table: NDArray[np.int64]) -> Callable[..., int]:
    """Return ``samplers.loop.advance.advance`` compiled by Numba, and tell the blocks where their compiled moves are.

    Moves of algorithms are compiled where a block needs them, and called by address: compiled as parts of the loop they
    would be optimised once more.

    Parameters
    ----------
    table : array, shape (num_blocks, 12), int64
        The table of blocks; addresses are written into it.
    """
    kinds = table[:, KIND]
    for kind in {*kinds.tolist()} - {KIND_DRAW}:
        table[kinds == kind, ADDRESS] = _compiled_move(move_of(kind)).address
    return _compiled_loop()


@once
def _compiled_loop() -> Callable[..., int]:
    """Compile the loop itself, from its own source: a function that called it would be optimised once more."""
    function = unwrap(chain.advance)
    advance = renamed(function, "rvgraph_advance", vars(chain) | {"call_move": _call_move}, getsource(function))
    return njit(nogil=True, cache=True, **_OPTIONS)(advance)


@once
def _compiled_move(move: Callable[..., int]) -> Any:
    """Compile the body of a move to a C function of a pointer to its arguments."""
    function = unwrap(move)
    example = new_chain(np.zeros(1), np.random.SeedSequence(0), 1, 1, 1)
    settings, row = numba.typeof(Settings(0, 0.8, 1)), types.Array(types.int64, 1, "C")
    kinds = (numba.typeof(example), settings, row, types.int64, row, row, types.int64)
    [definition] = ast.parse(getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    arguments = ", ".join(argument.arg for argument in definition.args.args)
    body = indent("\n".join(ast.unparse(statement) for statement in definition.body[1:]), "    ")
    source = _MOVE.format(names=arguments, body=body)
    names = function.__globals__ | {"unpack": unpack_as(types.Tuple(kinds))}
    compiled, digest = define(source, function.__name__, names)
    return cfunc(types.int64(types.voidptr), function.__name__, digest, **_OPTIONS)(compiled)
