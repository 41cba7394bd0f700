"""Laws: distributions of one variable given all the others, as graphs of these."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

import pytensor
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.formula import formula


@dataclass(frozen=True, eq=False)
class Law(ABC):
    """The distribution of a variable given the rest; its elements are independent.

    Parameters
    ----------
    variable : TensorVariable
        The variable, of any shape.
    parameters : mapping of str to TensorVariable
        Parameters by name, unit included; graphs of the other variables, of the shape of ``variable``.
    """

    variable: TensorVariable
    parameters: Mapping[str, TensorVariable]

    @property
    @abstractmethod
    def family(self) -> str:
        """Name of the family."""

    @abstractmethod
    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``, element by element (vector by vector for a Dirichlet law)."""

    @abstractmethod
    def draw(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return the next generator and a draw, of the shape and dtype of the variable."""

    @property
    @abstractmethod
    def condition(self) -> TensorVariable:
        """Whether the law is proper: shape (), bool."""

    @property
    def improper_draws_are_nan(self) -> bool:
        """Whether a draw is not a number where the law is improper, without being told."""
        return False

    @property
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""
        return " and ".join(f"{name} > 0" for name in self.parameters)

    @abstractmethod
    def mean(self) -> TensorVariable:
        """Return the mean, of the shape of the variable; meaningless where it does not exist."""

    @abstractmethod
    def mode(self) -> TensorVariable:
        """Return the mode of the density, where it lies inside the support."""

    def also(self) -> str:
        """Return another name of the same law, where it has a common one."""
        return ""

    def __str__(self) -> str:
        """Write the law with formulas for its parameters."""
        written = ", ".join(f"{name}={formula(graph)}" for name, graph in self.parameters.items())
        return f"{self.variable.name or 'x'} | rest ~ {self.family}({written})"

    def dprint(self, file: TextIO | None = None) -> None:
        """Print the law, then the graph of each parameter.

        Parameters
        ----------
        file : text stream, optional
            Where to print; standard output by default.
        """
        file = sys.stdout if file is None else file
        print(self, file=file)
        if self.also():
            print(f"also: {self.also()}", file=file)
        for name, graph in self.parameters.items():
            print(f"{name}:", file=file)
            print(pytensor.dprint(graph, file="str"), end="", file=file)
