"""What a sum costs, variable by variable."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from graphs.marginal.elimination.batch import BatchStep
from graphs.marginal.elimination.engine import EliminationStep
from graphs.marginal.elimination.factor_tables import Integers
from graphs.marginal.elimination.factoring import FiniteVariable
from graphs.marginal.elimination.sequence import SequenceStep
from graphs.marginal.elimination.summation import Summation


@dataclass
class Cost:
    """How a variable is summed out.

    Parameters
    ----------
    name : str
        The variable.
    states, elements : int
        Number of states of an element, and of elements.
    first, last : int
        The steps of the elimination in which its elements go, counted from 1.
    width : int
        Most discrete elements in one table.
    operations : int
        Numbers that are added up per evaluation.
    how : str
        In words.
    is_recursion : bool
        Whether its elements go one after the other, along a chain.
    """

    name: str
    states: int
    elements: int
    first: int = 0
    last: int = 0
    width: int = 1
    operations: int = 0
    how: str = field(default="")
    is_recursion: bool = False

    @property
    def num_bytes(self) -> int:
        """Memory of these numbers."""
        return 8 * self.operations

    @property
    def order(self) -> str:
        """The steps, as text."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def costs_of(summation: Summation) -> list[Cost]:
    """Return what the sum over each variable costs."""
    return [_cost(summation, variable) for variable in summation.variables]


def _cost(summation: Summation, variable: FiniteVariable) -> Cost:
    atoms = summation.atoms_of(variable.name)
    cost = Cost(variable.name, len(variable.states), variable.size)
    recursions: list[SequenceStep] = []
    for number, step in enumerate(summation.eliminated.steps, 1):
        own = _within(step.atoms.ravel(), atoms)
        if not own:
            continue
        cost.first = cost.first or number
        cost.last = number
        cost.width = max(cost.width, _width(step))
        cost.operations += step.num_entries * own // step.atoms.size
        if isinstance(step, SequenceStep):
            recursions.append(step)
    cost.how, cost.is_recursion = _in_words(cost, recursions), bool(recursions)
    return cost


def _within(atoms: Integers, own: slice) -> int:
    return int(np.count_nonzero((atoms >= own.start) & (atoms < own.stop)))


def _width(step: EliminationStep) -> int:
    return 1 + (step.neighbours.shape[1] if isinstance(step, BatchStep) else step.width)


def _in_words(cost: Cost, recursions: list[SequenceStep]) -> str:
    if recursions:
        step = max(recursions, key=lambda s: s.atoms.size)
        series = f", {step.atoms.shape[0]} series at once" if step.atoms.shape[0] > 1 else ""
        return f"forward recursion over {step.atoms.shape[1]} steps{series}"
    if cost.width == 1:
        return "one by one" if cost.elements > 1 else "at once"
    return f"variable elimination, up to {cost.width} elements at once"
