"""Arrays as sums of data times functions of parameters: the algebra that finds sufficient statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import filled

_MOST_SEPARATE_COLUMNS = 32
MOST_PARTS = 64


@dataclass(frozen=True, eq=False)
class Column:
    """Data times a function of parameters.

    Parameters
    ----------
    data : float64 array
        Broadcasts to the array that it is a part of.
    function : TensorVariable, optional
        The same; one if not given.
    """

    data: NDArray[np.float64]
    function: TensorVariable | None = None


@dataclass(frozen=True, eq=False)
class SharedProduct:
    """A matrix product of data and parameters that all rows share.

    Parameters
    ----------
    data : float64 array
        Broadcasts to the array that it is a part of, with a last axis to sum over.
    parameters : (size,) TensorVariable
        What it is multiplied by.
    """

    data: NDArray[np.float64]
    parameters: TensorVariable


@dataclass(frozen=True, eq=False)
class Square:
    """Data times a function of parameters times the square of a form.

    Parameters
    ----------
    scale : Column
        What the square is multiplied by.
    root : Form
        What is squared; without squares.
    """

    scale: Column
    root: Form


@dataclass(frozen=True, eq=False)
class Form:
    """A sum of columns, blocks and squares.

    Parameters
    ----------
    columns : sequence of Column
        Parts.
    blocks : sequence of SharedProduct
        Parts.
    squares : sequence of Square
        Parts.
    """

    columns: Sequence[Column] = ()
    blocks: Sequence[SharedProduct] = ()
    squares: Sequence[Square] = ()

    @property
    def single(self) -> Column | None:
        """The only part, where it is a column."""
        return self.columns[0] if len(self.columns) == 1 and not self.blocks and not self.squares else None

    @property
    def num_parts(self) -> int:
        """How many parts there are."""
        return len(self.columns) + len(self.blocks) + len(self.squares)


def add(forms: Sequence[Form]) -> Form:
    """Return the sum of forms."""
    return Form(
        [part for form in forms for part in form.columns],
        [part for form in forms for part in form.blocks],
        [part for form in forms for part in form.squares],
    )


def scaled(data: NDArray[np.float64], form: Form) -> Form:
    """Return data times a form."""
    blocks = [_scaled_block(data, block) for block in form.blocks]
    columns = [Column(data * c.data, c.function) for c in form.columns]
    squares = [Square(Column(data * s.scale.data, s.scale.function), s.root) for s in form.squares]
    return Form(columns, blocks, squares)


def summed(data: NDArray[np.float64], function: TensorVariable) -> Form | None:
    """Return the form of ``(data * function).sum(axis=-1)``; None if it would have too many columns."""
    size = max(data.shape[-1], function.type.shape[-1])
    if all(n == 1 for n in function.type.shape[:-1]):
        parameters = function.flatten()
        shape = (*data.shape[:-1], size)
        return Form([], [SharedProduct(np.broadcast_to(data, shape), pt.broadcast_to(parameters, (size,)))])
    if size > _MOST_SEPARATE_COLUMNS:
        return None
    parts = range(size)
    return Form(
        [
            Column(data[..., min(i, data.shape[-1] - 1)], function[..., min(i, function.type.shape[-1] - 1)])
            for i in parts
        ]
    )


def _scaled_block(data: NDArray[np.float64], block: SharedProduct) -> SharedProduct:
    """Multiply the parameters where all rows have the same number: the matrix may be large."""
    if data.size > 1:
        return SharedProduct(data[..., None] * block.data, block.parameters)
    number = float(data.flat[0])
    parameters = block.parameters
    return SharedProduct(block.data, multiple(number, parameters))


def chosen(condition: NDArray[np.bool_], form: Form) -> Form:
    """Return a form where a condition holds and zero elsewhere, whatever its data are there."""
    blocks = [SharedProduct(np.where(condition[..., None], b.data, 0.0), b.parameters) for b in form.blocks]
    columns = [Column(np.where(condition, c.data, 0.0), c.function) for c in form.columns]
    squares = [Square(Column(np.where(condition, s.scale.data, 0.0), s.scale.function), s.root) for s in form.squares]
    return Form(columns, blocks, squares)


def switched(condition: TensorVariable, yes: Form, no: Form) -> Form | None:
    """Return the form that a condition of parameters chooses, as for powers of zero that are one.

    None unless both are columns of finite data: zero times these is zero.
    """
    both = (yes, no)
    is_simple = not any(form.blocks or form.squares for form in both)
    if not is_simple or not all(np.isfinite(column.data).all() for form in both for column in form.columns):
        return None
    zero, one = filled(0.0, condition.type.ndim), filled(1.0, condition.type.ndim)
    parts = []
    for is_yes, form in zip((True, False), both, strict=True):
        for column in form.columns:
            function = one if column.function is None else column.function
            pair = (function, zero) if is_yes else (zero, function)
            parts += [Column(column.data, pt.switch(condition, *pair))] if column.data.any() else []
    return Form(parts)


def multiplied(function: TensorVariable, form: Form) -> Form | None:
    """Return a function of parameters times a form; None where a block would not be shared by all rows."""
    if form.blocks and any(n != 1 for n in function.type.shape):
        return None
    blocks = [SharedProduct(b.data, function.reshape((1,)) * b.parameters) for b in form.blocks]
    columns = [Column(c.data, times(function, c.function)) for c in form.columns]
    squares = [Square(Column(s.scale.data, times(function, s.scale.function)), s.root) for s in form.squares]
    return Form(columns, blocks, squares)


def product(column: Column, form: Form) -> Form | None:
    """Return a column times a form; None where a block would not be shared by all rows."""
    result = scaled(column.data, form)
    return result if column.function is None else multiplied(column.function, result)


def power(column: Column, exponent: float) -> Column:
    """Return a column to a power."""
    function = column.function
    if function is not None:
        function = (
            pt.sqr(function) if exponent == 2 else pt.reciprocal(function) if exponent == -1 else function**exponent
        )
    with np.errstate(all="ignore"):  # what is not finite is no data to be summed, and seen where it is
        return Column(column.data**exponent, function)


def times(a: TensorVariable | None, b: TensorVariable | None) -> TensorVariable | None:
    """Return the product of two functions of parameters."""
    return b if a is None else a if b is None else a * b


def multiple(number: float, variable: TensorVariable) -> TensorVariable:
    """Return a number, in double precision, times a variable."""
    if number == 1:
        return variable
    return pt.neg(variable) if number == -1 else pt.mul(filled(number, variable.type.ndim), variable)
