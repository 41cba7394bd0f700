"""The rows of what is squared as arrays: columns that parameters multiply, and the outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.compression.forms import Form, multiple
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Rows
from graphs.compression.shapes import are_equal, is_uniform
from graphs.compression.sums import Shape, flat

_STRETCH = 4096


@dataclass(eq=False)
class Local:
    """A column that functions of parameters multiply, which may differ between groups of rows.

    Parameters
    ----------
    data : (num_rows,) float64 array
        The column, times the root of the weights.
    functions : list of TensorVariable
        Functions of parameters, to be added up; none for a column that is only projected on.
    is_uniform : bool
        Whether the column was one number before it was weighted.
    """

    data: NDArray[np.float64]
    functions: list[TensorVariable] = field(default_factory=list)
    is_uniform: bool = False


@dataclass(eq=False)
class Design:
    """The rows of ``local + columns @ parameters + outcome``.

    Parameters
    ----------
    local : list of Local
        Columns whose parameters may depend on the row.
    columns : (num_rows, size) float64 array
        Columns of parameters that all rows share.
    parameters : list of TensorVariable
        These, as vectors to be joined.
    outcome : (num_rows,) float64 array
        What no parameter multiplies; without weights.
    """

    local: list[Local]
    columns: NDArray[np.float64]
    parameters: list[TensorVariable]
    outcome: NDArray[np.float64]

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        arrays = [*(part.data for part in self.local), self.columns, self.outcome]
        return all(bool(np.isfinite(array).all()) for array in arrays)


def design_of(
    rows: Rows, form: Form, shape: Shape, kept: NDArray[np.int64] | None, roots: NDArray[np.float64]
) -> Design:
    """Return the weighted rows of a form without squares.

    Parameters
    ----------
    rows : Rows
        What the functions of parameters read.
    form : Form
        Columns and blocks.
    shape : tuple of int
        Of the rows.
    kept : (num_kept,) int64 array or None
        Rows to look at; all if None.
    roots : (num_kept,) float64 array
        Roots of the weights.
    """

    def rows_of(data: NDArray) -> NDArray:
        full = flat(data, shape)
        return full if kept is None else full[kept]

    def weighted(data: NDArray) -> NDArray[np.float64]:
        return np.asarray(rows_of(data) * roots)

    local: list[Local] = []
    shared: list[tuple[NDArray[np.float64], TensorVariable]] = []
    for column in form.columns:
        if column.function is None:
            continue
        if is_uniform(column.data) or rows.keys(column.function):
            _gather_local(local, column.data, column.function, weighted)
        else:
            shared.append((weighted(column.data), column.function))
    shared = [(data, function) for data, function in shared if not _joins(local, data, function)]
    outcome = np.zeros(len(roots))
    for column in form.columns:
        if column.function is None:
            outcome += rows_of(column.data)
    size = len(shared) + sum(block.data.shape[-1] for block in form.blocks)
    columns = np.empty((len(roots), size), order="F")
    first = Restriction(rows, shape, np.zeros(1, np.int64))
    parameters: list[TensorVariable] = []
    position = 0
    for data, function in shared:
        columns[:, position] = data
        parameters.append(first(function))
        position += 1
    for block in form.blocks:
        width = block.data.shape[-1]
        data = np.broadcast_to(block.data, (*shape, width)).reshape((-1, width))
        _fill(columns[:, position : position + width], data if kept is None else data[kept], roots)
        position += width
        parameters.append(block.parameters)
    return Design(sorted(local, key=lambda part: not part.is_uniform), columns, parameters, outcome)


def _fill(columns: NDArray[np.float64], data: NDArray[np.float64], roots: NDArray[np.float64]) -> None:
    """Write weighted rows to columns, in stretches that fit into caches."""
    for start in range(0, len(data), _STRETCH):
        part = slice(start, start + _STRETCH)
        np.multiply(data[part], roots[part, None], out=columns[part])


def _gather_local(
    local: list[Local], data: NDArray, function: TensorVariable, weighted: Callable[[NDArray], NDArray[np.float64]]
) -> None:
    """Add a column, or its function to those of an equal column; uniform ones count as ones."""
    uniform = is_uniform(data)
    if uniform:
        function = multiple(float(data.flat[0]), function)
    column = weighted(np.ones_like(data) if uniform else data)
    if not _joins(local, column, function):
        local.append(Local(column, [function], uniform))


def _joins(local: Sequence[Local], data: NDArray[np.float64], function: TensorVariable) -> bool:
    """Add a function to those of the same column, if there is one."""
    for part in local:
        if are_equal(part.data, data):
            part.functions.append(function)
            return True
    return False
