"""What every step function can do: start, show its graph, be compiled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytensor
from numpy.typing import NDArray

from graphs.step import StepGraph


class Kernel(ABC):
    """A Markov transition that leaves a target unchanged.

    A kernel is a description. ``init`` makes a state; ``compile`` a step function ``(rng, state) -> (state, info)``;
    ``graph`` gives the same step as a graph.
    """

    name: ClassVar[str]

    @abstractmethod
    def init(self, position: Mapping[str, Any]) -> Any:
        """Return the state at a position.

        Parameters
        ----------
        position : mapping of str to array
            A value for every variable that the kernel moves.
        """

    @abstractmethod
    def graph(self) -> StepGraph:
        """Return the step as one graph."""

    @abstractmethod
    def to_values(self, state: Any) -> list[NDArray]:
        """Return the arrays of a state in the order of the graph's state."""

    @abstractmethod
    def from_values(self, values: list[NDArray]) -> Any:
        """Return the state of arrays in the order of the graph's state."""

    @abstractmethod
    def from_info(self, info: Mapping[str, NDArray]) -> Any:
        """Return the diagnostics of the graph as a named tuple."""

    def compile(self, backend: str = "numba") -> KernelStep:
        """Compile the step.

        Parameters
        ----------
        backend : {"numba", "c", "jax"}
            What compiles it.

        Returns
        -------
        KernelStep
            ``(rng, state) -> (state, info)``.
        """
        return KernelStep(self, self._compile_values(backend))

    def _compile_values(self, backend: str) -> Any:
        """Return the backend's step on arrays (``graphs.backends.base.CompiledStep``)."""
        from graphs.backends import get_backend

        return get_backend(backend).step(self.graph())

    def dprint(self, **options: Any) -> Any:
        """Print the graph of the step; options are those of ``pytensor.dprint``."""
        step = self.graph()
        options.setdefault("print_type", True)
        printed = pytensor.dprint([*step.next_state, *step.info.values()], **options)
        return printed if isinstance(printed, str) else None


class KernelStep:
    """A compiled step function.

    Parameters
    ----------
    kernel : Kernel
        What was compiled.
    step : CompiledStep
        The backend's step on arrays.
    """

    def __init__(self, kernel: Kernel, step: Any):
        self.kernel = kernel
        self._step = step

    def __call__(self, rng: np.random.Generator, state: Any) -> tuple[Any, Any]:
        """Make one step.

        Parameters
        ----------
        rng : numpy.random.Generator
            Advanced.
        state : NamedTuple
            From ``Kernel.init`` or an earlier step; not changed.

        Returns
        -------
        state : NamedTuple
            The new state.
        info : NamedTuple
            Diagnostics.
        """
        values, info = self._step(rng, self.kernel.to_values(state))
        return self.kernel.from_values(values), self.kernel.from_info(info)

    def run(
        self, rng: np.random.Generator, state: Any, num_steps: int, thin: int = 1
    ) -> tuple[Any, dict[str, NDArray], Any]:
        """Make many steps in one compiled loop.

        Parameters
        ----------
        rng : numpy.random.Generator
            Advanced.
        state : NamedTuple
            Where to start; not changed.
        num_steps : int
            Number of steps.
        thin : int
            Keep one state out of so many.

        Returns
        -------
        state : NamedTuple
            After the last step.
        draws : dict of str to array
            The states kept, shape (num_steps // thin, ...).
        info : NamedTuple
            Diagnostics averaged over all steps.
        """
        values, draws, info = self._step.run(rng, self.kernel.to_values(state), num_steps, thin)
        return self.kernel.from_values(values), draws, self.kernel.from_info(info)
