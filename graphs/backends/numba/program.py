"""Compiled programs: one C function per graph, called by address on flat vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import lower_builtin, type_callable
from numba.np.arrayobj import make_array
from numpy.typing import NDArray
from pytensor.graph.fg import FunctionGraph

from graphs.backends.base import NO_INTEGER
from graphs.backends.numba.machine_code.kept import njit
from graphs.layout import Layout

if TYPE_CHECKING:
    from graphs.backends.numba.compiler.callback import Callback


def lower_as_call(function: Any, x: int, context: int, out: int, rng: int | None = None, word: int = 0) -> None:
    """Let compiled code that calls a Python function, with the row of a bound program first, call the program.

    This is what ``numba.extending.overload`` does with less ado, but overloads are compiled as functions, each in
    0.2 s.

    Parameters
    ----------
    function : callable
        Of a row and three or four arrays.
    x, context, out : int
        Which of its arguments these are.
    rng : int, optional
        Which is the generator.
    word : int
        First word of what the program is given in the place of a generator.
    """

    def type_call(typing_context: Any) -> Any:
        def typer(*kinds: Any) -> Any:
            return types.float64 if all(isinstance(kind, types.Array) for kind in kinds) else None

        # Numba binds arguments by it. Type checkers know no attributes of functions.
        typer.__signature__ = signature(function)  # type: ignore[attr-defined]
        return typer

    def lower(codegen: Any, builder: Any, sig: Any, args: Any) -> Any:
        arrays = [make_array(kind)(codegen, builder, value) for kind, value in zip(sig.args, args, strict=True)]
        integer = ir.IntType(64)
        row = [builder.load(builder.gep(arrays[0].data, [integer(i)])) for i in range(4)]
        if rng is None:
            words = ir.ArrayType(integer, 4)([word, 0, 0, 0])
            state = cgutils.global_constant(builder, "rvgraph.words", words)
        else:
            state = arrays[rng].data
        values = [arrays[x].data, arrays[context].data, arrays[out].data, state]
        values += [builder.inttoptr(value, cgutils.voidptr_t) for value in row[1:]]
        double, pointer = ir.DoubleType().as_pointer(), integer.as_pointer()
        kind = ir.FunctionType(ir.DoubleType(), [double, double, double, pointer, double, pointer, double])
        target = builder.inttoptr(row[0], kind.as_pointer())
        return builder.call(target, [builder.bitcast(v, t) for v, t in zip(values, kind.args, strict=True)])

    type_callable(function)(type_call)
    lower_builtin(function, *[types.Array] * len(signature(function).parameters))(lower)


def call_program(
    row: NDArray[np.int64],
    x: NDArray[np.float64],
    context: NDArray[np.float64],
    out: NDArray[np.float64],
    rng: NDArray[np.uint64],
) -> float:
    """Run a program; also inside compiled code, where it costs a few nanoseconds.

    Parameters
    ----------
    row : array, shape (4,), int64
        ``BoundProgram.row``; its owner must be alive.
    x : array, shape (num_inputs,), float64
        Inputs; contiguous, as all others.
    context : array, float64
        Context.
    out : array, shape (num_outputs,), float64
        Receives the outputs. It must not overlap ``x`` or ``context``.
    rng : array, shape (4,), uint64
        Generator, updated in place.

    Returns
    -------
    float
        The program's ``value``; 0 if it has none; minus infinity if a check of the graph failed.
    """
    return _evaluate(row, x, context, out, rng)


lower_as_call(call_program, x=1, context=2, out=3, rng=4)


@njit(nogil=True, cache=True)
def _evaluate(row: Any, x: Any, context: Any, out: Any, rng: Any) -> Any:
    """Run a program from Python."""
    return call_program(row, x, context, out, rng)


@dataclass(frozen=True, eq=False)
class BoundProgram:
    """A program with a scratch buffer of its own; to be used by one thread at a time.

    Parameters
    ----------
    program : Program
        Kept alive, with the memory that ``row`` points to.
    work : array, float64
        The scratch buffer.
    """

    program: Program
    work: NDArray[np.float64]
    row: NDArray[np.int64] = field(init=False)  # (4,) int64: addresses of function, fdata, idata, work

    def __post_init__(self) -> None:
        program = self.program
        addresses = [program.address, program.fdata.ctypes.data, program.idata.ctypes.data, self.work.ctypes.data]
        object.__setattr__(self, "row", np.array(addresses, dtype=np.int64))

    @property
    def num_inputs(self) -> int:
        """Length of ``x``."""
        return self.program.num_inputs

    @property
    def num_outputs(self) -> int:
        """Length of ``out``."""
        return self.program.num_outputs


@dataclass(frozen=True, eq=False)
class Program:
    """A graph compiled to one C function over flat vectors.

    Parameters
    ----------
    function : object
        Numba's compiled function; kept alive.
    source : str
        The Python source that was compiled.
    fgraph : FunctionGraph
        The rewritten graph that it was made from.
    inputs, context : Layout
        How the inputs lie in ``x`` and the context variables in ``context``.
    output_shapes, output_dtypes : tuple
        Of the outputs, which lie one after the other in ``out``.
    fdata, idata : array
        The constants of the graph.
    work_size : int
        Length of the scratch buffer.
    callbacks : tuple of Callback
        What it calls Python for; kept alive, since the machine code knows their addresses alone.
    """

    function: Any
    source: str
    fgraph: FunctionGraph
    inputs: Layout
    context: Layout
    output_shapes: tuple[tuple[int, ...], ...]
    output_dtypes: tuple[str, ...]
    fdata: NDArray[np.float64]
    idata: NDArray[np.int64]
    work_size: int
    callbacks: tuple[Callback, ...] = ()

    @property
    def address(self) -> int:
        """Address of the C function."""
        return int(self.function.address)

    @property
    def num_inputs(self) -> int:
        """Length of ``x``."""
        return self.inputs.size

    @property
    def num_outputs(self) -> int:
        """Length of ``out``."""
        return sum(int(np.prod(shape)) for shape in self.output_shapes)

    def bind(self) -> BoundProgram:
        """Return the program with a fresh scratch buffer."""
        return BoundProgram(self, np.zeros(self.work_size + 1))

    def __call__(
        self, x: NDArray, context: NDArray | None = None, rng: NDArray[np.uint64] | None = None
    ) -> tuple[float, NDArray[np.float64]]:
        """Run once on flat vectors.

        Parameters
        ----------
        x, context : array
            Flat vectors of the inputs and of the context.
        rng : array, shape (4,), uint64, optional
            Generator, updated in place; needed by programs that draw.

        Returns
        -------
        value : float
            The scalar value, or 0.
        out : array, shape (num_outputs,), float64
            The outputs.
        """
        x = np.ascontiguousarray(x, dtype=np.float64)
        context = np.ascontiguousarray(np.zeros(1) if context is None else context, dtype=np.float64)
        if x.size != self.num_inputs:
            raise ValueError(f"The program takes {self.num_inputs} inputs; {x.size} were given.")
        out = np.empty(self.num_outputs)
        bound = self.bind()
        value = _evaluate(bound.row, x, context, out, np.ones(4, np.uint64) if rng is None else rng)
        self.reraise()
        return value, out

    def reraise(self) -> None:
        """Raise what went wrong in Python code that the program called.

        Raises
        ------
        SamplingError
            Names the operation.
        """
        for callback in self.callbacks:
            callback.reraise()

    def unpack(self, out: NDArray[np.float64]) -> list[NDArray]:
        """Return the outputs of a flat vector, or of an array of them, as arrays of their own shapes and dtypes.

        Integers that could not be computed are `NO_INTEGER`: what NaN becomes depends on the processor.
        """
        arrays, start = [], 0
        for shape, dtype in zip(self.output_shapes, self.output_dtypes, strict=True):
            stop = start + int(np.prod(shape))
            part = out[..., start:stop].reshape(out.shape[:-1] + shape)
            if dtype == "int64" and np.isnan(part).any():
                whole = np.where(np.isnan(part), 0.0, part).astype(dtype)
                arrays.append(np.where(np.isnan(part), NO_INTEGER, whole))
            else:
                # One alone is all that there is in memory.
                arrays.append(part.astype(dtype, copy=len(self.output_shapes) > 1))
            start = stop
        return arrays

    def dprint(self, **options: Any) -> Any:
        """Print the rewritten graph; options are those of ``pytensor.dprint``."""
        return pytensor.dprint(self.fgraph, **options)
