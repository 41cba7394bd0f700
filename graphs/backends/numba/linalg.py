"""Lowering of products of vectors and matrices."""

from __future__ import annotations

from math import prod

from pytensor.graph.basic import Apply
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.math import Dot

from graphs.backends.numba.fallback import lower_foreign
from graphs.backends.numba.generator import Generator, lower
from graphs.backends.numba.loops import loop_nest
from graphs.backends.numba.shaping import represent
from graphs.backends.numba.values import Array, View, convert

BLAS_SIZE = 16
"""From this size of all three dimensions on, BLAS beats a loop."""


@lower.register(Dot)
def lower_dot(op: Dot, node: Apply, generator: Generator) -> None:
    """Add a product; small ones and those with a vector as loops, others by BLAS."""
    left, right = node.inputs
    sizes = (*generator.shape(left), generator.shape(right)[-1])
    if len(sizes) == 3 and len(generator.shape(right)) == 2 and min(sizes) > BLAS_SIZE:
        lower_foreign(op, node, generator)
        return
    _product(node, generator)


@lower.register(Blockwise)
def lower_blockwise(op: Blockwise, node: Apply, generator: Generator) -> None:
    """Add a batch of products as loops, any other batch as a loop over PyTensor's implementation."""
    sizes = [n for variable in node.inputs for n in generator.shape(variable)[-2:]]
    if isinstance(op.core_op, Dot) and len(node.inputs) == 2 and min(sizes) <= BLAS_SIZE:
        _product(node, generator)
    else:
        lower_foreign(op.core_op, node, generator, op._create_dummy_core_node(node.inputs))


def _product(node: Apply, generator: Generator) -> None:
    """Add the loops of a product of the last dimensions, the leading ones being broadcast.

    The innermost loop runs along the memory of the right factor, or of both factors.
    """
    target = node.outputs[0]
    core = [2, 2] if isinstance(node.op, Blockwise) else [len(generator.shape(v)) for v in node.inputs]
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
