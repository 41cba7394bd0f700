"""Draws of Markov chains on every backend, by the recursion that draws paths backwards: time is reversed."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.recursion.paths import traceback
from graphs.surgery.random_graph import static_shape
from graphs.variables.markov_chain import MarkovChainRV, log_probabilities


def forward_path(node: Apply, inputs: Sequence[Variable]) -> tuple[Variable, TensorVariable]:
    """Return what becomes of the generator, and draws of a node's Markov chains from other inputs.

    `traceback` draws the last positions of a path by weights of their own, and each earlier position given later ones.
    Backwards in time these are the first states of the chain, and each further one given those before it.
    """
    op = node.op
    assert isinstance(op, MarkovChainRV)
    rng: Any = inputs[0]
    transition, initial = (pt.as_tensor(v) for v in inputs[-2:])
    batch = static_shape(node.outputs[1])[:-1]
    series, states = prod(batch), int(static_shape(transition)[-1])
    num_steps, joint = op.steps - op.lags, states**op.lags
    start = _of_series(log_probabilities(initial), op.lags, batch, reverse=op.lags)
    log_start = pt.broadcast_to(start, (series, *static_shape(start)[1:])).reshape((1, series, joint))
    log_states = pt.concatenate([pt.zeros((num_steps, series, joint)), log_start], axis=0)
    table = _of_series(log_probabilities(transition), op.lags + 1 + op.time_varying, batch, reverse=op.lags + 1)
    table = pt.moveaxis(table, 1, 0)[::-1] if op.time_varying else table[None]
    table = table.reshape((*static_shape(table)[:2], states, joint // states, states))
    next_rng, uniform = rng.uniform(0.0, 1.0, size=(num_steps + 1, series))
    path = traceback(table, log_states, uniform, width=op.lags)
    return next_rng, path[::-1].T.reshape((*batch, op.steps))


def _of_series(table: TensorVariable, num_core: int, batch: Sequence[int], reverse: int) -> TensorVariable:
    """Return a table with one axis of series, of length one where all share it, and the axes of states reversed."""
    shape = static_shape(table)
    own, core = shape[: len(shape) - num_core], shape[len(shape) - num_core :]
    if prod(own) == 1:
        table = table.reshape((1, *core))
    else:
        table = pt.broadcast_to(table, (*batch, *core)).reshape((prod(batch), *core))
    fixed = 1 + num_core - reverse
    return table.transpose(*range(fixed), *reversed(range(fixed, 1 + num_core)))
