"""The loop over sweeps compiled by Numba: once for all models, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import getsource
from pathlib import Path
from typing import Any

import numba
from numba.extending import register_jitable

from graphs.backends.numba import program, rng
from graphs.backends.numba.program import load_source, source_digest
from samplers import adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace
from samplers.blocks import NUTSBlock, SliceBlock, Sweep

# The loop allocates nothing: its caller owns all arrays. To count references to them cost as much as a cheap draw.
_HEAD = '''"""The loop over sweeps, compiled."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
'''
_COMPILED_MODULES = (adaptation, chain, hamiltonian, nuts_move, result, slice_step, state, tree, workspace, program)


@register_jitable
def _no_nuts(chain: Any, settings: Any, row: Any, block: Any, logdensity: Any, iteration: Any) -> int:
    """Stand in for NUTS where no block is moved by it."""
    return 0


@register_jitable
def _no_slice(chain: Any, row: Any, targets: Any, logprobs: Any, is_tuning: Any, iteration: Any) -> int:
    """Stand in for slice sampling where no block is moved by it."""
    return 0


def advance_for(sweep: Sweep) -> Callable[..., int]:
    """Return the compiled loop that has what a sweep needs."""
    has_nuts, has_slice = (any(isinstance(b, kind) for b in sweep.blocks) for kind in (NUTSBlock, SliceBlock))
    return compiled_advance(has_nuts, has_slice)


@cache
def compiled_advance(has_nuts: bool, has_slice: bool) -> Callable[..., int]:
    """Return ``samplers.chain.advance`` compiled by Numba: once for all models that need as much, kept on disk.

    Numba's cache watches one file only. The loop is spread over several, so it is compiled from a file that is named
    after the contents of them all. The file holds the source of the loop itself: a function that called it would be
    optimised once more, which takes as long again. NUTS and slice sampling are compiled where they are used.

    Parameters
    ----------
    has_nuts, has_slice : bool
        Whether there are blocks of these kinds.
    """
    files = [Path(str(module.__file__)) for module in _COMPILED_MODULES]
    files += sorted(Path(str(rng.__file__)).parent.glob("rng*.py"))
    sources = [file.read_text() for file in files]
    entry = _HEAD + getsource(chain.advance).removeprefix("@register_jitable\n")
    parts = ["nuts"] * has_nuts + ["slice"] * has_slice
    name = "_".join(["advance", *parts, source_digest(entry, numba.__version__, *sources)])
    names = vars(chain) | ({} if has_nuts else {"move_nuts": _no_nuts})
    names |= {} if has_slice else {"move_slice": _no_slice}
    globals_used = {n: names[n] for n in chain.advance.__code__.co_names if n in names}
    return load_source(entry, name, globals_used).advance
