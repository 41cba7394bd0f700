"""Families of distributions that can be drawn from by a smooth function of noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import log, pi
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from samplers.approximations.families.base import Base
from samplers.tuning.pathfinder import Approximation

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

HALF_LOG_TWO_PI = 0.5 * log(2.0 * pi)


class FamilyFunctions(NamedTuple):
    """What the loop calls, each a function of vectors that Numba compiles.

    ``work`` is memory that `entropy` fills with what depends on parameters alone; the others read it.
    """

    entropy: Callable[..., float]  # (parameters, gradient, work) -> the entropy; its gradient is written
    place: Callable[
        ..., None
    ]  # (parameters, noise, position, work): writes the draw that noise (noise_size,) stands for
    score: Callable[..., float]  # (parameters, noise, out, work) -> log-density of that draw; its gradient is written
    pull: Callable[..., None]  # (parameters, noise, slope, out, work): writes slope times the Jacobian of the draw


class FittedFamily(ABC):
    """Distributions over vectors, each a point in a space of parameters without bounds.

    Draws are in coordinates ``y``, in which the distribution is to be of the order of one: positions are those of a
    `Base`.

    Parameters
    ----------
    size : int
        Of a draw.

    Attributes
    ----------
    name : str
        As users call it.
    functions : FamilyFunctions
        What the loop calls.
    """

    name: ClassVar[str]
    functions: ClassVar[FamilyFunctions]

    def __init__(self, size: int):
        self.size = size

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """How many numbers say which distribution it is."""

    @property
    def noise_size(self) -> int:
        """How many standard normal numbers a draw is made of."""
        return self.size

    @property
    def work_size(self) -> int:
        """Numbers that are kept between the functions."""
        return 1

    def begun(self, normal: Approximation) -> tuple[Vector, Base]:
        """Return the parameters, and their base, of what is near a normal distribution of positions."""
        # Of independent distributions the best one has these variances, not those of the normal distribution.
        return self.standard(), Base(normal.mean, normal.precisions[None] ** -0.5)

    @abstractmethod
    def standard(self) -> Vector:
        """Return the parameters of where fits begin: the standard normal distribution, or what is near it."""

    @abstractmethod
    def rebased(self, parameters: Vector, base: Base) -> tuple[Vector, Base]:
        """Return the same distribution of positions, in coordinates in which it is of the order of one."""

    def covariance(self, parameters: Vector) -> Matrix:
        """Return the covariance of draws: of a location plus noise times what does not depend on it."""
        work = self.prepared(parameters)
        centre = self.placed(parameters, np.zeros(self.noise_size), work)
        columns = np.array([self.placed(parameters, noise, work) - centre for noise in np.eye(self.noise_size)])
        found: Matrix = columns.T @ columns
        return found

    def prepared(self, parameters: Vector) -> Vector:
        """Return the memory that the functions share."""
        work = np.zeros(self.work_size)
        self.functions.entropy(parameters, np.empty(self.num_parameters), work)
        return work

    def entropy(self, parameters: Vector) -> tuple[float, Vector]:
        """Return the entropy, and its gradient."""
        gradient = np.empty(self.num_parameters)
        return float(self.functions.entropy(parameters, gradient, np.zeros(self.work_size))), gradient

    def placed(self, parameters: Vector, noise: Vector, work: Vector) -> Vector:
        """Return the draw that noise stands for."""
        position = np.empty(self.size)
        self.functions.place(parameters, noise, position, work)
        return position

    def draw(self, parameters: Vector, number: int, rng: np.random.Generator) -> tuple[Matrix, Vector]:
        """Return draws (number, size), and the log-density of each."""
        work, out = self.prepared(parameters), np.empty(self.size)
        positions, values = np.empty((number, self.size)), np.empty(number)
        for i, noise in enumerate(rng.normal(size=(number, self.noise_size))):
            self.functions.place(parameters, noise, positions[i], work)
            values[i] = self.functions.score(parameters, noise, out, work)
        return positions, values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"
