"""Lowering of cumulative sums and products.

PyTensor has an implementation of its own, but keeps it on disk under a key that says nothing of the number of
dimensions: what was compiled for a vector is then called with a matrix.
"""

from __future__ import annotations

from pytensor.graph.basic import Apply
from pytensor.tensor.extra_ops import CumOp

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import loop_nest
from graphs.backends.numba.compiler.values import convert, kind_of
from graphs.backends.numba.lowering.shaping import represent


@lower.register(CumOp)
def lower_cumulative(op: CumOp, node: Apply, generator: Generator) -> None:
    """Add loops in which each element continues the one before it."""
    target = node.outputs[0]
    shape, kind = generator.shape(target), kind_of(target.type.dtype)
    axis = op.axis
    names = [f"i{d}" for d in range(len(shape))]
    array = generator.read(node.inputs[0])
    view = generator.array(target, step=len(generator.steps))
    index = ["0" if n == 1 else name for n, name in zip(shape, names, strict=True)]
    value = convert(array.load(index), array.kind, kind)
    before = view.load([f"({name} - 1)" if d == axis else name for d, name in enumerate(names)])
    symbol = "+" if op.mode == "add" else "*"
    body = [
        f"if {names[axis]} == 0:",
        f"    {view.store(names, value, kind)}",
        "else:",
        f"    {view.store(names, f'{before} {symbol} {value}', kind)}",
    ]
    generator.append(loop_nest(shape, names, body), [array, view])
    represent(generator, target, view)
