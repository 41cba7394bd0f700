"""Sums over rows of squares of forms that are linear in functions of parameters: group means, and a triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.compression.cells import Cells
from graphs.compression.design import Design, Local, design_of
from graphs.compression.forms import Square, multiple
from graphs.compression.least_squares import Triangle, least_squares, recentred, residuals, triangle_of
from graphs.compression.projection import Projection, is_noticeable, project, weigh
from graphs.compression.restriction import Restriction
from graphs.compression.rows import Rows
from graphs.compression.shapes import is_uniform
from graphs.compression.sums import Shape, cells_of, flat
from graphs.conditional.expanding.coefficients import filled

MOST_TRIANGLES = 200


@dataclass(frozen=True, eq=False)
class Squares:
    """A sum of squares over rows as a graph.

    Parameters
    ----------
    graph : TensorVariable
        The sum; shape ().
    num_means : int
        Groups with means of their own.
    num_columns : int
        Columns of the triangle.
    """

    graph: TensorVariable
    num_means: int
    num_columns: int


def sum_of_square(rows: Rows, square: Square, shape: Shape) -> Squares | None:
    """Return the sum of a square over rows; None where it has no small sufficient statistics.

    Parameters
    ----------
    rows : Rows
        What the functions of parameters read.
    square : Square
        A column times the square of a form.
    shape : tuple of int
        Of the rows.
    """
    weighted = weights_of(square, shape)
    if weighted is None:
        return None
    factor, roots, kept = weighted
    if not roots.size:
        return Squares(filled(0.0, 0), 0, 0)
    design = design_of(rows, square.root, shape, kept, roots)
    scale = [] if square.scale.function is None else [square.scale.function]
    scales = cells_of(rows, scale, shape, kept)
    cells = cells_of(rows, [*scale, *(f for part in design.local for f in part.functions)], shape, kept)
    size = design.columns.shape[1]
    if scales is None or cells is None or not design.is_finite or (size and len(scales) > MOST_TRIANGLES):
        return None
    projections = _projections(design, roots, cells, scales)
    centre, triangles = _triangles(design, scales)
    spread = float(np.sqrt(sum(triangle.rest for triangle in triangles) / len(roots)))
    at_scale = Restriction(rows, shape, scales.representatives)
    at_cells = [(local, Restriction(rows, shape, where.representatives), found) for local, where, found in projections]
    total, is_whole = sum_of_projected(at_scale, scale, design.parameters, at_cells, triangles, centre, spread)
    has_means = not is_whole and any(part.functions for part in design.local)
    return Squares(multiple(factor, total), len(cells) if has_means else 0, size)


def sum_of_projected(
    at_scale: Restriction,
    scale: Sequence[TensorVariable],
    parameters: Sequence[TensorVariable],
    projections: Sequence[tuple[Sequence[Local], Restriction, Sequence[Projection]]],
    triangles: Sequence[Triangle],
    centre: NDArray[np.float64],
    spread: float,
) -> tuple[TensorVariable, bool]:
    """Return the sum of squares over rows that were projected, and whether it is one triangle.

    Parameters
    ----------
    at_scale : Restriction
        To a row of each scale.
    scale : sequence of TensorVariable
        The function that squares are multiplied by, if any.
    parameters : sequence of TensorVariable
        Of shared columns, as vectors to be joined.
    projections : sequence of (columns, Restriction, Projection of each)
        Local columns, a row of each cell, and what is along them.
    triangles : sequence of Triangle
        What is left, for each scale.
    centre : (size,) float64 array
        Where triangles are centred.
    spread : float
        Of the residuals.
    """
    whole = _whole_sum(at_scale, scale, parameters, projections, triangles, centre, spread)
    if whole is not None:
        return whole, True
    shifted = _joined(parameters) - centre if parameters else None
    parts = [_local_sum(at, scale, local, found, centre, shifted, spread) for local, at, found in projections]
    parts.append(_triangle_sum(at_scale, scale, triangles, shifted))
    return (pt.add(*parts) if len(parts) > 1 else parts[0]), False


def weights_of(square: Square, shape: Shape) -> tuple[float, NDArray[np.float64], NDArray[np.int64] | None] | None:
    """Return a common factor, the roots of what is left of the weights, and the rows that have any, None for all."""
    weights = flat(square.scale.data, shape)
    sign = 1.0 if weights.max() > 0 else -1.0
    if not np.isfinite(weights).all() or (sign * weights).min() < 0:
        return None
    kept = None if (weights != 0).all() else np.flatnonzero(weights)
    weights = np.abs(weights if kept is None else weights[kept])
    # One weight for all rows is left outside: the means of ones are exactly one.
    weight = float(weights[0]) if weights.size and is_uniform(weights) else 1.0
    return sign * weight, np.sqrt(weights / weight), kept


def _projections(
    design: Design, roots: NDArray[np.float64], cells: Cells, scales: Cells
) -> list[tuple[Sequence[Local], Cells, Sequence[Projection]]]:
    """Project on local columns, and on a mean for each scale where columns are shared but no intercept is local."""
    stages = [(design.local, cells)] if design.local else []
    if design.parameters and not any(part.is_uniform for part in design.local):
        stages.append(([Local(roots.copy(), is_uniform=True)], scales))
    is_centred = bool(stages) and stages[0][0][0].is_uniform
    means = weigh(design, roots, stages[0][1] if is_centred else None)
    return [
        (local, where, project(local, design, where, None if position else means))
        for position, (local, where) in enumerate(stages)
    ]


def _joined(parameters: Sequence[TensorVariable]) -> TensorVariable:
    joined: TensorVariable = pt.concatenate(list(parameters)) if len(parameters) > 1 else parameters[0]
    return joined


def _triangles(design: Design, scales: Cells) -> tuple[NDArray[np.float64], list[Triangle]]:
    """Return where the shared parameters are centred, and a triangle for each scale."""
    columns, size = design.columns, design.columns.shape[1]
    if size == 0:
        rest = scales.sums(design.outcome**2)
        return np.zeros(0), [Triangle(np.zeros((0, 0)), np.zeros(0), float(r)) for r in rest]
    centre = least_squares(columns, design.outcome)
    outcome = residuals(columns, centre, design.outcome)
    if len(scales) == 1:
        triangle, centre = recentred(triangle_of(columns, outcome), centre)
        return centre, [triangle]
    order = np.argsort(scales.codes, kind="stable")
    ends = np.cumsum(np.bincount(scales.codes))
    groups = np.split(order, ends[:-1])
    return centre, [triangle_of(columns[group], outcome[group]) for group in groups]


def _whole_sum(
    at: Restriction,
    scale: Sequence[TensorVariable],
    parameters: Sequence[TensorVariable],
    projections: Sequence[tuple[Sequence[Local], Restriction, Sequence[Projection]]],
    triangles: Sequence[Triangle],
    centre: NDArray[np.float64],
    spread: float,
) -> TensorVariable | None:
    """Return the sum of squares as one triangle where no parameters are local: fewer operations to compile."""
    found = [part for _, _, parts in projections for part in parts]
    if len(found) != 1 or len(found[0].squares) != 1 or len(triangles) != 1 or not parameters:
        return None
    mean, left = found[0].outcome_at(centre)
    root = np.sqrt(found[0].squares)
    if is_noticeable(left, root, spread):
        return None
    [triangle] = triangles
    factor = np.vstack([root * found[0].on_columns, triangle.factor])
    offset = np.concatenate([root * mean, triangle.offset])
    functions = [f for local, _, _ in projections for part in local for f in part.functions]
    if functions:
        # The intercept is a parameter of the triangle, too.
        own = _added([at(f) for f in functions])
        assert own is not None
        parameters, centre = [own, *parameters], np.concatenate([-mean, centre])
        first = np.concatenate([root, np.zeros(len(factor) - 1)])
        factor, offset = np.column_stack([first, factor]), np.concatenate([np.zeros(1), triangle.offset])
    along = pt.dot(pt.constant(factor), _joined(parameters) - centre) + pt.constant(offset)
    squares = pt.sum(pt.sqr(along)) + triangle.rest
    return squares if not scale else pt.sum(at(scale[0]) * squares)


def _local_sum(
    at: Restriction,
    scale: Sequence[TensorVariable],
    local: Sequence[Local],
    projections: Sequence[Projection],
    centre: NDArray[np.float64],
    shifted: TensorVariable | None,
    spread: float,
) -> TensorVariable:
    """Return the sum over cells of the squares along local columns."""
    values = [_added([at(f) for f in part.functions]) for part in local]
    total: TensorVariable | None = None
    for position, found in enumerate(projections):
        rounded, left = found.outcome_at(centre)
        parts: list[TensorVariable] = [pt.constant(rounded)]
        if values[position] is not None:
            parts.append(values[position])
        for mean, value in zip(found.on_local, values[position + 1 :], strict=True):
            if value is not None and mean.any():
                parts.append(pt.constant(mean) * value)
        if shifted is not None and found.on_columns.any():
            parts.append(pt.dot(pt.constant(found.on_columns), shifted))
        distance = pt.add(*parts) if len(parts) > 1 else parts[0]
        along = pt.constant(found.squares) * pt.sqr(distance)
        if is_noticeable(left, np.sqrt(found.squares), spread):
            along += pt.constant(2 * found.squares * left) * distance + pt.constant(found.squares * left**2)
        total = along if total is None else total + along
    return pt.sum(total if not scale else at(scale[0]) * total)


def _added(values: Sequence[TensorVariable]) -> TensorVariable | None:
    return None if not values else values[0] if len(values) == 1 else pt.add(*values)


def _triangle_sum(
    at: Restriction, scale: Sequence[TensorVariable], triangles: Sequence[Triangle], shifted: TensorVariable | None
) -> TensorVariable:
    """Return the sum over scales of the squares that are left."""
    squares: TensorVariable = pt.constant(np.array([triangle.rest for triangle in triangles]))
    if shifted is not None:
        size = max(len(triangle.offset) for triangle in triangles)
        factor = np.concatenate([_padded(triangle.factor, size) for triangle in triangles])
        offset = np.concatenate([_padded(triangle.offset, size) for triangle in triangles])
        along = pt.sqr(pt.dot(pt.constant(factor), shifted) + pt.constant(offset))
        squares = squares + along.reshape((len(triangles), size)).sum(axis=1)
    return pt.sum(squares if not scale else at(scale[0]) * squares)


def _padded(array: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return np.concatenate([array, np.zeros((size - len(array), *array.shape[1:]))])
