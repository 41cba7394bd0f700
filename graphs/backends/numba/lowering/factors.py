"""Lowering of Cholesky factors, and of systems that triangular matrices solve."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular

from graphs.backends.numba.compiler.generator import Generator
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import Array, View
from graphs.backends.numba.lowering.fortran import (
    are_systems,
    core_element,
    filling_loop,
    matrix_of,
    pointer,
    routine_call,
    spoiling_loop,
    target,
)
from graphs.backends.numba.lowering.shaping import represent

LARGEST_UNBLOCKED = 24
"""Up to this size loops beat LAPACK: a call costs as much as the arithmetic on a few hundred numbers."""


def add_factor(op: Op, node: Apply, generator: Generator) -> bool:
    """Add what an operation does to a batch of matrices; return whether it is one of those of this file.

    Parameters
    ----------
    op : Op
        On single matrices.
    node : Apply
        With any leading dimensions, which are broadcast.
    generator : Generator
        Receives the loops and calls.
    """
    if not are_systems(node, generator, getattr(op, "b_ndim", 0)):
        return False
    is_small = generator.shape(node.inputs[0])[-1] <= LARGEST_UNBLOCKED
    if isinstance(op, Cholesky):
        (_factor if is_small else _large_factor)(op, node, generator)
    elif isinstance(op, SolveTriangular | CholeskySolve):
        (_substitution if is_small else _large_system)(op, node, generator)
    else:
        return False
    return True


def _factor(op: Cholesky, node: Apply, generator: Generator) -> None:
    """Add the loops of triangular factors; not a number where a matrix is not positive definite."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 2)
    total, is_ok = generator.name("r"), generator.name("ok")

    def made(row: str, column: str) -> str:
        return view.position([*names, row, column] if op.lower else [*names, column, row])

    read = core_element(given, [*names, *(["i", "j"] if op.lower else ["j", "i"])], 2)
    body = [f"{is_ok} = True", f"for i in range({size}):"]
    body += [f"    for j in range(i + 1, {size}):", f"        {made('i', 'j')} = 0.0"]
    body += ["    for j in range(i + 1):", f"        {total} = {read}"]
    body += ["        for k in range(j):", f"            {total} = {total} - {made('i', 'k')} * {made('j', 'k')}"]
    body += ["        if i == j:", f"            {is_ok} = {is_ok} and {total} > 0.0"]
    body += [f"            {made('i', 'i')} = np.sqrt(max({total}, 0.0))"]
    body += ["        else:", f"            {made('i', 'j')} = {total} / {made('j', 'j')}"]
    body += spoiling_loop(f"not {is_ok}", view, names)
    generator.append(loop_nest(batch, names, body), [given, view])
    represent(generator, node.outputs[0], view)


def _large_factor(op: Cholesky, node: Apply, generator: Generator) -> None:
    """Add triangular factors by LAPACK, in the place of a copy."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 2)
    info = generator.name("info")
    # The other triangle is not read, and has to be zero.
    kept = "j <= i" if op.lower else "j >= i"
    body = filling_loop(view, names, f"{core_element(given, [*names, 'i', 'j'], 2)} if {kept} else 0.0")
    arguments = ["U" if op.lower else "L", size, pointer(view, names, 2, generator), size, 0]
    body += [f"{info} = {routine_call('dpotrf', arguments, generator)}", *spoiling_loop(f"{info} != 0", view, names)]
    generator.append(loop_nest(batch, names, body), [given, view])
    represent(generator, node.outputs[0], view)


def _substitution(op: SolveTriangular | CholeskySolve, node: Apply, generator: Generator) -> None:
    """Add the loops of forward or backward substitution, or of both: each undoes one part of a product."""
    factor, right = (generator.read(variable) for variable in node.inputs)
    view, batch, names = target(node, generator, op.b_ndim)
    column = ["j"] if op.b_ndim == 2 else []
    given = core_element(right, [*names, "i", *column], op.b_ndim)
    total, has_ones = generator.name("r"), getattr(op, "unit_diagonal", False)
    lines = []
    for is_lower, is_turned in _parts(op):
        lines += _solved(factor, view, [names, column], [total, given], (is_lower != is_turned, is_turned, has_ones))
        given = view.position([*names, "i", *column])
    columns = view.shape[-1:] if column else ()
    generator.append(loop_nest([*batch, *columns], [*names, *column], lines), [factor, right, view])
    represent(generator, node.outputs[0], view)


def _parts(op: SolveTriangular | CholeskySolve) -> list[tuple[bool, bool]]:
    """Return of the triangular matrices of a system, first to last, whether they are lower, and whether transposed."""
    if isinstance(op, SolveTriangular):
        return [(op.lower, False)]
    # Of a factor L of LL', or U of U'U: its transpose comes second, or first.
    return [(op.lower, not op.lower), (op.lower, op.lower)]


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
    lines += [f"        {total} = {total} - {core_element(factor, [*names, *place], 2)} * {solved}"]
    pivot = "" if has_ones else f" / {core_element(factor, [*names, 'i', 'i'], 2)}"
    return [*lines, f"    {view.store([*names, 'i', *column], f'{total}{pivot}', 'f')}"]


def _large_system(op: SolveTriangular | CholeskySolve, node: Apply, generator: Generator) -> None:
    """Add the solution of triangular systems by BLAS, in the place of a copy of the right side."""
    factor, right = matrix_of(node.inputs[0], generator), generator.read(node.inputs[1])
    view, batch, names = target(node, generator, op.b_ndim)
    has_ones = getattr(op, "unit_diagonal", False)
    where = (pointer(factor.view, names, 2, generator), factor.width)
    body = filling_loop(view, names, core_element(right, [*names, *("i", "j")[: op.b_ndim]], op.b_ndim))
    for is_lower, is_turned in _parts(op):
        body.append(undone(where, (is_lower, is_turned, factor.is_turned, has_ones), view, names, generator))
    generator.append(loop_nest(batch, names, body), [factor.view, right, view])
    represent(generator, node.outputs[0], view)


def undone(
    where: tuple[str, int], how: tuple[bool, bool, bool, bool], view: View, names: Sequence[str], generator: Generator
) -> str:
    """Return the call that solves a triangular system in place.

    Parameters
    ----------
    where : tuple of str and int
        Pointer and width of a matrix.
    how : tuple of bool
        Whether it is lower, whether its transpose is meant, whether its columns lie side by side, whether its diagonal
        is of ones, which are not read.
    view : View
        Right side and solution: a row-major matrix or a vector of a batch.
    names : sequence of str
        Indices of the batch.
    generator : Generator
        Receives the address of the routine.
    """
    is_lower, is_turned, lies_turned, has_ones = how
    diagonal = "U" if has_ones else "N"
    size, num_columns = view.shape[len(names)], view.shape[-1]
    triangle = "L" if is_lower == lies_turned else "U"
    solution = pointer(view, names, len(view.shape) - len(names), generator)
    if len(view.shape) - len(names) == 1:
        # A routine sees the transpose of rows.
        flag = "N" if is_turned != lies_turned else "T"
        return routine_call("dtrsv", [triangle, flag, diagonal, size, *where, solution, 1], generator)
    flag = "T" if is_turned != lies_turned else "N"
    numbers = [num_columns, size, 1.0, *where, solution, num_columns]
    return routine_call("dtrsm", ["R", triangle, flag, diagonal, *numbers], generator)
