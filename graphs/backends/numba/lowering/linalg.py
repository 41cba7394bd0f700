"""Lowering of products of vectors and matrices, and of what factors and elimination do."""

from __future__ import annotations

from math import prod

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.blas.batched import BatchedDot
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.decomposition.lu import LUFactor, PivotToPermutations
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.general import Solve
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.linalg.summary import Det, SLogDet
from pytensor.tensor.math import Dot

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import Array, View, convert, kind_of
from graphs.backends.numba.lowering.elimination import add_elimination
from graphs.backends.numba.lowering.factors import add_factor
from graphs.backends.numba.lowering.fallback import lower_foreign
from graphs.backends.numba.lowering.fortran import blas_product, matrix_of
from graphs.backends.numba.lowering.indexing import lower_batched
from graphs.backends.numba.lowering.shaping import represent

BLAS_SIZE = 16
"""From this size of all three dimensions on, BLAS beats a loop."""


@lower.register(Dot)
@lower.register(BatchedDot)
def lower_dot(op: Op, node: Apply, generator: Generator) -> None:
    """Add products, a batch of them or one; small ones and those with a vector as loops, others by BLAS."""
    if is_large_product(node, generator):
        left, right = (matrix_of(variable, generator) for variable in node.inputs)
        represent(generator, node.outputs[0], blas_product(left, right, node, generator))
    else:
        _product(node, generator)


def is_large_product(node: Apply, generator: Generator) -> bool:
    """Return whether a node is of products of matrices of floats that BLAS does faster than loops."""
    shapes = [generator.shape(variable) for variable in node.inputs]
    is_float = all(kind_of(variable.type.dtype) == "f" for variable in node.inputs)
    is_large = all(len(shape) > 1 and min(shape[-2:]) > BLAS_SIZE for shape in shapes)
    return is_float and is_large and shapes[0][-1] == shapes[1][-2]


@lower.register(Blockwise)
def lower_blockwise(op: Blockwise, node: Apply, generator: Generator) -> None:
    """Add a batch of products, factors or indexings, any other batch as a loop over PyTensor's implementation."""
    core = op.core_op
    if isinstance(core, Dot) and all(len(generator.shape(variable)) > 1 for variable in node.inputs):
        lower_dot(op, node, generator)
        return
    if not _adds_matrices(core, node, generator) and not lower_batched(op, node, generator):
        lower_foreign(core, node, generator, op._create_dummy_core_node(node.inputs))


@lower.register(Cholesky)
@lower.register(SolveTriangular)
@lower.register(CholeskySolve)
@lower.register(Solve)
@lower.register(MatrixInverse)
@lower.register(Det)
@lower.register(SLogDet)
@lower.register(LUFactor)
@lower.register(PivotToPermutations)
def lower_matrices(op: Op, node: Apply, generator: Generator) -> None:
    """Add a factor, the solution of a system, an inverse or a determinant."""
    if not _adds_matrices(op, node, generator):
        lower_foreign(op, node, generator)


def _adds_matrices(op: Op, node: Apply, generator: Generator) -> bool:
    """Add what an operation does to a batch of matrices; return whether loops or LAPACK do that."""
    return add_factor(op, node, generator) or add_elimination(op, node, generator)


def _product(node: Apply, generator: Generator) -> None:
    """Add the loops of a product of the last dimensions, the leading ones being broadcast.

    The innermost loop runs along the memory of the right factor, or of both factors.
    """
    target = node.outputs[0]
    core = [2, 2] if isinstance(node.op, Blockwise | BatchedDot) else [len(generator.shape(v)) for v in node.inputs]
    left, right = (generator.read(variable) for variable in node.inputs)
    batch = generator.shape(target)[: len(left.shape) - core[0]]
    rows = left.shape[-2:-1] if core[0] == 2 else ()
    columns = right.shape[-1:] if core[1] == 2 else ()
    inner = left.shape[-1]
    view = generator.array(target, step=len(generator.steps))
    batch_names = [f"b{d}" for d in range(len(batch))]
    row, column = (["i"] if rows else []), (["j"] if columns else [])
    kind = view.kind

    def factor(array: Array, core_index: list[str]) -> str:
        leading = array.shape[: len(array.shape) - len(core_index)]
        index = ["0" if n == 1 else name for n, name in zip(leading, batch_names, strict=True)] + core_index
        return convert(array.load(index), array.kind, kind)

    place = [*batch_names, *row, *column]
    term = f"{factor(left, [*row, 'k'])} * {factor(right, ['k', *column])}"
    if columns and columns[0] >= 4 and _stride(right, -1) == 1:
        total = convert(view.position(place), view.buffer.storage, kind)
        lines = loop_nest([*batch, *rows, *columns], place, [view.store(place, "0.0" if kind == "f" else "0", kind)])
        update = [view.store(place, f"{total} + {term}", kind)]
        lines += loop_nest([*batch, *rows, inner, *columns], [*batch_names, *row, "k", *column], update)
    elif rows and _stride(left, -2) == 1 and rows[0] >= 4:
        total = convert(view.position(place), view.buffer.storage, kind)
        lines = loop_nest([*batch, *rows, *columns], place, [view.store(place, "0.0" if kind == "f" else "0", kind)])
        update = [view.store(place, f"{total} + {term}", kind)]
        lines += loop_nest([*batch, *columns, inner, *rows], [*batch_names, *column, "k", *row], update)
    else:
        total = generator.name("r")
        added = f"accumulate({total}, {term})" if kind == "f" else f"{total} + {term}"
        body = [f"{total} = {'0.0' if kind == 'f' else '0'}", *loop_nest([inner], ["k"], [f"{total} = {added}"])]
        lines = loop_nest([*batch, *rows, *columns], place, [*body, view.store(place, total, kind)])
    step = generator.append(lines, [left, right, view])
    assert step == view.step or prod(view.shape) == 0
    represent(generator, target, view)


def _stride(array: Array, dim: int) -> int:
    """Return the stride of a view along a dimension, 0 if it is not a view."""
    return array.strides[dim] if isinstance(array, View) else 0
