"""Random variables that are drawn in a scan, taken out of it.

``scan`` hides the variables that its steps draw. Each is made a random variable of the outer graph: what depends on the
states of the same step only, such as an emission, becomes an ordinary variable for all steps at once, and what depends
on its own earlier states a `SequenceRV`, whose log-probability is that of a step evaluated for all steps at once, with
its own value shifted by one in place of the previous state. No loop is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scan.op import Scan
from pytensor.tensor.basic import AllocEmpty
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.subtensor import IncSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.batching import aligned_parameter, batch_graph
from graphs.chains.sequence_rv import SequenceRV, Step, simulated
from graphs.errors import DerivationError
from graphs.rebuilding import opened, substitute


def take_out_of_scans(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """Find scans that draw random variables and return what takes the place of their outputs.

    Parameters
    ----------
    outputs : sequence of Variable
        Graphs.

    Returns
    -------
    dict of Variable to Variable
        For each variable that a scan gave, a graph of random variables without that scan.

    Raises
    ------
    DerivationError
        If a step draws something that cannot be taken out.
    """
    replaced: dict[Variable, Variable] = {}
    for node in toposort([v for v in outputs if v.owner is not None]):
        if isinstance(node.op, Scan) and _draws(node.op):
            opened = _Opened(node, replaced)
            users = [n for n in toposort(outputs) if any(i in node.outputs for i in n.inputs)]
            replaced |= opened.replacements(users, outputs)
    return replaced


def _draws(op: Scan) -> bool:
    return any(isinstance(n.op, RandomVariable | SymbolicRandomVariable) for n in op.fgraph.toposort())


@dataclass(eq=False)
class _Opened:
    """A scan on its way out: its inner outputs, each as a variable for all steps."""

    node: Apply
    replaced: Mapping[Variable, Variable]
    sequences: dict[Variable, Variable] = field(default_factory=dict)  # inner variable -> (T, ...)

    def __post_init__(self) -> None:
        op: Any = self.node.op
        if op.info.as_while:
            raise DerivationError("A scan with a condition to stop draws random variables: its length is not known.")
        inputs = substitute(self.node.inputs, dict(self.replaced)) if self.replaced else list(self.node.inputs)
        [steps] = constant_fold([inputs[0]], raise_not_constant=False)
        if isinstance(steps, Variable):
            raise DerivationError(
                "A scan draws random variables and its number of steps is not a number: give n_steps, or sequences of "
                "known length."
            )
        self.num_steps = int(steps)
        # The inner graph is frozen: work on a copy.
        inner_inputs = [v.type(name=v.name) for v in op.inner_inputs]
        inner_outputs = opened(op.inner_outputs, dict(zip(op.inner_inputs, inner_inputs, strict=True)))
        self.inner = list(toposort([v for v in inner_outputs if v.owner is not None]))  # used many times
        self.rows = dict(zip(op.inner_seqs(inner_inputs), op.outer_seqs(inputs), strict=True))
        self.fixed = dict(zip(op.inner_non_seqs(inner_inputs), op.outer_non_seqs(inputs), strict=True))
        self.recurrent: dict[Variable, dict[Variable, int]] = {}  # inner output -> inner inputs and their lags
        self.initial: dict[Variable, tuple[Variable, int]] = {}
        self.outer_of: dict[
            Variable, tuple[Variable, int]
        ] = {}  # outer output -> inner output, values before the first
        slices = (*op.info.mit_sot_in_slices, *op.info.sit_sot_in_slices)
        taps = iter([*op.inner_mitsot(inner_inputs), *op.inner_sitsot(inner_inputs)])
        before = [*op.outer_mitsot(inputs), *op.outer_sitsot(inputs)]
        outs = [*op.inner_mitsot_outs(inner_outputs), *op.inner_sitsot_outs(inner_outputs)]
        outer = [*op.outer_mitsot_outs(self.node.outputs), *op.outer_sitsot_outs(self.node.outputs)]
        for own, buffer, last, out in zip(slices, before, outs, outer, strict=True):
            inner = _without_casts(last)
            self.recurrent[inner] = {next(taps): -lag for lag in own}
            count = max(-lag for lag in own)
            self.initial[inner] = (_initial_rows(buffer, count), count)
            self.outer_of[out] = (inner, count)
        for inner, out in zip(
            op.inner_nitsot_outs(inner_outputs), op.outer_nitsot_outs(self.node.outputs), strict=True
        ):
            self.outer_of[out] = (inner, 0)

    def replacements(self, users: Sequence[Apply], outputs: Sequence[Variable]) -> dict[Variable, Variable]:
        """Return what takes the place of the outputs, and of the slices of them without the values before."""
        found: dict[Variable, Variable] = {}
        for out, (inner, count) in self.outer_of.items():
            if not any(out in n.inputs for n in users) and out not in outputs:
                continue
            sequence = self.sequence(inner)
            for user in users:
                if out in user.inputs and count and _skips(user, count):
                    found[user.outputs[0]] = _named(sequence, user.outputs[0])
            whole = _named(sequence, out) if not count else pt.concatenate([self.initial[inner][0], sequence], axis=0)
            found[out] = whole
        return found

    def sequence(self, inner: Variable) -> TensorVariable:
        """Return all steps of an inner variable."""
        if inner in self.sequences:
            return self.sequences[inner]
        if inner.owner is not None and isinstance(inner.owner.op, RandomVariable):
            result = self._random(inner)
        elif inner in self.recurrent and any(v in self.recurrent[inner] for v in ancestors([inner])):
            raise DerivationError(
                "A scan draws random variables and carries something else from step to step that is computed from them "
                f"({inner.owner.op if inner.owner else inner}). Compute it from the whole sequence outside the scan."
            )
        else:
            result = self._batched(inner)
        self.sequences[inner] = result
        return result

    def _leaves(self, variables: Sequence[Variable], own: Variable | None) -> dict[Variable, Variable]:
        """Return the sequences that inner graphs depend on, by inner variable."""
        leaves: dict[Variable, Variable] = {}
        others = [v for v in self._drawn() if v is not own]
        lagged = {tap: (out, lag) for out, taps in self.recurrent.items() for tap, lag in taps.items()}
        above = set(_until(variables, set(others)))
        for variable in above:
            if variable in self.rows:
                leaves[variable] = self.rows[variable][: self.num_steps]
            elif variable in self.fixed:
                leaves[variable] = self.fixed[variable]
            elif variable in others:
                leaves[variable] = self.sequence(variable)
            elif (
                variable in lagged and lagged[variable][0] is not own and _without_casts(lagged[variable][0]) is not own
            ):
                out, lag = lagged[variable]
                rows, count = self.initial[out]
                whole = pt.concatenate([rows, self.sequence(out)], axis=0)
                leaves[variable] = whole[count - lag : count - lag + self.num_steps]
        return leaves

    def _drawn(self) -> list[Variable]:
        return [n.outputs[1] for n in self.inner if isinstance(n.op, RandomVariable)]

    def _batched(self, inner: Variable) -> TensorVariable:
        leaves = self._leaves([inner], None)
        result = batch_graph(inner, leaves, self.num_steps)
        assert isinstance(result, TensorVariable)
        if result.type.ndim == inner.type.ndim:
            result = pt.broadcast_to(result, (self.num_steps, *result.shape))
        return result

    def _random(self, draw: TensorVariable) -> TensorVariable:
        node = draw.owner
        op: Any = node.op
        parameters = tuple(op.dist_params(node))
        own = self.recurrent.get(draw, {})
        history = {tap: lag for tap, lag in own.items() if tap in set(ancestors(parameters))}
        leaves = self._leaves(parameters, draw)
        if history:
            return self._sequence_rv(draw, parameters, history, leaves)
        batch_ndim = draw.type.ndim - op.ndim_supp
        aligned = [
            aligned_parameter(batch_graph(p, leaves, self.num_steps), p, batch_ndim + core)
            for p, core in zip(parameters, op.ndims_params, strict=True)
        ]
        batch = draw.type.shape[:batch_ndim]
        size = None if None in batch else (self.num_steps, *batch)
        rv: TensorVariable = op.make_node(pt.random.shared_rng(seed=None), size, *aligned).outputs[1]
        rv.name = draw.name
        return rv

    def _sequence_rv(
        self,
        draw: TensorVariable,
        parameters: tuple[Variable, ...],
        history: Mapping[Variable, int],
        leaves: Mapping[Variable, Variable],
    ) -> TensorVariable:
        if not str(draw.type.dtype).startswith(("int", "uint", "bool")):
            raise DerivationError(
                f"A scan draws {draw.name or draw.owner.op} given its own earlier values, and it is continuous: only "
                "sequences of discrete variables can be taken out of a scan. Use pm.AR, pm.GaussianRandomWalk, or "
                "write the steps as a vector.",
                draw.name,
            )
        rows, count = self.initial[draw]
        outer: list[Variable] = [pt.cast(rows, "int64")]
        places: dict[Variable, tuple[int, bool]] = {}
        for variable, sequence in leaves.items():
            has_rows = variable not in self.fixed
            places[variable] = (len(outer), has_rows)
            outer.append(sequence)
        step = Step(draw, parameters, history, places, self.num_steps, count)
        rng = pt.random.shared_rng(seed=None)
        dummies = [v.type() for v in outer]
        dummy_rng = rng.type()
        drawn, next_rng = simulated(step, dummies, dummy_rng)
        made = SequenceRV([dummy_rng, *dummies], [next_rng, drawn], step=step, inline=False)
        node = made.make_node(rng, *outer)
        result = node.outputs[1]
        result.name = draw.name
        return pt.specify_shape(result, (self.num_steps, *draw.type.shape)) if None in result.type.shape else result


def _until(variables: Sequence[Variable], stop: set[Variable]) -> list[Variable]:
    """Return the ancestors of variables, not looking beyond some."""
    found: dict[Variable, None] = {}
    stack = list(variables)
    while stack:
        variable = stack.pop()
        if variable in found:
            continue
        found[variable] = None
        if variable.owner is not None and variable not in stop:
            stack.extend(i for i in variable.owner.inputs if not isinstance(i.type, RandomType))
    return list(found)


def _without_casts(variable: Variable) -> Any:
    while (
        variable.owner is not None
        and isinstance(variable.owner.op, Elemwise)
        and str(variable.owner.op.scalar_op).startswith(("Cast", "Identity"))
    ):
        variable = variable.owner.inputs[0]
    return variable


def _initial_rows(buffer: Variable, count: int) -> Variable:
    """Return the values before the first step."""
    node = buffer.owner
    if node is not None and isinstance(node.op, IncSubtensor) and node.op.set_instead_of_inc:
        base = node.inputs[0].owner
        if base is not None and isinstance(base.op, AllocEmpty):
            rows = node.inputs[1]
            return rows if rows.type.shape[0] == count else pt.specify_shape(rows, (count, *rows.type.shape[1:]))
    return buffer[:count]


def _skips(node: Apply, count: int) -> bool:
    """Whether a node drops the values before the first step."""
    if not isinstance(node.op, Subtensor) or len(node.op.idx_list) != 1:
        return False
    [entry] = node.op.idx_list
    if not isinstance(entry, slice) or entry.stop is not None or entry.step is not None or entry.start is None:
        return False
    start = node.inputs[1]
    return isinstance(start, Constant) and int(start.data) == count


def _named(variable: TensorVariable, original: Variable) -> TensorVariable:
    if original.name is not None:
        variable.name = original.name
    return variable
