"""Lowering of sorting: ever longer runs are merged, which keeps the order of what is equal, in a fixed memory."""

from __future__ import annotations

from pytensor.graph.basic import Apply
from pytensor.tensor.sort import ArgSortOp, SortOp

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.lowering.fortran import shadow
from graphs.backends.numba.lowering.shaping import represent


@lower.register(SortOp)
@lower.register(ArgSortOp)
def lower_sorted(op: SortOp | ArgSortOp, node: Apply, generator: Generator) -> None:
    """Add the order of the elements along an axis, or the elements in that order; not a number comes last."""
    given = generator.read(node.inputs[0])
    view = generator.array(node.outputs[0], step=len(generator.steps))
    size, others = view.shape[op.axis], [n for d, n in enumerate(view.shape) if d != op.axis]
    names = [f"b{d}" for d in range(len(others))]

    def at(place: str) -> list[str]:
        return [*names[: op.axis], place, *names[op.axis :]]

    order, merged = (generator.array(shadow("int64", (size,), generator), step=len(generator.steps)) for _ in range(2))
    width, run, low, middle, high, left, right = (generator.name("k") for _ in range(7))
    first, second = (given.load(at(order.load([place]))) for place in (left, right))
    is_first = f"{first} <= {second}" + (f" or {second} != {second}" if given.kind == "f" else "")
    lines = loop_nest([size], ["i"], [order.store(["i"], "i", "i")])
    lines += [f"{width} = 1", f"for t in range({max(size - 1, 0).bit_length()}):"]
    lines += [f"    for {run} in range(({size - 1} + 2 * {width}) // (2 * {width})):"]
    body = [f"{low} = 2 * {width} * {run}", f"{middle} = {low} + {width}", f"{high} = {middle} + {width}"]
    body += [f"if {middle} > {size}:", f"    {middle} = {size}", f"if {high} > {size}:", f"    {high} = {size}"]
    body += [f"{left} = {low}", f"{right} = {middle}", f"for k in range({low}, {high}):"]
    body += [f"    if {left} < {middle} and ({right} >= {high} or {is_first}):"]
    body += [f"        {merged.store(['k'], order.load([left]), 'i')}", f"        {left} = {left} + 1", "    else:"]
    body += [f"        {merged.store(['k'], order.load([right]), 'i')}", f"        {right} = {right} + 1"]
    lines += [f"        {line}" for line in body]
    lines += [f"    for k in range({size}):", f"        {order.store(['k'], merged.load(['k']), 'i')}"]
    lines += [f"    {width} = 2 * {width}"]
    placed = order.load(["i"]) if isinstance(op, ArgSortOp) else given.load(at(order.load(["i"])))
    kind = "i" if isinstance(op, ArgSortOp) else given.kind
    lines += loop_nest([size], ["i"], [view.store(at("i"), placed, kind)])
    generator.append(loop_nest(others, names, lines), [given, view, order, merged])
    represent(generator, node.outputs[0], view)
