"""What is still computed of all rows, after rows were taken."""

from __future__ import annotations

from pytensor.graph.basic import Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.minibatch.taking import RowObstacle, TakenRows, operation_name
from graphs.surgery.rebuilding import substitute


def of_some_rows(total: TensorVariable, rows: TakenRows) -> TensorVariable | RowObstacle:
    """Return a graph in which checks of all rows are checks of some; an obstacle if anything else is computed of all.

    Parameters
    ----------
    total : TensorVariable
        A sum over some rows.
    rows : TakenRows
        Which.
    """
    checks: dict[Variable, Variable] = {}
    for node in toposort([total]):
        if isinstance(node.op, All) and rows.is_varying(node.inputs[0]):
            condition = node.inputs[0]
            reduced = range(condition.type.ndim) if node.op.axis is None else node.op.axis
            for axis in reduced:
                if condition.type.shape[axis] == rows.number:
                    taken = rows.taken(condition, axis, rows.rows)
                    if not isinstance(taken, RowObstacle):
                        checks[node.outputs[0]] = node.op(taken)
                        break
    if checks:
        [total] = substitute([total], checks)
    return _whole(total, rows) or total


def _whole(total: TensorVariable, rows: TakenRows) -> RowObstacle | None:
    """Return what is computed of the data of all rows and of parameters."""
    of_rows: set[Variable] = set()
    for node in toposort([total]):
        for given in node.inputs:
            if not rows.is_varying(given) and given.owner is None and rows.number in given.type.shape:
                of_rows.add(given)
        if not rows.is_varying(node.outputs[0]):
            continue
        for output in node.outputs:
            if rows.number in getattr(output.type, "shape", ()) and any(i in of_rows for i in node.inputs):
                of_rows.add(output)
                return RowObstacle(
                    f"{operation_name(node.op)} is computed of the data of all {rows.number} rows in every step"
                )
    return None
