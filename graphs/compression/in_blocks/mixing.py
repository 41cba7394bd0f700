"""What has to hold of rows before they can be read block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors, explicit_graph_inputs, toposort
from pytensor.tensor.subtensor import AdvancedSubtensor
from pytensor.tensor.variable import TensorVariable

from graphs.compression.in_blocks.row_axis import NoStatistics, RowAxis
from graphs.conditional.points import draw_in_support
from graphs.errors import ModelError
from graphs.supports import Support
from graphs.surgery.evaluating import evaluate

_POINTS = 6


def check_indices(term: TensorVariable, data: Mapping[Variable, NDArray]) -> None:
    """Raise ModelError if data that are indices are outside of the array that they pick elements of.

    Parameters
    ----------
    term : TensorVariable
        A log-probability.
    data : mapping of Variable to array
        Data that it reads.
    """
    for node in toposort([term]):
        if not isinstance(node.op, AdvancedSubtensor):
            continue
        for axis, index in enumerate(node.inputs[1:]):
            named = [v for v in ancestors([index]) if v in data]
            length = node.inputs[0].type.shape[axis] if axis < node.inputs[0].type.ndim else None
            if not named or length is None or len(node.inputs) > 2:
                continue
            values = evaluate([index], data)
            if values is None:
                continue
            bad = (values[0] < -length) | (values[0] >= length)
            if bad.any():
                name = named[0].name or "an index"
                raise ModelError(
                    f"{name} has the index {values[0][bad].flat[0]}, outside of an array of length {length}.",
                    named[0].name,
                )


def check_rows_apart(
    term: TensorVariable,
    inputs: Sequence[TensorVariable],
    sample: Sequence[NDArray],
    supports: Mapping[Variable, Support],
) -> None:
    """Raise NoStatistics if the term of a row changes with other rows, or with where the row stands.

    Parameters
    ----------
    term : TensorVariable
        A log-probability of a few rows.
    inputs : sequence of TensorVariable
        The data that it reads.
    sample : sequence of array
        Rows, for each input.
    supports : mapping of Variable to Support
        Of what else it reads.
    """
    axis = RowAxis(int(inputs[0].type.shape[0]))
    if not axis.is_in(term.type.shape):
        raise NoStatistics("it is no sum over rows")
    place, length = axis.of(term.type.shape), axis.length
    rows = np.arange(length) % len(sample[0])
    others = (np.arange(length) * 7 + 3) % len(sample[0])
    is_early = np.arange(length) < length // 2
    free = [v for v in explicit_graph_inputs([term]) if not isinstance(v, Constant) and v not in inputs]
    rng = np.random.default_rng(0)
    changes = [(np.where(is_early, rows, others), is_early), (np.where(is_early, others, rows), ~is_early)]

    def at(chosen: NDArray[np.int64], point: Mapping[Variable, NDArray]) -> NDArray | None:
        values = evaluate([term], {v: array[chosen] for v, array in zip(inputs, sample, strict=True)} | dict(point))
        return None if values is None else np.moveaxis(values[0], place or 0, 0)

    for attempt in range(_POINTS):
        assumed = ("unit", "real", "positive")[attempt % 3]
        point: dict[Variable, NDArray] = {v: draw_in_support(rng, v, supports.get(v), assumed) for v in free}
        first = at(rows, point)
        if first is None or not np.isfinite(first).all():
            continue
        for chosen, same in changes:
            second = at(chosen, point)
            if second is None or not np.allclose(second[same], first[same], rtol=1e-9, atol=1e-9, equal_nan=True):
                raise NoStatistics("the log-probability of a row depends on other rows")
        back = at(rows[::-1], point)
        if back is None or not np.allclose(back[::-1], first, rtol=1e-9, atol=1e-9):
            raise NoStatistics("the log-probability of a row depends on where it stands")
        return
