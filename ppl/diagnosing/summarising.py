"""ArviZ's table of a trace, whatever the number of draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import numpy as np
from xarray import DataArray, Dataset, DataTree

from graphs.errors import ModelError
from ppl.diagnosing.columns import cut, most_columns
from ppl.predicting.posterior import posterior_of


def summary(trace: DataTree, var_names: Iterable[str] | None = None, **options: Any) -> Any:
    """Return the table of `arviz.summary`, number by number, so that a trace on disk need not fit into memory.

    ``az.summary(trace)`` has the same numbers, and reads each variable as a whole. Here 128 MiB are read at a time, or
    one number of every draw if that is more, and what is computed takes about ten times that.

    Parameters
    ----------
    trace : DataTree
        Of `ppl.sample` or `ppl.resume`, with or without a store; or another in ArviZ's groups.
    var_names : iterable of str, optional
        Variables to show; by default all.
    **options
        Those of `arviz.summary` but for ``fmt``: ``kind``, ``ci_prob``, ``round_to``, ...

    Returns
    -------
    pandas.DataFrame
        A row for each number.

    Raises
    ------
    ModelError
        If there are no draws, a variable is not among them, or ``fmt`` is given.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> model = ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 10, size=2), 1): np.ones(2)})
    >>> trace = ppl.sample(model, draws=500, seed=1, progress=False)
    >>> ppl.summary(trace, kind="stats").index.tolist()
    ['mu[0]', 'mu[1]']
    """
    posterior = posterior_of(trace)
    if isinstance(var_names, str):
        raise ModelError(f"var_names is a list of names: [{var_names!r}].")
    if "fmt" in options:
        raise ModelError("ppl.summary has a row for each number: leave fmt out, or use arviz.summary.")
    names = [str(name) for name in posterior.data_vars] if var_names is None else list(var_names)
    for name in names:
        if name not in posterior.data_vars:
            known = ", ".join(map(str, posterior.data_vars))
            raise ModelError(f"There are no draws of {name!r}; there are of {known}.", name)
    # Imported where it is used: it imports JAX, which takes half a second.
    import arviz_stats
    import pandas

    tables = [arviz_stats.summary(_tree(each), **options) for each in _pieces([posterior[name] for name in names])]
    if len(tables) == 1:
        return tables[0]
    table = pandas.concat(tables)
    # How many digits of each number are shown.
    digits = [found for each in tables if (found := getattr(each, "_fmt_map", None))]
    if len(digits) < len(tables):
        return table
    merged = {column: {row: text for each in digits for row, text in each[column].items()} for column in digits[0]}
    return type(tables[0])(table, fmt_map=merged)


def _pieces(arrays: list[DataArray]) -> Iterator[Dataset]:
    """Give variables, or parts of them, a few numbers at a time, in memory."""
    if not arrays:
        raise ModelError("var_names names no variable; leave it out for all.")
    most = most_columns(prod(arrays[0].shape[:2]))
    waiting: dict[str, DataArray] = {}
    for array in map(_labelled, arrays):
        for piece in cut(array, most):
            if waiting and (piece.name in waiting or _width(*waiting.values(), piece) > most):
                yield Dataset(waiting).load()
                waiting = {}
            waiting[str(piece.name)] = piece
    yield Dataset(waiting).load()


def _labelled(array: DataArray) -> DataArray:
    """Return an array whose elements know their places, which a part of them would not."""
    free = {dim: np.arange(n) for dim, n in list(array.sizes.items())[2:] if dim not in array.coords}
    return array.assign_coords(free)


def _width(*arrays: DataArray) -> int:
    return sum(prod(array.shape[2:]) for array in arrays)


def _tree(posterior: Dataset) -> DataTree:
    tree = DataTree()
    tree.children = {"posterior": DataTree(posterior)}
    return tree
