"""The state of code generation: what each variable is, and the steps of the program so far."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from functools import singledispatch
from math import prod

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.math import Dot

from graphs.backends.numba.compiler.loops import Access, LoopNest, Reduction, Statements, Text
from graphs.backends.numba.compiler.memory import Buffers
from graphs.backends.numba.compiler.scalar import literal
from graphs.backends.numba.compiler.script import Script
from graphs.backends.numba.compiler.values import (
    Array,
    Broadcast,
    Buffer,
    Element,
    Kind,
    Scalar,
    Shape,
    Value,
    View,
    contiguous_strides,
    kind_of,
)
from graphs.errors import BackendError

Step = Statements | LoopNest


@singledispatch
def lower(op: Op, node: Apply, generator: Generator) -> None:
    """Add the statements of a node; registered per Op, with PyTensor's Numba implementation for all others."""
    raise NotImplementedError(f"no lowering is registered for {op}")


class Generator:
    """Collects the steps of a program while the nodes of a graph are lowered in topological order.

    A step is a block of scalar statements, a loop nest or other text. A node is placed into the first step that comes
    late enough for its inputs, so that scalars are computed early and loops over equal domains fuse.

    Parameters
    ----------
    fgraph : FunctionGraph
        The rewritten graph.
    shapes : mapping of Variable to tuple of int
        Shape of every tensor variable.
    outer : Generator, optional
        The generator of the graph that a loop over this one is a node of: names, constants and failures are the same.
    """

    def __init__(self, fgraph: FunctionGraph, shapes: MutableMapping[Variable, Shape], outer: Generator | None = None):
        self.fgraph = fgraph
        self.shapes = shapes
        self.script: Script = Script() if outer is None else outer.script
        self.memory: Buffers = Buffers(None if outer is None else outer.memory)
        self.steps: list[Step] = []
        self.values: dict[Variable, Value] = {}
        self.reserved: dict[Variable, Buffer] = {}
        self.owned: set[Variable] = set()
        self.last_draw = -1

    def name(self, prefix: str) -> str:
        """Return a new local name."""
        return self.script.name(prefix)

    def shape(self, variable: Variable) -> Shape:
        """Return the shape of a tensor variable; () for a scalar one."""
        if isinstance(variable, Constant):
            return tuple(np.shape(variable.data))
        return self.shapes.get(variable, ())

    def is_scalar(self, variable: Variable) -> bool:
        """Whether a variable has one element and so is a local variable."""
        return prod(self.shape(variable)) == 1

    def array(self, variable: Variable, *, step: int) -> View:
        """Return new memory for a variable that is written by the step of this index."""
        shape, kind = self.shape(variable), kind_of(variable.type.dtype)
        buffer = self.reserved.pop(variable, None)
        if buffer is None:
            buffer = self.memory.scratch(variable.name, shape, is_float=kind == "f")
        buffer.use(step)
        self.owned.add(variable)
        return View(buffer, kind, shape, contiguous_strides(shape), step=step)

    def pointer_function(self, buffer: Buffer) -> str:
        """Return the name of the intrinsic that gives pointers into the memory of a buffer."""
        scope = "gathered" if buffer.is_apart else buffer.scope
        return self.script.intrinsic(f"{scope}_{'floats' if buffer.storage == 'f' else 'integers'}")

    def use(self, array: Array, step: int) -> None:
        """Note that a step reads or writes an array."""
        for buffer in array.buffers():
            buffer.use(step)

    def value(self, variable: Variable) -> Value:
        """Return the representation of a variable, making it for a constant."""
        if variable not in self.values:
            if not isinstance(variable, Constant):
                raise BackendError(
                    f"The Numba backend has no value for {variable} of type {variable.type}.",
                    "numba",
                    str(variable.owner),
                )
            self.values[variable] = self._constant(variable)
        return self.values[variable]

    def _constant(self, variable: Constant) -> Value:
        """Represent a constant: small or uniform ones in the source, others as data."""
        data = np.asarray(variable.data)
        kind = kind_of(data.dtype.name)
        if data.size and (data.size == 1 or (data == data.flat[0]).all()):
            scalar = self._literal(data.flat[0].item(), kind)
            return scalar if data.size == 1 else Broadcast(scalar, data.shape)
        if kind == "f" and data.ndim == 2 and self._multiplies_vectors(variable):
            return self.memory.factor(data, variable.name)
        buffer = self.memory.fixed(data, variable.name)
        return View(buffer, kind, data.shape, contiguous_strides(data.shape))

    def _multiplies_vectors(self, variable: Constant) -> bool:
        """Whether a matrix is used for nothing but products with vectors."""
        users = [node for node, _ in self.fgraph.clients.get(variable, [])]
        return bool(users) and all(
            isinstance(node.op, Dot) and any(1 in (len(self.shape(v)), *self.shape(v)) for v in node.inputs)
            for node in users
        )

    def _literal(self, number: float | int | bool, kind: Kind) -> Scalar:
        """Represent a number: literally if it is short, else as data, so that machine code survives other data."""
        source = literal(number, kind)
        if kind == "f" and len(source) > 8 and np.isfinite(number):
            buffer = self.memory.fixed(np.array([number]), "number")
            name = self.name("c")
            self.script.preface.append(f"{name} = {buffer.name}[0]")
            return Scalar(name, kind, constant=number)
        return Scalar(source, kind, constant=number)

    def operand(self, variable: Variable) -> tuple[str, Kind]:
        """Return the local variable or literal of a variable of one element."""
        value = self.value(variable)
        assert isinstance(value, Scalar), variable
        return value.expression, value.kind

    def read(self, variable: Variable) -> Array:
        """Return an array that can be read by later steps, stored if it was only an element of a loop."""
        value = self.value(variable)
        if isinstance(value, Element):
            view = self._stored(value, variable)
            self.values[variable] = view
            return view
        if isinstance(value, Scalar):
            return Broadcast(value, self.shape(variable))
        return value

    def _stored(self, value: Element, variable: Variable) -> View:
        """Store an element of a loop, unless that has been done for a variable of the same elements."""
        step = self.steps.index(value.kernel)
        strides = contiguous_strides(value.shape)
        if variable not in self.reserved:
            for store in value.kernel.stores:
                if store.name == value.name and store.kind == value.kind and store.array.buffer.scope == "work":  # type: ignore[union-attr]
                    return View(store.array.buffer, value.kind, value.shape, strides, step=step)  # type: ignore[union-attr]
        view = self.array(variable, step=step)
        value.kernel.stores.append(Access(value.name, view, self.loops(value.shape), value.kind))
        return view

    def view(self, variable: Variable, *, contiguous: bool = False) -> View:
        """Return a strided view, copied if necessary."""
        array = self.read(variable)
        if isinstance(array, View) and (array.is_contiguous or not contiguous):
            return array
        copy = self.copy(array, variable)
        if not isinstance(self.values[variable], Scalar):
            self.values[variable] = copy
        return copy

    def copy(self, array: Array, variable: Variable, *, into: View | None = None) -> View:
        """Add a loop that copies an array into new memory, or into the memory given."""
        step = self.after([array.step] if into is None else [array.step, into.step])
        if prod(array.shape) == 1:
            index = self.place_block(step)
            if into is None:
                into = self.array(variable, step=index)
            zeros = ["0"] * len(array.shape)
            block = self.steps[index]
            assert isinstance(block, Statements)
            block.lines.append(into.store(zeros, array.load(zeros), array.kind))
            self.use(array, index)
            self.use(into, index)
            into.step = index
            return into
        index = self.place_kernel(tuple(n for n in array.shape if n != 1), step)
        kernel = self.steps[index]
        assert isinstance(kernel, LoopNest)
        if into is None:
            into = self.array(variable, step=index)
        name = self.load(kernel, index, array, self.loops(array.shape))
        kernel.stores.append(Access(name, into, self.loops(array.shape), array.kind))
        self.use(into, index)
        into.step = index
        return into

    @staticmethod
    def loops(shape: Shape) -> tuple[int | None, ...]:
        """Return for each dimension the loop that runs along it, none along dimensions of length one."""
        counter = iter(range(len(shape)))
        return tuple(None if n == 1 else next(counter) for n in shape)

    def after(self, steps: Iterable[int]) -> int:
        """Return the first step at which values assigned by these steps are known."""
        return max((s if s >= 0 and type(self.steps[s]) is Statements else s + 1 for s in steps), default=0)

    def place_block(self, earliest: int) -> int:
        """Return the index of the first block of statements from ``earliest`` on."""
        for index in range(earliest, len(self.steps)):
            if type(self.steps[index]) is Statements:
                return index
        self.steps.append(Statements())
        return len(self.steps) - 1

    def place_kernel(self, domain: Shape, earliest: int) -> int:
        """Return the index of the first loop nest over the domain from ``earliest`` on."""
        for index in range(earliest, len(self.steps)):
            step = self.steps[index]
            if isinstance(step, LoopNest) and step.domain == domain:
                return index
        self.steps.append(LoopNest(domain))
        return len(self.steps) - 1

    def append(self, lines: list[str], arrays: Iterable[Array] = ()) -> int:
        """Append a step of its own that touches these arrays, and return its index."""
        self.steps.append(Text(lines))
        index = len(self.steps) - 1
        for array in arrays:
            self.use(array, index)
        return index

    def load(self, kernel: LoopNest, index: int, array: Array, dims: tuple[int | None, ...]) -> str:
        """Return the local variable that holds an array's element inside a loop."""
        if isinstance(array, Broadcast):
            return array.scalar.expression
        for load in kernel.loads:
            if load.array is array and load.dims == dims:
                return load.name
        name = self.name("e")
        kernel.loads.append(Access(name, array, dims, array.kind))
        self.use(array, index)
        return name

    def assign(self, variable: Variable, expression: str, steps: Iterable[int]) -> None:
        """Assign an expression to a variable of one element."""
        index = self.place_block(self.after(steps))
        block = self.steps[index]
        assert isinstance(block, Statements)
        name, kind = self.name("s"), kind_of(variable.type.dtype)
        block.lines.append(f"{name} = {expression}")
        self.values[variable] = Scalar(name, kind, index)

    def require(self, condition: str, steps: Iterable[int]) -> None:
        """Make the program fail unless the condition holds."""
        self.script.can_fail = True
        index = self.place_block(self.after(steps))
        block = self.steps[index]
        assert isinstance(block, Statements)
        block.lines.append(f"ok = ok & {condition}")

    def reduction(
        self,
        variable: Variable,
        kernel: LoopNest,
        index: int,
        operation: str,
        term: str,
        kind: Kind,
        loops: frozenset[int],
        dims: tuple[int | None, ...],
    ) -> None:
        """Reduce the local variable ``term`` over some loops of a kernel."""
        name = self.name("r")
        is_partial = len(loops) < len(kernel.domain)
        array: Array
        if is_partial:
            array = self.array(variable, step=index)
            self.values[variable] = array
        else:
            array = Broadcast(Scalar(name, kind, index), ())
            self.values[variable] = Scalar(name, kind, index)
        kernel.reductions.append(Reduction(name, array, dims, kind, operation, term, loops, is_partial))
