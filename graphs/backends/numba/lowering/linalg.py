"""Lowering of products of vectors and matrices, small triangular factors and systems."""

from __future__ import annotations

from math import prod

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.blas.batched import BatchedDot
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.math import Dot

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import Array, View, convert
from graphs.backends.numba.lowering.fallback import lower_foreign
from graphs.backends.numba.lowering.indexing import lower_batched
from graphs.backends.numba.lowering.shaping import represent

LARGEST_UNBLOCKED = 24
"""Up to this size loops beat LAPACK, and what the backend calls for it."""
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


@lower.register(BatchedDot)
def lower_batched_dot(op: BatchedDot, node: Apply, generator: Generator) -> None:
    """Add a batch of products; small ones as loops."""
    sizes = [n for variable in node.inputs for n in generator.shape(variable)[-2:]]
    if min(sizes) > BLAS_SIZE:
        lower_foreign(op, node, generator)
    else:
        _product(node, generator)


@lower.register(Blockwise)
def lower_blockwise(op: Blockwise, node: Apply, generator: Generator) -> None:
    """Add a batch of products or indexings as loops, any other batch as a loop over PyTensor's implementation."""
    sizes = [n for variable in node.inputs for n in generator.shape(variable)[-2:]]
    if isinstance(op.core_op, Dot) and len(node.inputs) == 2 and min(sizes) <= BLAS_SIZE:
        _product(node, generator)
    elif not _lowered_triangular(op.core_op, node, generator) and not lower_batched(op, node, generator):
        lower_foreign(op.core_op, node, generator, op._create_dummy_core_node(node.inputs))


@lower.register(Cholesky)
@lower.register(SolveTriangular)
@lower.register(CholeskySolve)
def lower_triangular(op: Op, node: Apply, generator: Generator) -> None:
    """Add a factor of a matrix, or the solution of a system by one."""
    if not _lowered_triangular(op, node, generator):
        lower_foreign(op, node, generator)


def _lowered_triangular(op: Op, node: Apply, generator: Generator) -> bool:
    """Add loops for a batch of small factors or triangular systems; return whether that is what the operation is.

    A call of LAPACK costs as much as the arithmetic on a few hundred numbers, and takes a second to compile.
    """
    if generator.shape(node.inputs[0])[-1] > LARGEST_UNBLOCKED or any(v.type.dtype != "float64" for v in node.inputs):
        return False
    if isinstance(op, Cholesky) and op.lower:
        _factor(node, generator)
    elif isinstance(op, SolveTriangular | CholeskySolve):
        _substitution(op, node, generator)
    else:
        return False
    return True


def _factor(node: Apply, generator: Generator) -> None:
    """Add the loops of lower triangular factors; not a number where a matrix is not positive definite."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = _target(node, generator, 2)
    total, is_ok = generator.name("r"), generator.name("ok")

    def made(row: str, column: str) -> str:
        return view.position([*names, row, column])

    body = [f"{is_ok} = True", f"for i in range({size}):"]
    body += [f"    for j in range(i + 1, {size}):", f"        {made('i', 'j')} = 0.0"]
    body += ["    for j in range(i + 1):", f"        {total} = {_element(given, [*names, 'i', 'j'], 2)}"]
    body += ["        for k in range(j):", f"            {total} = {total} - {made('i', 'k')} * {made('j', 'k')}"]
    body += ["        if i == j:", f"            {is_ok} = {is_ok} and {total} > 0.0"]
    body += [f"            {made('i', 'i')} = np.sqrt(max({total}, 0.0))"]
    body += ["        else:", f"            {made('i', 'j')} = {total} / {made('j', 'j')}"]
    body += [f"if not {is_ok}:", f"    for i in range({size}):", f"        for j in range({size}):"]
    body += [f"            {made('i', 'j')} = np.nan"]
    generator.append(loop_nest(batch, names, body), [given, view])
    represent(generator, node.outputs[0], view)


def _substitution(op: SolveTriangular | CholeskySolve, node: Apply, generator: Generator) -> None:
    """Add the loops of forward or backward substitution, or of both: each undoes one part of a product."""
    factor, right = (generator.read(variable) for variable in node.inputs)
    view, batch, names = _target(node, generator, op.b_ndim)
    column = ["j"] if op.b_ndim == 2 else []
    given = _element(right, [*names, "i", *column], op.b_ndim)
    # Of a factor L of LL', or U of U'U: its transpose comes second, or first.
    both = [(True, not op.lower), (False, op.lower)]
    parts = both if isinstance(op, CholeskySolve) else [(op.lower, False)]
    total, has_ones = generator.name("r"), getattr(op, "unit_diagonal", False)
    lines = []
    for forward, is_turned in parts:
        lines += _solved(factor, view, [names, column], [total, given], (forward, is_turned, has_ones))
        given = view.position([*names, "i", *column])
    columns = view.shape[-1:] if column else ()
    generator.append(loop_nest([*batch, *columns], [*names, *column], lines), [factor, right, view])
    represent(generator, node.outputs[0], view)


def _solved(
    factor: Array, view: View, around: list[list[str]], sums: list[str], how: tuple[bool, bool, bool]
) -> list[str]:
    """Return the loop for a triangular system: forward or not, of the transpose or not, with ones on the diagonal."""
    (names, column), (total, given), (forward, is_turned, has_ones) = around, sums, how
    size = factor.shape[-1]
    lines = [f"for t in range({size}):", f"    i = {'t' if forward else f'{size - 1} - t'}", f"    {total} = {given}"]
    known = "range(i)" if forward else f"range(i + 1, {size})"
    place = ["k", "i"] if is_turned else ["i", "k"]
    solved = view.position([*names, "k", *column])
    lines += [f"    for k in {known}:"]
    lines += [f"        {total} = {total} - {_element(factor, [*names, *place], 2)} * {solved}"]
    pivot = "" if has_ones else f" / {_element(factor, [*names, 'i', 'i'], 2)}"
    return [*lines, f"    {view.store([*names, 'i', *column], f'{total}{pivot}', 'f')}"]


def _target(node: Apply, generator: Generator, core: int) -> tuple[View, tuple[int, ...], list[str]]:
    """Return new memory for the result, with the lengths and the indices of its batch dimensions."""
    view = generator.array(node.outputs[0], step=len(generator.steps))
    batch = view.shape[: len(view.shape) - core]
    return view, batch, [f"b{d}" for d in range(len(batch))]


def _element(array: Array, index: list[str], core: int) -> str:
    """Return an element of an array whose leading dimensions are broadcast."""
    missing = len(index) - len(array.shape)
    own = index[missing:]
    leading = len(own) - core
    place = ["0" if n == 1 and d < leading else own[d] for d, n in enumerate(array.shape)]
    return convert(array.load(place), array.kind, "f")


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
