"""What can only be found by running a graph: its shape, where Python code computes it."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.interpreting import interpret

EXAMPLES = (1, 0, 2, 0.5)
"""Arrays full of these stand for inputs. Not every operation takes all: probabilities are below one, scales positive.

Shapes that differ between them depend on values.
"""


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
        values = [np.full(v.type.shape, example).astype(v.type.dtype) for v in inputs]
        try:
            with np.errstate(all="ignore"):
                shapes.add(np.shape(function(*values)))
        except Exception:
            continue
    found: TensorVariable = pt.specify_shape(term, shapes.pop()) if len(shapes) == 1 else term.sum()
    return found
