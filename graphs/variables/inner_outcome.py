"""The graph that a distribution hides, on the inputs that it has."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.custom import CustomSymbolicDistRV
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import opened, substitute
from graphs.variables.sequence.scans import take_out_of_scans
from graphs.variables.transforms import is_logit_normal


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
