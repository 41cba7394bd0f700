"""What every backend offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.step import StepGraph

type ArrayFunction = Callable[..., list[NDArray]]
"""Takes one array per input and returns one per output."""

type Part = tuple[slice, np.random.Generator]
"""Some rows, and the generator of their draws."""

type Filling = Callable[[NDArray[np.float64], Sequence[NDArray], Sequence[Part], int], None]
"""Fills the rows of an array with draws: :meth:`Backend.fill`."""

type SharedMap = Callable[[Sequence[NDArray], int], list[NDArray]]
"""Takes one array per input and a number of threads, and returns one array per output: :meth:`Backend.shared_map`."""

NO_INTEGER = np.iinfo(np.int64).min
"""In the place of a whole number that could not be computed, where a number would be NaN."""


class CompiledStep(ABC):
    """A step graph as machine code."""

    @abstractmethod
    def __call__(
        self, rng: np.random.Generator, state_values: Sequence[Any]
    ) -> tuple[list[NDArray], dict[str, NDArray]]:
        """Make one step.

        Parameters
        ----------
        rng : numpy.random.Generator
            Seeds the backend's own generator for this call, and is advanced.
        state_values : sequence of array
            One value per state variable.

        Returns
        -------
        new_values : list of array
            The state after the step.
        info : dict of str to array
            Diagnostics of the step.
        """

    @abstractmethod
    def run(
        self, rng: np.random.Generator, state_values: Sequence[Any], num_steps: int, thin: int = 1
    ) -> tuple[list[NDArray], dict[str, NDArray], dict[str, NDArray]]:
        """Make many steps without returning to Python in between, where the backend can.

        Parameters
        ----------
        rng : numpy.random.Generator
            Seeds the backend's own generator, and is advanced.
        state_values : sequence of array
            One value per state variable.
        num_steps : int
            Number of steps.
        thin : int
            Every how many steps the state is kept.

        Returns
        -------
        final_values : list of array
            The state after the last step.
        draws : dict of str to array
            For each state variable ``num_steps // thin`` states on the first axis.
        info : dict of str to array
            Means of the diagnostics over all steps.
        """


class Backend(ABC):
    """Turns graphs into functions of arrays.

    Attributes
    ----------
    name : str
        The name under which :func:`graphs.backends.get_backend` finds it.
    """

    name: str

    @abstractmethod
    def function(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function of arrays.

        Parameters
        ----------
        inputs, outputs : sequence of TensorVariable
            The graph.
        rng : Variable, optional
            The generator that the graph draws from. The function then takes a ``numpy.random.Generator`` before the
            arrays.

        Returns
        -------
        callable
            Takes one array per input and returns a list of one array per output.

        Raises
        ------
        BackendError
            If the backend lacks an operation.
        """

    @abstractmethod
    def map(
        self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable | None = None
    ) -> ArrayFunction:
        """Compile a graph to a function over a leading axis that all its inputs and outputs have.

        The parameters are those of :meth:`function`.
        """

    def shared_map(self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable]) -> SharedMap:
        """Compile a graph that draws nothing as :meth:`map` does, to a function whose rows threads may share.

        Returns
        -------
        callable
            Takes a list of one array per input, and how many threads it may take, on which the values do not depend.
        """
        function = self.map(inputs, outputs)
        return lambda arrays, num_threads: function(*arrays)

    def fill(self, inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], rng: Variable) -> Filling:
        """Compile a graph of draws to a function that fills the rows of an array.

        Parameters
        ----------
        inputs, outputs, rng
            As of :meth:`map`.

        Returns
        -------
        callable
            Takes an array of shape (number, size), float64, which receives the outputs of each row one after the
            other; one array per input; parts of the rows, each with a generator of its own; and how many threads it
            may take, on which the draws do not depend.
        """
        function = self.map(inputs, outputs, rng=rng)

        def call(out: NDArray[np.float64], arrays: Sequence[NDArray], parts: Sequence[Part], num_threads: int) -> None:
            for rows, generator in parts:
                found = function(generator, *(array[rows] for array in arrays))
                end = 0
                for array in found:
                    flat = np.reshape(array, (len(array), -1))
                    out[rows, end : end + flat.shape[1]] = flat
                    end += flat.shape[1]

        return call

    @abstractmethod
    def step(self, step_graph: StepGraph) -> CompiledStep:
        """Compile a step graph."""


def words_of(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Draw the state of a generator of a backend's own, 4 words."""
    return rng.integers(0, 2**64, size=4, dtype=np.uint64)


def row_by_row(function: ArrayFunction, num_generators: int) -> ArrayFunction:
    """Return what calls a function for every row of its arguments, those after the generators."""

    def call(*arrays: Any) -> list[NDArray]:
        generators, batches = arrays[:num_generators], arrays[num_generators:]
        rows = [function(*generators, *row) for row in zip(*batches, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    return call


def as_arrays(values: Sequence[Any], variables: Sequence[TensorVariable]) -> list[NDArray]:
    """Return values as arrays of the dtypes of their variables.

    Raises
    ------
    ValueError
        If there is not one value per variable, or one has another number of dimensions.
    """
    if len(values) != len(variables):
        names = ", ".join(str(v.name or v) for v in variables)
        raise ValueError(f"{len(variables)} values are needed, for {names}; {len(values)} were given.")
    arrays = [np.asarray(value, dtype=v.type.dtype) for value, v in zip(values, variables, strict=True)]
    for array, variable in zip(arrays, variables, strict=True):
        if array.ndim != variable.type.ndim:
            raise ValueError(f"The value of {variable.name} has {array.ndim} dimensions, not {variable.type.ndim}.")
    return arrays
