"""Sums over rows of data times functions of parameters: the data are summed once, per cell of the function."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.compression.cells import Cells, find_cells
from graphs.compression.forms import Column, SharedProduct
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Key, Rows
from graphs.conditional.expanding.coefficients import filled

Shape = tuple[int, ...]


def flat(array: NDArray, shape: Shape) -> NDArray:
    """Repeat an array to a shape, and flatten it."""
    return np.broadcast_to(array, shape).ravel()


def cells_of(
    rows: Rows, functions: Sequence[TensorVariable], shape: Shape, kept: NDArray | None = None
) -> Cells | None:
    """Return the cells of rows in which functions of parameters are equal; None where there are too many.

    Parameters
    ----------
    rows : Rows
        What the functions read.
    functions : sequence of TensorVariable
        Functions of parameters.
    shape : tuple of int
        Of the rows.
    kept : (num_kept,) int64 array, optional
        Rows to look at; all by default.
    """
    arrays = keys_of(rows, functions, shape)
    num_rows = prod(shape) if kept is None else len(kept)
    if kept is not None:
        arrays = [array[kept] for array in arrays]
    found = find_cells(arrays, num_rows, most=max(num_rows // 2, 1))
    return found if found is None or kept is None else Cells(found.codes, kept[found.representatives])


def keys_of(rows: Rows, functions: Sequence[TensorVariable], shape: Shape) -> list[NDArray]:
    """Return arrays, one element for each row, that differ where functions of parameters read different things.

    Parameters
    ----------
    rows : Rows
        What the functions read.
    functions : sequence of TensorVariable
        Functions of parameters.
    shape : tuple of int
        Of the rows.
    """
    keys: list[Key] = []
    for function in functions:
        keys += [key for key in rows.keys(function) if not any(k.array is key.array for k in keys)]
    return [flat(key.array, shape) for key in keys]


def sum_of_column(rows: Rows, column: Column, shape: Shape) -> tuple[TensorVariable, Cells | None] | None:
    """Return the sum of a column over rows, and its cells; None where there would be too many.

    Parameters
    ----------
    rows : Rows
        What the function reads.
    column : Column
        Data and a function of parameters.
    shape : tuple of int
        Of the rows.
    """
    data = np.asarray(column.data, "float64")
    if column.function is None:
        repeats = prod(shape) / max(data.size, 1)
        return filled(repeats * float(np.sum(data)), 0), None
    data = flat(data, shape)
    used = np.flatnonzero(data)
    if not used.size:
        return filled(0.0, 0), None
    kept = None if len(used) == len(data) else used
    cells = cells_of(rows, [column.function], shape, kept)
    if cells is None:
        return None
    sums = cells.sums(data if kept is None else data[kept])
    function = Restriction(rows, shape, cells.representatives)(column.function)
    return pt.sum(pt.constant(sums) * function), cells


def sum_of_block(block: SharedProduct, shape: Shape) -> TensorVariable:
    """Return the sum of a block over rows.

    Parameters
    ----------
    block : SharedProduct
        Data and parameters.
    shape : tuple of int
        Of the rows.
    """
    data = np.broadcast_to(block.data, (*shape, block.data.shape[-1])).reshape((-1, block.data.shape[-1]))
    return pt.sum(pt.constant(data.sum(axis=0)) * block.parameters)
