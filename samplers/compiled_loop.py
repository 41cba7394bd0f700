"""The loop over sweeps compiled by Numba: once for all models, kept on disk."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from inspect import getsource, unwrap
from pathlib import Path
from textwrap import indent
from typing import Any

import numba
import numpy as np
from numba import cfunc, types
from numpy.typing import NDArray

from graphs.backends.numba import inlined as inlining
from graphs.backends.numba import intrinsics, program, rng
from graphs.backends.numba.inlined import KernelCompiler, inlined
from graphs.backends.numba.intrinsics import call_packed, unpack_as
from graphs.backends.numba.program import load_source, source_digest
from samplers import adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace
from samplers.state import ADDRESS, KIND, KIND_NUTS, KIND_SLICE, Settings, new_chain

# The loop allocates nothing: its caller owns all arrays. To count references to them cost as much as a cheap draw.
_HEAD = '''"""The loop over sweeps, compiled."""

from __future__ import annotations

from numba import njit

from graphs.backends.numba.inlined import KernelCompiler


@njit(nogil=True, cache=True, error_model="numpy", _nrt=False, pipeline_class=KernelCompiler)
'''
_MOVE = '''"""A move of the loop over sweeps, compiled."""

from __future__ import annotations


def move(arguments):
    {names} = unpack(arguments)
{body}
'''
_SAMPLER_MODULES = (adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace)
_COMPILED_MODULES = (*_SAMPLER_MODULES, program, inlining, intrinsics)


@inlined
def _call_nuts(chain: Any, settings: Any, row: Any, block: Any, logdensity: Any, iteration: Any) -> Any:
    """Call compiled NUTS."""
    return call_packed(row[ADDRESS], (chain, settings, row, block, logdensity, iteration))


@inlined
def _call_slice(chain: Any, row: Any, targets: Any, logprobs: Any, is_tuning: Any, iteration: Any) -> Any:
    """Call compiled slice sampling."""
    return call_packed(row[ADDRESS], (chain, row, targets, logprobs, is_tuning, iteration))


def compiled_advance(table: NDArray[np.int64]) -> Callable[..., int]:
    """Return ``samplers.chain.advance`` compiled by Numba, and tell the blocks where their compiled moves are.

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
    entry = _HEAD + getsource(chain.advance).removeprefix("@inlined\n")
    calls = {"move_nuts": _call_nuts, "move_slice": _call_slice}
    return _load(entry, "advance", vars(chain) | calls, unwrap(chain.advance).__code__.co_names).advance


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
    names = names | {"unpack": unpack_as(types.Tuple(kinds))}
    used = (*unwrap(function).__code__.co_names, "unpack")
    move = _load(_MOVE.format(names=arguments, body=body), name, names, used).move
    options = {"cache": True, "error_model": "numpy", "_nrt": False, "pipeline_class": KernelCompiler}
    return cfunc(types.int64(types.voidptr), **options)(move)


def _load(entry: str, name: str, names: dict[str, Any], used: tuple[str, ...]) -> Any:
    """Import compiled source.

    Numba's cache watches one file only. The loop is spread over several, so it is compiled from files that are named
    after the contents of them all.
    """
    files = [Path(str(module.__file__)) for module in _COMPILED_MODULES]
    files += sorted(Path(str(rng.__file__)).parent.glob("rng*.py"))
    sources = [file.read_text() for file in files]
    digest = source_digest(entry, numba.__version__, *sources)
    return load_source(entry, f"{name}_{digest}", {n: names[n] for n in used if n in names})
