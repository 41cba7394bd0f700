"""Covariates: constant columns, columns that others make up, columns of wildly different scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import Add, Mul
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Dot

from graphs.surgery.fixing import value_of_data
from graphs.surgery.random_graph import without_axes
from ppl.checking.concern import Concern
from ppl.checking.structure import outputs_of_model
from ppl.modelling.model import Model

MOST_RATIO = 1e4
"""Of standard deviations of columns of one design."""
_MOST_NUMBERS = 5_000_000
_RANK = 1e-10


def designs(model: Model) -> Iterator[Concern]:
    """Yield what is wrong with the matrices that coefficients are multiplied with."""
    names = {rv: name for name, rv in model.latent.items()}
    latent = set(names)
    nodes = list(toposort(outputs_of_model(model)))
    inside = {term.owner for node in nodes if _is_sum(node) for term in node.inputs}
    for node in nodes:
        if isinstance(getattr(node.op, "core_op", node.op), Dot):
            matrix, coefficients = node.inputs
            above = [v for v in ancestors([coefficients]) if v in latent]
            value: Any = value_of_data(matrix) if above and matrix.type.ndim == 2 else None
            if value is not None and 0 < value.size <= _MOST_NUMBERS and np.isfinite(value).all():
                name = names[above[0]]
                yield from _of_matrix(np.asarray(value, np.float64), name, _labels(model, name, value.shape[1]))
        elif _is_sum(node) and node not in inside:
            yield from _of_sum(_summands(node), names)


def _labels(model: Model, name: str, number: int) -> Sequence[str]:
    dims = model.dims.get(name, ())
    labels = model.coords.get(dims[-1]) if dims else None
    return (
        [str(label) for label in labels]
        if labels is not None and len(labels) == number
        else list(map(str, range(number)))
    )


def _of_matrix(matrix: NDArray[np.float64], name: str, labels: Sequence[str]) -> Iterator[Concern]:
    spread = matrix.std(axis=0)
    is_constant = spread <= 1e-12 * np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    if is_constant.sum() > 1:
        which = ", ".join(labels[int(i)] for i in np.flatnonzero(is_constant))
        yield Concern(
            "constant-column",
            "warning",
            (name,),
            f"Columns {which} of the covariates of {name} are constant: each is an intercept.",
            "Keep one of them.",
        )
    varying = np.flatnonzero(~is_constant)
    if len(varying) > 1 and spread[varying].max() > MOST_RATIO * spread[varying].min():
        least, most = int(varying[spread[varying].argmin()]), int(varying[spread[varying].argmax()])
        small, large = labels[least], labels[most]
        yield Concern(
            "scales",
            "note",
            (name,),
            f"Covariates of {name} differ in scale by {spread[varying].max() / spread[varying].min():.0e}: column "
            f"{large} and column {small}.",
            "Divide each by its standard deviation, so that one prior suits all coefficients.",
        )
    dependent = _dependent(matrix)
    if dependent is not None and not is_constant.sum() > 1:
        which = ", ".join(labels[int(i)] for i in dependent)
        yield Concern(
            "collinear",
            "warning",
            (name,),
            f"Columns {which} of the covariates of {name} depend on each other linearly: data cannot tell their "
            "coefficients apart.",
            "Leave one out.",
        )


def _dependent(matrix: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Return the columns that a linear relation holds between; None if there is none, or too few rows to see it."""
    rows, columns = matrix.shape
    if rows < columns or columns < 2:
        return None
    norms = np.linalg.norm(matrix, axis=0)
    if not norms.all():
        return np.flatnonzero(norms == 0)
    _, weights, axes = np.linalg.svd(matrix / norms, full_matrices=False)
    if weights[-1] > _RANK * weights[0] * max(rows, columns) ** 0.5:
        return None
    return np.flatnonzero(np.abs(axes[-1]) > 1e-6)


def _is_sum(node: Apply | None) -> bool:
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)


def _summands(node: Apply) -> list[Variable]:
    """Return the terms of a sum, those of sums in it included."""
    found: list[Variable] = []
    waiting = list(node.inputs[::-1])
    while waiting:
        term = waiting.pop()
        if term.owner is not None and _is_sum(term.owner):
            waiting += term.owner.inputs[::-1]
        else:
            found.append(term)
    return found


def _of_sum(terms: Sequence[Variable], names: dict[Any, str]) -> Iterator[Concern]:
    """Yield covariates, vectors times scalars in a sum, that are constant beside an intercept."""
    plain = [names[v] for term in terms if (v := without_axes(term)) in names]
    seen: list[tuple[str, NDArray[np.float64]]] = []
    for term in terms:
        node = term.owner
        if node is None or not isinstance(node.op, Elemwise) or not isinstance(node.op.scalar_op, Mul):
            continue
        coefficients = [names[v] for i in node.inputs if (v := without_axes(i)) in names]
        values = [value for i in node.inputs if (value := value_of_data(i)) is not None]
        if len(coefficients) == 1 and len(values) == 1 and values[0].size > 1:
            seen.append((coefficients[0], np.asarray(values[0], np.float64).ravel()))
    for name, value in seen:
        if np.isfinite(value).all() and np.ptp(value) <= 1e-12 * np.abs(value).max() and plain:
            yield Concern(
                "constant-column",
                "warning",
                (name, plain[0]),
                f"The covariate of {name} is constant: it cannot be told from {plain[0]}.",
                "Leave one of them out.",
            )
    same = [(n, v) for n, v in seen if np.isfinite(v).all()]
    if len(same) > 1 and len({len(v) for _, v in same}) == 1:
        yield from _among(same)


def _among(columns: Sequence[tuple[str, NDArray[np.float64]]]) -> Iterator[Concern]:
    dependent = _dependent(np.stack([value for _, value in columns], axis=1))
    if dependent is not None and len(dependent) > 1:
        names = tuple(columns[i][0] for i in dependent)
        yield Concern(
            "collinear",
            "warning",
            names,
            f"The covariates of {', '.join(names)} depend on each other linearly: data cannot tell these apart.",
            "Leave one out.",
        )
