"""What can only be found by running a graph: its shape, where Python code computes it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.interpreting import interpret

EXAMPLES = (1, 0, 2, 0.5, None)
"""Arrays full of these stand for inputs. Not every operation takes all: probabilities are below one, scales positive.

None are arrays of different numbers. Shapes that differ between examples depend on values.
"""


def example_array(example: float | None, shape: Sequence[int], dtype: str) -> NDArray:
    """Return what stands for an input.

    Parameters
    ----------
    example : float or None
        One of ``EXAMPLES``.
    shape : sequence of int
        Shape of the input.
    dtype : str
        Its dtype.
    """
    if example is not None:
        return np.full(shape, example).astype(dtype)
    size = prod(shape)
    numbers = np.arange(size) if np.dtype(dtype).kind in "iub" else (np.arange(size) + 1) / (size + 1)
    return numbers.reshape(shape).astype(dtype)


def of_known_shape(term: TensorVariable) -> TensorVariable:
    """Return a term of a log-density with a type that tells its shape; its sum where that depends on values.

    Parameters
    ----------
    term : TensorVariable
        A graph of inputs of known shape.
    """
    if None not in term.type.shape:
        return term
    inputs = list(explicit_graph_inputs([term]))
    function = interpret(inputs, term)
    shapes = set()
    for example in EXAMPLES:
        values = [example_array(example, v.type.shape, v.type.dtype) for v in inputs]
        try:
            with np.errstate(all="ignore"):
                shapes.add(np.shape(function(*values)))
        except Exception:  # what an operation raises on an example tells nothing of its shape
            continue
    found: TensorVariable = pt.specify_shape(term, shapes.pop()) if len(shapes) == 1 else term.sum()
    return found
