"""Constant parts of log-probabilities, evaluated in their stable form.

PyTensor folds constants before it stabilises what they are part of: ``log(1 + erf(x))`` of a constant x becomes the
logarithm of zero, where it is finite for the same number as an input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from graphs.limits.stable_logits import stabilized
from graphs.surgery.evaluating import evaluate
from graphs.surgery.random_graph import is_random
from graphs.surgery.rebuilding import rebuild, substitute
from graphs.surgery.rewriting.graph import Graph
from graphs.surgery.rewriting.passes import Passes
from graphs.surgery.traces import FORGET

STABLE = RewriteDatabaseQuery(
    include=["fast_run"], exclude=["topo_constant_folding", "inplace", "fusion", "BlasOpt", "cxx_only"]
)
"""PyTensor's rewrites without the one that folds constants."""
_STABLE_PASSES = Passes(lambda: Mode("py", STABLE).optimizer)

_SATURATING = (
    ps.Exp,
    ps.Exp2,
    ps.Expm1,
    ps.Tanh,
    psm.Erf,
    psm.Erfc,
    psm.Sigmoid,
    psm.GammaInc,
    psm.GammaIncC,
    psm.BetaInc,
)
"""What reaches zero or one before its argument is large, so that digits are lost in what is made of it."""


def held(graphs: Sequence[Variable]) -> tuple[list[Variable], dict[Variable, Variable]]:
    """Put inputs in the place of what a log-probability has to find as it is.

    Parameters of random variables that are computed from constants: nobody folds them on the way to the
    log-probability, in which they have a stable form. And what several variables are computed from element by element:
    PyMC copies all that is above a variable, in a recursion that of all steps before it.

    Parameters
    ----------
    graphs : sequence of Variable
        Graphs of random variables.

    Returns
    -------
    graphs : list of Variable
        The same, of inputs.
    parts : dict of Variable to Variable
        What each input stands for.
    """
    nodes = list(toposort(list(graphs)))
    constant = _constant(graphs)
    parts = dict.fromkeys(_shared(nodes, constant))
    for node in nodes:
        if any(is_random(out) for out in node.outputs):
            parts |= dict.fromkeys(v for v in node.inputs if v in constant and _is_fragile(v, constant))
    if not parts:
        return list(graphs), {}
    inputs: dict[Variable, Variable] = {part: part.type(name=part.name) for part in parts}
    return substitute(graphs, inputs), {stand_in: part for part, stand_in in inputs.items()}


def _shared(nodes: Sequence[Apply], constant: Mapping[Variable, bool]) -> Iterator[Variable]:
    """Yield numbers that are computed from values, element by element, for more than one operation."""
    drawn: set[Variable] = set()
    num_uses: Counter[Variable] = Counter()
    for node in nodes:
        num_uses.update(set(node.inputs))
        if any(v in drawn for v in node.inputs) or any(is_random(out) for out in node.outputs):
            drawn.update(node.outputs)
    for node in nodes:
        for out in node.outputs if isinstance(node.op, Elemwise) else ():
            # What decides between components is looked at.
            if num_uses[out] > 1 and out not in drawn and out not in constant and out.type.dtype.startswith("float"):
                yield out


def folded(graphs: Sequence[Variable]) -> list[Variable]:
    """Evaluate those constant parts of graphs that lose digits where they are folded as they stand.

    Parameters
    ----------
    graphs : sequence of Variable
        Such as the terms of a log-probability.

    Examples
    --------
    >>> x = pt.constant([-30.0, 2.0])
    >>> [graph] = folded([pt.log(1 - pt.exp(-pt.exp(x)))])
    >>> [round(float(value), 4) for value in graph.data]
    [-30.0, -0.0006]
    """
    constant = _constant(graphs)
    ends = set(graphs)
    for node in toposort(list(graphs)):
        if not any(out in constant for out in node.outputs):
            ends.update(node.inputs)
    roots = [v for v in constant if v in ends and isinstance(v, TensorVariable) and _is_fragile(v, constant)]
    if not roots:
        return list(graphs)
    values = _stable_values(roots)
    if values is None:
        return list(graphs)
    known: dict[Variable, Variable] = {
        root: pt.constant(np.asarray(value, dtype=root.type.dtype), name=root.name)
        for root, value in zip(roots, values, strict=True)
    }
    memo = rebuild(graphs, lambda node, inputs: None, known)
    return [memo.get(graph, graph) for graph in graphs]


def _stable_values(roots: Sequence[TensorVariable]) -> list[np.ndarray] | None:
    fgraph = Graph([], stabilized(roots), clone=True, features=[FORGET])
    _STABLE_PASSES.rewrite(fgraph)
    return evaluate(fgraph.outputs, {})


def _constant(graphs: Sequence[Variable]) -> dict[Variable, bool]:
    """Return what is computed from constants alone, and whether a function that saturates takes part."""
    found: dict[Variable, bool] = {}
    for node in toposort(list(graphs)):
        # A point mass draws without a generator; it is a random variable all the same.
        is_drawn = any(is_random(out) for out in node.outputs)
        is_constant = node.inputs and all(isinstance(i, Constant) or i in found for i in node.inputs)
        if is_constant and not is_drawn and _is_numeric(node):
            saturates = _saturates(node) or any(found.get(i, False) for i in node.inputs)
            found |= dict.fromkeys(node.outputs, saturates)
    return found


def _is_numeric(node: Apply) -> bool:
    # Positions of slices are no arrays.
    return all(isinstance(v.type, TensorType | ps.ScalarType) for v in (*node.inputs, *node.outputs))


def _saturates(node: Apply) -> bool:
    if isinstance(node.op, Elemwise):
        return isinstance(node.op.scalar_op, _SATURATING)
    return isinstance(node.op, OpFromGraph)


def _is_fragile(variable: Variable, constant: dict[Variable, bool]) -> bool:
    return constant.get(variable, False) and str(variable.type.dtype).startswith("float")
