"""Draws of laws as numbers, where all that a law depends on is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.interpreting import interpret


def draw_numbers(
    draw_graph: Callable[[Variable], tuple[Variable, TensorVariable]],
    generator: np.random.Generator,
    values: Mapping[str, Any],
    name: str,
) -> NDArray:
    """Return a draw.

    Parameters
    ----------
    draw_graph : callable
        Returns the next generator and the draw as graphs of a generator.
    generator : Generator
        Moves on.
    values : mapping of str to array
        The variables that the draw depends on, by name.
    name : str
        Of what is drawn.

    Raises
    ------
    ModelError
        If the values are not those that the draw depends on, or of another shape.
    """
    rng = pt.random.rng("rng")
    next_rng, draw = draw_graph(rng)
    free = {
        str(v.name): v
        for v in ancestors([next_rng, draw])
        if v.owner is None and v is not rng and not isinstance(v, Constant | SharedVariable)
    }
    if set(free) != set(values):
        what = f"depends on {', '.join(free)}" if free else "depends on no other variable"
        given = ", ".join(values) or "none"
        wanted = f", {{{', '.join(f'"{n}": ...' for n in free)}}}" if free else ""
        raise ModelError(
            f"The law of {name} {what}; values were given of {given}: law.draw(rng{wanted}).",
            name,
        )
    arrays = [_as_value(n, v, values[n]) for n, v in free.items()]
    after, drawn = interpret([rng, *free.values()], [next_rng, draw])(generator, *arrays)
    generator.bit_generator.state = after.bit_generator.state
    return np.asarray(drawn)


def _as_value(name: str, variable: TensorVariable, value: Any) -> NDArray:
    try:
        array = np.asarray(value, dtype=variable.type.dtype)
    except (TypeError, ValueError) as error:
        raise ModelError(f"The value of {name} is {value!r}; numbers are needed ({error}).", name) from error
    shape = variable.type.shape
    if array.ndim != len(shape) or any(n not in (None, k) for n, k in zip(shape, array.shape, strict=True)):
        raise ModelError(f"The value of {name} has shape {array.shape}; its shape is {shape}.", name)
    return array
