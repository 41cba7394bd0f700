"""A sequence of variables, each drawn given earlier ones, as one random variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytensor
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable, _support_point
from pymc.distributions.transforms import _default_transform
from pymc.logprob.abstract import _logprob
from pymc.logprob.transforms import IntervalTransform, Transform
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.surgery.batching import aligned_parameter, batch_graph
from graphs.surgery.rebuilding import substitute
from graphs.variables.sequence.carrying import CarriedState, carry, lagged


@dataclass(frozen=True, eq=False)
class ScanStep:
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
    carried : tuple of CarriedState
        What follows from earlier values of the sequence and is not drawn, such as its variance.
    places : tuple of int
        Which inputs of the sequence their values before the first step are.
    """

    draw: TensorVariable
    parameters: tuple[Variable, ...]
    history: Mapping[Variable, int]
    outer: Mapping[Variable, tuple[int, bool]]
    num_steps: int
    num_initial: int
    carried: tuple[CarriedState, ...] = ()
    places: tuple[int, ...] = ()


class SequenceRV(SymbolicRandomVariable):
    """A sequence of which each element is drawn given earlier ones; its inputs: generator, values before it, others."""

    _print_name = ("Sequence", "\\operatorname{Sequence}")
    ndim_supp = 1

    def __init__(self, *args: Any, step: ScanStep, **kwargs: Any):
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
    if step.carried:
        return _carried_logprob(step, value, outer)
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


def _carried_logprob(step: ScanStep, value: TensorVariable, outer: Sequence[TensorVariable]) -> TensorVariable:
    """Return the log-probability of each step, where a step depends on what was carried: that is computed first."""
    length = step.num_steps
    whole = pt.concatenate([outer[0], value], axis=0)
    leaves = {inner: lagged(whole, step.num_initial, lag, length) for inner, lag in step.history.items()}
    rows: dict[Variable, Variable] = {**leaves, step.draw: value}
    rows |= {inner: outer[place] for inner, (place, has_rows) in step.outer.items() if has_rows}
    fixed = {inner: outer[place] for inner, (place, has_rows) in step.outer.items() if not has_rows}
    initial = [outer[place] for place in step.places]
    for state, before, found in zip(
        step.carried, initial, carry(step.carried, initial, rows, fixed, length), strict=True
    ):
        whole = pt.concatenate([before, found], axis=0)
        leaves |= {tap: lagged(whole, state.num_initial, lag, length) for tap, lag in state.taps.items()}
    return _steps_logprob(step, value, leaves, outer, 0, length)


def _steps_logprob(
    step: ScanStep,
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


@_default_transform.register(SequenceRV)
def sequence_transform(op: SequenceRV, rv: TensorVariable) -> Transform | None:
    """Return the transformation of what a step draws."""
    draw = op.step.draw
    found: Transform | None = _default_transform(draw.owner.op, draw)
    if isinstance(found, IntervalTransform):
        raise DerivationError(
            f"A scan draws {draw.name or draw.owner.op} between bounds, given its own earlier values: this is not "
            "supported. Draw a variable without bounds, such as its logit, and transform that.",
            draw.name,
        )
    return found


@_support_point.register(SequenceRV)
def sequence_support_point(op: SequenceRV, rv: TensorVariable, *inputs: Any) -> TensorVariable:
    """Return what zero of the real line stands for: 0, or 1 for positive variables, or 1/2."""
    transform = None if "int" in str(rv.type.dtype) else sequence_transform(op, rv)
    if transform is None:
        return pt.zeros_like(rv)
    if transform.ndim_supp:
        return transform.backward(pt.zeros_like(transform.forward(pt.ones_like(rv), *inputs)), *inputs)
    return transform.backward(pt.zeros_like(rv), *inputs)


def simulated(step: ScanStep, outer: Sequence[Variable], rng: Variable) -> tuple[TensorVariable, Variable]:
    """Draw the sequence by a scan, for samples from the prior."""
    own = CarriedState(step.draw, step.history, step.num_initial)
    rows = [v for v, (_, has_rows) in step.outer.items() if has_rows]
    fixed = [v for v, (_, has_rows) in step.outer.items() if not has_rows]
    states = [own, *step.carried] if step.history else list(step.carried)

    def one(*arguments: Any) -> Any:
        given = list(arguments)
        known: dict[Variable, Variable] = {inner: given.pop(0) for inner in rows}
        for state in states:
            known |= state.past([given.pop(0) for _ in state.lags])
        generator = given.pop(0)
        known |= dict(zip(fixed, given, strict=True))
        parameters = substitute(list(step.parameters), known)
        node: Any = step.draw.owner
        next_rng, drawn = node.op.make_node(generator, node.inputs[1], *parameters).outputs
        drawn = pt.cast(drawn, _stored(step.draw))
        # What is computed from the draw sees it as it was in the inner graph.
        outs = substitute([s.out for s in step.carried], {**known, step.draw: pt.cast(drawn, step.draw.type.dtype)})
        return [drawn, *(pt.cast(o, s.out.type.dtype) for o, s in zip(outs, step.carried, strict=True)), next_rng]

    before = [outer[0], *(outer[place] for place in step.places)] if step.history else [outer[p] for p in step.places]
    infos = [state.info(v) for state, v in zip(states, before, strict=True)]
    drawn, *_, next_rng = pytensor.scan(
        one,
        sequences=[outer[step.outer[v][0]] for v in rows],
        outputs_info=[*([] if step.history else [None]), *infos, rng],
        non_sequences=[outer[step.outer[v][0]] for v in fixed],
        n_steps=step.num_steps,
        return_updates=False,
    )
    return pt.specify_shape(drawn, (step.num_steps, *step.draw.type.shape)), next_rng


def _stored(draw: TensorVariable) -> str:
    """Return the dtype of a sequence of draws."""
    return "float64" if str(draw.type.dtype).startswith("float") else "int64"
