"""Sums of elements of an array times constants, as products of the array with a matrix.

A loop that adds up ``b[i] * x[:, i]`` is a product with the design matrix, and that is what compression, laws and
machine code know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import rebuild

FEWEST_PRODUCTS = 8
"""Sums of fewer products stay sums."""


def with_products(graphs: Sequence[Variable], places: Mapping[Variable, tuple[TensorVariable, int]]) -> list[Variable]:
    """Write sums of elements of an array times constants as products with a matrix.

    Parameters
    ----------
    graphs : sequence of Variable
        In which these are looked for.
    places : mapping of Variable to (TensorVariable, int)
        Of variables that are elements of an array along its first axis, the array, and which element.

    Examples
    --------
    >>> array = pt.tensor("array", shape=(8,))
    >>> elements = [array[i] for i in range(8)]
    >>> total = sum(float(i) * element for i, element in enumerate(elements))
    >>> [graph] = with_products([total], {e: (array, i) for i, e in enumerate(elements)})
    >>> any(type(node.op).__name__ == "Dot" for node in toposort([graph])), float(graph.eval({array: np.ones(8)}))
    (True, 28.0)
    """
    whole = _whole_sums(graphs)

    def rewritten(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if node.outputs[0] not in whole:
            return None
        found = _product(node.outputs[0], places)
        return None if found is None else [found]

    memo = rebuild(graphs, rewritten)
    return [memo.get(graph, graph) for graph in graphs]


def _is(variable: Variable, kind: type) -> bool:
    node = variable.owner
    return node is not None and isinstance(node.op, Elemwise) and type(node.op.scalar_op) is kind


def _whole_sums(graphs: Sequence[Variable]) -> set[Variable]:
    """Return the sums that are not summands of others alone."""
    sums: set[Variable] = set()
    inner: set[Variable] = set()
    outer = set(graphs)
    for node in toposort([graph for graph in graphs if graph.owner is not None]):
        is_sum = _is(node.outputs[0], ps.Add)
        if is_sum:
            sums.add(node.outputs[0])
        (inner if is_sum else outer).update(node.inputs)
    return {total for total in sums if total in outer or total not in inner}


def _product(total: Variable, places: Mapping[Variable, tuple[TensorVariable, int]]) -> TensorVariable | None:
    """Return a sum with a product for each array of which there are many elements; None where there is none."""
    shape = total.type.shape
    if None in shape or len(shape) > 1:
        return None
    others: list[Variable] = []
    found: dict[TensorVariable, list[tuple[int, np.ndarray, Variable]]] = {}
    for summand in _summands(total):
        term = _term(summand, places)
        if term is None:
            others.append(summand)
        else:
            array, index, factor = term
            found.setdefault(array, []).append((index, np.broadcast_to(factor, shape), summand))
    products: list[Variable] = []
    for array, terms in found.items():
        if len(terms) < FEWEST_PRODUCTS:
            others += [summand for *_, summand in terms]
            continue
        matrix = np.zeros((array.type.shape[0], *shape))
        for index, factor, _ in terms:
            matrix[index] += factor
        used = np.unique([index for index, *_ in terms])
        rows = array if len(used) == len(matrix) else array[used]
        products.append(pt.dot(rows, pt.constant(matrix[used])) if shape else pt.dot(pt.constant(matrix[used]), rows))
    if not products:
        return None
    parts = [*products, *others]
    return pt.add(*parts) if len(parts) > 1 else pt.as_tensor(parts[0])


def _summands(total: Variable) -> list[Variable]:
    """Return what is added up, from left to right."""
    found: list[Variable] = []
    waiting = [total]
    while waiting:
        variable = waiting.pop()
        # A summand of other shape is spread over all elements.
        if _is(variable, ps.Add) and (variable is total or variable.type.shape == total.type.shape):
            waiting += reversed(variable.owner.inputs)
        else:
            found.append(variable)
    return found


def _term(
    summand: Variable, places: Mapping[Variable, tuple[TensorVariable, int]]
) -> tuple[TensorVariable, int, np.ndarray] | None:
    """Return array, index and factor of one element times constants; None for what is no such term."""
    factors = summand.owner.inputs if _is(summand, ps.Mul) else [summand]
    elements = [places[inner] for factor in factors if (inner := _without_axes(factor)) in places]
    numbers = [np.asarray(factor.data) for factor in factors if isinstance(factor, Constant)]
    if len(elements) != 1 or len(elements) + len(numbers) != len(factors) or elements[0][0].type.ndim != 1:
        return None
    if elements[0][0].type.shape[0] is None or not str(elements[0][0].type.dtype).startswith("float"):
        return None
    array, index = elements[0]
    factor = np.prod(np.broadcast_arrays(*numbers), axis=0, dtype="float64") if numbers else np.asarray(1.0)
    return array, index, factor


def _without_axes(variable: Variable) -> Variable:
    """Return x of a scalar x with new axes, or at once."""
    node = variable.owner
    return node.inputs[0] if node is not None and isinstance(node.op, DimShuffle) else variable
