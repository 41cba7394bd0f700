"""The loop over sweeps compiled by Numba: once for all models, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numba

from graphs.backends.numba import program, rng
from graphs.backends.numba.program import load_source, source_digest
from samplers import adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace

_ENTRY = '''"""The loop over sweeps, compiled."""

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def run(chain, settings, table, targets, programs, stop, first, thin, draws, statistics):
    return advance(chain, settings, table, targets, programs, stop, first, thin, draws, statistics)
'''
_COMPILED_MODULES = (adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace, program)


@cache
def compiled_advance() -> Callable[..., int]:
    """Return ``samplers.chain.advance`` compiled by Numba: once for all models, kept on disk.

    Numba's cache watches one file only. The loop is spread over several, so it is compiled from a file that is named
    after the contents of them all.
    """
    files = [Path(str(module.__file__)) for module in _COMPILED_MODULES]
    files += sorted(Path(str(rng.__file__)).parent.glob("rng*.py"))
    sources = [file.read_text() for file in files]
    name = f"advance_{source_digest(_ENTRY, numba.__version__, *sources)}"
    return load_source(_ENTRY, name, {"advance": chain.advance}).run
