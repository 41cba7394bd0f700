"""What every step function can do: start, show its graph, be compiled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.backends import BackendName, get_backend
from graphs.errors import SamplingError
from graphs.step import StepGraph


class Kernel(ABC):
    """A Markov transition that leaves a target unchanged.

    A kernel is a description. ``init`` makes a state; ``compile`` a step function ``(rng, state) -> (state, info)``;
    ``graph`` gives the same step as a graph.

    Attributes
    ----------
    name : str
        What the sampler is called.
    state_type, info_type : type
        Named tuples: a state, of which the first field is the position by name; and the diagnostics of a step.
    variables : tuple of TensorVariable
        What it moves: the first inputs of the graph's state.
    """

    name: ClassVar[str]
    state_type: ClassVar[Any]
    info_type: ClassVar[Any]
    variables: tuple[TensorVariable, ...]

    def init(self, position: Mapping[str, Any]) -> Any:
        """Return the state at a position.

        Parameters
        ----------
        position : mapping of str to array
            A value for every variable that the kernel moves.

        Returns
        -------
        NamedTuple
            Of the type ``state_type``: the position, and what the next step needs besides.

        Raises
        ------
        SamplingError
            If a value is missing or has another shape, or the log-density or its gradient is not finite there.

        Examples
        --------
        >>> import pytensor.tensor as pt, samplers
        >>> x = pt.dscalar("x")
        >>> samplers.rmh((-(x**2) / 2, [x]), scale=1.0).init({"x": 0.0}).position
        {'x': array(0.)}
        """
        for v in self.variables:
            if v.name not in position:
                raise SamplingError(f"The initial position lacks {v.name}.")
        values = {str(v.name): self._start_of(v, position[str(v.name)]) for v in self.variables}
        return self.state_type(values, *self._evaluated(values))

    def _start_of(self, variable: TensorVariable, value: Any) -> NDArray:
        """Return a copy of a value, as an array of the type of its variable."""
        array = np.array(value, variable.type.dtype)
        if array.shape != variable.type.shape:
            raise SamplingError(
                f"The initial {variable.name} has shape {array.shape}; its shape is {variable.type.shape}."
            )
        return array

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        """Return what the state holds beside the position."""
        return ()

    @abstractmethod
    def graph(self) -> StepGraph:
        """Return the step as one graph.

        Returns
        -------
        StepGraph
            From a generator and a state to the next ones, and the diagnostics of the step.
        """

    def to_values(self, state: Any) -> list[NDArray]:
        """Return the arrays of a state in the order of the graph's state.

        Parameters
        ----------
        state : NamedTuple
            Of the type ``state_type``.

        Returns
        -------
        list of array
            Positions first, in the order of ``variables``.
        """
        return [*(state.position[str(v.name)] for v in self.variables), *state[1:]]

    def from_values(self, values: Sequence[NDArray]) -> Any:
        """Return the state of arrays in the order of the graph's state: the inverse of ``to_values``.

        Parameters
        ----------
        values : sequence of array
            Positions first, in the order of ``variables``.

        Returns
        -------
        NamedTuple
            Of the type ``state_type``.
        """
        names = [str(v.name) for v in self.variables]
        return self.state_type(dict(zip(names, values, strict=False)), *values[len(names) :])

    def from_info(self, info: Mapping[str, NDArray]) -> Any:
        """Return the diagnostics of the graph as a named tuple.

        Parameters
        ----------
        info : mapping of str to array
            By name, as the graph of the step has them.

        Returns
        -------
        NamedTuple
            Of the type ``info_type``.
        """
        return self.info_type(**info)

    def compile(self, backend: BackendName = "numba") -> KernelStep:
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
        return get_backend(backend).step(self.graph())

    def dprint(self, **options: Any) -> Any:
        """Print the graph of the step.

        Parameters
        ----------
        **options
            As of ``pytensor.dprint``; ``file="str"`` returns the text.

        Returns
        -------
        str or None
            The text, where it was asked for.
        """
        step = self.graph()
        options.setdefault("print_type", True)
        printed = pytensor.dprint([*step.next_state, *step.info.values()], **options)
        return printed if isinstance(printed, str) else None


def check_start(logdensity: NDArray, gradient: NDArray | None = None) -> None:
    """Raise if a log-density, or its gradient, is not finite.

    Raises
    ------
    SamplingError
        With their values.
    """
    if not (np.isfinite(logdensity).all() and (gradient is None or np.isfinite(gradient).all())):
        slope = "" if gradient is None else f", its gradient {gradient}"
        raise SamplingError(f"The log-density at the initial position is {logdensity}{slope}; choose another position.")


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
