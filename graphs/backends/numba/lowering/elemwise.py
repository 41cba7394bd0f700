"""Lowering of elementwise operations and reductions into fused loops."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import pytensor.scalar as ps
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.math import Argmax, MulWithoutZeros

from graphs.backends.numba.compiler.callback import lower_callback
from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import INITIAL, LoopNest, Statements, loop_nest
from graphs.backends.numba.compiler.scalar import apply_scalar, is_compiled
from graphs.backends.numba.compiler.values import Element, Kind, Scalar, Shape, convert, kind_of

OPERATIONS: dict[type[ps.ScalarOp], str] = {
    ps.Add: "add",
    ps.Mul: "mul",
    ps.Maximum: "maximum",
    ps.Minimum: "minimum",
    ps.AND: "and",
    ps.OR: "or",
    ps.XOR: "xor",
    MulWithoutZeros: "multiply_nonzero",
}


def scalar_node(node: Apply) -> Apply | None:
    """Return the scalar node that an elementwise node applies to every element."""
    if isinstance(node.op.scalar_op, ps.Composite):
        return None
    inputs = [ps.get_scalar_type(variable.type.dtype).make_variable() for variable in node.inputs]
    return node.op.scalar_op.make_node(*inputs)


def earliest_step(generator: Generator, inputs: Sequence[Variable], domain: Shape) -> int:
    """Return the first step in which all inputs of a loop over the domain are known."""
    earliest = 0
    for variable in inputs:
        value = generator.value(variable)
        if isinstance(value, Element):
            step = generator.steps.index(value.kernel)
            earliest = max(earliest, step if value.kernel.domain == domain else step + 1)
        else:
            earliest = max(earliest, generator.after([value.step]))
    return earliest


def element(generator: Generator, kernel: LoopNest, index: int, variable: Variable, shape: Shape) -> tuple[str, Kind]:
    """Return the local variable that holds an input's current element inside a loop over ``shape``.

    Parameters
    ----------
    generator, kernel, index
        The loop nest and its step.
    variable : Variable
        The input, of as many dimensions as ``shape``, broadcast where its length is one.
    shape : tuple of int
        Shape that is looped over; the kernel's domain is ``shape`` without its ones.
    """
    value = generator.value(variable)
    if isinstance(value, Scalar):
        return value.expression, value.kind
    loops = generator.loops(shape)
    own = generator.shape(variable)
    if isinstance(value, Element) and value.kernel is kernel and _squeezed(own) == kernel.domain:
        return value.name, value.kind
    array = generator.read(variable)
    dims = tuple(None if n == 1 else loop for n, loop in zip(own, loops, strict=True))
    return generator.load(kernel, index, array, dims), array.kind


def _squeezed(shape: Shape) -> Shape:
    """Drop dimensions of length one."""
    return tuple(n for n in shape if n != 1)


@lower.register(Elemwise)
def lower_elemwise(op: Elemwise, node: Apply, generator: Generator) -> None:
    """Add an elementwise operation to a loop over its shape, or to a block if it has one element."""
    shape = generator.shape(node.outputs[0])
    dtypes = [variable.type.dtype for variable in node.outputs]
    inner = scalar_node(node)
    if inner is not None and not is_compiled(generator, op.scalar_op, inner):
        lower_callback(node, generator)
        return
    if prod(shape) == 1:
        values = [generator.value(variable) for variable in node.inputs]
        index = generator.place_block(generator.after(v.step for v in values if isinstance(v, Scalar)))
        block = generator.steps[index]
        assert isinstance(block, Statements)
        operands = [generator.operand(variable) for variable in node.inputs]
        results = apply_scalar(generator, op.scalar_op, inner, operands, dtypes, block.lines)
        for variable, (name, kind) in zip(node.outputs, results, strict=True):
            generator.values[variable] = Scalar(name, kind, index)
        return
    domain = _squeezed(shape)
    index = generator.place_kernel(domain, earliest_step(generator, node.inputs, domain))
    kernel = generator.steps[index]
    assert isinstance(kernel, LoopNest)
    operands = [element(generator, kernel, index, variable, shape) for variable in node.inputs]
    results = apply_scalar(generator, op.scalar_op, inner, operands, dtypes, kernel.lines, in_loop=True)
    for variable, (name, kind) in zip(node.outputs, results, strict=True):
        generator.values[variable] = Element(kernel, name, kind, generator.shape(variable))


@lower.register(CAReduce)
def lower_reduction(op: CAReduce, node: Apply, generator: Generator) -> None:
    """Add a reduction to a loop over its input's shape."""
    (source,), (target,) = node.inputs, node.outputs
    shape = generator.shape(source)
    axes = range(len(shape)) if op.axis is None else [axis % len(shape) for axis in op.axis]
    operation = OPERATIONS.get(type(op.scalar_op))
    if operation is None:
        lower_callback(node, generator)
        return
    kind = kind_of(target.type.dtype)
    loops = generator.loops(shape)
    reduced = frozenset(loops[axis] for axis in axes if loops[axis] is not None)
    if not reduced:
        _keep_elements(generator, source, target)
        return
    domain = _squeezed(shape)
    index = generator.place_kernel(domain, earliest_step(generator, [source], domain))
    kernel = generator.steps[index]
    assert isinstance(kernel, LoopNest)
    term, term_kind = element(generator, kernel, index, source, shape)
    if term_kind != kind:
        name = generator.name("t")
        kernel.lines.append(f"{name} = {convert(term, term_kind, kind)}")
        term = name
    dims = tuple(loops[d] for d in range(len(shape)) if d not in set(axes))
    if prod(generator.shape(target)) == 1:
        dims = ()
    generator.reduction(target, kernel, index, operation, term, kind, reduced, dims)  # type: ignore[arg-type]


def _keep_elements(generator: Generator, source: Variable, target: Variable) -> None:
    """Represent a reduction over dimensions of length one: the elements stay as they are."""
    kind = kind_of(target.type.dtype)
    value = generator.value(source)
    if isinstance(value, Scalar):
        generator.assign(target, convert(value.expression, value.kind, kind), [value.step])
        return
    shape = generator.shape(source)
    domain = _squeezed(shape)
    index = generator.place_kernel(domain, earliest_step(generator, [source], domain))
    kernel = generator.steps[index]
    assert isinstance(kernel, LoopNest)
    term, term_kind = element(generator, kernel, index, source, shape)
    name = generator.name("t")
    kernel.lines.append(f"{name} = {convert(term, term_kind, kind)}")
    generator.values[target] = Element(kernel, name, kind, generator.shape(target))


@lower.register(Argmax)
def lower_argmax(op: Argmax, node: Apply, generator: Generator) -> None:
    """Add a loop that finds the first position of the largest element, or of the first NaN."""
    (source,), (target,) = node.inputs, node.outputs
    shape = generator.shape(source)
    axes = list(range(len(shape)) if op.axis is None else op.axis)
    array = generator.read(source)
    kept = [d for d in range(len(shape)) if d not in axes]
    index = [f"i{d}" for d in range(len(shape))]
    best, place, position, current = (generator.name(p) for p in ("best", "place", "position", "current"))
    initial = INITIAL["maximum"][array.kind]
    body = [
        f"{current} = {array.load(index)}",
        f"if {position} == 0 or {current} > {best} or ({current} != {current} and {best} == {best}):",
        f"    {best} = {current}",
        f"    {place} = {position}",
        f"{position} += 1",
    ]
    search = [f"{best} = {initial}", f"{place} = 0", f"{position} = 0"]
    search += loop_nest([shape[d] for d in axes], [index[d] for d in axes], body)
    if generator.is_scalar(target):
        ones = [f"i{d} = 0" for d in kept]
        step = generator.append([*ones, *search], [array])
        generator.values[target] = Scalar(place, "i", step)
        return
    view = generator.array(target, step=len(generator.steps))
    search.append(view.store([index[d] for d in kept], place, "i"))
    generator.append(loop_nest([shape[d] for d in kept], [index[d] for d in kept], search), [array, view])
    generator.values[target] = view
