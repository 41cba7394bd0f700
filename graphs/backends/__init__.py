"""What turns graphs into machine code, behind one interface."""

from __future__ import annotations

from typing import Literal

from graphs.backends.base import Backend, CompiledStep
from graphs.errors import BackendError
from graphs.warned import filtered

__all__ = ["BACKENDS", "Backend", "BackendName", "CompiledStep", "get_backend"]

BackendName = Literal["numba", "c", "jax"]
BACKENDS: tuple[BackendName, ...] = ("numba", "c", "jax")


def get_backend(name: str) -> Backend:
    """Return a backend by its name.

    Parameters
    ----------
    name : {"numba", "c", "jax"}
        ``numba`` is the fastest for models of ordinary size; ``c`` lacks no operation; ``jax`` runs on accelerators.

    Returns
    -------
    Backend
        The backend.

    Raises
    ------
    BackendError
        If the name is unknown, or what the backend needs is not installed.

    Examples
    --------
    >>> get_backend("numba").name
    'numba'
    """
    if name == "numba":
        from graphs.backends.numba.backend import NumbaBackend

        return NumbaBackend()
    if name == "c":
        from graphs.backends.c import CBackend

        return CBackend()
    if name == "jax":
        # What JAX libraries import asks for ipywidgets, for a progress bar that we do not use.
        with filtered("ignore", "IProgress not found"):
            return _jax_backend()
    raise BackendError(f"Unknown backend {name!r}; choose from {', '.join(BACKENDS)}.", str(name))


def _jax_backend() -> Backend:
    try:
        import blackjax  # noqa: F401
        import jax  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"The JAX backend needs {error.name}, which is not installed: pip install 'rvgraph[jax]'.", "jax"
        ) from error
    from graphs.backends.jax.backend import JaxBackend

    return JaxBackend()
