"""What a trace holds that tells whether to trust it: draws as columns of numbers, and the sampler's statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from graphs.errors import ModelError
from ppl.diagnosing.column_labels import Cleared, ColumnLabels
from ppl.diagnosing.columns import AT_ONCE, BLOCK_VALUES, Columns, most_columns, shared
from ppl.diagnosing.judged import attribute, bounded_variables, drawn_variables
from ppl.diagnosing.screening import Screen, clipped
from ppl.diagnosing.statistics import any_of, saturated, statistic
from ppl.predicting.posterior import check_sample_dims

DEFAULT_TREE_DEPTH = 10
LEAST_SCREENED = 100
FEW_DIVERGENCES = 5
MOST_VALUES, FEWEST_LOOKED_AT = 2**19, 4
"""So many draws are looked at closely, in a few tenths of a second; of more, those that a screen suspects."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Draws and statistics of a run.

    Parameters
    ----------
    labels : sequence of str
        Of each column: ``mu``, ``theta[Choate]``.
    variables : sequence of str
        The variable that each column belongs to.
    draws : array, shape (chains, draws, size), float64
        Columns of numbers of the chains that did not stop; infinite draws of what may be infinite are `LARGEST`.
    chains : sequence of int
        Numbers of these chains.
    lengths : sequence of int
        Number of draws of every chain, stopped ones included.
    not_finite : mapping of str to int
        Columns that are not among those above, with the number of their draws that are not finite.
    infinite : sequence of str
        Those of them that are beyond the largest number in most draws.
    held : sequence of str
        Variables known to be drawn from a continuous distribution, none of whose elements has ever moved.
    is_constant : bool
        Whether nothing at all differs between any two draws.
    diverging : array, shape (chains, draws), bool, optional
        Where a trajectory diverged.
    saturated : array, shape (chains, draws), bool, optional
        Where a trajectory was as long as it may be.
    energy : array, shape (chains, draws), float64, optional
        Of each state of Hamiltonian dynamics.
    max_tree_depth : int
        What saturated means.
    without_gradient : tuple of int and str
        Number of trajectories that ended where there is a log-density but no gradient, and the term to blame.
    flat_priors, bounded : tuple of str
        Variables whose prior is flat, and those with bounds on both sides, as far as the trace says.
    cleared : Cleared
        Columns that were not looked at.
    unmet : str
        Why a run that was to go on until its draws are enough stopped before; empty where it did not.
    """

    labels: Sequence[str]
    variables: tuple[str, ...]
    draws: NDArray[np.float64]
    chains: tuple[int, ...]
    lengths: tuple[int, ...]
    not_finite: Mapping[str, int]
    infinite: tuple[str, ...]
    held: tuple[str, ...]
    is_constant: bool
    diverging: NDArray[np.bool_] | None
    saturated: NDArray[np.bool_] | None
    energy: NDArray[np.float64] | None
    max_tree_depth: int
    cleared: Cleared
    without_gradient: tuple[int, str] = (0, "")
    flat_priors: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()
    unmet: str = ""

    @property
    def num_columns(self) -> int:
        """How many columns there are that can be looked at."""
        return len(self.labels) + len(self.cleared.labels)


def gather(
    trace: DataTree, var_names: Iterable[str] | None, max_tree_depth: int | None, num_threads: int = 1
) -> Evidence:
    """Read a trace.

    Parameters
    ----------
    trace : DataTree
        With a group ``posterior``.
    var_names : iterable of str, optional
        Variables to look at; by default those that were drawn, where the trace tells them from what was computed from
        them, else all. Of very many numbers only those are then looked at that a screen does not clear.
    max_tree_depth : int, optional
        As the sampler was told; by default what the trace says.
    num_threads : int
        How many threads may take a first look at very many numbers.

    Raises
    ------
    ModelError
        If there are no draws, or a variable is not among them.
    """
    _check(trace)
    drawn = drawn_variables(trace)
    columns = Columns.of(trace, (drawn or None) if var_names is None else var_names)
    labels = ColumnLabels(columns.arrays)
    variables = columns.of_variables(np.array(list(columns.arrays)))
    is_drawn = columns.of_variables(np.array([name in drawn for name in columns.arrays]))
    chains, lengths, num_draws = _complete(columns)
    diverging = any_of(trace, "diverging")
    num_values = len(chains) * num_draws
    is_large = var_names is None and len(variables) * num_values > MOST_VALUES

    def screened(block: NDArray[np.float64]) -> Screen:
        return Screen.of(_some(block, chains, num_draws), is_large)

    # A single number of a very long run is much.
    at_once = 1 if num_values > BLOCK_VALUES else AT_ONCE
    screen = Screen.joined(shared(screened, columns.blocks(), num_threads if is_large else 1, at_once))
    bad = _not_numbers(screen, variables, is_drawn, num_values)
    good = looked_at = np.flatnonzero((bad == 0) & (screen.num_nan + screen.num_infinite < num_values))
    if is_large and len(good) * num_values > MOST_VALUES:
        # To say where trajectories diverged all columns are compared; a few are not enough to tell.
        has_few = diverging is None or bool(diverging.sum() < FEW_DIVERGENCES)
        looked_at = _suspects(screen, looked_at, num_draws >= LEAST_SCREENED and has_few, num_values)
    infinite = bad * (screen.num_infinite > 0.5 * num_values) > 0
    if max_tree_depth is None:
        max_tree_depth = int(attribute(trace, "max_tree_depth", str(DEFAULT_TREE_DEPTH)))

    def draws_of(some: NDArray[np.int64]) -> NDArray[np.float64]:
        return clipped(_some(columns.chosen(some), chains, num_draws))

    others = np.setdiff1d(good, looked_at, assume_unique=True)

    def of_chains(array: NDArray | None) -> NDArray | None:
        return None if array is None else _some(array, chains, num_draws)

    return Evidence(
        labels=labels.at(looked_at),
        variables=tuple(variables[looked_at].tolist()),
        draws=draws_of(looked_at),
        chains=tuple(chains.tolist()),
        lengths=tuple(lengths.tolist()),
        not_finite={labels[int(i)]: int(bad[i]) for i in np.flatnonzero(bad)},
        infinite=tuple(labels.at(np.flatnonzero(infinite))),
        held=_held(columns, screen, drawn),
        is_constant=bool(screen.is_constant.all()),
        diverging=of_chains(diverging),
        saturated=of_chains(saturated(trace, max_tree_depth)),
        energy=of_chains(statistic(trace, "energy")),
        max_tree_depth=max_tree_depth,
        without_gradient=_without_gradient(trace),
        flat_priors=tuple(attribute(trace, "flat_priors").split(", ")),
        bounded=bounded_variables(trace),
        cleared=Cleared(labels.at(others), lambda some: draws_of(others[some]), most_columns(num_values)),
        unmet="" if attribute(trace, "until_met", "1") == "1" else attribute(trace, "stopped_because"),
    )


def _without_gradient(trace: DataTree) -> tuple[int, str]:
    return int(attribute(trace, "num_without_gradient", "0")), attribute(trace, "term_without_gradient")


def _some(array: NDArray, chains: NDArray[np.int64], num_draws: int) -> NDArray:
    """Return the first draws of some chains; where these are all, the array itself."""
    is_whole = (len(chains), num_draws) == array.shape[:2]
    return array if is_whole else array[chains, :num_draws]


def _complete(columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the chains that did not stop, the lengths of all, and how many draws there are of each of those."""
    # Integers cannot say that there is no draw.
    floats = {name: array for name, array in columns.arrays.items() if array.dtype.kind == "f"} or columns.arrays
    num_chains, num_draws = next(iter(floats.values())).shape[:2]
    if any(
        not np.isnan(array[:, -1].to_numpy()).reshape(num_chains, -1).all(axis=1).any() for array in floats.values()
    ):
        # Every chain has a last draw.
        return np.arange(num_chains), np.full(num_chains, num_draws), num_draws
    is_drawn = ~np.all([np.isnan(block).all(axis=2) for block in Columns(floats).blocks()], axis=0)
    # A chain has stopped where nothing is drawn any more; what is no number before that is no number.
    lengths = np.where(is_drawn.any(axis=1), num_draws - is_drawn[:, ::-1].argmax(axis=1), 0)
    chains = np.flatnonzero(lengths == num_draws)
    if not chains.size:
        # Every chain has stopped: what those that began have in common is left.
        chains = np.flatnonzero(lengths > 0)
        num_draws = int(lengths[chains].min()) if chains.size else 0
    if not num_draws:
        raise ModelError("The trace holds no draws.")
    return chains, lengths, num_draws


def _not_numbers(
    screen: Screen, variables: NDArray[np.str_], is_drawn: NDArray[np.bool_], num_values: int
) -> NDArray[np.int64]:
    """Return in how many draws each column is not the number that it should be.

    What is computed from draws may be infinite in some, such as the logarithm of a count. An element that is not a
    number in any draw, beside elements of its variable that are, is no result but padding: a triangle of a matrix.
    """
    if not (screen.num_nan.any() or screen.num_infinite.any()):
        return screen.num_nan
    bad = screen.num_nan + np.where(is_drawn | (screen.num_infinite == num_values), screen.num_infinite, 0)
    is_never = screen.num_nan + screen.num_infinite == num_values
    is_padding = is_never & screen.is_constant & ~is_drawn & np.isin(variables, variables[~is_never])
    return np.where(is_padding, 0, bad)


def _suspects(screen: Screen, good: NDArray[np.int64], is_screened: bool, num_values: int) -> NDArray[np.int64]:
    """Return the columns to look at closely: those that a screen does not clear, the worst if they are too many."""
    looked_at = good[screen.is_suspect[good]] if is_screened else good
    most = max(FEWEST_LOOKED_AT, MOST_VALUES // num_values)
    if len(looked_at) > most:
        looked_at = np.sort(looked_at[np.argpartition(-screen.r_hat[looked_at], most)[:most]])
    return looked_at


def _held(columns: Columns, screen: Screen, drawn: Iterable[str]) -> tuple[str, ...]:
    """Return the drawn variables that have never moved."""
    if not screen.is_constant.any():
        return ()
    found, first = set(), 0
    for (name, array), count in zip(columns.arrays.items(), columns.counts, strict=True):
        if array.dtype.kind == "f" and bool(screen.is_constant[first : first + count].all()):
            found.add(name)
        first += count
    return tuple(name for name in drawn if name in found)


def _check(trace: DataTree) -> None:
    if not isinstance(trace, DataTree) or "posterior" not in trace.children:
        raise ModelError(f"A trace with a group 'posterior' is needed, such as ppl.sample returns, not {type(trace)}.")
    check_sample_dims(trace["posterior"].dims)
