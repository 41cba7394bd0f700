"""The degree of graphs as polynomials of a variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor.scalar.basic as ps
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import Alloc, ExtractDiag, Join, MakeVector, ScalarFromTensor, Split, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.math import Dot, Sum
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

from graphs.conditional.expanding.coefficients import number

HIGHEST = 2
Degrees = Sequence[int | None]


def degree_of(output: Variable, variables: Sequence[Variable]) -> int | None:
    """Return the degree of a graph as a polynomial of the elements of variables.

    None if it is above two or none is known; an upper bound: terms may cancel.
    """
    degrees: dict[Variable, int | None] = dict.fromkeys(variables, 1)
    for node in toposort([output]):
        if isinstance(node.op, Shape | Shape_i):
            continue
        given = [degrees.get(i, 0) for i in node.inputs]
        if all(d == 0 for d in given):
            continue
        found = None if None in given else _degree(node, given)
        found = found if found is None or found <= HIGHEST else None
        degrees.update(dict.fromkeys(node.outputs, found))
    return degrees.get(output, 0)


def _degree(node: Apply, given: Degrees) -> int | None:
    op: Any = node.op
    if isinstance(op, Elemwise):
        rule = _SCALAR.get(type(op.scalar_op))
        return None if rule is None else rule(node, given)
    if isinstance(op, Blockwise):
        return _core_degree(op.core_op, given)
    if isinstance(op, _OF_FIRST):
        return given[0] if not any(given[1:]) else None
    if isinstance(op, Join | MakeVector):
        return _highest(node, given)
    if isinstance(op, IncSubtensor | AdvancedIncSubtensor):
        return None if any(given[2:]) else _highest(node, given[:2])
    if isinstance(op, CumOp):
        return given[0] if op.mode == "add" else None
    return _core_degree(op, given)


def _core_degree(op: Any, given: Degrees) -> int | None:
    if isinstance(op, Dot):
        return sum(d or 0 for d in given)
    if isinstance(op, SolveTriangular):
        return given[1] if given[0] == 0 else None
    return None


def _highest(node: Apply, given: Degrees) -> int:
    return max(d or 0 for d in given)


def _product(node: Apply, given: Degrees) -> int:
    return sum(d or 0 for d in given)


def _quotient(node: Apply, given: Degrees) -> int | None:
    return given[0] if given[1] == 0 else None


def _power(node: Apply, given: Degrees) -> int | None:
    exponent = number(node.inputs[1])
    if exponent is None or exponent != int(exponent) or exponent < 0:
        return None
    return int(exponent) * (given[0] or 0)


def _branch(node: Apply, given: Degrees) -> int | None:
    return max(given[1] or 0, given[2] or 0) if given[0] == 0 else None


_SCALAR: dict[type, Callable[[Apply, Degrees], int | None]] = {
    ps.Add: _highest,
    ps.Sub: _highest,
    ps.Neg: _highest,
    ps.Mul: _product,
    ps.Sqr: lambda node, given: 2 * (given[0] or 0),
    ps.Pow: _power,
    ps.TrueDiv: _quotient,
    ps.Switch: _branch,
    ps.Second: lambda node, given: given[1],
    ps.Identity: _highest,
    ps.Cast: lambda node, given: given[0] if str(node.outputs[0].type.dtype).startswith("float") else None,
}
_OF_FIRST = (
    Alloc,
    AdvancedSubtensor,
    CheckAndRaise,
    DeepCopyOp,
    DimShuffle,
    ExtractDiag,
    Reshape,
    ScalarFromTensor,
    SpecifyShape,
    Split,
    Subtensor,
    Sum,
    TensorFromScalar,
    ViewOp,
)
