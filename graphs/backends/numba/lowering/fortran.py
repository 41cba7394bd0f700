"""Calls of BLAS and LAPACK in generated source: where matrices lie in memory, and how a routine is reached.

Memory is row-major here and column-major there: a routine sees the transpose of what is meant. It is called by its
address, which SciPy tells, so that nothing of it is compiled: PyTensor's function of a product of two matrices takes
Numba 30 seconds of the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba.extending import get_cython_function_address
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.type import TensorType

from graphs.backends.numba.compiler.generator import Generator
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import Array, View, affine, convert, kind_of
from graphs.backends.numba.library.intrinsics import call_fortran, pivot_at

MODULES = {"cython_blas": ("dgemm", "dtrsm", "dtrsv"), "cython_lapack": ("dpotrf", "dgetrf", "dgetrs", "dgetri")}
_WHERE = {name: f"scipy.linalg.{module}" for module, names in MODULES.items() for name in names}


class Matrix(NamedTuple):
    """Matrices in memory, as a routine takes them.

    Parameters
    ----------
    view : View
        Where they are; the last two dimensions are those of a matrix.
    width : int
        Elements from one row to the next, or from one column to the next.
    is_turned : bool
        Whether columns lie side by side.
    """

    view: View
    width: int
    is_turned: bool


def matrix_of(variable: Variable, generator: Generator) -> Matrix:
    """Return matrices of floats in memory, copied only if neither their rows nor their columns are contiguous.

    Parameters
    ----------
    variable : Variable
        Matrices with more than one row and column.
    generator : Generator
        Receives the copy.
    """
    view = generator.view(variable)
    (rows, columns), (down, along) = view.shape[-2:], view.strides[-2:]
    if view.buffer.storage == "f" and along == 1 and down >= columns:
        return Matrix(view, down, False)
    if view.buffer.storage == "f" and down == 1 and along >= rows:
        return Matrix(view, along, True)
    view = generator.copy(view, shadow(variable.type.dtype, view.shape, generator))
    return Matrix(view, columns, False)


def are_systems(node: Apply, generator: Generator, right_dims: int) -> bool:
    """Return whether a node has square matrices of floats, and right sides that go with them; none of it is empty.

    What is not fails, as PyTensor's implementation does: a routine would read memory that is something else.

    Parameters
    ----------
    node : Apply
        Its first input are matrices, in the last two dimensions; the second, if it has one, the right sides.
    generator : Generator
        Knows the shapes.
    right_dims : int
        Dimensions of one right side.
    """
    shapes = [generator.shape(variable) for variable in node.inputs]
    is_float = all(kind_of(variable.type.dtype) == "f" for variable in node.inputs)
    if not is_float or 0 in sum(shapes, ()) or len(shapes[0]) < 2 or shapes[0][-1] != shapes[0][-2]:
        return False
    return len(shapes) == 1 or shapes[1][-right_dims] == shapes[0][-1]


def shadow(dtype: str, shape: Sequence[int], generator: Generator) -> Variable:
    """Return a variable that no graph has, to own memory."""
    variable = TensorType(dtype, tuple(shape))()
    generator.shapes[variable] = tuple(shape)
    return variable


def scratch(shape: Sequence[int], generator: Generator) -> View:
    """Return memory for floats that the next step uses."""
    return generator.array(shadow("float64", shape, generator), step=len(generator.steps))


def target(node: Apply, generator: Generator, core: int, index: int = 0) -> tuple[View, tuple[int, ...], list[str]]:
    """Return new memory for a result, with the lengths and the indices of its batch dimensions."""
    view = generator.array(node.outputs[index], step=len(generator.steps))
    batch = view.shape[: len(view.shape) - core]
    return view, batch, [f"b{d}" for d in range(len(batch))]


def core_element(array: Array, index: Sequence[str], core: int) -> str:
    """Return an element of an array whose leading dimensions are broadcast, as a float."""
    missing = len(index) - len(array.shape)
    own = index[missing:]
    leading = len(own) - core
    place = ["0" if n == 1 and d < leading else own[d] for d, n in enumerate(array.shape)]
    return convert(array.load(place), array.kind, "f")


def pointer(view: View, names: Sequence[str], core: int, generator: Generator) -> str:
    """Return the pointer to the first element of a matrix or vector of a batch, whose dimensions are broadcast."""
    leading = len(view.shape) - core
    own = names[len(names) - leading :]
    index = ["0" if n == 1 else name for n, name in zip(view.shape[:leading], own, strict=True)]
    offset = affine(view.offset, list(zip(view.strides[:leading], index, strict=True)))
    name = view.buffer.name
    return name if offset == "0" else f"{generator.pointer_function(view.buffer)}({name}, {offset})"


def routine_call(name: str, arguments: Sequence[object], generator: Generator) -> str:
    """Return the call of a routine of double precision.

    Parameters
    ----------
    name : str
        Of BLAS or LAPACK, one of ``MODULES``.
    arguments : sequence of object
        Numbers and expressions; a capital letter stands for itself.
    generator : Generator
        Receives the address.
    """
    address = generator.script.addresses.get(name)
    if address is None:
        number = np.array([get_cython_function_address(_WHERE[name], name)])
        address = generator.script.addresses[name] = f"{generator.memory.fixed(number, name).name}[0]"
    generator.script.names |= {"call_fortran": call_fortran, "pivot_at": pivot_at}
    given = [str(ord(a)) if isinstance(a, str) and len(a) == 1 and a.isupper() else str(a) for a in arguments]
    return f"call_fortran({address}, ({', '.join(given)}))"


def blas_product(left: Matrix, right: Matrix, node: Apply, generator: Generator) -> View:
    """Add a batch of products of matrices by BLAS; return where they are.

    Parameters
    ----------
    left, right : Matrix
        Leading dimensions are broadcast.
    node : Apply
        Has the result.
    generator : Generator
        Receives the call.
    """
    view, batch, names = target(node, generator, 2)
    rows, columns, inner = view.shape[-2], view.shape[-1], left.view.shape[-1]
    factors: list[object] = []
    for matrix in (right, left):
        factors += [pointer(matrix.view, names, 2, generator), matrix.width]
    flags = ["T" if matrix.is_turned else "N" for matrix in (right, left)]
    result = pointer(view, names, 2, generator)
    arguments = [*flags, columns, rows, inner, 1.0, *factors, 0.0, result, columns]
    call = routine_call("dgemm", arguments, generator)
    generator.append(loop_nest(batch, names, [call]), [left.view, right.view, view])
    return view


def filling_loop(view: View, names: Sequence[str], expression: str) -> list[str]:
    """Return the loop that fills a vector or matrix of a batch with an expression of ``i`` and ``j``."""
    index = ["i", "j"][: len(view.shape) - len(names)]
    return loop_nest(view.shape[len(names) :], index, [view.store([*names, *index], expression, "f")])


def spoiling_loop(condition: str, view: View, names: Sequence[str]) -> list[str]:
    """Return statements that make a result not a number where a condition holds."""
    index = ["i", "j"][: len(view.shape) - len(names)]
    body = loop_nest(view.shape[len(names) :], index, [view.store([*names, *index], "np.nan", "f")])
    return [f"if {condition}:", *(f"    {line}" for line in body)]
