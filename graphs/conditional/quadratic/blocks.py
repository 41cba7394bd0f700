"""Log-densities that are quadratic in an array: which of its elements are independent, and the law of the others."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.families.block_normal import BlockNormal, as_blocks
from graphs.conditional.points import ASSUMED, finite_values
from graphs.conditional.quadratic.degree import HIGHEST, degree_of
from graphs.conditional.quadratic.factored import with_zeros
from graphs.conditional.verify import find_discrepancy
from graphs.optional import optional
from graphs.supports import REAL, Support
from graphs.surgery.rebuilding import substitute

MOST_TOGETHER = 16
"""Longest vector of elements that depend on each other: each is a direction of the second derivative."""


@optional("the law of independent vectors", otherwise=lambda *_: None)
def block_normal_law(
    total: TensorVariable, x: TensorVariable, supports: Mapping[Variable, Support]
) -> BlockNormal | None:
    """Return the law of an array of independent normal vectors; None where a log-density is of no such form.

    Parameters
    ----------
    total : TensorVariable
        The log-density; shape ().
    x : TensorVariable
        A variable of the real line, of static shape.
    supports : mapping of Variable to Support
        Supports of the variables.
    """
    if supports.get(x, REAL) != REAL or None in x.type.shape or not str(x.type.dtype).startswith("float"):
        return None
    total = strip_guards(total, {**supports, x: REAL})
    if degree_of(total, [x]) != HIGHEST:
        return None
    gradient = pytensor.grad(total, x)
    direction = x.type.clone()()
    product = pytensor.grad((gradient * direction).sum(), x, disconnected_inputs="ignore")
    product, linear = simplify(with_zeros([-product, gradient], x))
    curvature = _Curvature(product, direction, supports)
    shape = [int(n) for n in x.type.shape]
    core = tuple(axis for axis, length in enumerate(shape) if length > 1 and not curvature.is_apart_along(axis))
    if prod(shape[axis] for axis in core) > MOST_TOGETHER:
        return None
    columns = []
    for place in np.ndindex(*(shape[axis] for axis in core)):
        at = np.zeros(shape)
        index: list[Any] = [slice(None)] * len(shape)
        for axis, i in zip(core, place, strict=True):
            index[axis] = i
        at[tuple(index)] = 1.0
        [column] = substitute([product], {direction: pt.constant(at)})
        columns.append(as_blocks(pt.broadcast_to(column, shape), core))
    is_shared = curvature.is_the_same_for_all(pt.stack(columns, axis=-1))
    precision = pt.stack([c[:1] for c in columns] if is_shared else columns, axis=-1)
    parameters = simplify([precision, as_blocks(pt.broadcast_to(linear, shape), core)])
    law = BlockNormal(x, dict(zip(("precision", "linear"), parameters, strict=True)), core)
    return law if find_discrepancy(total, law, {**supports, x: REAL}) is None else None


class _Curvature:
    """Products with the matrix of second derivatives at generic values of everything else."""

    def __init__(self, product: TensorVariable, direction: TensorVariable, supports: Mapping[Variable, Support]):
        self.product = product
        self.direction = direction
        self.supports = supports
        self.rng = np.random.default_rng(20250612)

    def is_apart_along(self, axis: int) -> bool:
        """Whether elements at different places along an axis do not meet: halves of them do not."""
        shape = [int(n) for n in self.direction.type.shape]
        for _ in range(3):
            chosen = self.rng.permutation(shape[axis]) < max(shape[axis] // 2, 1)
            mask = chosen.reshape([-1 if i == axis else 1 for i in range(len(shape))])
            value = np.where(mask, self.rng.normal(size=shape), 0.0)
            found = self._evaluated(self.product, {self.direction: value})
            if found is None:
                return False
            outside = np.where(mask, 0.0, found)
            if np.abs(outside).max() > 1e-12 * (np.abs(found).max() + 1e-300):
                return False
        return True

    def is_the_same_for_all(self, matrices: TensorVariable) -> bool:
        """Whether all vectors have the same precision matrix."""
        found = self._evaluated(matrices, {})
        return found is not None and len(found) > 1 and bool((np.ptp(found, axis=0) <= 1e-13 * np.abs(found[0])).all())

    def _evaluated(self, graph: TensorVariable, given: Mapping[Variable, NDArray]) -> NDArray | None:
        values = next(finite_values([graph], self.supports, self.rng, len(ASSUMED), given=given), None)
        if values is None or None in graph.type.shape:
            return None if values is None else values[0]
        return np.broadcast_to(values[0], graph.type.shape)
