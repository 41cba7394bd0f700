"""What a trace holds that tells whether to trust it: draws as columns of numbers, and the sampler's statistics."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, DataTree, Variable

from graphs.errors import ModelError
from ppl.convergence import batch_size_per_draw, split, split_r_hat

DEFAULT_TREE_DEPTH = 10
LEAST_SCREENED = 100
FEW_DIVERGENCES = 5
SUSPECT_R_HAT = 1.005
SUSPECT_SIZE = 200.0  # effective draws of a chain, twice what is asked for: the screen errs by some 15%
MOST_VALUES, FEWEST_LOOKED_AT = 100_000, 4
BLOCK_VALUES = 2**20
# By PyMC, nutpie and NumPyro; ours are those of PyMC.
_DEPTHS = ("tree_depth", "depth")
_SATURATED = ("reached_max_treedepth", "maxdepth_reached")


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
        Finite columns of the chains that did not stop.
    chains : sequence of int
        Numbers of these chains.
    lengths : sequence of int
        Number of draws of every chain, stopped ones included.
    not_finite : mapping of str to int
        Columns that are not among those above, with the number of their draws that are not finite.
    infinite : sequence of str
        Those of them that are beyond the largest number in most draws.
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
    flat_priors : tuple of str
        Variables whose prior is flat, as far as the trace says.
    left_out : int
        Number of columns that were not looked at.
    """

    labels: tuple[str, ...]
    variables: tuple[str, ...]
    draws: NDArray[np.float64]
    chains: tuple[int, ...]
    lengths: tuple[int, ...]
    not_finite: Mapping[str, int]
    infinite: tuple[str, ...]
    diverging: NDArray[np.bool_] | None
    saturated: NDArray[np.bool_] | None
    energy: NDArray[np.float64] | None
    max_tree_depth: int
    without_gradient: tuple[int, str] = (0, "")
    flat_priors: tuple[str, ...] = ()
    left_out: int = 0


def gather(
    trace: DataTree, var_names: Iterable[str] | None, max_tree_depth: int | None, *, suspects_only: bool = False
) -> Evidence:
    """Read a trace.

    Parameters
    ----------
    trace : DataTree
        With a group ``posterior``.
    var_names : iterable of str, optional
        Variables to look at; all by default.
    max_tree_depth : int, optional
        As the sampler was told; by default what the trace says.
    suspects_only : bool
        Look only at columns that R-hat and effective size in their plainest forms, which take a hundredth of the time,
        do not clear; and at no more of them than take a fraction of a second.

    Raises
    ------
    ModelError
        If there are no draws, or a variable is not among them.
    """
    columns = _columns(trace, var_names)
    labels = [label for name, array in columns.items() for label in labels_of(name, array)]
    variables = [name for name, array in columns.items() for _ in range(array[0, 0].size)]
    is_drawn = ~np.all([np.isnan(block).all(axis=2) for block in _blocks(columns)], axis=0)
    lengths = is_drawn.sum(axis=1)
    chains, num_draws = np.flatnonzero(is_drawn.all(axis=1)), is_drawn.shape[1]
    if not chains.size:
        # Every chain has stopped: what they have in common is left.
        chains, num_draws = np.arange(len(is_drawn)), int(lengths.min())
    if not num_draws:
        raise ModelError("The trace holds no draws.")
    diverging = _any_of(trace, "diverging")
    # To say where trajectories diverged all columns are compared; a few are not enough to tell.
    has_few = diverging is None or bool(diverging.sum() < FEW_DIVERGENCES)
    is_screened = suspects_only and num_draws >= LEAST_SCREENED and has_few
    screens = [_screened(block[chains, :num_draws], is_screened) for block in _blocks(columns)]
    bad, num_infinite, r_hat, is_suspect = (np.concatenate(parts) for parts in zip(*screens, strict=True))
    good = np.flatnonzero(bad == 0)
    infinite = np.flatnonzero(num_infinite > 0.5 * len(chains) * num_draws)
    looked_at = good[is_suspect[good]]
    most = max(FEWEST_LOOKED_AT, MOST_VALUES // (len(chains) * num_draws))
    if suspects_only and len(looked_at) > most:
        looked_at = np.sort(looked_at[np.argpartition(-r_hat[looked_at], most)[:most]])
    depth = int(trace.attrs.get("max_tree_depth", DEFAULT_TREE_DEPTH)) if max_tree_depth is None else max_tree_depth

    def statistic(array: NDArray | None) -> NDArray | None:
        return None if array is None else array[chains, :num_draws]

    return Evidence(
        labels=tuple(labels[i] for i in looked_at),
        variables=tuple(variables[i] for i in looked_at),
        draws=_chosen(columns, looked_at)[chains, :num_draws],
        chains=tuple(chains.tolist()),
        lengths=tuple(lengths.tolist()),
        not_finite={labels[i]: int(bad[i]) for i in np.flatnonzero(bad)},
        infinite=tuple(labels[i] for i in infinite),
        diverging=statistic(diverging),
        saturated=statistic(_saturated(trace, depth)),
        energy=statistic(_statistic(trace, "energy")),
        max_tree_depth=depth,
        without_gradient=(
            int(trace.attrs.get("num_without_gradient", 0)),
            str(trace.attrs.get("term_without_gradient", "")),
        ),
        flat_priors=tuple(str(trace.attrs.get("flat_priors", "")).split(", ")),
        left_out=len(good) - len(looked_at),
    )


def _columns(trace: DataTree, var_names: Iterable[str] | None) -> dict[str, DataArray]:
    if not isinstance(trace, DataTree) or "posterior" not in trace.children:
        raise ModelError(f"A trace with a group 'posterior' is needed, such as ppl.sample returns, not {type(trace)}.")
    arrays = {str(name): array for name, array in trace["posterior"].to_dataset().data_vars.items()}
    names = list(arrays) if var_names is None else list(dict.fromkeys(var_names))
    for name in names:
        if name not in arrays:
            raise ModelError(f"There are no draws of {name!r}; there are of {', '.join(arrays)}.", name)
    found = {}
    for name in names:
        array = arrays[name]
        if array.dtype.kind in "biuf" and array.size:
            is_ordered = array.dims[:2] == ("chain", "draw")
            found[name] = array if is_ordered else array.transpose("chain", "draw", ...)
    if not found:
        raise ModelError("The trace holds no draws of numbers.")
    return found


def _flat(array: DataArray) -> NDArray:
    values = array.to_numpy()
    return values.reshape(*values.shape[:2], -1)


def labels_of(name: str, array: DataArray) -> list[str]:
    """Return a label for each element: its place by coordinates, positions where there are none."""
    dims = array.dims[2:]
    if not dims:
        return [name]
    axes = [array.coords[d].to_numpy().tolist() if d in array.coords else range(array.sizes[d]) for d in dims]
    grids = np.meshgrid(*(np.arange(len(a)) for a in axes), indexing="ij")
    places = zip(*(g.ravel().tolist() for g in grids), strict=True)
    return [f"{name}[{', '.join(str(a[i]) for a, i in zip(axes, place, strict=True))}]" for place in places]


def _screened(draws: NDArray[np.float64], is_screened: bool) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return of each column: draws that are not finite, infinite ones, plain R-hat, and whether to look closer."""
    size = draws.shape[2]
    bad, num_infinite = (~np.isfinite(draws)).sum(axis=(0, 1)), np.isinf(draws).sum(axis=(0, 1))
    rows = np.moveaxis(draws, 2, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        r_hat = np.nan_to_num(split_r_hat(split(rows)), nan=np.inf) if draws.shape[1] > 3 else np.full(size, np.inf)
        if not is_screened:
            return bad, num_infinite, r_hat, np.full(size, True)
        # Halves of chains may disagree, or there may be few effective draws.
        is_suspect = (r_hat > SUSPECT_R_HAT) | ~(draws.shape[1] * batch_size_per_draw(rows) > SUSPECT_SIZE)
    return bad, num_infinite, r_hat, is_suspect


def _blocks(columns: Mapping[str, DataArray]) -> Iterator[NDArray[np.float64]]:
    """Give the columns in pieces that are small next to a long run: all of them at once would be a second copy."""
    for array in columns.values():
        values = _flat(array)
        length = max(1, BLOCK_VALUES // (values.shape[0] * values.shape[1]))
        for start in range(0, values.shape[2], length):
            yield values[:, :, start : start + length].astype(np.float64)


def _chosen(columns: Mapping[str, DataArray], positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return some of the columns."""
    found, first = [], 0
    for array in columns.values():
        values = _flat(array)
        own = positions[(positions >= first) & (positions < first + values.shape[2])] - first
        found.append(values[:, :, own].astype(np.float64))
        first += values.shape[2]
    return np.concatenate(found, axis=2)


def _statistics(trace: DataTree) -> Mapping[Hashable, Variable]:
    return trace.children["sample_stats"].variables if "sample_stats" in trace.children else {}


def _statistic(trace: DataTree, name: str) -> NDArray | None:
    array = _statistics(trace).get(name)
    if array is None:
        return None
    # Of several samplers at once PyMC has an axis more.
    return array.to_numpy() if array.dims == ("chain", "draw") else None


def _any_of(trace: DataTree, name: str) -> NDArray[np.bool_] | None:
    """Return where a statistic of any block is true: ``diverging``, ``diverging_x``."""
    names = [str(n) for n in _statistics(trace) if n == name or str(n).startswith(f"{name}_")]
    arrays = [a for n in names if (a := _statistic(trace, n)) is not None]
    return np.any([np.nan_to_num(a.astype(np.float64)) > 0 for a in arrays], axis=0) if arrays else None


def _saturated(trace: DataTree, max_tree_depth: int) -> NDArray[np.bool_] | None:
    for name in _SATURATED:
        found = _statistic(trace, name)
        if found is not None:
            return found.astype(bool)
    for name in _DEPTHS:
        found = _statistic(trace, name)
        if found is not None:
            return np.asarray(found >= max_tree_depth)
    return None
