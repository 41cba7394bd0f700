"""How much work graphs are, by the operations in them and the static shapes of what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.scalar import basic as scalars
from pytensor.scalar import math as special
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Reshape, SpecifyShape

ELEMENTARY = (
    scalars.Exp,
    scalars.Log,
    scalars.Log1p,
    scalars.Expm1,
    scalars.Pow,
    scalars.Tanh,
    scalars.Sin,
    scalars.Cos,
    special.Sigmoid,
    special.Softplus,
    special.Log1mexp,
)
OPERATIONS_OF_VECTORISED = 0.3
OPERATIONS_OF_ELEMENTARY = 5.0
OPERATIONS_OF_SPECIAL = 12.0
OPERATIONS_OF_DRAW = {
    **dict.fromkeys(("normal", "halfnormal", "uniform", "exponential", "bernoulli"), 5.0),
    **dict.fromkeys(("beta", "truncated_normal", "wishart"), 60.0),
    **dict.fromkeys(("binomial", "poisson", "negative_binomial"), 150.0),
    "polya_gamma": 300.0,
    "gig": 500.0,
}
"""Measured, of one number; those that are not listed take about 20."""
OPERATIONS_OF_OTHER_DRAW = 20.0
_FREE = (DimShuffle, Reshape, SpecifyShape)


@dataclass
class Work:
    """What it takes to evaluate graphs once.

    Parameters
    ----------
    nodes : float
        Nodes that are evaluated.
    operations : float
        Scalar operations, roughly; one is about a third of a nanosecond, and vectors take a third of that per element.
    """

    nodes: float = 0.0
    operations: float = 0.0


def work_of(graphs: Sequence[Variable]) -> Work:
    """Return what it takes to evaluate graphs; what depends on constants alone is evaluated once and does not count.

    Parameters
    ----------
    graphs : sequence of Variable
        Of static shape.
    """
    total = Work()
    fixed: set[Variable] = set()
    for node in toposort(list(graphs)):
        is_random = isinstance(node.op, RandomVariable)
        if not is_random and all(isinstance(i, Constant) or i in fixed for i in node.inputs):
            fixed.update(node.outputs)
            continue
        total.nodes += 1
        total.operations += _operations(node)
        inner = getattr(node.op, "fgraph", None)
        if inner is not None:
            once, steps = work_of(inner.outputs), _num_steps(node)
            total.nodes += steps * once.nodes
            total.operations += steps * once.operations
    return total


def _operations(node: Apply) -> float:
    size = float(max(_size(v) for v in node.outputs))
    op = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if isinstance(op, _FREE):
        return 0.0
    if isinstance(op, Elemwise):
        return size * _operations_of_scalar(op.scalar_op)
    if isinstance(op, CAReduce):
        return OPERATIONS_OF_VECTORISED * float(_size(node.inputs[0]))
    if isinstance(op, Dot):
        # (m, k) and (k, n) give (m, n), each element a sum over k.
        return OPERATIONS_OF_VECTORISED * 2.0 * float(_size(node.inputs[0]) * _size(node.inputs[1]) * size) ** 0.5
    if isinstance(op, RandomVariable):
        return size * OPERATIONS_OF_DRAW.get(str(op.name), OPERATIONS_OF_OTHER_DRAW)
    if type(op).__module__.startswith("pytensor.tensor.linalg"):
        order = max((v.type.shape[-1] or 1 for v in node.inputs if getattr(v.type, "ndim", 0) >= 2), default=1)
        return OPERATIONS_OF_VECTORISED * size * order * (1.0 if "Solve" in type(op).__name__ else 1.0 / 3.0)
    return OPERATIONS_OF_VECTORISED * size


def _operations_of_scalar(op: object) -> float:
    if isinstance(op, ELEMENTARY):
        return OPERATIONS_OF_ELEMENTARY
    return OPERATIONS_OF_SPECIAL if type(op).__module__ == special.__name__ else OPERATIONS_OF_VECTORISED


def _num_steps(node: Apply) -> int:
    """Return how often an inner graph is evaluated, by the longest of what goes in and comes out."""
    return max((v.type.shape[0] or 1 for v in (*node.inputs, *node.outputs) if getattr(v.type, "shape", ())), default=1)


def _size(variable: Variable) -> int:
    return prod(n or 1 for n in getattr(variable.type, "shape", ()))
