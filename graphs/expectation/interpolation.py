"""Tables of log-potentials over many rows of data as combinations of those at a few rows.

The log-density of a row under a normal, Poisson, ... component is a polynomial of degree one or two in what the data
say about that row, and its coefficients are the same for all rows. So its value at any row is a fixed combination of
its values at a few nodes, enough of them to determine the polynomial: n x K densities become as many as there are
nodes, times a matrix of numbers. The reverse, expected counts times that matrix, are the sufficient statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs, toposort
from pytensor.scalar.basic import Switch
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from graphs.conditional.expanding.coefficients import number
from graphs.conditional.points import finite_values
from graphs.conditional.quadratic.degree import degree_of
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.rebuilding import substitute

Floats = NDArray[np.float64]
_FEWEST_ROWS = 40
_MOST_DIRECTIONS = 24
_NUM_CHECKED = 40
_REACH = 2.0
"""How far the nodes are from the mean of the data, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Interpolation:
    """A table as a combination of its values at nodes.

    Parameters
    ----------
    at_nodes : TensorVariable
        Shape (K_1, ..., K_d, F).
    weights : (F, n) float64 array
        What each node counts in each row; each column sums to one.
    """

    at_nodes: TensorVariable
    weights: Floats

    @property
    def table(self) -> TensorVariable:
        """The table; shape (K_1, ..., K_d, n)."""
        *states, num_nodes = (int(n) for n in self.at_nodes.type.shape)
        flat = self.at_nodes.reshape((prod(states), num_nodes))
        return pt.dot(flat, pt.constant(self.weights)).reshape((*states, self.weights.shape[1]))

    def gathered(self, counts: TensorVariable) -> TensorVariable:
        """Return the counts at the nodes that stand for counts of the entries of the table."""
        *states, num_rows = (int(n) for n in counts.type.shape)
        flat = counts.reshape((prod(states), num_rows))
        return pt.dot(flat, pt.constant(self.weights).T).reshape((*states, self.weights.shape[0]))

    def rounding(self) -> TensorVariable:
        """Return how large the rounding errors of a typical row are; shape ().

        Those of the nodes are of the order of the log-potentials there, and add up like independent ones.
        """
        weights = pt.constant(np.square(self.weights).mean(axis=1))
        return np.finfo("float64").eps * pt.sqrt(pt.max((pt.sqr(self.at_nodes) * weights).sum(axis=-1)))


def interpolate(table: TensorVariable, parameters: Mapping[TensorVariable, Support]) -> Interpolation | None:
    """Return a table as a combination of its values at few rows; None where there is no such form, or no use in it.

    Parameters
    ----------
    table : TensorVariable
        Shape (K_1, ..., K_d, n); the rows are on the last axis.
    parameters : mapping of TensorVariable to Support
        What it depends on besides data.
    """
    num_rows = table.type.shape[-1]
    if num_rows is None or num_rows < _FEWEST_ROWS:
        return None
    table = _without_guard(table)
    data = _data_by_row(table, num_rows)
    degree = degree_of(table, list(data)) if data else None
    if not degree:
        return None
    rows = _Scores(data, num_rows)
    if rows.num_directions > _MOST_DIRECTIONS:
        return None
    nodes = _nodes(rows.num_directions, degree)
    if 2 * len(nodes) > num_rows:
        return None
    at_nodes = _at(table, rows.at(nodes), len(nodes))
    if at_nodes is None:
        return None
    weights = np.linalg.solve(_monomials(nodes, degree).T, _monomials(rows.scores, degree).T)
    found = Interpolation(at_nodes, np.ascontiguousarray(weights))
    return found if _is_exact(found, table, rows, parameters) else None


def _without_guard(table: TensorVariable) -> TensorVariable:
    """Remove a check of parameters that is the same for all rows: it holds wherever they are in their supports."""
    node = table.owner
    if node is None or not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, Switch):
        return table
    condition, inside, outside = node.inputs
    is_common = condition.type.shape[-1] == 1 and number(outside) == -np.inf
    return inside if is_common and inside.type.shape == table.type.shape else table


def _data_by_row(table: TensorVariable, num_rows: int) -> dict[TensorVariable, tuple[Floats, int]]:
    """Return the largest subgraphs of data alone that have one axis of rows, with their values and that axis."""
    nodes = list(toposort([table]))
    fixed = {i for i in explicit_graph_inputs([table]) if isinstance(i, Constant)}
    for node in nodes:
        if all(isinstance(i, Constant) or i in fixed for i in node.inputs):
            fixed.update(node.outputs)
    found: dict[TensorVariable, tuple[Floats, int]] = {}
    for node in nodes:
        if node.outputs[0] in fixed:
            continue
        for variable in node.inputs:
            if variable in found or not isinstance(variable, TensorVariable):
                continue
            shape = variable.type.shape
            if (variable in fixed or isinstance(variable, Constant)) and shape.count(num_rows) == 1:
                values = evaluate([variable], {})
                if values is None:
                    return {}
                found[variable] = np.asarray(values[0]), shape.index(num_rows)
    return found


class _Scores:
    """What the data say about each row: a vector, as its mean plus scores along a few directions."""

    def __init__(self, data: Mapping[TensorVariable, tuple[Floats, int]], num_rows: int):
        self.data = data
        columns = [np.moveaxis(value, axis, 0).reshape(num_rows, -1) for value, axis in data.values()]
        joined = np.concatenate(columns, axis=1).astype("float64")
        self.mean = joined.mean(axis=0)
        self.spread = joined.std(axis=0)
        varying = self.spread > 0
        left, sizes, right = np.linalg.svd((joined - self.mean)[:, varying] / self.spread[varying], full_matrices=False)
        kept = sizes > 1e-13 * sizes.max(initial=0.0)
        self.scores = left[:, kept] * sqrt(num_rows)
        self.directions = np.zeros((int(kept.sum()), joined.shape[1]))
        self.directions[:, varying] = (sizes[kept, None] * right[kept]) * self.spread[varying] / sqrt(num_rows)

    @property
    def num_directions(self) -> int:
        return len(self.directions)

    def at(self, scores: Floats) -> dict[Variable, Variable]:
        """Return what replaces the data where the rows have these scores."""
        joined = self.mean + scores @ self.directions
        replacements: dict[Variable, Variable] = {}
        start = 0
        for variable, (value, axis) in self.data.items():
            others = [n for i, n in enumerate(value.shape) if i != axis]
            part = joined[:, start : start + prod(others)].reshape((len(scores), *others))
            replacements[variable] = pt.constant(np.moveaxis(part, 0, axis))
            start += prod(others)
        return replacements


def _nodes(num_directions: int, degree: int) -> Floats:
    """Return points that determine a polynomial: the origin, one step along each axis, and for degree two back as well.

    For degree two there is also one step along each pair of axes.
    """
    steps = np.eye(num_directions)
    points = [np.zeros((1, num_directions)), steps]
    if degree == 2:
        first, second = np.triu_indices(num_directions, 1)
        points += [-steps, steps[first] + steps[second]]
    return _REACH * np.concatenate(points)


def _monomials(points: Floats, degree: int) -> Floats:
    """Return all monomials of at most this degree; shape (points, monomials)."""
    columns = [np.ones((len(points), 1)), points]
    if degree == 2:
        first, second = np.triu_indices(points.shape[1])
        columns.append(points[:, first] * points[:, second])
    return np.concatenate(columns, axis=1)


def _at(table: TensorVariable, replacements: Mapping[Variable, Variable], num_rows: int) -> TensorVariable | None:
    """Return a table at other rows; None where the number of rows is written into its graph."""
    try:
        [found] = substitute([table], replacements)
    except (ValueError, TypeError, IndexError, AssertionError):
        return None
    return found if found.type.shape == (*table.type.shape[:-1], num_rows) else None


def _is_exact(
    found: Interpolation, table: TensorVariable, rows: _Scores, parameters: Mapping[TensorVariable, Support]
) -> bool:
    """Compare with the table at some of the rows: it may not be one, if rows are added up across."""
    rng = np.random.default_rng(0)
    count = found.weights.shape[1]
    chosen = rng.choice(count, size=min(count - 1, _NUM_CHECKED), replace=False)
    at_chosen = _at(table, rows.at(rows.scores[chosen]), len(chosen))
    if at_chosen is None:
        return False
    values = next(finite_values([at_chosen, found.at_nodes], parameters, rng, 4, inputs=parameters), None)
    if values is None:
        return False
    in_table, at_nodes = values
    size = np.abs(found.weights).sum(axis=0).max() * (1 + np.abs(at_nodes).max())
    return bool(np.abs(at_nodes @ found.weights[:, chosen] - in_table).max() < 1e-10 * size)
