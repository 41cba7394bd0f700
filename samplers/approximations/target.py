"""What is approximated: a log-density with its gradient, and the rows of data that it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba.program import call_program
from graphs.density import LogDensity, gradients
from samplers.blocks import BlockProgram
from samplers.loop.pytensor_programs import evaluated_function

type Vector = NDArray[np.float64]
type Evaluate = Callable[[Vector], tuple[float, Vector]]


class BatchOfRows(NamedTuple):
    """DrawnRows of data that are drawn before each step."""

    variable: TensorVariable  # (size,) int64, named: the numbers of the rows, of which the density is a function
    num_rows: int
    replace: bool = False  # whether rows are drawn independently; else all come before one comes again
    is_shuffled: bool = False  # whether rows that follow each other are a batch like any other: those are drawn then

    @property
    def size(self) -> int:
        """How many rows are drawn."""
        return int(self.variable.type.shape[0])


@dataclass(frozen=True, eq=False)
class Target:
    """A log-density as the loop calls it.

    Parameters
    ----------
    size : int
        Of a position.
    density : array, shape (4,), int64, or callable
        What `samplers.chain.programs.evaluate_density` takes; its context is the numbers of the rows, of one batch
        after the other.
    batches : tuple of BatchOfRows
        What is drawn before each step.
    backend : str
        What it was compiled by.
    owner : BoundProgram, optional
        What must stay alive.
    """

    size: int
    density: Any
    batches: tuple[BatchOfRows, ...] = ()
    backend: str = "numba"
    owner: Any = None

    @property
    def context_size(self) -> int:
        """Of all batches together; at least one."""
        return max(1, sum(batch.size for batch in self.batches))

    def evaluator(self, context: Vector | None = None) -> Evaluate:
        """Return ``position -> (log-density, gradient)``, on given rows."""
        held = np.zeros(self.context_size) if context is None else np.ascontiguousarray(context, np.float64)
        words = np.zeros(4, np.uint64)

        def evaluate(position: Vector) -> tuple[float, Vector]:
            gradient = np.empty(self.size)
            position = np.ascontiguousarray(position, np.float64)
            with np.errstate(all="ignore"):
                if isinstance(self.density, np.ndarray):
                    return call_program(self.density, position, held, gradient, words), gradient
                return float(self.density(position, held, gradient)), gradient

        return evaluate

    def reraise(self) -> None:
        """Raise what went wrong in Python code that the density called."""
        if self.owner is not None:
            self.owner.program.reraise()


def compile_target(density: LogDensity, batches: Sequence[BatchOfRows] = (), backend: str = "numba") -> Target:
    """Compile a log-density and its gradient.

    Parameters
    ----------
    density : LogDensity
        Its inputs are what is approximated, on the real line; it may depend on variables of the batches besides.
    batches : sequence of BatchOfRows
        DrawnRows that are drawn.
    backend : {"numba", "c", "jax"}
        What compiles it.
    """
    rows = tuple(batch.variable for batch in batches)
    size = sum(int(np.prod(v.type.shape)) for v in density.inputs)
    slopes = tuple(gradients(density, density.inputs))
    if backend == "numba":
        from graphs.backends.numba import compile_program

        program = compile_program(
            list(density.inputs), list(slopes), value=density.total, context=list(rows), name="logdensity"
        )
        bound = program.bind()
        return Target(size, bound.row, tuple(batches), backend, bound)
    if backend == "jax":
        from samplers.approximations.jax_density import jax_function

        return Target(size, jax_function(density, rows), tuple(batches), backend)
    block = BlockProgram("logdensity", slopes, density.total, density.inputs, context=rows)
    return Target(size, evaluated_function(block, ()), tuple(batches), backend)
