"""From a step function as a graph to one that runs."""

from __future__ import annotations

from typing import Any

from graphs.backends import BackendName, get_backend
from graphs.errors import ModelError
from graphs.step import StepGraph


def compile(kernel: Any, *, backend: BackendName = "numba") -> Any:
    """Compile a kernel or a step graph.

    Parameters
    ----------
    kernel : samplers.Kernel or StepGraph
        What to compile.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    callable
        ``state, info = step(rng, state)`` with a NumPy generator; ``step.run(rng, state, num_steps, thin=1)`` repeats
        it without returning to Python in between.

    Raises
    ------
    BackendError
        If the backend is unknown, not installed, or lacks an operation.
    ModelError
        If there is no step in ``kernel``.
    """
    if isinstance(kernel, StepGraph):
        return get_backend(backend).step(kernel)
    if not hasattr(kernel, "compile"):
        raise ModelError(f"A kernel (samplers.rmh, gibbs, nuts) is needed, not {type(kernel).__name__}.")
    get_backend(backend)
    return kernel.compile(backend)
