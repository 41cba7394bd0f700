"""Lowering of operations that move elements without computing: views, fills, joins; and of checks."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from pytensor.compile.ops import DeepCopyOp, TypeCastingOp
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import (
    Alloc,
    AllocEmpty,
    ARange,
    ExtractDiag,
    Join,
    MakeVector,
    ScalarFromTensor,
    Split,
    TensorFromScalar,
)
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.extra_ops import CpuContiguous
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import Statements
from graphs.backends.numba.compiler.values import (
    Array,
    Broadcast,
    Element,
    Gather,
    Scalar,
    Subscript,
    View,
    contiguous_strides,
    convert,
    kind_of,
)


def alias(generator: Generator, target: Variable, source: Variable) -> None:
    """Let a variable be another one of equal shape and dtype."""
    generator.values[target] = generator.value(source)


def subscripted(base: Array, subscripts: Sequence[Subscript], shape: tuple[int, ...], step: int) -> Array:
    """Return an array read through subscripts, as a strided view where that is possible."""
    if isinstance(base, Broadcast):
        return Broadcast(base.scalar, shape)
    if isinstance(base, View) and all(s.array is None for s in subscripts):
        strides = [0] * len(shape)
        terms = [] if base.offset == "0" else [base.offset]
        fixed = 0
        for stride, subscript in zip(base.strides, subscripts, strict=True):
            if subscript.stride and shape[subscript.dim] != 1:
                strides[subscript.dim] += stride * subscript.stride
            if subscript.start.lstrip("-").isdigit():
                fixed += stride * int(subscript.start)
            elif stride:
                terms.append(f"{stride} * {subscript.start}")
        if fixed:
            terms.append(str(fixed))
        offset = " + ".join(terms) or "0"
        return View(base.buffer, base.kind, shape, tuple(strides), offset, step)
    for buffer in base.buffers():
        buffer.is_gathered = True
    return Gather(base, tuple(subscripts), shape, step)


def row_of(array: Array, position: str) -> Array:
    """Return a row of an array."""
    core = array.shape[1:]
    rest = [Subscript() if n == 1 else Subscript("0", 1, d) for d, n in enumerate(core)]
    return subscripted(array, [Subscript(position), *rest], core, -1)


@lower.register(DimShuffle)
def lower_dimshuffle(op: DimShuffle, node: Apply, generator: Generator) -> None:
    """Represent a transposition or broadcast as a view."""
    (source,), (target,) = node.inputs, node.outputs
    value = generator.value(source)
    shape = generator.shape(target)
    if isinstance(value, Scalar):
        generator.values[target] = value
        return
    loops = generator.loops(generator.shape(source))
    moved = [loops[d] for d in op.new_order if d != "x" and loops[d] is not None]
    if isinstance(value, Element) and moved == sorted(moved):
        generator.values[target] = Element(value.kernel, value.name, value.kind, shape)
        return
    array = generator.read(source)
    subscripts = []
    for d, length in enumerate(generator.shape(source)):
        places = [k for k, origin in enumerate(op.new_order) if origin == d]
        subscripts.append(Subscript("0", 1, places[0]) if places and length != 1 else Subscript())
    generator.values[target] = subscripted(array, subscripts, shape, array.step)


@lower.register(Reshape)
def lower_reshape(op: Reshape, node: Apply, generator: Generator) -> None:
    """Represent a reshape as a view of contiguous memory."""
    source, (target,) = node.inputs[0], node.outputs
    value = generator.value(source)
    shape = generator.shape(target)
    squeezed = [tuple(n for n in generator.shape(v) if n != 1) for v in (source, target)]
    if isinstance(value, Scalar):
        generator.values[target] = value
    elif isinstance(value, Broadcast):
        generator.values[target] = Broadcast(value.scalar, shape)
    elif isinstance(value, Element) and squeezed[0] == squeezed[1]:
        generator.values[target] = Element(value.kernel, value.name, value.kind, shape)
    else:
        view = generator.view(source, contiguous=True)
        generator.values[target] = View(
            view.buffer, view.kind, shape, contiguous_strides(shape), view.offset, view.step
        )


@lower.register(SpecifyShape)
@lower.register(TypeCastingOp)
@lower.register(DeepCopyOp)
@lower.register(CpuContiguous)
@lower.register(TensorFromScalar)
@lower.register(ScalarFromTensor)
def lower_identity(op: Any, node: Apply, generator: Generator) -> None:
    """Represent an operation without effect on static shapes."""
    alias(generator, node.outputs[0], node.inputs[0])


@lower.register(CheckAndRaise)
def lower_check(op: CheckAndRaise, node: Apply, generator: Generator) -> None:
    """Let the program fail instead of raising an error."""
    for condition in node.inputs[1:]:
        value = generator.value(condition)
        assert isinstance(value, Scalar)
        if value.constant is None or not value.constant:
            generator.require(convert(value.expression, value.kind, "b"), [value.step])
    alias(generator, node.outputs[0], node.inputs[0])


@lower.register(Shape)
@lower.register(Shape_i)
def lower_shape(op: Shape | Shape_i, node: Apply, generator: Generator) -> None:
    """Represent a shape by its static value."""
    shape = generator.shape(node.inputs[0])
    data = np.asarray(shape if isinstance(op, Shape) else shape[op.i], dtype=np.int64)
    generator.values[node.outputs[0]] = generator.value(Constant(node.outputs[0].type, data))


@lower.register(Alloc)
def lower_alloc(op: Alloc, node: Apply, generator: Generator) -> None:
    """Represent a fill as a broadcast view of its value."""
    source, (target,) = node.inputs[0], node.outputs
    shape, own = generator.shape(target), generator.shape(source)
    value = generator.value(source)
    if isinstance(value, Scalar):
        generator.values[target] = value if prod(shape) == 1 else Broadcast(value, shape)
        return
    array = generator.read(source)
    skipped = len(shape) - len(own)
    subscripts = [Subscript() if n == 1 else Subscript("0", 1, skipped + d) for d, n in enumerate(own)]
    generator.values[target] = subscripted(array, subscripts, shape, array.step)


@lower.register(AllocEmpty)
def lower_empty(op: AllocEmpty, node: Apply, generator: Generator) -> None:
    """Represent uninitialised memory by zeros."""
    (target,) = node.outputs
    kind = kind_of(target.type.dtype)
    zero = Scalar({"f": "0.0", "i": "0", "b": "False"}[kind], kind)
    shape = generator.shape(target)
    generator.values[target] = zero if prod(shape) == 1 else Broadcast(zero, shape)


@lower.register(ARange)
def lower_arange(op: ARange, node: Apply, generator: Generator) -> None:
    """Write ``start + i * step``, the length being static."""
    (target,) = node.outputs
    (start, start_kind), _, (step, step_kind) = (generator.operand(variable) for variable in node.inputs)
    kind = kind_of(target.type.dtype)
    steps = [v.step for v in map(generator.value, node.inputs) if isinstance(v, Scalar)]
    first, increment = convert(start, start_kind, kind), convert(step, step_kind, kind)
    if generator.is_scalar(target):
        generator.assign(target, first, steps)
        return
    view = generator.array(target, step=len(generator.steps))
    body = view.store(["i0"], f"{first} + i0 * {increment}", kind)
    generator.append([f"for i0 in range({view.shape[0]}):", f"    {body}"], [view])
    generator.values[target] = view


@lower.register(MakeVector)
def lower_make_vector(op: MakeVector, node: Apply, generator: Generator) -> None:
    """Store scalars side by side."""
    (target,) = node.outputs
    if generator.is_scalar(target):
        expression, kind = generator.operand(node.inputs[0])
        value = generator.value(node.inputs[0])
        assert isinstance(value, Scalar)
        generator.assign(target, convert(expression, kind, kind_of(target.type.dtype)), [value.step])
        return
    steps = [v.step for v in map(generator.value, node.inputs) if isinstance(v, Scalar)]
    index = generator.place_block(generator.after(steps))
    block = generator.steps[index]
    assert isinstance(block, Statements)
    view = generator.array(target, step=index)
    for k, variable in enumerate(node.inputs):
        block.lines.append(view.store([str(k)], *generator.operand(variable)))
    generator.values[target] = view


@lower.register(Join)
def lower_join(op: Join, node: Apply, generator: Generator) -> None:
    """Copy arrays side by side."""
    axis, sources, (target,) = op.axis, node.inputs, node.outputs
    whole = generator.array(target, step=-1)
    start = 0
    steps = []
    for source in sources:
        shape = generator.shape(source)
        if not prod(shape):
            continue
        part = View(whole.buffer, whole.kind, shape, _masked(whole.strides, shape), str(start * whole.strides[axis]))
        start += shape[axis]
        generator.copy(generator.read(source), source, into=part)
        steps.append(part.step)
    whole.step = max(steps, default=-1)
    generator.values[target] = whole


def _masked(strides: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Set strides along dimensions of length one to zero."""
    return tuple(0 if n == 1 else stride for stride, n in zip(strides, shape, strict=True))


@lower.register(Split)
def lower_split(op: Split, node: Apply, generator: Generator) -> None:
    """Represent the parts as views."""
    source = node.inputs[0]
    array = generator.read(source)
    start = 0
    for target in node.outputs:
        shape = generator.shape(target)
        subscripts = [
            Subscript(str(start) if d == op.axis else "0", 0 if shape[d] == 1 else 1, d) for d in range(len(shape))
        ]
        start += shape[op.axis]
        represent(generator, target, subscripted(array, subscripts, shape, array.step))


def represent(generator: Generator, target: Variable, array: Array) -> None:
    """Represent a variable by an array, or by its one element."""
    if not generator.is_scalar(target):
        generator.values[target] = array
        return
    generator.assign(target, array.load(["0"] * len(array.shape)), [array.step])
    value = generator.values[target]
    assert isinstance(value, Scalar)
    generator.use(array, value.step)


@lower.register(ExtractDiag)
def lower_diagonal(op: ExtractDiag, node: Apply, generator: Generator) -> None:
    """Represent a diagonal as a view."""
    (source,), (target,) = node.inputs, node.outputs
    shape = generator.shape(target)
    array = generator.read(source)
    first, second = op.axis1 % (len(shape) + 1), op.axis2 % (len(shape) + 1)
    others = iter(range(len(shape) - 1))
    subscripts = []
    for d in range(len(shape) + 1):
        if d in (first, second):
            start = max(0, -op.offset) if d == first else max(0, op.offset)
            subscripts.append(Subscript(str(start), 0 if shape[-1] == 1 else 1, len(shape) - 1))
        else:
            dim = next(others)
            subscripts.append(Subscript("0", 0 if shape[dim] == 1 else 1, dim))
    represent(generator, target, subscripted(array, subscripts, shape, array.step))
