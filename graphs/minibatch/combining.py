"""Rows of what combines elements: operations on elements, reductions, products of matrices, batches of operations."""

from __future__ import annotations

from typing import Any

from pytensor.compile.builders import SymbolicOp
from pytensor.gradient import DisconnectedGrad
from pytensor.graph.basic import Apply
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.linalg.solvers.core import SolveBase
from pytensor.tensor.math import Argmax, Dot
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.taking import RowObstacle, Rule, Taken, TakenRows, operation_name


def _made(rows: TakenRows, node: Apply, axes: list[int | None], positions: TensorVariable) -> Taken:
    """Return the node on inputs at positions along an axis of each."""
    inputs = rows.all_taken(node.inputs, axes, positions)
    if isinstance(inputs, RowObstacle):
        return inputs
    # Functions that hold a graph hold one for these shapes: called, they make another one.
    made: TensorVariable = (
        node.op(*inputs) if isinstance(node.op, SymbolicOp) else node.op.make_node(*inputs).outputs[0]
    )
    return made


def _by_element(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Apply an operation on elements, or one to each of a batch."""
    return _made(rows, node, [axis] * len(node.inputs), positions)


def _checked(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Leave the conditions of a check, which are of all rows, to `graphs.minibatch.leftovers`."""
    return _made(rows, node, [axis, *[None] * (len(node.inputs) - 1)], positions)


def _reduced(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Reduce other axes than that of the rows."""
    ndim = node.inputs[0].type.ndim
    reduced = range(ndim) if node.op.axis is None else [a % ndim for a in node.op.axis]
    return _made(rows, node, [[a for a in range(ndim) if a not in reduced][axis]], positions)


def _along_others(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Apply what mixes elements along some axes and keeps these: softmax, cumulative sums."""
    ndim, own = node.inputs[0].type.ndim, node.op.axis
    mixed = range(ndim) if own is None else [a % ndim for a in ((own,) if isinstance(own, int) else own)]
    if axis in mixed:
        what = "a cumulative sum" if isinstance(node.op, CumOp) else str(node.op)
        return RowObstacle(f"{what} runs along the rows")
    return _made(rows, node, [axis], positions)


def _product(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Multiply matrices: rows of a product are those of its left factor, columns those of the right one."""
    left, right = node.inputs
    num_batch = node.op.batch_ndim(node) if isinstance(node.op, Blockwise) else 0
    if axis < num_batch:
        return _made(rows, node, [axis, axis], positions)
    has_rows = left.type.ndim - num_batch == 2
    if has_rows and axis == num_batch:
        return _made(rows, node, [num_batch, None], positions)
    return _made(rows, node, [None, right.type.ndim - 1], positions)


def _solved(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Solve linear systems: rows may be batches of them, or columns of right-hand sides."""
    num_batch = node.op.batch_ndim(node) if isinstance(node.op, Blockwise) else 0
    if axis < num_batch:
        return _made(rows, node, [axis] * len(node.inputs), positions)
    core: Any = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if core.b_ndim == 2 and axis == num_batch + 1:
        return _made(rows, node, [None, axis], positions)
    return RowObstacle("a matrix is solved by that has a row for each of them")


def _batched(rows: TakenRows, node: Apply, axis: int, positions: TensorVariable) -> Taken:
    """Apply an operation to each of a batch, where rows are batches."""
    core = node.op.core_op
    if isinstance(core, Dot):
        return _product(rows, node, axis, positions)
    if isinstance(core, SolveBase):
        return _solved(rows, node, axis, positions)
    if axis < node.op.batch_ndim(node):
        return _made(rows, node, [axis] * len(node.inputs), positions)
    return RowObstacle(f"{operation_name(core)} looks at several rows at once")


COMBINING: dict[type, Rule] = {
    Elemwise: _by_element,
    DisconnectedGrad: _by_element,
    CheckAndRaise: _checked,
    CAReduce: _reduced,
    Argmax: _reduced,
    LogSumExp: _reduced,
    Softmax: _along_others,
    LogSoftmax: _along_others,
    CumOp: _along_others,
    Dot: _product,
    SolveBase: _solved,
    Blockwise: _batched,
}
