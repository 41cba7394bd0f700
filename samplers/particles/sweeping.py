"""One sweep of every particle of a group: loads one after the other into the memory of a chain.

One source, as `samplers.loop.advance`: ordinary Python for the C backend, compiled once for every model by Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.inlined import KernelCompiler, inlined
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.machine_code.source import renamed
from graphs.once import once
from samplers.chain.result import STATUS_DONE
from samplers.chain.state import NUM_ITERATIONS, Chain, Settings
from samplers.loop.advance import advance

_OPTIONS = {"error_model": "numpy", "_nrt": False, "pipeline_class": KernelCompiler}


@inlined
def sweep_particles(
    chain: Chain,
    settings: Settings,
    table: NDArray[np.int64],
    targets: NDArray[np.int64],
    programs: Any,
    particles: NDArray[np.float64],
    elements: NDArray[np.int64],
    gradients: NDArray[np.float64],
    nothing: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> int:
    """Sweep each particle once; return how many could not be moved, which stay where they are.

    Parameters
    ----------
    chain : Chain
        Memory to work in; what is no particle's own, such as scales of proposals, is in its state.
    settings, table, targets, programs
        As of `samplers.loop.advance.advance`.
    particles : array, shape (n, d), float64
        Moved.
    elements : array, shape (d,), int64
        Which elements of the joint state these numbers are.
    gradients : array, shape (n, size), float64
        Receives those of trajectories at the elements that these move, in the coordinates in which they run.
    nothing : array, shape (0, 0), float64
        Where nothing is recorded.
    totals : array, shape (num_statistics,), float64
        The statistics of all sweeps are added to it.
    """
    state, counters, now = chain.state, chain.counters, chain.statistics
    num_failed = 0
    for p in range(particles.shape[0]):
        for i in range(elements.size):
            state[elements[i]] = particles[p, i]
        counters[NUM_ITERATIONS] = 0
        status = advance(chain, settings, table, targets, programs, 1, 0, 1, nothing, nothing)
        if status != STATUS_DONE:
            num_failed += 1
            continue
        for i in range(elements.size):
            particles[p, i] = state[elements[i]]
        for i in range(state.size):
            gradients[p, i] = chain.gradient[i]
        for k in range(now.size):
            totals[k] += now[k]
    return num_failed


@once
def compiled_sweeps(advance_compiled: Callable[..., int]) -> Callable[..., int]:
    """Return `sweep_particles` compiled by Numba.

    Parameters
    ----------
    advance_compiled : callable
        The loop over sweeps, compiled.
    """
    function = unwrap(sweep_particles)
    names = {**function.__globals__, "advance": advance_compiled}
    return njit(nogil=True, cache=True, **_OPTIONS)(renamed(function, "rvgraph_sweep_particles", names))
