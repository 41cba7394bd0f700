"""A sequence of discrete variables, each drawn given earlier ones, as one random variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable, _support_point
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.batching import aligned_parameter, batch_graph
from graphs.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class Step:
    """What one step of a scan draws for a sequence.

    Parameters
    ----------
    draw : TensorVariable
        The random variable in the inner graph.
    parameters : tuple of Variable
        Its parameters.
    history : mapping of Variable to int
        The inner variables that are earlier values of the sequence, and how many steps earlier.
    outer : mapping of Variable to tuple of (int, bool)
        For the other inner variables which input of the sequence they are, and whether each step has its own row.
    num_steps : int
        Number of steps.
    num_initial : int
        Number of values before the first step.
    """

    draw: TensorVariable
    parameters: tuple[Variable, ...]
    history: Mapping[Variable, int]
    outer: Mapping[Variable, tuple[int, bool]]
    num_steps: int
    num_initial: int


class SequenceRV(SymbolicRandomVariable):
    """A sequence of which each element is drawn given earlier ones; its inputs: generator, values before it, others."""

    _print_name = ("Sequence", "\\operatorname{Sequence}")
    ndim_supp = 1

    def __init__(self, *args: Any, step: Step, **kwargs: Any):
        self.step = step
        super().__init__(*args, **kwargs)

    def update(self, node: Apply) -> dict[Variable, Variable]:
        """Return what the generator becomes."""
        return {node.inputs[0]: node.outputs[0]}


@_logprob.register(SequenceRV)
def sequence_logprob(op: SequenceRV, values: Sequence[TensorVariable], *inputs: Any, **kwargs: Any) -> TensorVariable:
    """Return the log-probability of each step; shape (T, ...)."""
    [value] = values
    step = op.step
    initial, outer = inputs[1], inputs[1:]
    early = min(step.num_initial, step.num_steps)
    parts = []
    if early:
        # Steps that look at values from before the first one.
        before = pt.concatenate([initial, value[:early]], axis=0) if step.num_initial > 1 else initial
        leaves = {
            inner: before[step.num_initial - lag : step.num_initial - lag + early]
            for inner, lag in step.history.items()
        }
        parts.append(_steps_logprob(step, value[:early], leaves, outer, 0, early))
    if step.num_steps > early:
        leaves = {inner: value[step.num_initial - lag : step.num_steps - lag] for inner, lag in step.history.items()}
        parts.append(_steps_logprob(step, value[early:], leaves, outer, early, step.num_steps))
    return pt.concatenate(parts, axis=0) if len(parts) > 1 else parts[0]


def _steps_logprob(
    step: Step,
    value: TensorVariable,
    history: Mapping[Variable, Variable],
    outer: Sequence[TensorVariable],
    start: int,
    stop: int,
) -> TensorVariable:
    op: Any = step.draw.owner.op
    leaves = dict(history)
    for inner, (place, has_rows) in step.outer.items():
        leaves[inner] = outer[place][start:stop] if has_rows else outer[place]
    count = stop - start
    batch_ndim = step.draw.type.ndim - op.ndim_supp
    parameters = [
        aligned_parameter(batch_graph(p, leaves, count), p, batch_ndim + core)
        for p, core in zip(step.parameters, op.ndims_params, strict=True)
    ]
    logprob: TensorVariable = _logprob(op, (value,), *step.draw.owner.inputs[:2], *parameters)
    if logprob.type.ndim < batch_ndim + 1 or logprob.type.shape[0] == 1 != count:
        logprob = pt.broadcast_to(logprob, (count, *value.shape[1 : batch_ndim + 1]))
    return logprob


@_support_point.register(SequenceRV)
def sequence_support_point(op: SequenceRV, rv: TensorVariable, *inputs: Any) -> TensorVariable:
    """Return zeros."""
    return pt.zeros_like(rv)


def simulated(step: Step, outer: Sequence[Variable], rng: Variable) -> tuple[TensorVariable, Variable]:
    """Draw the sequence by a scan, for samples from the prior."""
    import pytensor

    taps = sorted(set(step.history.values()), reverse=True)
    rows = [v for v, (_, has_rows) in step.outer.items() if has_rows]
    fixed = [v for v, (_, has_rows) in step.outer.items() if not has_rows]
    num_taps = len(taps)

    def one(*arguments: Any) -> Any:
        own_rows, rest = arguments[: len(rows)], arguments[len(rows) :]
        past, generator, own_fixed = rest[:num_taps], rest[num_taps], rest[num_taps + 1 :]
        replacements: dict[Variable, Variable] = dict(zip(rows, own_rows, strict=True))
        replacements |= dict(zip(fixed, own_fixed, strict=True))
        replacements |= {inner: past[taps.index(lag)] for inner, lag in step.history.items()}
        parameters = substitute(list(step.parameters), replacements)
        node: Any = step.draw.owner
        next_rng, drawn = node.op.make_node(generator, node.inputs[1], *parameters).outputs
        return pt.cast(drawn, "int64"), next_rng

    initial = (
        {"initial": outer[0], "taps": [-lag for lag in taps]} if num_taps > 1 or step.num_initial > 1 else outer[0][0]
    )
    drawn, next_rng = pytensor.scan(
        one,
        sequences=[outer[step.outer[v][0]] for v in rows],
        outputs_info=[initial, rng],
        non_sequences=[outer[step.outer[v][0]] for v in fixed],
        n_steps=step.num_steps,
        return_updates=False,
    )
    return pt.specify_shape(drawn, (step.num_steps, *step.draw.type.shape)), next_rng
