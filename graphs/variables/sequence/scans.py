"""Random variables that are drawn in a scan, taken out of it.

``scan`` hides the variables that its steps draw. Each is made a random variable of the outer graph: what depends on the
states of the same step only, such as an emission, becomes an ordinary variable for all steps at once, and what depends
on its own earlier states a `SequenceRV`, whose log-probability is that of a step evaluated for all steps at once, with
its own value shifted by one in place of the previous state. No loop is left, unless a step carries what it computes and
does not draw, such as a variance that follows from the last error: a scan that draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scan.op import Scan
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.surgery.batching import aligned_parameter, batch_graph
from graphs.surgery.known import known_value
from graphs.surgery.rebuilding import opened, substitute
from graphs.variables.sequence.carrying import CarriedState, carry
from graphs.variables.sequence.inner import initial_rows, is_float, named, skips, until, without_casts
from graphs.variables.sequence.sequence_rv import ScanStep, SequenceRV, simulated


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
        steps = known_value(inputs[0])
        if steps is None:
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
            inner = without_casts(last)
            self.recurrent[inner] = {next(taps): -lag for lag in own}
            count = max(-lag for lag in own)
            self.initial[inner] = (initial_rows(buffer, count), count)
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
                if out in user.inputs and count and skips(user, count):
                    found[user.outputs[0]] = named(sequence, user.outputs[0])
            whole = named(sequence, out) if not count else pt.concatenate([self.initial[inner][0], sequence], axis=0)
            found[out] = whole
        return found

    def sequence(self, inner: Variable) -> TensorVariable:
        """Return all steps of an inner variable."""
        if inner in self.sequences:
            return self.sequences[inner]
        if inner.owner is not None and isinstance(inner.owner.op, RandomVariable):
            result = self._random(inner)
        elif inner in self._reached([inner]):
            return self._carried(inner)
        else:
            result = self._batched(inner)
        self.sequences[inner] = result
        return result

    def _reached(self, variables: Sequence[Variable]) -> list[Variable]:
        """Return the states that are not drawn and whose earlier values inner graphs depend on."""
        drawn = set(self._drawn())
        found: dict[Variable, None] = {}
        stack = list(variables)
        while stack:
            above = set(until([stack.pop()], drawn))
            for out, taps in self.recurrent.items():
                if out not in found and out not in drawn and not above.isdisjoint(taps):
                    found[out] = None
                    stack.append(out)
        return list(found)

    def _carried(self, inner: Variable) -> TensorVariable:
        """Return all steps of a state that is computed from its earlier values."""
        outs = self._reached([inner])
        leaves = self._leaves(outs, None, outs)
        for out in outs:
            discrete = [v for v in until([out], set(self._drawn())) if v in self._drawn() and not is_float(v)]
            if discrete:
                raise DerivationError(
                    "A scan draws random variables and carries something else from step to step that is computed from "
                    f"them ({inner.owner.op if inner.owner else inner}). Compute it from the whole sequence outside "
                    "the scan.",
                    discrete[0].name,
                )
        states = [self._state(out) for out in outs]
        rows = {v: leaf for v, leaf in leaves.items() if v not in self.fixed}
        fixed = {v: leaf for v, leaf in leaves.items() if v in self.fixed}
        found = carry(states, [self.initial[out][0] for out in outs], rows, fixed, self.num_steps)
        self.sequences |= dict(zip(outs, found, strict=True))
        return found[outs.index(inner)]

    def _state(self, out: Variable) -> CarriedState:
        return CarriedState(out, self.recurrent[out], self.initial[out][1])

    def _leaves(
        self, variables: Sequence[Variable], own: Variable | None, inside: Sequence[Variable] = ()
    ) -> dict[Variable, Variable]:
        """Return the sequences that inner graphs depend on, by inner variable.

        Those of ``own``, a draw, and of the states ``inside`` are not among them.
        """
        leaves: dict[Variable, Variable] = {}
        others = [v for v in self._drawn() if v is not own]
        lagged = {tap: (out, lag) for out, taps in self.recurrent.items() for tap, lag in taps.items()}
        above = set(until(variables, set(others)))
        excluded = {own, *inside}
        for variable in above:
            if variable in self.rows:
                leaves[variable] = self.rows[variable][: self.num_steps]
            elif variable in self.fixed:
                leaves[variable] = self.fixed[variable]
            elif variable in others:
                leaves[variable] = self.sequence(variable)
            elif variable in lagged and lagged[variable][0] not in excluded:
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
        inside = self._fed_by(draw, self._reached(parameters))
        above = set(until([*parameters, *inside], {draw}))
        history = {tap: lag for tap, lag in own.items() if tap in above}
        leaves = self._leaves([*parameters, *inside], draw, inside)
        if history or inside:
            return self._sequence_rv(draw, parameters, history, leaves, inside)
        self._check_step(draw, leaves)
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

    def _check_step(self, draw: TensorVariable, leaves: Mapping[Variable, Variable]) -> None:
        """Refuse a draw of which nothing tells whether it is made at every step or once, outside of the scan."""
        generators = {v for v in ancestors([draw.owner.inputs[0]]) if v.owner is None}
        if all(v in self.fixed for v in leaves) and not generators.isdisjoint(self.fixed):
            raise DerivationError(
                f"A step of a scan uses {draw.name or draw.owner.op}, a random variable that depends on nothing in the "
                "step. If it is one variable of the model, pass it to the scan as one of its non_sequences; if every "
                "step draws its own, draw it from a generator that the scan carries.",
                draw.name,
            )

    def _fed_by(self, draw: Variable, states: Sequence[Variable]) -> list[Variable]:
        """Return those of some states that depend on earlier values of what is drawn."""
        above = {out: set(until([out], set(self._drawn()))) for out in states}
        own = {draw, *self.recurrent.get(draw, {})}
        found = [out for out in states if not own.isdisjoint(above[out])]
        while more := [
            out for out in states if out not in found and any(above[out] & set(self.recurrent[f]) for f in found)
        ]:
            found += more
        return found

    def _sequence_rv(
        self,
        draw: TensorVariable,
        parameters: tuple[Variable, ...],
        history: Mapping[Variable, int],
        leaves: Mapping[Variable, Variable],
        inside: Sequence[Variable],
    ) -> TensorVariable:
        if inside and not is_float(draw):
            raise DerivationError(
                f"A scan draws {draw.name or draw.owner.op}, a discrete variable, given something else that is carried "
                "from step to step and computed from its earlier values. Make it depend on these values themselves.",
                draw.name,
            )
        dtype = "float64" if is_float(draw) else "int64"
        rows, count = self.initial.get(draw, (pt.zeros((0, *draw.type.shape)), 0))
        outer: list[Variable] = [pt.cast(rows, dtype)]
        places: dict[Variable, tuple[int, bool]] = {}
        for variable, sequence in leaves.items():
            has_rows = variable not in self.fixed
            places[variable] = (len(outer), has_rows)
            outer.append(sequence)
        first = len(outer)
        outer += [self.initial[out][0] for out in inside]
        states = tuple(self._state(out) for out in inside)
        step = ScanStep(
            draw, parameters, history, places, self.num_steps, count, states, tuple(range(first, len(outer)))
        )
        rng = pt.random.shared_rng(seed=None)
        dummies = [v.type() for v in outer]
        dummy_rng = rng.type()
        drawn, next_rng = simulated(step, dummies, dummy_rng)
        made = SequenceRV([dummy_rng, *dummies], [next_rng, drawn], step=step, inline=False)
        node = made.make_node(rng, *outer)
        result = node.outputs[1]
        result.name = draw.name
        return pt.specify_shape(result, (self.num_steps, *draw.type.shape)) if None in result.type.shape else result
