"""Log-densities that are quadratic in a vector: its precision matrix and linear coefficients."""

from __future__ import annotations

from math import prod

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.degree import degree_of
from graphs.conditional.evaluate import evaluate
from graphs.conditional.expansion import Obstacle
from graphs.conditional.factored import factored, with_zeros
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.simplify import simplify

MOST_ELEMENTS = 1000
"""Largest vector that is drawn with one dense matrix: a draw costs the third power."""


def multivariate_normal_law(total: TensorVariable, x: TensorVariable) -> MultivariateNormal | Obstacle:
    """Return the multivariate normal law of x where a log-density is quadratic in it.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        A variable of the real line, of any static shape.

    Returns
    -------
    MultivariateNormal or Obstacle
    """
    if x.type.ndim == 0 or None in x.type.shape or not str(x.type.dtype).startswith("float"):
        return Obstacle("it is no array of known shape")
    size = prod(x.type.shape)
    degree = degree_of(total, [x])
    if degree is None:
        return Obstacle("the log-density is not quadratic in it")
    if degree < 2:
        return Obstacle("the log-density is linear in it: improper on the real line")
    if size > MOST_ELEMENTS:
        return Obstacle(f"its {size} elements depend on each other, more than the {MOST_ELEMENTS} of one matrix")
    gradient = pytensor.grad(total, x)
    direction = x.type.clone()()
    product = pytensor.grad((gradient * direction).sum(), x, disconnected_inputs="ignore")
    [constant_product, linear] = simplify(with_zeros([-product, gradient], x))
    precision = _sum_of([(s, _matrix(base, direction)) for s, base in factored(constant_product)], (size, size))
    vector = _sum_of([(s, _constant(base).reshape((size,))) for s, base in factored(linear)], (size,))
    graphs = simplify([precision, vector])
    return MultivariateNormal(x, dict(zip(("precision", "linear"), graphs, strict=True)))


def _matrix(base: TensorVariable, direction: TensorVariable) -> TensorVariable:
    """Return the matrix by which a linear function multiplies its argument, as a constant where it is one."""
    shape = tuple(int(n) for n in direction.type.shape)
    size = prod(shape)
    identity = np.eye(size).reshape((size, *shape))
    if not _depends_on_variables(base, direction):
        columns = []
        for row in identity:
            values = evaluate([base], {direction: row})
            if values is None:
                break
            columns.append(np.asarray(values[0], "float64").ravel())
        if len(columns) == size:
            matrix: TensorVariable = pt.constant(np.stack(columns, axis=1))
            return matrix
    batched = vectorize_graph(base, {direction: pt.constant(identity)})
    return batched.reshape((size, size)).T


def _constant(base: TensorVariable) -> TensorVariable:
    if _depends_on_variables(base, None):
        return base
    values = evaluate([base], {})
    return base if values is None else pt.constant(np.asarray(values[0], "float64"))


def _depends_on_variables(graph: TensorVariable, apart_from: Variable | None) -> bool:
    return any(not isinstance(i, Constant) and i is not apart_from for i in explicit_graph_inputs([graph]))


def _sum_of(terms: list[tuple[TensorVariable | None, TensorVariable]], shape: tuple[int, ...]) -> TensorVariable:
    graphs = [pt.broadcast_to(base if scalar is None else scalar * base, shape) for scalar, base in terms]
    total: TensorVariable = pt.add(*graphs) if len(graphs) > 1 else graphs[0]
    return total
