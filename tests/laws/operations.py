"""The law of backends: what is compiled has the values of NumPy, node by node; gradients are those of differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends.numba import compile_program
from graphs.backends.numba.program import Program
from graphs.surgery.interpreting import INTERPRETED, without_c


def by_numpy(inputs: Sequence[Variable], outputs: Sequence[Variable], values: Sequence[Any]) -> list[NDArray]:
    """Return the values of graphs by PyTensor's implementation in NumPy, node by node; loops are those of Python."""
    with without_c(), np.errstate(all="ignore"):
        function = pytensor.function([*inputs], [*outputs], mode=INTERPRETED, on_unused_input="ignore")
        return [np.asarray(found) for found in function(*values)]


def assert_computes(
    program: Program,
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    values: Sequence[Any],
    *,
    value: TensorVariable | None = None,
    rtol: float,
    atol: float,
    value_rtol: float | None = None,
) -> None:
    """Assert that a program has the values, shapes and types that NumPy has.

    Parameters
    ----------
    program : Program
        Of the graphs.
    inputs, outputs : sequence of TensorVariable
        Of the graphs.
    values : sequence of array
        Of the inputs.
    value : TensorVariable, optional
        The program's value.
    rtol, atol : float
        As for NumPy.
    value_rtol : float, optional
        That of the value, where it is another one.
    """
    found, out = program(np.concatenate([np.ravel(v).astype(float) for v in values]))
    expected = by_numpy(inputs, [*outputs, *([] if value is None else [value])], values)
    if value is not None:
        np.testing.assert_allclose(found, expected[-1], rtol=rtol if value_rtol is None else value_rtol)
    for got, want in zip(program.unpack(out), expected[: len(outputs)], strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def assert_is_compiled(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    values: Sequence[Any],
    *,
    value: TensorVariable | None = None,
    rtol: float = 1e-12,
    atol: float = 1e-13,
    value_rtol: float | None = None,
) -> Program:
    """Compile graphs, and assert that the program has the values that NumPy has; return it."""
    program = compile_program(inputs, outputs, value=value)
    assert_computes(program, inputs, outputs, values, value=value, rtol=rtol, atol=atol, value_rtol=value_rtol)
    return program


def differences(
    function: Callable[..., float], at: Mapping[str, Any], name: str, step: float = 1e-6
) -> NDArray[np.float64]:
    """Return central differences of a function of named arrays by the elements of one.

    Parameters
    ----------
    function : callable
        Takes the arrays by name.
    at : mapping of str to array
        Where.
    name : str
        Whose elements are moved.
    step : float
        By how much; times the size of what is larger than one.
    """
    point = np.asarray(at[name], float)
    found = np.zeros(point.shape)
    for place in np.ndindex(point.shape):
        moved = np.zeros(point.shape)
        moved[place] = step * max(1.0, abs(float(point[place])))
        ends = [function(**{**at, name: point + sign * moved}) for sign in (1, -1)]
        found[place] = (ends[0] - ends[1]) / (2 * moved[place])
    return found
