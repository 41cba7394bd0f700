"""Lowering of elimination: systems by any matrices, inverses, determinants, and the factors that PyTensor shares."""

from __future__ import annotations

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.linalg.decomposition.lu import LUFactor, PivotToPermutations
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.general import Solve
from pytensor.tensor.linalg.summary import Det, SLogDet

from graphs.backends.numba.compiler.generator import Generator
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import View
from graphs.backends.numba.lowering.factors import undone
from graphs.backends.numba.lowering.fortran import (
    are_systems,
    core_element,
    filling_loop,
    pointer,
    routine_call,
    scratch,
    shadow,
    spoiling_loop,
    target,
)
from graphs.backends.numba.lowering.shaping import represent

SOLVED = ("gen", "sym", "her", "pos")


def add_elimination(op: Op, node: Apply, generator: Generator) -> bool:
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
    if isinstance(op, PivotToPermutations):
        _permutation(op, node, generator)
        return True
    if not are_systems(node, generator, getattr(op, "b_ndim", 0)):
        return False
    if isinstance(op, Solve) and op.assume_a in SOLVED:
        _solution(op, node, generator)
    elif isinstance(op, MatrixInverse):
        _inverse(node, generator)
    elif isinstance(op, Det | SLogDet):
        _determinant(op, node, generator)
    elif isinstance(op, LUFactor):
        _elimination(node, generator)
    else:
        return False
    return True


def _solution(op: Solve, node: Apply, generator: Generator) -> None:
    """Add the solution of systems, by a triangular factor or by elimination; not a number where there is none."""
    given, right = (generator.read(variable) for variable in node.inputs)
    size = generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, op.b_ndim)
    factor, info = scratch((size, size), generator), generator.name("info")
    start = pointer(factor, [], 2, generator)
    # Of symmetric matrices one triangle is read.
    place = ["i", "j"]
    if op.assume_a != "gen":
        place = ["max(i, j)", "min(i, j)"] if op.lower else ["min(i, j)", "max(i, j)"]
    body = filling_loop(factor, [], core_element(given, [*names, *place], 2))
    value = core_element(right, [*names, *("i", "j")[: op.b_ndim]], op.b_ndim)
    arrays = [given, right, view, factor]
    if op.assume_a == "pos":
        body += filling_loop(view, names, value)
        body.append(f"{info} = {routine_call('dpotrf', ['U', size, start, size, 0], generator)}")
        parts = [(True, False), (True, True)]
        body += [undone((start, size), (*part, False, False), view, names, generator) for part in parts]
    else:
        pivots = scratch((size,), generator)
        columns = view.shape[-1] if op.b_ndim == 2 else 1
        solved = scratch((columns, size), generator)
        column = ["j"] if op.b_ndim == 2 else []
        index = ["i", *column]
        body += loop_nest(view.shape[len(names) :], index, [solved.store([*(column or ["0"]), "i"], value, "f")])
        body.append(f"{info} = {_eliminated(size, start, pivots, generator)}")
        ends = [pointer(pivots, [], 1, generator), pointer(solved, [], 2, generator), size, 0]
        body += [
            f"if {info} == 0:",
            f"    {routine_call('dgetrs', ['T', size, columns, start, size, *ends], generator)}",
        ]
        body += filling_loop(view, names, solved.load([*(column or ["0"]), "i"]))
        arrays += [pivots, solved]
    body += spoiling_loop(f"{info} != 0", view, names)
    generator.append(loop_nest(batch, names, body), arrays)
    represent(generator, node.outputs[0], view)


def _eliminated(size: int, start: str, pivots: View, generator: Generator) -> str:
    """Return the call that factors a matrix in place, with exchanges of rows; its value is 0 where that is possible."""
    return routine_call("dgetrf", [size, size, start, size, pointer(pivots, [], 1, generator), 0], generator)


def _inverse(node: Apply, generator: Generator) -> None:
    """Add inverses by elimination in place; not a number where there is none."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 2)
    pivots, work = scratch((size,), generator), scratch((64 * size,), generator)
    info, start = generator.name("info"), pointer(view, names, 2, generator)
    body = filling_loop(view, names, core_element(given, [*names, "i", "j"], 2))
    body.append(f"{info} = {_eliminated(size, start, pivots, generator)}")
    ends = [pointer(pivots, [], 1, generator), pointer(work, [], 1, generator), 64 * size, 0]
    # The inverse of the transpose is the transpose of the inverse.
    body += [f"if {info} == 0:", f"    {routine_call('dgetri', [size, start, size, *ends], generator)}"]
    body += spoiling_loop(f"{info} != 0", view, names)
    generator.append(loop_nest(batch, names, body), [given, view, pivots, work])
    represent(generator, node.outputs[0], view)


def _determinant(op: Det | SLogDet, node: Apply, generator: Generator) -> None:
    """Add determinants by elimination, or their signs and the logarithms of their sizes."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 0)
    views = [view] if isinstance(op, Det) else [view, target(node, generator, 0, 1)[0]]
    factor, pivots = scratch((size, size), generator), scratch((size,), generator)
    sign, total = generator.name("r"), generator.name("r")
    body = filling_loop(factor, [], core_element(given, [*names, "i", "j"], 2))
    body += [_eliminated(size, pointer(factor, [], 2, generator), pivots, generator)]
    pivot = factor.position(["i", "i"])
    body += [f"{sign} = 1.0", f"{total} = {'1.0' if len(views) == 1 else '0.0'}", f"for i in range({size}):"]
    body += [f"    if pivot_at({pointer(pivots, [], 1, generator)}, i) != i + 1:", f"        {sign} = -{sign}"]
    if len(views) == 1:
        body += [f"    {total} = {total} * {pivot}", view.store(names, f"{sign} * {total}", "f")]
    else:
        body += [f"    {total} = {total} + np.log(abs({pivot}))"]
        body += [f"    {sign} = {sign} * ({pivot} > 0.0) - {sign} * ({pivot} < 0.0)"]
        body += [view.store(names, sign, "f"), views[1].store(names, total, "f")]
    generator.append(loop_nest(batch, names, body), [given, *views, factor, pivots])
    for variable, each in zip(node.outputs, views, strict=True):
        represent(generator, variable, each)


def _elimination(node: Apply, generator: Generator) -> None:
    """Add the factors of matrices with the exchanges of their rows, which count from zero."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 2)
    exchanges = target(node, generator, 1, 1)[0]
    factor, pivots = scratch((size, size), generator), scratch((size,), generator)
    start, info = pointer(factor, [], 2, generator), generator.name("info")
    # A routine sees columns: those of the matrix itself, not of its transpose, are what is factored.
    body = filling_loop(factor, [], core_element(given, [*names, "j", "i"], 2))
    body += [f"{info} = {_eliminated(size, start, pivots, generator)}"]
    body += filling_loop(view, names, factor.load(["j", "i"]))
    pivot = f"pivot_at({pointer(pivots, [], 1, generator)}, i) - 1"
    body += loop_nest([size], ["i"], [exchanges.store([*names, "i"], pivot, "i")])
    body += spoiling_loop(f"{info} != 0", view, names)
    generator.append(loop_nest(batch, names, body), [given, view, exchanges, factor, pivots])
    represent(generator, node.outputs[0], view)
    represent(generator, node.outputs[1], exchanges)


def _permutation(op: PivotToPermutations, node: Apply, generator: Generator) -> None:
    """Add the orders of rows that exchanges, first to last, lead to, or what undoes them."""
    given, size = generator.read(node.inputs[0]), generator.shape(node.inputs[0])[-1]
    view, batch, names = target(node, generator, 1)
    order = generator.array(shadow("int64", (size,), generator), step=len(generator.steps))
    held, other = generator.name("k"), generator.name("k")
    body = loop_nest([size], ["i"], [order.store(["i"], "i", "i")])
    lines = [f"{other} = {given.load([*names, 'i'])}", f"{held} = {order.load(['i'])}"]
    lines += [order.store(["i"], order.load([other]), "i"), order.store([other], held, "i")]
    body += loop_nest([size], ["i"], lines)
    if op.inverse:
        body += loop_nest([size], ["i"], [view.store([*names, "i"], order.load(["i"]), "i")])
    else:
        body += loop_nest([size], ["i"], [view.store([*names, order.load(["i"])], "i", "i")])
    generator.append(loop_nest(batch, names, body), [given, view, order])
    represent(generator, node.outputs[0], view)
