"""Read what people hold their numbers in: lists, NumPy, masked, pandas (nullable columns), xarray, polars, Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

from graphs.errors import ModelError

LARGEST = 2**63 - 1
_EXACT = 2**53
"""Up to here a float is one whole number."""
_REMEDIES = {
    "U": "strings: numbers are needed, such as the codes of pandas.factorize",
    "S": "strings: numbers are needed, such as the codes of pandas.factorize",
    "M": "dates: numbers are needed, such as (dates - dates[0]) / numpy.timedelta64(1, 'D')",
    "m": "time differences: numbers are needed, such as differences / numpy.timedelta64(1, 'D')",
    "c": "complex: real and imaginary parts are needed",
}


def read_numbers(given: Any, what: str, name: str) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return numbers of the type in which they were given, and where they are missing.

    Parameters
    ----------
    given : array_like
        NaN, None, ``pandas.NA`` and masked elements are missing.
    what : str
        How a message calls them: "The data of y".
    name : str
        The variable that they belong to.

    Returns
    -------
    array of bool, int or float, and array of bool
        Of the same shape; what stands at missing elements means nothing.

    Raises
    ------
    ModelError
        If they are not numbers.

    Examples
    --------
    >>> read_numbers([3, None], "The data of y", "y")
    (array([3, 0]), array([False,  True]))
    """
    if issparse(given):
        raise ModelError(f"{what} are a sparse matrix: give .toarray().", name)
    try:
        values, mask = _read(given)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what} are not an array: {error}.", name) from error
    if values.dtype == object:
        values, mask = _from_objects(values, mask, what, name)
    if values.dtype.kind not in "biuf":
        remedy = _REMEDIES.get(values.dtype.kind, "no numbers")
        raise ModelError(f"{what} have the type {values.dtype}, {remedy}.", name)
    return values, mask | np.isnan(values) if values.dtype.kind == "f" else mask


def read_complete(given: Any, what: str, name: str, *, is_real: bool = False) -> NDArray:
    """Return float64, int64 or bool numbers of which none is missing; NaN is a number here.

    Parameters
    ----------
    given, what, name
        As of `read_numbers`.
    is_real : bool
        Whether whole numbers become floats, too.

    Raises
    ------
    ModelError
        If they are not numbers, or missing in part.
    """
    values, mask = read_numbers(given, what, name)
    if (mask & ~np.isnan(values) if values.dtype.kind == "f" else mask).any():
        raise ModelError(
            f"{what} are missing in part; only those of observed data may be: fill them in, or leave these rows out.",
            name,
        )
    if is_real or values.dtype.kind == "f":
        return to_floats(values, what, name)
    return values.copy() if values.dtype.kind == "b" else to_integers(values, mask, what, name)


def _read(given: Any) -> tuple[NDArray, NDArray[np.bool_]]:
    if np.ma.isMaskedArray(given):
        return np.asarray(np.ma.getdata(given)), np.ma.getmaskarray(given)
    if isinstance(given, pd.DataFrame):
        columns = [_read(given.iloc[:, i]) for i in range(given.shape[1])]
        if not columns:
            return np.empty(given.shape), np.zeros(given.shape, bool)
        return np.stack([c for c, _ in columns], axis=1), np.stack([m for _, m in columns], axis=1)
    dtype = getattr(given, "dtype", None)
    if isinstance(given, pd.Series | pd.Index | pd.api.extensions.ExtensionArray) and not isinstance(dtype, np.dtype):
        column = pd.Series(given)
        kind = getattr(dtype, "kind", "O")
        if kind in "biuf" and not isinstance(dtype, pd.SparseDtype):
            mask = column.isna().to_numpy(bool)
            plain = {"b": np.dtype(bool), "i": np.dtype("int64"), "u": np.dtype("uint64"), "f": np.dtype("float64")}
            return column.to_numpy(plain[kind], na_value=plain[kind].type(0)), mask
    values = np.asarray(given)
    return values, np.zeros(values.shape, bool)


def _from_objects(values: NDArray, mask: NDArray[np.bool_], what: str, name: str) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the numbers among Python objects; whole ones stay whole where others are missing."""
    if not values.ndim and not isinstance(values.item(), int | float | np.number | None):
        raise ModelError(f"{what} are {type(values.item()).__name__}, not an array of numbers.", name)
    mask = mask | pd.isna(values)
    for where in np.argwhere(~mask):
        element = values[tuple(where)]
        if isinstance(element, str | bytes):
            raise ModelError(
                f"{what} are not all numbers: at {where.tolist()} is {element!r}. Give numbers, such as the codes of "
                "pandas.factorize.",
                name,
            )
    given = [0 if is_missing else v for v, is_missing in zip(values.ravel(), mask.ravel(), strict=True)]
    try:
        found = np.asarray(given) if given else np.empty(0)
        found = found.astype("float64") if found.dtype == object else found
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{what} are not all numbers: {error}.", name) from error
    return found.reshape(values.shape), mask


def to_floats(values: NDArray, what: str, name: str) -> NDArray[np.float64]:
    """Return numbers in double precision, which has to hold them."""
    with np.errstate(over="ignore"):
        floats = values.astype("float64")
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        _refuse(np.isinf(floats) & ~np.isinf(values), values, f"{what} are too large for double precision", name)
    return floats


def to_integers(values: NDArray, mask: NDArray[np.bool_], what: str, name: str) -> NDArray[np.int64]:
    """Return whole numbers as int64, which has to hold them; zero where they are missing.

    Raises
    ------
    ModelError
        If one is not whole, or too large: the message has the number that was given.
    """
    if values.dtype.kind == "f":
        plain = np.where(mask, 0.0, values)
        _refuse(plain % 1 != 0, values, f"{what} are whole numbers", name)
        _refuse(
            np.abs(plain) > _EXACT,
            values,
            f"{what} are beyond 2**53, where floats skip whole numbers: give integers",
            name,
        )
        return plain.astype("int64")
    if values.dtype.kind == "u":
        _refuse((values > LARGEST) & ~mask, values, f"{what} are too large: whole numbers end at 2**63 - 1", name)
    return np.where(mask, 0, values).astype("int64")


def _refuse(is_bad: NDArray[np.bool_], values: NDArray, message: str, name: str) -> None:
    if is_bad.any():
        where = first(is_bad)
        raise ModelError(f"{message}; {name}{list(where) if where else ''} = {values[where]}.", name)


def first(condition: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return where a condition holds first."""
    return tuple(int(i) for i in np.argwhere(condition)[0])
