"""About how long graphs take once they are compiled, by the operations in them and the static shapes.

Nothing is timed, since what depends on it has to be the same every time. The constants are nanoseconds on one processor
with vectors of eight doubles: fitted to 206 compiled gradients and draws of 107 models of the tests and benchmarks, of
which half were then within a factor of 1.4; those of elementary and gamma functions were measured by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
)

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
ERROR_FUNCTIONS = (special.Erf, special.Erfc, special.Erfcx, special.Erfcinv, special.Erfinv)
PER_NODE = 0.4
PER_ARITHMETIC = 0.05
PER_ELEMENTARY = 1.0
PER_ERROR_FUNCTION = 5.0
PER_SPECIAL = 12.0
PER_PRODUCT = 0.05
"""Of two elements, in the product of matrices."""
PER_PRODUCT_OF_LINALG = 0.1
PER_MOVED = 0.4
PER_DRAW = {
    **dict.fromkeys(("normal", "halfnormal", "uniform", "exponential", "bernoulli"), 8.0),
    **dict.fromkeys(("beta", "truncated_normal", "wishart"), 25.0),
    **dict.fromkeys(("binomial", "poisson", "negative_binomial"), 60.0),
    "polya_gamma": 120.0,
    "gig": 200.0,
}
"""Of one number; those that are not listed take about 10."""
PER_OTHER_DRAW = 10.0
_FREE = (DimShuffle, Reshape, SpecifyShape)
_MOVING = (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
)


def work_of(graphs: Sequence[Variable]) -> float:
    """Return about how many nanoseconds it takes to evaluate graphs once.

    What depends on constants alone is evaluated once and does not count.

    Parameters
    ----------
    graphs : sequence of Variable
        Of static shape.
    """
    total = 0.0
    fixed: set[Variable] = set()
    for node in toposort(list(graphs)):
        is_random = isinstance(node.op, RandomVariable)
        if not is_random and all(isinstance(i, Constant) or i in fixed for i in node.inputs):
            fixed.update(node.outputs)
            continue
        total += PER_NODE + _work_of_node(node)
        inner = getattr(node.op, "fgraph", None)
        if inner is not None:
            total += _num_steps(node) * work_of(inner.outputs)
    return total


def _work_of_node(node: Apply) -> float:
    size = float(max((_size(v) for v in node.outputs), default=1))
    op = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if isinstance(op, _FREE):
        return 0.0
    if isinstance(op, Elemwise):
        return size * _work_of_scalar(op.scalar_op)
    if isinstance(op, CAReduce):
        return PER_ARITHMETIC * float(_size(node.inputs[0]))
    if isinstance(op, Dot):
        # (m, k) and (k, n) give (m, n), each element a sum over k.
        return PER_PRODUCT * 2.0 * float(_size(node.inputs[0]) * _size(node.inputs[1]) * size) ** 0.5
    if isinstance(op, RandomVariable):
        return size * PER_DRAW.get(str(op.name), PER_OTHER_DRAW)
    if type(op).__module__.startswith("pytensor.tensor.linalg"):
        order = max((v.type.shape[-1] or 1 for v in node.inputs if getattr(v.type, "ndim", 0) >= 2), default=1)
        return PER_PRODUCT_OF_LINALG * size * order * (1.0 if "Solve" in type(op).__name__ else 1.0 / 3.0)
    return (PER_MOVED if isinstance(op, _MOVING) else PER_ARITHMETIC) * size


def _work_of_scalar(op: object) -> float:
    """Return what an operation on scalars takes in a loop over elements."""
    if isinstance(op, scalars.Composite):
        return sum(_work_of_scalar(node.op) for node in op.fgraph.apply_nodes)
    if isinstance(op, ELEMENTARY):
        return PER_ELEMENTARY
    if isinstance(op, ERROR_FUNCTIONS):
        return PER_ERROR_FUNCTION
    return PER_SPECIAL if type(op).__module__ == special.__name__ else PER_ARITHMETIC


def _num_steps(node: Apply) -> int:
    """Return how often an inner graph is evaluated, by the longest of what goes in and comes out."""
    return max((v.type.shape[0] or 1 for v in (*node.inputs, *node.outputs) if getattr(v.type, "shape", ())), default=1)


def _size(variable: Variable) -> int:
    return prod(n or 1 for n in getattr(variable.type, "shape", ()))
