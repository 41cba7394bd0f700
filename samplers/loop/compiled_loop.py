"""The loop over sweeps compiled by Numba: once for all models, kept on disk."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
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
from samplers.chain.state import ADDRESS, KIND, KIND_NUTS, KIND_SLICE, Settings, new_chain
from samplers.loop import advance as chain
from samplers.trajectories import move as nuts_move

# The loop allocates nothing: its caller owns all arrays. To count references to them cost as much as a cheap draw.
_OPTIONS = {"error_model": "numpy", "_nrt": False, "pipeline_class": KernelCompiler}
_MOVE = """def PROGRAM(arguments):
    {names} = unpack(arguments)
{body}
"""


@inlined
def _call_nuts(chain: Any, settings: Any, row: Any, block: Any, logdensity: Any, iteration: Any) -> Any:
    """Call compiled NUTS."""
    return call_packed(row[ADDRESS], (chain, settings, row, block, logdensity, iteration))


@inlined
def _call_slice(chain: Any, row: Any, targets: Any, logprobs: Any, is_tuning: Any, iteration: Any) -> Any:
    """Call compiled slice sampling."""
    return call_packed(row[ADDRESS], (chain, row, targets, logprobs, is_tuning, iteration))


def compiled_advance(table: NDArray[np.int64]) -> Callable[..., int]:
    """Return ``samplers.loop.advance.advance`` compiled by Numba, and tell the blocks where their compiled moves are.

    NUTS and slice sampling are compiled where a block needs them, and called by address: compiled as parts of the loop
    they would be optimised once more.

    Parameters
    ----------
    table : array, shape (num_blocks, 12), int64
        The table of blocks; addresses are written into it.
    """
    kinds = table[:, KIND]
    for kind, move in ((KIND_NUTS, _compiled_nuts), (KIND_SLICE, _compiled_slice)):
        if (kinds == kind).any():
            table[kinds == kind, ADDRESS] = move().address
    return _compiled_loop()


@cache
def _compiled_loop() -> Callable[..., int]:
    """Compile the loop itself, from its own source: a function that called it would be optimised once more."""
    calls = {"move_nuts": _call_nuts, "move_slice": _call_slice}
    advance = renamed(unwrap(chain.advance), "rvgraph_advance", vars(chain) | calls)
    return njit(nogil=True, cache=True, **_OPTIONS)(advance)


@cache
def _compiled_nuts() -> Any:
    """Compile a move by NUTS to a C function."""
    example = new_chain(np.zeros(1), np.random.SeedSequence(0), 1, 1, 1)
    kinds = (numba.typeof(example), numba.typeof(Settings(0, 0.8, 1)), _ROW, types.int64, _ROW, types.int64)
    return _compiled_move(nuts_move.move_nuts, "move_nuts", vars(nuts_move), kinds)


@cache
def _compiled_slice() -> Any:
    """Compile a move by slice sampling to a C function."""
    example = new_chain(np.zeros(1), np.random.SeedSequence(0), 1, 1, 1)
    kinds = (numba.typeof(example), _ROW, _ROW, _ROW, types.boolean, types.int64)
    return _compiled_move(chain.move_slice, "move_slice", vars(chain), kinds)


_ROW = types.Array(types.int64, 1, "C")


def _compiled_move(function: Any, name: str, names: dict[str, Any], kinds: tuple[types.Type, ...]) -> Any:
    """Compile the body of a function to a C function of a pointer to its arguments."""
    [definition] = ast.parse(getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    arguments = ", ".join(argument.arg for argument in definition.args.args)
    body = indent("\n".join(ast.unparse(statement) for statement in definition.body[1:]), "    ")
    source = _MOVE.format(names=arguments, body=body)
    move, digest = define(source, name, names | {"unpack": unpack_as(types.Tuple(kinds))})
    return cfunc(types.int64(types.voidptr), name, digest, **_OPTIONS)(move)
