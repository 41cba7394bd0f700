"""Densities that chains evaluate: what is called by address in compiled code, and in Python as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.program import lower_as_call

if TYPE_CHECKING:
    from graphs.backends.numba.program import BoundProgram


type Vector = NDArray[np.float64]

LOCATE = 1
BEGIN = 2
"""Where a generator's first word would be: asks a preconditioned density for a position, or tells it the origin."""


def evaluate_density(logdensity: Any, position: Vector, context: Vector, gradient: Vector) -> float:
    """Return the log-density at ``position`` and write its gradient.

    Parameters
    ----------
    logdensity : callable, or array, shape (4,), int64
        ``(position, context, gradient) -> float`` in Python; the row of a bound program in compiled code.
    position : array, shape (d,), float64
        Where to evaluate.
    context : array, float64
        The joint state: what the density depends on besides ``position``.
    gradient : array, shape (d,), float64
        Overwritten.

    Returns
    -------
    float
        The log-density, up to a constant; may be infinite or NaN.
    """
    return float(logdensity(position, context, gradient))


lower_as_call(evaluate_density, x=1, context=2, out=3)


def begin(logdensity: Any, position: Vector, context: Vector, coordinates: Vector) -> None:
    """Write the coordinates of a position; a preconditioned density has its origin there, and they are zeros.

    Parameters
    ----------
    logdensity : PreconditionedFunction, CentredFunction, or array, shape (4,), int64
        As in ``samplers.tuning.preconditioning``; the row of a bound program in compiled code.
    position : array, shape (d,), float64
        Where the trajectory starts.
    context : array, float64
        The joint state.
    coordinates : array, shape (d,), float64
        Overwritten; not ``position``.
    """
    logdensity.begin(position, context, coordinates)


lower_as_call(begin, x=1, context=2, out=3, word=BEGIN)


def locate(logdensity: Any, coordinates: Vector, context: Vector, position: Vector) -> float:
    """Write the position that coordinates stand for; return the logarithm of the Jacobian, where that is not constant.

    Parameters
    ----------
    logdensity : PreconditionedFunction, CentredFunction, or array, shape (4,), int64
        As in ``samplers.tuning.preconditioning``; the row of a bound program in compiled code.
    coordinates : array, shape (d,), float64
        Relative to the origin.
    context : array, float64
        The joint state.
    position : array, shape (d,), float64
        Overwritten; not ``coordinates``.
    """
    return float(logdensity.locate(coordinates, context, position))


lower_as_call(locate, x=1, context=2, out=3, word=LOCATE)


@dataclass(frozen=True, eq=False)
class Programs:
    """The programs of one state.

    Parameters
    ----------
    callables : array, shape (num_blocks, 4), int64, or list of callables
        What ``samplers.loop.advance.advance`` takes.
    owners : tuple of BoundProgram
        What must stay alive as long as they are used.
    coordinates : mapping of int to CentredProgram or CentredFunction
        Of blocks that are moved in coordinates of their own, these.
    """

    callables: Any
    owners: tuple[BoundProgram, ...] = ()
    coordinates: Mapping[int, Any] = field(default_factory=dict)

    def reraise(self) -> None:
        """Raise what went wrong, in this thread, in Python code that compiled programs called.

        Raises
        ------
        SamplingError
            Names the operation.
        """
        for owner in self.owners:
            owner.program.reraise()

    def generators(self) -> dict[str, np.random.Generator]:
        """Return NumPy's generators that programs in Python draw from, by the number of the block."""
        return {str(b): program.rng for b, program in enumerate(self.callables) if hasattr(program, "rng")}


type BindPrograms = Callable[[np.random.SeedSequence], Programs]
