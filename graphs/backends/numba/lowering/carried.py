"""What a loop carries from step to step: where each value lies in memory, and which are local variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from pytensor.graph.basic import Apply, Variable

from graphs.backends.numba.compiler.values import Shape


@dataclass(frozen=True, eq=False)
class Carried:
    """Values that steps of a scan write, and later ones may read.

    The value of offset ``o`` at step ``t`` is row ``t + o`` of a trace. Memory holds the last ``length`` rows of it.

    Parameters
    ----------
    before : Variable or None
        Outer input that holds the rows before the first step; None where there are none.
    result : Variable
        Outer output.
    inputs, reads : sequence of Variable, of int
        Inner inputs and their offsets.
    outputs, writes : sequence of Variable, of int
        Inner outputs and their offsets.
    core : tuple of int
        Shape of one value.
    length, num_rows : int
        Rows in memory, and of the whole trace.
    num_initial : int
        Rows known before the first step.
    is_row : bool
        Whether the result is one value, without a dimension for steps.
    """

    before: Variable | None
    result: Variable
    inputs: Sequence[Variable]
    reads: Sequence[int]
    outputs: Sequence[Variable]
    writes: Sequence[int]
    core: Shape
    length: int
    num_rows: int
    num_initial: int
    is_row: bool = False

    @property
    def is_number(self) -> bool:
        """Whether a value is one number, and so a local variable."""
        return prod(self.core) == 1

    @property
    def is_circular(self) -> bool:
        """Whether memory holds fewer rows than there are, so that old ones are overwritten."""
        return self.length < self.num_rows

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Offsets of numbers that go from step to step in local variables, without the way through memory."""
        if not self.is_number or not self.reads:
            return ()
        known = {*self.reads, *self.writes}
        if len(self.writes) == 1 and self.writes[0] == self.num_initial:
            return tuple(range(min(self.reads), self.num_initial))
        return tuple(o for o in sorted(set(self.reads)) if o + 1 in known)

    @property
    def overwrites(self) -> bool:
        """Whether a step writes where it may still have to read."""
        if self.is_circular or self.is_row:
            return any((w - r) % self.length == 0 for w in self.writes for r in self.reads)
        return len(self.writes) != 1 or max(self.reads, default=-1) >= self.writes[0]

    def row(self, offset: int, step: str) -> str:
        """Return the expression of the place in memory of an offset."""
        if not self.is_circular:
            return f"{step} + {offset}" if offset else step
        return "0" if self.length == 1 else f"({step} + {(offset - self.num_rows) % self.length}) % {self.length}"

    def first_row(self, offset: int) -> int:
        """Return the place in memory of an offset at the first step."""
        return (offset - self.num_rows) % self.length if self.is_circular else offset


def carried(
    node: Apply, inner: tuple[Sequence[Variable], Sequence[Variable]], shapes: dict, steps: int
) -> list[Carried]:
    """Return everything that a scan carries or collects, generators of random numbers excepted.

    Parameters
    ----------
    node : Apply
        The scan.
    inner : tuple
        Inner inputs and outputs.
    shapes : mapping of Variable to tuple of int
        Shapes of inputs and outputs of the node.
    steps : int
        Number of steps.
    """
    op, inputs, outputs = node.op, node.inputs, node.outputs
    info = op.info
    found = []
    both_ways = zip(
        op.outer_mitmot(inputs),
        op.outer_mitmot_outs(outputs),
        op.inner_mitmot_grouped(inner[0]),
        info.normalized_mit_mot_in_slices,
        op.inner_mitmot_outs_grouped(inner[1]),
        info.normalized_mit_mot_out_slices,
        strict=True,
    )
    for before, result, ins, reads, outs, writes in both_ways:
        length, *core = shapes[result]
        found.append(Carried(before, result, ins, reads, outs, writes, tuple(core), length, length, length))
    taps = [*op.inner_mitsot_grouped(inner[0]), *([v] for v in op.inner_sitsot(inner[0]))]
    forward = zip(
        [*op.outer_mitsot(inputs), *op.outer_sitsot(inputs)],
        [*op.outer_mitsot_outs(outputs), *op.outer_sitsot_outs(outputs)],
        taps,
        [*info.mit_sot_in_slices, *info.sit_sot_in_slices],
        [*op.inner_mitsot_outs(inner[1]), *op.inner_sitsot_outs(inner[1])],
        strict=True,
    )
    for before, result, ins, lags, out in forward:
        length, *core = shapes[result]
        count = -min(lags)
        reads = [count + lag for lag in lags]
        found.append(Carried(before, result, ins, reads, [out], [count], tuple(core), length, count + steps, count))
    for result, out in zip(op.outer_nitsot_outs(outputs), op.inner_nitsot_outs(inner[1]), strict=True):
        length, *core = shapes[result]
        found.append(Carried(None, result, [], [], [out], [0], tuple(core), length, steps, 0))
    rows = zip(
        op.outer_untraced_sit_sot(inputs),
        op.outer_untraced_sit_sot_outs(outputs),
        op.inner_untraced_sit_sot(inner[0]),
        op.inner_untraced_sit_sot_outs(inner[1]),
        strict=True,
    )
    for before, result, given, out in rows:
        if hasattr(result.type, "broadcastable"):
            core = shapes[result]
            found.append(Carried(before, result, [given], [0], [out], [1], core, 1, 1 + steps, 1, is_row=True))
    return found
