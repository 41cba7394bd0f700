"""The joint log-probability as graphs: what is derived, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.density import LogDensity
from graphs.joint.model_graph import ModelGraph
from graphs.limits.masked_slopes import with_masked_branches
from graphs.marginal.elimination.summation import FiniteVariable, Summation
from graphs.marginal.finite import finite_states
from graphs.supports import REAL, Support
from graphs.surgery.rebuilding import substitute

Space = Literal["natural", "unconstrained"]


@dataclass(frozen=True, eq=False)
class LogProb:
    """A joint log-probability as graphs.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        One term per variable or potential, element by element. After a sum over a discrete variable the terms that
        depended on it are one, named by those variables joined with ``+``.
    values : mapping of str to TensorVariable
        The free inputs, by the name of the variable they are values of.
    natural : mapping of str to TensorVariable
        The values in natural space, as graphs of ``values``; the same in natural space.
    supports : mapping of str to Support
        Where the values in natural space lie.
    sums : tuple of Summation
        How discrete variables were summed out; their graphs are of values in natural space.
    space : {"natural", "unconstrained"}
        The space of ``values``.
    graph : ModelGraph
        What it was derived from.
    members : mapping of str to tuple of str
        The variables in each term: where twenty or more were declared one by one in the same form, such as the steps of
        a loop, they share a term with an axis of its own.
    plates : mapping of str to tuple of str
        Of values that are those of several variables, one below the other, the names of these.
    """

    terms: Mapping[str, TensorVariable]
    values: Mapping[str, TensorVariable]
    natural: Mapping[str, TensorVariable]
    supports: Mapping[str, Support]
    sums: tuple[Summation, ...]
    space: Space
    graph: ModelGraph
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def total(self) -> TensorVariable:
        """The joint log-probability; shape (), float64. What is impossible has weight zero in its gradient."""
        sums = [pt.sum(term) for term in with_masked_branches(list(self.terms.values()))]
        total = pt.add(*sums) if len(sums) > 1 else sums[0] if sums else pt.constant(0.0)
        total = pt.cast(total, "float64")
        total.name = "logprob"
        return total

    @cached_property
    def logdensity(self) -> LogDensity:
        """The total as a function of all values, and of the symbolic data that were given."""
        total = self.total
        inputs = dict.fromkeys([*self.values.values(), *explicit_graph_inputs([total])])
        is_natural = self.space == "natural"
        supports = {
            value: self.supports[name] if is_natural or self.supports[name].is_discrete else REAL
            for name, value in self.values.items()
        }
        return LogDensity(total, tuple(inputs), supports)

    def dprint(self, file: Any = None) -> None:
        """Print the graph of every term."""
        for name, term in self.terms.items():
            print(f"{name}:", file=file)
            term.dprint(file=file)

    def replace(self, replacements: Mapping[Variable, Variable]) -> LogProb:
        """Return the same log-probability with variables of its graphs replaced."""
        graphs = [*self.terms.values(), *self.natural.values()]
        new = substitute(graphs, replacements)
        terms = dict(zip(self.terms, new[: len(self.terms)], strict=True))
        natural = dict(zip(self.natural, new[len(terms) :], strict=True))
        return replace(self, terms=terms, natural=natural)

    @property
    def apart(self) -> tuple[str, ...]:
        """The latent variables that have a value of their own, and did not share one before sums."""
        return tuple(name for name in self.graph.latent if name not in self.plates)

    @property
    def elements(self) -> dict[str, tuple[str, int]]:
        """Of variables whose values are elements of an array: the name of the array, and which element."""
        arrays = {array: names for array, names in self.plates.items() if array in self.values}
        return {name: (array, i) for array, names in arrays.items() for i, name in enumerate(names)}

    @property
    def summed(self) -> tuple[str, ...]:
        """Names of the variables that were summed out."""
        return tuple(v.name for s in self.sums for v in s.variables)


def states_of(logprob: LogProb, name: str) -> NDArray[np.int64] | None:
    """Return the states of a latent variable, ``None`` unless they are finitely many."""
    return finite_states(logprob.graph.latent[name])


def finite_of(logprob: LogProb, name: str) -> FiniteVariable:
    """Return a finite discrete variable with its states."""
    states = states_of(logprob, name)
    assert states is not None
    return FiniteVariable(name, logprob.values[name], states)


def strip(logprob: LogProb, names: Iterable[str]) -> LogProb:
    """Drop the checks and bounds that hold as long as the variables named stay in their supports.

    Parameters
    ----------
    logprob : LogProb
        Any.
    names : iterable of str
        Variables that never leave their support: those on the real line, and those drawn from laws.
    """
    supports: dict[Variable, Support] = {
        logprob.values[n]: logprob.supports[n] if logprob.natural[n] is logprob.values[n] else REAL for n in names
    }
    stripped = strip_guards(list(logprob.terms.values()), supports)
    return replace(logprob, terms=dict(zip(logprob.terms, stripped, strict=True)))
