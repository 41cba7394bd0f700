"""Steps that follow the gradient of a log-density, and remember it where they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity, as_logdensity, gradients
from graphs.errors import ModelError
from graphs.layout import Layout
from graphs.step import StepGraph
from graphs.surgery.interpreting import interpret
from graphs.surgery.rebuilding import substitute
from samplers.kernel import Kernel, check_start
from samplers.metropolis import AcceptanceInfo


class GradientState(NamedTuple):
    """State of a chain."""

    position: dict[str, NDArray[np.float64]]  # each of its own shape
    logdensity: NDArray[np.float64]  # ()
    gradient: NDArray[np.float64]  # (d,): of all variables, one after the other


class Place(NamedTuple):
    """A position, and what is known of the density there, as graphs."""

    position: TensorVariable  # (d,): of all variables, one after the other
    logdensity: TensorVariable  # ()
    gradient: TensorVariable  # (d,)


def as_continuous(logdensity: Any, sampler: str) -> LogDensity:
    """Return a log-density whose gradient a sampler can follow; read as by `graphs.density.as_logdensity`.

    Raises
    ------
    ModelError
        If an input is discrete.
    """
    logdensity = as_logdensity(logdensity)
    for v in logdensity.inputs:
        if not v.type.dtype.startswith("float"):
            fault = f"{v.name} is discrete ({v.type.dtype}): {sampler} cannot move it; use samplers.rmh."
            raise ModelError(fault, v.name)
    return logdensity


class FlatDensity:
    """A log-density of continuous variables as a function of a flat position.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    """

    def __init__(self, logdensity: LogDensity):
        self._inputs = logdensity.inputs
        self.layout = Layout.of(logdensity.inputs)
        slopes = gradients(logdensity, logdensity.inputs)
        self._graphs = [logdensity.total, pt.concatenate([pt.reshape(s, (-1,)) for s in slopes])]

    @property
    def here(self) -> Place:
        """Where the variables themselves are."""
        position = pt.concatenate([pt.reshape(v, (-1,)) for v in self._inputs])
        return Place(position, *self._graphs)

    def at(self, position: TensorVariable) -> Place:
        """Return what is known at a position."""
        value, gradient = substitute(self._graphs, dict(zip(self._inputs, self.parts(position), strict=True)))
        return Place(position, pt.cast(value, "float64"), gradient)

    def parts(self, position: TensorVariable) -> list[TensorVariable]:
        """Return the values of the variables."""
        found = zip(self.layout.offsets, self.layout.sizes, self.layout.shapes, strict=True)
        return [position[start : start + size].reshape(shape) for start, size, shape in found]


class GradientKernel(Kernel):
    """A step from one place to another, of which log-density and gradient are evaluated once.

    Parameters
    ----------
    logdensity : LogDensity
        The target; all its inputs are continuous and unconstrained.
    """

    state_type: ClassVar[Any] = GradientState
    info_type: ClassVar[Any] = AcceptanceInfo

    def __init__(self, logdensity: LogDensity):
        self.logdensity = logdensity
        self.variables = logdensity.inputs
        self.density = FlatDensity(logdensity)
        self.layout = self.density.layout

    @cached_property
    def _function(self) -> Callable[..., list[NDArray]]:
        _, *graphs = self.density.here
        return interpret(list(self.variables), graphs)

    def _evaluated(self, values: Mapping[str, NDArray]) -> Sequence[NDArray]:
        value, gradient = self._function(*values.values())
        check_start(value, gradient)
        return np.asarray(value, np.float64), np.asarray(gradient)

    @abstractmethod
    def step(self, rng: Variable, before: Place) -> tuple[Variable, Place, Mapping[str, TensorVariable]]:
        """Return the generator, the next place, and the diagnostics.

        Parameters
        ----------
        rng : Variable
            A generator in a graph.
        before : Place
            The position, its log-density and gradient.
        """

    def graph(self) -> StepGraph:
        """Return the step as one graph."""
        rng = pt.random.rng("rng")
        current = pt.tensor("logdensity", dtype="float64", shape=())
        gradient = pt.tensor("gradient", dtype="float64", shape=(self.layout.size,))
        next_rng, after, info = self.step(rng, Place(self.density.here.position, current, gradient))
        following = (*self.density.parts(after.position), after.logdensity, after.gradient)
        return StepGraph(rng, (*self.variables, current, gradient), next_rng, following, dict(info))
