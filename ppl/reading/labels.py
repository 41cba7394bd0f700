"""Names of axes and labels along them: what xarray can hold, checked before anything is drawn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from graphs.errors import ModelError
from graphs.surgery.random_graph import why_not_a_name

Labels = tuple[Hashable, ...]


def check_dim(dim: object, name: str) -> str:
    """Return ``dim``, or raise if it cannot be the name of an axis of the variable ``name``."""
    if not isinstance(dim, str) or not dim.strip():
        raise ModelError(
            f"The dims of {name} are strings that are not empty, one for each axis; one of them is {dim!r}.", name
        )
    if why := why_not_a_name(dim):
        raise ModelError(f"{dim!r} cannot be the name of a dim (of {name}): {why}. Give it another one.", name)
    if dim == name:
        raise ModelError(
            f"{name} has a dim of its own name: labels of that name would take its place in the results. "
            "Rename one of the two.",
            name,
        )
    return dim


def read_labels(given: Any, dim: str) -> Labels:
    """Return labels as a tuple, whatever holds them.

    Parameters
    ----------
    given : iterable
        One label for each position: an array, a pandas or xarray object, any sequence.
    dim : str
        The axis that they are of.

    Raises
    ------
    ModelError
        If they are no sequence, or one of them is no label.

    Examples
    --------
    >>> read_labels(np.array([2020, 2021]), "year")
    (2020, 2021)
    >>> read_labels([("a", 1), None], "site")
    (('a', 1), None)
    """
    # An xarray object gives its elements as arrays, and integers for dates.
    to_index = getattr(given, "to_index", None)
    if callable(to_index):
        given = to_index()
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ModelError(f"The labels of the dim {dim!r} are a sequence with one for each position, not {given!r}.")
    labels = tuple(given.tolist() if isinstance(given, np.ndarray) and given.dtype.kind in "biufSU" else given)
    for label in labels:
        if not isinstance(label, Hashable):
            raise ModelError(
                f"The labels of the dim {dim!r} are numbers, strings, dates, tuples: {label!r} cannot be one."
            )
    return labels


def are_same_labels(first: Labels, second: Labels) -> bool:
    """Whether labels are the same; missing ones are equal to each other."""
    return len(first) == len(second) and _index(first).equals(_index(second))


def as_coordinate(labels: Iterable[Any]) -> Any:
    """Return labels as xarray takes them: of one type as an array of it, others each as it is.

    NumPy would make strings of numbers among strings, and a table of tuples.
    """
    if isinstance(labels, np.ndarray):
        return labels
    each = list(labels)
    is_mixed = pd.api.types.infer_dtype(each, skipna=False) in ("mixed", "mixed-integer")
    return _index(each) if is_mixed else each


def _index(labels: Iterable[Any]) -> pd.Index:
    return pd.Index(list(labels), dtype=object, tupleize_cols=False)
