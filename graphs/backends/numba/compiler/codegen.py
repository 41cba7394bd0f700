"""From a rewritten graph to the source of one flat function."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.shape import Reshape

from graphs.backends.numba.compiler.callback import Callback
from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import INDENT
from graphs.backends.numba.compiler.parts import in_parts
from graphs.backends.numba.compiler.values import Buffer, Scalar, Shape, View, contiguous_strides, convert, kind_of


@dataclass(frozen=True)
class Generated:
    """Generated source and what it refers to.

    Parameters
    ----------
    source : str
        Python source of the function ``PROGRAM``.
    names : mapping
        Global names that it uses.
    known : mapping
        Of the names of foreign functions, what their machine code depends on; None if that cannot be told.
    fdata, idata : array
        Constants.
    work_size : int
        Length of the scratch buffer.
    callbacks : tuple of Callback
        What it calls Python for.
    parts : mapping of str to str
        Functions that it calls, by name: their sources, each of a function ``PROGRAM``.
    """

    source: str
    names: Mapping[str, Any]
    known: Mapping[str, str | None]
    fdata: NDArray[np.float64]
    idata: NDArray[np.int64]
    work_size: int
    callbacks: tuple[Callback, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)


def generate(
    fgraph: FunctionGraph,
    shapes: MutableMapping[Variable, Shape],
    *,
    num_inputs: int,
    num_context: int,
    num_outputs: int,
    has_value: bool,
) -> Generated:
    """Generate the source of a graph.

    Parameters
    ----------
    fgraph : FunctionGraph
        Its inputs are the ``num_inputs`` inputs, then the context, then generators; its outputs are the
        ``num_outputs`` outputs, then the value if there is one, then generators.
    shapes : mapping of Variable to tuple of int
        Shape of every tensor variable.
    num_inputs, num_context, num_outputs : int
        See ``fgraph``.
    has_value : bool
        Whether the function returns a value.
    """
    generator = Generator(fgraph, shapes)
    _declare(generator, fgraph.inputs[:num_inputs], "x")
    _declare(generator, fgraph.inputs[num_inputs : num_inputs + num_context], "context")
    outputs = fgraph.outputs[:num_outputs]
    places = _reserve_outputs(generator, outputs)
    for node in fgraph.toposort():
        lower(node.op, node, generator)
    for variable, place in zip(outputs, places, strict=True):
        _write_output(generator, variable, place)
    value = None
    if has_value:
        value = convert(*generator.operand(fgraph.outputs[num_outputs]), "f")
    num_numbers = sum(prod(generator.shape(variable)) for variable in outputs)
    return _assemble(generator, value, num_numbers)


def _declare(generator: Generator, variables: Sequence[Variable], base: str) -> None:
    """Make the inputs readable; those of one element become local variables."""
    offset = 0
    for variable in variables:
        shape, kind = generator.shape(variable), kind_of(variable.type.dtype)
        buffer = Buffer(generator.memory.name(variable.name), "f", prod(shape), "fixed", base, offset)
        offset += prod(shape)
        if prod(shape) == 1:
            if generator.fgraph.clients[variable]:
                name = f"{buffer.name}_value"
                generator.memory.add(buffer)
                generator.script.preface.append(f"{name} = {convert(f'{buffer.name}[0]', 'f', kind)}")
                generator.values[variable] = Scalar(name, kind)
            continue
        generator.memory.add(buffer)
        generator.values[variable] = View(buffer, kind, shape, contiguous_strides(shape))


def _reserve_outputs(generator: Generator, outputs: Sequence[Variable]) -> list[Buffer]:
    """Lay the outputs out; one that is computed in place needs no copy."""
    places, offset = [], 0
    for variable in outputs:
        size = prod(generator.shape(variable))
        buffer = Buffer(generator.memory.name(f"out_{variable.name or ''}"), "f", size, "out", "out", offset)
        offset += size
        generator.memory.add(buffer)
        places.append(buffer)
        origin = variable
        while (
            origin.owner is not None
            and isinstance(origin.owner.op, Reshape)
            and len(generator.fgraph.clients[origin]) == 1
        ):
            origin = origin.owner.inputs[0]
        if origin.owner is not None and size != 1 and origin not in generator.reserved:
            generator.reserved[origin] = buffer
    return places


def _write_output(generator: Generator, variable: Variable, place: Buffer) -> None:
    """Copy an output to its place unless it was computed there."""
    shape, kind = generator.shape(variable), kind_of(variable.type.dtype)
    if not prod(shape):
        return
    array = generator.read(variable)
    if isinstance(array, View) and array.buffer is place:
        return
    generator.copy(array, variable, into=View(place, kind, shape, contiguous_strides(shape)))


def _assemble(generator: Generator, value: str | None, num_numbers: int) -> Generated:
    """Join preface, steps and ending."""
    work_size = generator.memory.place_scratch()
    script = generator.script
    declarations = {
        buffer.name: f"{buffer.name} = {generator.pointer_function(buffer)}({buffer.base}, {buffer.start})"
        for buffer in generator.memory.declared()
    }
    before = [*script.preface, *(["ok = True"] if script.can_fail else [])]
    after = [f"rng[{i}] = words[{i}]" for i in range(4)] if script.uses_rng else []
    if script.uses_rng:
        before.append("words = (rng[0], rng[1], rng[2], rng[3])")
    if script.can_fail:
        after += ["if not ok:", f"{INDENT}for i0 in range({num_numbers}):", f"{2 * INDENT}out[i0] = np.nan"]
        after.append(f"{INDENT}return {'-np.inf' if value else '0.0'}")
    after.append(f"return {value or '0.0'}")
    steps = in_parts(declarations, before, [step.render() for step in generator.steps], after)
    lines = [*declarations.values(), *before, *steps.main, *after]
    head = "def PROGRAM(x, context, out, rng, fdata, idata, work):"
    return Generated(
        "\n".join([head, *(INDENT + line for line in lines)]) + "\n",
        generator.script.names,
        generator.script.known,
        np.concatenate([np.zeros(0), *generator.memory.fdata]),
        np.concatenate([np.zeros(0, np.int64), *generator.memory.idata]),
        work_size,
        tuple(generator.script.callbacks),
        steps.functions,
    )
