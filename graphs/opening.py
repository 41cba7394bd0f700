"""Distributions that are graphs of random variables, opened: what they draw on the way are variables of the model.

``pm.CustomDist(dist=...)`` hides a graph in one variable: a mixture with its indices, a hidden Markov chain with the
states that a scan draws. What PyMC cannot derive a log-probability for is a graph like any other once it is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.custom import CustomSymbolicDistRV
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

from graphs.chains.scans import take_out_of_scans
from graphs.random_graph import distribution_name, find_consumed, find_random_variables, is_random
from graphs.rebuilding import opened, substitute
from graphs.transforms import is_logit_normal


def open_distributions(outputs: Sequence[Variable], observed: Collection[Variable]) -> dict[Variable, Variable]:
    """Return what takes the place of variables whose distributions are graphs.

    Parameters
    ----------
    outputs : sequence of Variable
        Graphs of random variables.
    observed : collection of Variable
        Those that have data: they may become functions of random variables. The others stay variables of their own.

    Returns
    -------
    dict of Variable to Variable
        Of the same names; what is new and random is named after the variable that it was hidden in.
    """
    replaced: dict[Variable, Variable] = {}
    for node in toposort([v for v in outputs if v.owner is not None]):
        if not is_open(node):
            continue
        rv = node.default_output()
        [outcome] = substitute([inner_outcome(node)], replaced)
        if is_random(outcome) or rv in observed:
            replaced[rv] = _named(outcome, rv)
    return replaced


def is_open(node: Apply) -> bool:
    """Whether a distribution is a graph and has no log-probability of its own."""
    return isinstance(node.op, CustomSymbolicDistRV) and node.op.inline_logprob and not is_logit_normal(node.outputs[0])


def inner_outcome(node: Apply) -> TensorVariable:
    """Return the graph of a distribution on the inputs that it has, its scans taken apart."""
    index = node.outputs.index(node.default_output())
    [graph] = opened([node.op.inner_outputs[index]], dict(zip(node.op.inner_inputs, node.inputs, strict=True)))
    [outcome] = substitute([graph], take_out_of_scans([graph]))
    assert isinstance(outcome, TensorVariable)
    return outcome


def untransposed(outcome: TensorVariable, value: Variable) -> tuple[TensorVariable, Variable]:
    """Return what an outcome is a transpose of, as for many chains beside each other, and its value."""
    node = outcome.owner
    while node is not None and isinstance(node.op, DimShuffle) and node.op.is_transpose:
        outcome, value = node.inputs[0], pt.as_tensor(value).dimshuffle(*np.argsort(node.op.new_order).tolist())
        node = outcome.owner
    return outcome, value


def _named(outcome: TensorVariable, rv: TensorVariable) -> TensorVariable:
    own = {v for v in find_random_variables([outcome]) if v.name is None} - find_consumed(outcome)
    outside = set(find_random_variables(rv.owner.inputs))
    for hidden in own - outside:
        hidden.name = f"{rv.name}_{distribution_name(hidden)}"
    outcome.name = rv.name
    outcome.tag.__dict__.update(rv.tag.__dict__)
    return outcome
