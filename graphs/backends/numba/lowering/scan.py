"""Lowering of scans: a loop whose body is the straight-line code of the inner graph.

Numbers go from step to step in local variables; arrays are rows of the memory of the outer graph.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scan.op import Scan

from graphs.backends.numba.compiler.callback import lower_callback
from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import INDENT, loop_nest
from graphs.backends.numba.compiler.prepare import rewritten
from graphs.backends.numba.compiler.shapes import has_static_shapes, inner_graph, keeps_steps_until, static_shapes
from graphs.backends.numba.compiler.values import (
    Array,
    Broadcast,
    Buffer,
    Gather,
    Kind,
    Scalar,
    View,
    contiguous_strides,
    convert,
    kind_of,
)
from graphs.backends.numba.lowering.carried import Carried, carried
from graphs.backends.numba.lowering.fallback import lower_foreign
from graphs.backends.numba.lowering.indexing import writable
from graphs.backends.numba.lowering.shaping import row_of


@lower.register(Scan)
def lower_scan(op: Scan, node: Apply, generator: Generator) -> None:
    """Add the loop; one whose length is a value, or one that keeps its steps until a condition, is left to PyTensor.

    One in which shapes depend on values is called back in Python.
    """
    length = generator.value(node.inputs[0])
    assert isinstance(length, Scalar)
    if keeps_steps_until(op) or not length.constant:
        lower_foreign(op, node, generator)
        return
    inner = inner_graph(node, [generator.shape(v) for v in node.inputs])
    fgraph = rewritten(inner.inputs, inner.outputs)
    if not has_static_shapes(fgraph):
        lower_callback(node, generator)
        return
    _Loop(node, generator, int(length.constant), fgraph).emit()


def _seen(array: Array) -> Array:
    """Return an array of the outer graph as the body sees it: known from the start, and not its to free."""
    if isinstance(array, Broadcast):
        return Broadcast(replace(array.scalar, step=-1), array.shape)
    if isinstance(array, Gather):
        subscripts = [s if s.array is None else replace(s, array=_seen(s.array)) for s in array.subscripts]
        return Gather(_seen(array.base), tuple(subscripts), array.shape)
    return replace(array, buffer=replace(array.buffer), step=-1)


class _Loop:
    """One scan on its way into the source."""

    def __init__(self, node: Apply, generator: Generator, num_steps: int, fgraph: FunctionGraph):
        op: Any = node.op
        self.node, self.generator, self.num_steps = node, generator, num_steps
        # Loops inside the inner graph are lowered as this one is.
        self.body = Generator(fgraph, static_shapes(fgraph), generator)
        shapes = {v: generator.shape(v) for v in node.outputs}
        self.carried = carried(node, (fgraph.inputs, fgraph.outputs), shapes, num_steps)
        self.time = generator.name("step")
        self.before: list[str] = []  # ... the first step
        self.head: list[str] = []  # of each step
        self.tail: list[str] = []
        self.arrays: list[Array] = []
        self.memory: dict[Carried, View] = {}
        self.numbers: dict[Carried, dict[int, str]] = {}  # local variables by offset
        self.fixed = list(zip(op.inner_non_seqs(fgraph.inputs), op.outer_non_seqs(node.inputs), strict=True))
        self.sequences = list(zip(op.inner_seqs(fgraph.inputs), op.outer_seqs(node.inputs), strict=True))

    def emit(self) -> None:
        """Add the loop to the steps of the outer graph."""
        given = self._read_inputs()
        for state in self.carried:
            self._place(state, given.get(state))
            self._load(state)
        self._lower_body()
        total = self.body.memory.place_scratch()
        step = len(self.generator.steps)
        if total:
            self.generator.memory.enclose(self.body.memory, total).use(step)
        lines = [*self.head, *(line for part in self.body.steps for line in part.render()), *self.tail]
        loop = [f"for {self.time} in range({self.num_steps}):", *(INDENT + line for line in lines or ["pass"])]
        self.generator.append([*self.before, *loop], self.arrays)
        if self.body.last_draw >= 0:
            self.generator.last_draw = step
        for state in self.carried:
            self._finish(state, step)

    def _read_inputs(self) -> dict[Carried, Array]:
        """Give the body its constant inputs and sequences; return the rows before the first step."""
        given: dict[Carried, Array] = {}
        for state in self.carried:
            if state.before is not None:
                is_copied = state.is_circular or self.generator.is_scalar(state.result)
                read = self.generator.read
                given[state] = read(state.before) if is_copied else writable(self.generator, state.before, state.result)
        for inner, outer in self.fixed:
            if not hasattr(outer.type, "dtype"):
                continue
            value = self.generator.value(outer)
            if isinstance(value, Scalar):
                self.body.values[inner] = replace(value, step=-1)
            else:
                self.body.values[inner] = _seen(self._used(self.generator.read(outer)))
        for inner, outer in self.sequences:
            self._bind(inner, row_of(_seen(self._used(self.generator.read(outer))), self.time))
        return given

    def _used(self, array: Array) -> Array:
        self.arrays.append(array)
        return array

    def _bind(self, inner: Variable, array: Array) -> None:
        """Let an inner input be an array, or its one element."""
        if self.body.is_scalar(inner):
            name = self.generator.name("e")
            self.head.append(f"{name} = {array.load(['0'] * len(array.shape))}")
            self.body.values[inner] = Scalar(name, array.kind)
        else:
            self.body.values[inner] = array

    def _place(self, state: Carried, given: Array | None) -> None:
        """Find memory for the rows that are kept, and copy into it what is known before the first step."""
        step = len(self.generator.steps)
        if given is not None:
            self._used(given)
        if not self.generator.is_scalar(state.result) and self._is_needed(state):
            if given is not None and not state.is_circular:
                assert isinstance(given, View)
                whole = given
            else:
                whole = self.generator.array(state.result, step=step)
                if given is not None:
                    self._copy_rows(state, given, whole)
            self._clear_rest(state, whole)
            self.memory[state] = whole
            self._used(whole)
        offsets = state.kept
        self.numbers[state] = {o: self.generator.name("p") for o in offsets}
        kind = kind_of(state.result.type.dtype)
        for offset, name in self.numbers[state].items():
            assert given is not None
            lead = [] if state.is_row else [str(offset)]
            load = given.load([*lead, *["0"] * len(state.core)])
            self.before.append(f"{name} = {convert(load, given.kind, kind)}")
        if not offsets and self.generator.is_scalar(state.result):
            self.numbers[state][-1] = self.generator.name("p")
            self.before.append(f"{self.numbers[state][-1]} = {convert('0', 'i', kind)}")

    def _is_needed(self, state: Carried) -> bool:
        """Whether anybody reads the memory: later nodes, or steps that find no local variable."""
        return bool(self.generator.fgraph.clients[state.result]) or len(state.kept) < len(set(state.reads))

    def _copy_rows(self, state: Carried, given: Array, whole: View) -> None:
        names = [f"i{d}" for d in range(len(state.core))]
        for offset in range(state.num_initial):
            source, target = ([], []) if state.is_row else ([str(offset)], [str(state.first_row(offset))])
            store = whole.store([*target, *names], given.load([*source, *names]), given.kind)
            self.before += loop_nest(state.core, names, [store])

    def _clear_rest(self, state: Carried, whole: View) -> None:
        """Set rows beyond the last step to zero."""
        if state.is_row or state.length <= state.num_rows:
            return
        names = [f"i{d}" for d in range(1 + len(state.core))]
        row = [f"({names[0]} + {state.num_rows})", *names[1:]]
        lengths = (state.length - state.num_rows, *state.core)
        self.before += loop_nest(lengths, names, [whole.store(row, convert("0", "i", whole.kind), whole.kind)])

    def _at(self, state: Carried, offset: int) -> Array:
        """Return a value as the body sees it in memory."""
        whole = _seen(self.memory[state])
        if state.is_row:
            return whole
        position = self.generator.name("k")
        self.head.append(f"{position} = {state.row(offset, self.time)}")
        return row_of(whole, position)

    def _load(self, state: Carried) -> None:
        """Give the body what it reads of a state."""
        kind = kind_of(state.result.type.dtype)
        for inner, offset in zip(state.inputs, state.reads, strict=True):
            if offset in self.numbers[state]:
                self.body.values[inner] = Scalar(self.numbers[state][offset], kind)
            elif self.generator.is_scalar(state.result):
                assert state.before is not None
                self._bind(inner, _seen(self.generator.read(state.before)))
            else:
                self._bind(inner, self._at(state, offset))

    def _lower_body(self) -> None:
        """Lower the inner graph, and write what each step gives."""
        places = [(state, self._reserve(state)) for state in self.carried]
        for node in self.body.fgraph.toposort():
            lower(node.op, node, self.body)
        delayed: list[str] = []
        shifts: list[tuple[str, str]] = []
        for state, place in places:
            if state.is_number:
                self._write_number(state, shifts, delayed)
            elif state in self.memory:
                for variable, offset in zip(state.outputs, state.writes, strict=True):
                    self._write_array(state, variable, offset, place, delayed)
        self.tail += delayed
        temporary = [self.generator.name("q") for _ in shifts]
        self.tail += [f"{name} = {new}" for name, (_, new) in zip(temporary, shifts, strict=True)]
        self.tail += [f"{old} = {name}" for name, (old, _) in zip(temporary, shifts, strict=True)]
        if self.node.op.info.as_while:
            self.tail += [f"if {convert(*self.body.operand(self.body.fgraph.outputs[-1]), 'b')}:", f"{INDENT}break"]

    def _reserve(self, state: Carried) -> Buffer | None:
        """Let a step compute an array where it is kept, if nothing that it reads lies there."""
        if state.is_number or state.overwrites or state not in self.memory:
            return None
        [variable] = state.outputs
        if variable.owner is None or variable in self.body.reserved:
            return None
        whole = self.memory[state]
        if not whole.is_contiguous:
            return None
        row = self._at(state, state.writes[0])
        assert isinstance(row, View)
        pointer = self.generator.pointer_function(row.buffer)
        place = replace(row.buffer, name=self.generator.name("row"))
        self.head.append(f"{place.name} = {pointer}({row.buffer.name}, {row.offset})")
        self.body.reserved[variable] = place
        return place

    def _write_array(
        self, state: Carried, variable: Variable, offset: int, place: Buffer | None, delayed: list[str]
    ) -> None:
        """Copy an array to its row, after all steps of the body have read what lies there."""
        array = self.body.read(variable)
        if isinstance(array, View) and array.buffer is place:
            return
        target = self._at(state, offset)
        assert isinstance(target, View)
        if place is not None:
            self.body.copy(array, variable, into=View(place, target.kind, state.core, contiguous_strides(state.core)))
            return
        if not (isinstance(array, View) and array.buffer in self.body.memory.buffers):
            array = self.body.copy(array, variable)
        self.body.use(array, len(self.body.steps) + 1)
        names = [f"i{d}" for d in range(len(state.core))]
        delayed += loop_nest(state.core, names, [target.store(names, array.load(names), array.kind)])

    def _write_number(self, state: Carried, shifts: list[tuple[str, str]], delayed: list[str]) -> None:
        """Store numbers where they are read later, and let those that are carried move on by one step."""
        kind = kind_of(state.result.type.dtype)
        numbers = self.numbers[state]
        known = dict(numbers)
        for variable, offset in zip(state.outputs, state.writes, strict=True):
            known[offset] = convert(*self.body.operand(variable), kind)
        for inner, offset in zip(state.inputs, state.reads, strict=True):
            if offset not in known:
                known[offset] = self.body.operand(inner)[0]
        if state in self.memory:
            for offset in state.writes:
                row = self._at(state, offset)
                assert isinstance(row, View)
                delayed.append(row.store(["0"] * len(state.core), known[offset], kind))
        if -1 in numbers:
            shifts.append((numbers[-1], known[state.writes[-1]]))
        shifts += [(name, known[offset + 1]) for offset, name in numbers.items() if offset >= 0]

    def _finish(self, state: Carried, step: int) -> None:
        """Represent the result."""
        if state in self.memory:
            whole = self.memory[state]
            shape = self.generator.shape(state.result)
            self.generator.values[state.result] = View(
                whole.buffer, whole.kind, shape, whole.strides, whole.offset, step
            )
        elif self.generator.is_scalar(state.result):
            kind: Kind = kind_of(state.result.type.dtype)
            numbers = self.numbers[state]
            self.generator.values[state.result] = Scalar(numbers[max(numbers)], kind, step)
