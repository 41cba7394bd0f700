"""How the statistics of any rows are computed: found on some of them, used on all, block by block.

Rules look at data: whether a column is the same number everywhere, whether what a logarithm is taken of is positive.
Each asks whether something holds of all rows, so one row settles that it does not. Such rows are *witnesses*, and stand
before the rows of every block without being counted: all blocks are then read in the same way. A block in which a rule
finds otherwise is `NotSeen`: it has rows that become witnesses, too, before the data are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.compression.in_blocks.building import Building
from graphs.compression.in_blocks.collecting import Collecting
from graphs.compression.in_blocks.leaves import Leaf
from graphs.compression.in_blocks.mixing import check_indices, check_rows_apart
from graphs.compression.in_blocks.row_axis import NoStatistics, RowAxis, unique_length
from graphs.supports import Support, integers
from graphs.surgery.pickling import PartsFirst

Arrays = tuple[NDArray, ...]
Derive = Callable[[int, Sequence[Support | None]], tuple[TensorVariable, Sequence[TensorVariable]]]
"""Of a number of rows, and of where data lie: the term of so many, and the inputs that their data are, in order."""
_RANGES = (Support("interval", 0.0, 1.0), integers(0, 1), Support("interval", 0.0), integers(0))
"""Open and closed ones: integers are those of closed intervals."""
_FIRST_WITNESSES = 16
_MOST_ROWS_WITNESSED = 16


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is kept of rows.

    Parameters
    ----------
    leaves : sequence of Leaf
        The statistics.
    num_rows : int
        How many rows they are of.
    """

    leaves: Sequence[Leaf]
    num_rows: int

    def merged(self, other: Statistics) -> Statistics:
        """Return those of both."""
        leaves = [a.merged(b) for a, b in zip(self.leaves, other.leaves, strict=True)]
        return Statistics(leaves, self.num_rows + other.num_rows)


@dataclass(frozen=True, eq=False)
class NotSeen:
    """Rows in which a rule finds what it found nowhere before.

    Parameters
    ----------
    rows : tuple of array
        Their data, for each input.
    """

    rows: Arrays


@dataclass(frozen=True, eq=False)
class Recipe(PartsFirst):
    """How the statistics of rows are computed.

    Parameters
    ----------
    term : TensorVariable
        A log-probability of a block of rows.
    inputs : tuple of TensorVariable
        The data of these, with an axis of rows first.
    witnesses : tuple of array
        Rows that show what may occur; one array for each input.
    ranges : tuple of Support or None
        Where the data of each input lie.
    centres : mapping of int to array
        Where squares are centred.
    structure : sequence of tuple
        What the statistics are; empty as long as that is not known.
    """

    term: TensorVariable
    inputs: tuple[TensorVariable, ...]
    witnesses: Arrays
    ranges: tuple[Support | None, ...]
    centres: Mapping[int, NDArray[np.float64]]
    structure: Sequence[tuple[Any, ...]] = ()

    @property
    def axis(self) -> RowAxis:
        """The axis of rows of a block."""
        return RowAxis(int(self.inputs[0].type.shape[0]))

    def statistics(self, data: Sequence[NDArray]) -> Statistics | NotSeen:
        """Return the statistics of any number of rows.

        Parameters
        ----------
        data : sequence of array
            Of each input, in order.

        Raises
        ------
        NoStatistics
            If there are none, or too many.
        ModelError
            If an index is outside of its array.
        """
        step = self.axis.length - len(self.witnesses[0])
        found: Statistics | None = None
        for start in range(0, max(len(data[0]), 1), step):
            part = tuple(array[start : start + step] for array in data)
            outside = self._outside(part)
            if outside.any():
                return NotSeen(tuple(array[outside][:_MOST_ROWS_WITNESSED] for array in part))
            collected = self.collected(part)
            if self.structure and collected.structure != self.structure:
                return NotSeen(self.witness(part))
            own = Statistics(collected.leaves, len(part[0]))
            found = own if found is None else found.merged(own)
        assert found is not None
        return found

    def collected(self, part: Arrays) -> Collecting:
        """Return the statistics of rows of one block, and what they are."""
        length, first = self.axis.length, len(self.witnesses[0])
        are_kept = np.zeros(length, bool)
        are_kept[first : first + len(part[0])] = True
        values: dict[Variable, NDArray] = {}
        for variable, witness, rows in zip(self.inputs, self.witnesses, part, strict=True):
            array = np.empty((length, *witness.shape[1:]), witness.dtype)
            array[:first], array[first : first + len(rows)] = witness, rows
            array[first + len(rows) :] = witness[0]
            values[variable] = array
        check_indices(self.term, values)
        return Collecting(self.term, values, self.axis, are_kept, self.centres)

    def _outside(self, part: Arrays) -> NDArray[np.bool_]:
        """Return which rows have data that lie where no data did."""
        found = np.zeros(len(part[0]), bool)
        for array, support in zip(part, self.ranges, strict=True):
            if support is not None:
                found |= ~_lies_in(array, support).reshape((len(array), -1)).all(axis=1)
        return found

    def witness(self, part: Arrays) -> Arrays:
        """Return a few rows of a block that is read in another way; one half of it is, too."""
        while len(part[0]) > _MOST_ROWS_WITNESSED:
            half = len(part[0]) // 2
            first = tuple(array[:half] for array in part)
            is_there = self.collected(first).structure != self.structure
            part = first if is_there else tuple(array[half:] for array in part)
        return part


def recipe_for(
    derive: Derive,
    num_rows: int,
    taken: Collection[int],
    sample: Sequence[NDArray],
    supports: Mapping[Variable, Support],
) -> Recipe:
    """Return how statistics are computed.

    Parameters
    ----------
    derive : callable
        Of a number of rows: the term of so many, and the inputs that are data of these.
    num_rows : int
        Of a block, about.
    taken : collection of int
        Lengths of axes of the model.
    sample : sequence of array
        Some rows, for each input; one at least. Those that were not seen before come first.
    supports : mapping of Variable to Support
        Of the values that the term reads.

    Raises
    ------
    NoStatistics
        If rows are not independent of each other, or there is no less to keep than these.
    """
    ranges = tuple(_range_of(array) for array in sample)
    term, inputs = derive(unique_length(31, taken), ranges)
    check_rows_apart(term, inputs, sample, supports)
    witnesses = tuple(np.array(array[:_FIRST_WITNESSES]) for array in sample)
    term, inputs = derive(unique_length(num_rows + len(witnesses[0]), taken), ranges)
    recipe = Recipe(term, tuple(inputs), witnesses, ranges, {})
    while True:
        step = recipe.axis.length - len(recipe.witnesses[0])
        part = tuple(array[:step] for array in sample)
        alone = recipe.collected(tuple(array[:0] for array in part)).structure
        collected = recipe.collected(part)
        if collected.structure == alone:
            leaves = enumerate(collected.leaves)
            centres = {i: centre for i, leaf in leaves if (centre := getattr(leaf, "centre", None)) is not None}
            return replace(recipe, centres=centres, structure=alone)
        found = replace(recipe, structure=alone).witness(part)
        witnesses = tuple(np.concatenate(pair) for pair in zip(recipe.witnesses, found, strict=True))
        recipe = replace(recipe, witnesses=witnesses)


def _range_of(array: NDArray) -> Support | None:
    """Return a range of which signs can be told, None where data lie in no such."""
    return next((support for support in _RANGES if array.size and _lies_in(array, support).all()), None)


def _lies_in(array: NDArray, support: Support) -> NDArray[np.bool_]:
    if support.is_discrete:
        return np.asarray((array >= support.lower) & (array <= support.upper))
    return np.asarray((array > support.lower) & (array < support.upper))


def built(recipe: Recipe, derive: Derive, taken: Collection[int], statistics: Statistics) -> tuple[TensorVariable, str]:
    """Return the sum over all rows as a graph of parameters, and its statistics in words.

    Parameters
    ----------
    recipe : Recipe
        How they were computed.
    derive : callable
        As of `recipe_for`.
    taken : collection of int
        Lengths of axes of the model.
    statistics : Statistics
        Of all rows.

    Raises
    ------
    NoStatistics
        If there are not fewer distinct rows than half of all.
    """
    first = len(recipe.witnesses[0])
    distinct = [leaf.distinct for leaf in statistics.leaves]
    sizes = [sum(map(len, cells)) for cells in distinct]
    largest = max([len(cells) for group in distinct for cells in group], default=0)
    if largest > max(statistics.num_rows // 2, 1):
        raise NoStatistics(f"{largest:,} of {statistics.num_rows:,} rows are distinct")
    length = unique_length(first + sum(sizes) + 1, taken)
    term, inputs = derive(length, recipe.ranges)
    values: dict[Variable, NDArray] = {}
    for i, (variable, witness) in enumerate(zip(inputs, recipe.witnesses, strict=True)):
        array = np.empty((length, *witness.shape[1:]), witness.dtype)
        array[:first], array[first:] = witness, witness[0]
        start = first
        for cells in (cells for group in distinct for cells in group):
            rows = cells.rows[i]
            if rows is not None:
                array[start : start + len(cells)] = rows
            start += len(cells)
        values[variable] = array
    firsts = first + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype("int64") if sizes else [first]
    building = Building(term, values, RowAxis(length), statistics.leaves, list(firsts), statistics.num_rows)
    if any(variable in values for variable in ancestors([building.total])):
        raise NoStatistics("part of it depends on many rows at once")
    return pt.cast(building.total, "float64"), building.how
