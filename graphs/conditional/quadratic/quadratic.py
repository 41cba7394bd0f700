"""Log-densities that are quadratic in a vector: its precision matrix and linear coefficients."""

from __future__ import annotations

from math import prod

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.expansion import Obstacle, ObstacleKind
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.multivariate_normal import MultivariateNormal
from graphs.conditional.families.normal import Normal
from graphs.conditional.families.sparse_normal import SparseNormal
from graphs.conditional.quadratic.degree import degree_of
from graphs.conditional.quadratic.factored import factored, with_zeros
from graphs.conditional.quadratic.sparsity import SMALLEST, Sparsity, sparsity_of, ties_of
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import substitute

MOST_ELEMENTS = 1000
"""Largest vector that is drawn with one dense matrix: a draw costs the third power."""


def multivariate_normal_law(total: TensorVariable, x: TensorVariable) -> MultivariateNormal | SparseNormal | Obstacle:
    """Return the multivariate normal law of x where a log-density is quadratic in it.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        A variable of the real line, of any static shape.

    Returns
    -------
    MultivariateNormal, SparseNormal or Obstacle
        Sparse, where few pairs of elements depend on each other given the rest.
    """
    if x.type.ndim == 0 or None in x.type.shape or not str(x.type.dtype).startswith("float"):
        return Obstacle("it is no array of known shape")
    size = prod(x.type.shape)
    degree = degree_of(total, [x])
    if degree is None:
        return Obstacle("the log-density is not quadratic in it")
    if degree < 2:
        return Obstacle("the log-density is linear in it: improper on the real line")
    sparsity = _sparsity(total, x, size)
    if size > MOST_ELEMENTS and sparsity is None:
        reason = f"its {size} elements depend on each other, more than the {MOST_ELEMENTS} of one matrix"
        return Obstacle(reason, ObstacleKind.LARGE)
    gradient = pytensor.grad(total, x)
    direction = x.type.clone()()
    product = pytensor.grad((gradient * direction).sum(), x, disconnected_inputs="ignore")
    [constant_product, linear] = simplify(with_zeros([-product, gradient], x))
    probes = np.eye(size) if sparsity is None else sparsity.probes
    products = [(s, products_of(base, direction, probes)) for s, base in factored(constant_product, direction)]
    if sparsity is None:
        precision = sum_of(products, (size, size))
    else:
        places = (sparsity.rows, sparsity.columns)
        precision = sum_of([(s, _elements(product, places)) for s, product in products], (len(sparsity.rows),))
    vector = sum_of([(s, _constant(base).reshape((size,))) for s, base in factored(linear)], (size,))
    parameters = dict(zip(("precision", "linear"), simplify([precision, vector]), strict=True))
    return MultivariateNormal(x, parameters) if sparsity is None else SparseNormal(x, parameters, sparsity.pattern)


def quadratic_form(
    total: TensorVariable, x: TensorVariable, probes: NDArray[np.float64]
) -> tuple[TensorVariable, TensorVariable]:
    """Return the products of the precision matrix of a vector with others, and its linear coefficients.

    Parameters
    ----------
    total : TensorVariable
        A log-density that is quadratic in the vector; shape ().
    x : TensorVariable
        The vector, of static length n.
    probes : (c, n) float64 array
        The others.

    Returns
    -------
    products : TensorVariable, shape (n, c)
    linear : TensorVariable, shape (n,)
    """
    size = prod(x.type.shape)
    gradient = pytensor.grad(total, x)
    direction = x.type.clone()()
    product = pytensor.grad((gradient * direction).sum(), x, disconnected_inputs="ignore")
    [constant_product, slope] = simplify(with_zeros([-product, gradient], x))
    terms = [(s, products_of(base, direction, probes)) for s, base in factored(constant_product, direction)]
    columns = sum_of(terms, (size, len(probes)))
    linear = sum_of([(s, _constant(base).reshape((size,))) for s, base in factored(slope)], (size,))
    [columns, linear] = simplify([columns, linear])
    return columns, linear


def normal_law(total: TensorVariable, x: TensorVariable) -> Normal | Obstacle:
    """Return the normal law of a scalar in which a log-density is quadratic, through matrices if need be.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        A variable of the real line, of shape ().
    """
    vector = named_input(f"{x.name}_vector", (1,), x.type.dtype)
    [moved] = substitute([total], {x: vector.squeeze()})
    law = multivariate_normal_law(moved, vector)
    if isinstance(law, Obstacle):
        return law
    precision, linear = law.parameters["precision"].squeeze(), law.parameters["linear"].squeeze()
    mean, variance = simplify([linear / precision, 1.0 / precision])
    return Normal(x, {"mean": mean, "variance": variance})


def _sparsity(total: TensorVariable, x: TensorVariable, size: int) -> Sparsity | None:
    if size < SMALLEST:
        return None
    ties = ties_of(total, [x])
    return None if ties is None else sparsity_of(ties)


def products_of(base: TensorVariable, direction: TensorVariable, probes: NDArray[np.float64]) -> TensorVariable:
    """Return the products of vectors with the matrix of a linear function, as a constant where it is one.

    Shape (size, number of vectors).
    """
    shape = tuple(int(n) for n in direction.type.shape)
    size = prod(int(n) for n in base.type.shape)
    arguments = probes.reshape((len(probes), *shape))
    if not _depends_on_variables(base, direction):
        columns = []
        for argument in arguments:
            values = evaluate([base], {direction: argument})
            if values is None:
                break
            columns.append(np.asarray(values[0], "float64").ravel())
        if len(columns) == len(probes):
            matrix: TensorVariable = pt.constant(np.stack(columns, axis=1))
            return matrix
    batched = vectorize_graph(base, {direction: pt.constant(arguments)})
    return batched.reshape((len(probes), size)).T


def _elements(products: TensorVariable, places: tuple[NDArray[np.int64], NDArray[np.int64]]) -> TensorVariable:
    if isinstance(products, Constant):
        constant: TensorVariable = pt.constant(products.data[places])
        return constant
    return products[places]


def _constant(base: TensorVariable) -> TensorVariable:
    if _depends_on_variables(base, None):
        return base
    values = evaluate([base], {})
    return base if values is None else pt.constant(np.asarray(values[0], "float64"))


def _depends_on_variables(graph: TensorVariable, apart_from: Variable | None) -> bool:
    return any(not isinstance(i, Constant) and i is not apart_from for i in explicit_graph_inputs([graph]))


def sum_of(terms: list[tuple[TensorVariable | None, TensorVariable]], shape: tuple[int, ...]) -> TensorVariable:
    """Return the sum of arrays times scalars, with a shape."""
    graphs = [pt.broadcast_to(base if scalar is None else scalar * base, shape) for scalar, base in terms]
    total: TensorVariable = pt.add(*graphs) if len(graphs) > 1 else graphs[0]
    return total
