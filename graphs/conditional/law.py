"""Laws: distributions of one variable given all the others, as graphs of these."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.formula import formula
from graphs.conditional.numbers import draw_numbers
from graphs.errors import ModelError


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

    improper_draws_are_nan = False
    """Whether a draw is not a number where the law is improper, without being told."""

    @property
    @abstractmethod
    def family(self) -> str:
        """Name of the family."""

    @abstractmethod
    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at ``value``, element by element (vector by vector for a Dirichlet law).

        Parameters
        ----------
        value : TensorVariable, or array
            Where, of the shape of the variable.

        Returns
        -------
        TensorVariable
            A graph, also at a number: ``law.logprob(1.0).eval()`` is the number where the parameters depend on nothing,
            else ``.eval({variable: value, ...})`` with the variables that they depend on.

        Examples
        --------
        >>> import numpy as np, ppl, graphs
        >>> joint = graphs.logprob(ppl.Model({ppl.Poisson("y", ppl.Gamma("a", 2, 3)): [1, 0, 2, 1]}))
        >>> law = graphs.conditional(joint.logdensity, joint.values["a"])
        >>> print(law)
        a | rest ~ Gamma(shape=6, rate=7)
        >>> round(float(law.logprob(np.float64(1.0)).eval()), 6)
        -0.112031
        """

    @abstractmethod
    def draw_graph(self, rng: Variable) -> tuple[Variable, TensorVariable]:
        """Return a draw as a graph.

        Parameters
        ----------
        rng : Variable
            A generator in a graph, ``pytensor.tensor.random.rng()``.

        Returns
        -------
        (Variable, TensorVariable)
            The next generator, and the draw, of the shape and dtype of the variable.
        """

    def draw(self, rng: Any, values: Mapping[str, Any] | None = None) -> Any:
        """Draw: a graph of a draw, given a generator in a graph, or numbers, given NumPy's generator.

        Parameters
        ----------
        rng : Variable or numpy.random.Generator
            ``pytensor.tensor.random.rng()``, or a generator, which moves on.
        values : mapping of str to array, optional
            With NumPy's generator: the variables that the parameters depend on, by name.

        Returns
        -------
        (Variable, TensorVariable) or array
            The next generator and the draw, or the draw; of the shape and dtype of the variable.

        Raises
        ------
        ModelError
            If the generator is neither, or the values are not those that the law depends on.

        Examples
        --------
        >>> import numpy as np, ppl, graphs
        >>> a = ppl.Gamma("a", 2, 3)
        >>> joint = graphs.logprob(ppl.Model({ppl.Poisson("y", a, size=4): [1, 0, 2, 1]}))
        >>> law = graphs.conditional(joint.logdensity, joint.values["a"])
        >>> law.draw(np.random.default_rng(1)).shape
        ()
        """
        if isinstance(rng, np.random.Generator):
            return draw_numbers(self.draw_graph, rng, values or {}, str(self.variable.name or "x"))
        if not isinstance(rng, Variable) or not isinstance(rng.type, RandomType):
            raise ModelError(
                "A law draws numbers with a numpy.random.Generator, numpy.random.default_rng(seed), and graphs with "
                f"a generator in a graph, pytensor.tensor.random.rng(); it was given {type(rng).__name__}."
            )
        return self.draw_graph(rng)

    @property
    @abstractmethod
    def condition(self) -> TensorVariable:
        """Whether the law is proper: shape (), bool."""

    @property
    @abstractmethod
    def domain(self) -> str:
        """Where the parameters have to lie for the law to be proper, in words."""

    @abstractmethod
    def mean(self) -> TensorVariable:
        """Return the mean, of the shape of the variable; meaningless where it does not exist."""

    @abstractmethod
    def mode(self) -> TensorVariable:
        """Return the mode of the density, where it lies inside the support."""

    def peak(self) -> TensorVariable:
        """Return the log-density at the mode, all elements together; shape ().

        It depends on the other variables alone. No number where the mode is at the end of the support: `anchor` is not.
        """
        total: TensorVariable = pt.sum(self.logprob(self.mode()))
        return total

    def anchor(self) -> TensorVariable:
        """Return a point inside the support, near the bulk of the law: the log-density is finite there.

        The mode wherever that is always inside; of the shape and dtype of the variable. At it, as at any point x, the
        joint log-density minus the law's is that of the other variables: ``p(x, rest) / p(x | rest) = p(rest)``.
        """
        return self.mode()

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
