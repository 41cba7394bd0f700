"""About how long graphs take once they are compiled, by the operations in them and the static shapes.

Nothing is timed, since what depends on it has to be the same every time. The constants are nanoseconds, each measured
by itself: the operation, compiled as samplers are, in a loop over 300 elements, or on matrices of 3 to 40 rows.
Functions that loops take several elements of at once were measured on two processors, one with vectors of four doubles
and one with vectors of eight, which takes a quarter of the time; all else on the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import toposort
from pytensor.scalar import basic as scalars
from pytensor.scalar import math as special
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.math import Dot
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
)

from graphs.backends.numba.lowering.factors import LARGEST_UNBLOCKED
from graphs.integral import Factor

HAS_EIGHT = get_host_cpu_features().get("avx512f", False) and get_host_cpu_name().startswith("znver")
"""Whether loops take eight doubles at once; on Intel's processors that could, LLVM prefers four."""
PER_NODE = 0.4
PER_ARITHMETIC = 0.02 if HAS_EIGHT else 0.05
_BY_FOUR = {
    **dict.fromkeys((scalars.TrueDiv, scalars.Reciprocal), 0.3),
    scalars.Sqrt: 0.6,
    **dict.fromkeys((scalars.Exp, scalars.Log), 2.0),
    **dict.fromkeys((scalars.Log1p, scalars.Expm1), 2.5),
    special.Sigmoid: 3.0,
    scalars.Tanh: 4.0,
    special.Softplus: 6.5,
    special.Log1mexp: 10.0,
    **dict.fromkeys((special.Erf, special.Erfc, special.Erfcx), 10.0),
    special.Psi: 9.0,
    special.GammaLn: 18.0,
}
_BY_EIGHT = {
    **dict.fromkeys((scalars.TrueDiv, scalars.Reciprocal), 0.1),
    scalars.Sqrt: 0.2,
    **dict.fromkeys((scalars.Exp, scalars.Log), 0.5),
    **dict.fromkeys((scalars.Log1p, scalars.Expm1), 0.7),
    special.Sigmoid: 0.85,
    scalars.Tanh: 1.3,
    special.Softplus: 1.9,
    special.Log1mexp: 4.2,
    **dict.fromkeys((special.Erf, special.Erfc, special.Erfcx), 2.8),
    special.Psi: 3.8,
    special.GammaLn: 6.8,
}
PER_SCALAR = {
    **(_BY_EIGHT if HAS_EIGHT else _BY_FOUR),
    **dict.fromkeys((scalars.Sin, scalars.Cos, scalars.Tan), 10.0),
    **dict.fromkeys((scalars.ArcTan, scalars.ArcSin, scalars.ArcCos, scalars.Sinh, scalars.Cosh), 10.0),
    **dict.fromkeys((special.Erfcinv, special.Erfinv), 10.0),
    # It is taken from the C library element by element.
    scalars.Pow: 14.0,
}
"""Of one element; what is not listed is arithmetic, or takes as long as special functions."""
_EXPONENTS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0)
PER_PRODUCTS = 0.1 if HAS_EIGHT else 0.3
"""Powers of these are compiled as products, quotients and square roots; so long as they take at most."""
PER_SPECIAL = 12.0
PER_PRODUCT = 0.05
"""Of two elements, in the product of matrices."""
MOST_CACHED, PER_STREAMED = 2**18, 0.4
"""Of an element of a matrix that no cache holds: 0.09 altogether of 1 megabyte, 0.5 to 0.8 of 64 megabytes."""
PER_PRODUCT_OF_LINALG, PER_ELEMENT_OF_LINALG, PER_CALL = 0.4, 1.0, 500.0
"""Factors and systems: loops, or what a call of LAPACK takes besides."""
SMALL_ORDER, PER_PRODUCT_OF_LAPACK = 40, 0.06
"""Of larger matrices LAPACK's blocks take so long for a product: 0.16 of 40 rows, 0.07 of 64, 0.05 to 0.03 of 100 to
400."""
PER_PRODUCT_OF_SPARSE, PER_COLUMN_OF_SPARSE, PER_CALL_OF_SPARSE = 1.05, 11.0, 100.0
PER_GATHERED, PER_SCATTERED = 0.25, 0.8
PER_DRAW = {
    **dict.fromkeys(("uniform", "bernoulli"), 1.5),
    **dict.fromkeys(("normal", "halfnormal", "exponential"), 2.5),
    **dict.fromkeys(("gamma", "invgamma"), 15.0),
    **dict.fromkeys(("halfcauchy", "cauchy", "logistic", "geometric", "wald", "categorical"), 25.0),
    **dict.fromkeys(("beta", "t", "dirichlet", "truncated_normal"), 35.0),
    **dict.fromkeys(("binomial", "poisson", "negative_binomial", "multinomial", "vonmises"), 70.0),
    "wishart": 25.0,
    "polya_gamma": 140.0,
    "gig": 240.0,
}
"""Of one number; those that are not listed take about 10."""
PER_OTHER_DRAW = 10.0
_FREE = (DimShuffle, Reshape, SpecifyShape)
_GATHERING = (AdvancedSubtensor, Subtensor)
_SCATTERING = (AdvancedIncSubtensor, IncSubtensor)


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


def work_of_small_factors(graph: Variable) -> float:
    """Return how much of a graph's work goes into factors and systems of few rows, whose gradients take far longer.

    Many of them at once are left out: their gradients are loops as they are.
    """
    single = [n for n in toposort([graph]) if _is_linalg(n.op) and not any(_num_batch_axes(v) for v in n.inputs)]
    return sum(_work_of_node(node) for node in single if _order(node) <= SMALL_ORDER)


def work_of_factor(factor: Factor) -> float:
    """Return about how many nanoseconds a factor takes: what is evaluated with it takes longer."""
    if factor.is_sparse:
        return PER_PRODUCT_OF_SPARSE * factor.num_operations + PER_COLUMN_OF_SPARSE * factor.num_elements
    per_product = _per_product(factor.num_elements)
    return per_product * factor.num_operations + PER_ELEMENT_OF_LINALG * factor.num_elements**2


def _work_of_node(node: Apply) -> float:
    size = float(max((_size(v) for v in node.outputs), default=1))
    op = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    if isinstance(op, _FREE):
        return 0.0
    if isinstance(op, Elemwise):
        return size * (PER_PRODUCTS if _is_product(node) else _work_of_scalar(op.scalar_op))
    if isinstance(op, CAReduce):
        return PER_ARITHMETIC * float(_size(node.inputs[0]))
    if isinstance(op, Dot):
        # (m, k) and (k, n) give (m, n), each element a sum over k.
        products = float(_size(node.inputs[0]) * _size(node.inputs[1]) * size) ** 0.5
        largest = max(map(_size, node.inputs))
        return PER_PRODUCT * 2.0 * products + (PER_STREAMED * largest if largest > MOST_CACHED else 0.0)
    if isinstance(op, RandomVariable):
        return size * PER_DRAW.get(str(op.name), PER_OTHER_DRAW)
    if _is_linalg(op):
        return _work_of_linalg(op, node, size)
    counted = getattr(op, "num_products", None)
    if counted is not None:
        num_products, num_columns = counted(node)
        return PER_PRODUCT_OF_SPARSE * num_products + PER_COLUMN_OF_SPARSE * num_columns + PER_CALL_OF_SPARSE
    if isinstance(op, _GATHERING):
        return PER_GATHERED * size
    if isinstance(op, _SCATTERING):
        return PER_SCATTERED * float(_size(node.inputs[1])) + PER_ARITHMETIC * size
    return PER_ARITHMETIC * size


def _is_product(node: Apply) -> bool:
    """Whether this is a power that is compiled as products, quotients and square roots."""
    if not isinstance(node.op.scalar_op, scalars.Pow):
        return False
    exponent = node.inputs[1]
    while exponent.owner is not None and isinstance(exponent.owner.op, DimShuffle):
        [exponent] = exponent.owner.inputs
    return isinstance(exponent, Constant) and bool(np.isin(exponent.data, _EXPONENTS).all())


def _work_of_linalg(op: Op, node: Apply, size: float) -> float:
    """Return what factors of matrices and systems of equations take."""
    order = _order(node)
    is_triangular = isinstance(op, SolveTriangular)
    is_loop = (is_triangular or isinstance(op, Cholesky)) and order <= LARGEST_UNBLOCKED
    work = _per_product(order) * size * order * (1.0 if "Solve" in type(op).__name__ else 1.0 / 3.0)
    return work + PER_ELEMENT_OF_LINALG * size + (0.0 if is_loop else PER_CALL)


def _is_linalg(op: Op) -> bool:
    op = op.core_op if isinstance(op, Blockwise) else op
    return type(op).__module__.startswith("pytensor.tensor.linalg")


def _num_batch_axes(variable: Variable) -> int:
    return max(getattr(variable.type, "ndim", 0) - 2, 0)


def _order(node: Apply) -> int:
    return max((v.type.shape[-1] or 1 for v in node.inputs if getattr(v.type, "ndim", 0) >= 2), default=1)


def _per_product(order: int) -> float:
    return PER_PRODUCT_OF_LINALG if order <= SMALL_ORDER else PER_PRODUCT_OF_LAPACK


def _work_of_scalar(op: object) -> float:
    """Return what an operation on scalars takes in a loop over elements."""
    if isinstance(op, scalars.Composite):
        return sum(_work_of_scalar(node.op) for node in op.fgraph.apply_nodes)
    known = PER_SCALAR.get(type(op))
    if known is not None:
        return known
    return PER_SPECIAL if type(op).__module__ == special.__name__ else PER_ARITHMETIC


def _num_steps(node: Apply) -> int:
    """Return how often an inner graph is evaluated, by the longest of what goes in and comes out."""
    return max((v.type.shape[0] or 1 for v in (*node.inputs, *node.outputs) if getattr(v.type, "shape", ())), default=1)


def _size(variable: Variable) -> int:
    return prod(n or 1 for n in getattr(variable.type, "shape", ()))
