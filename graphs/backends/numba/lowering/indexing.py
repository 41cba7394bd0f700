"""Lowering of indexing: reading through indices, and writing or adding through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    unflatten_index_variables,
)
from pytensor.tensor.type import TensorType

from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import combine, loop_nest
from graphs.backends.numba.compiler.values import Array, Scalar, Subscript, View, convert
from graphs.backends.numba.lowering.shaping import represent, subscripted
from graphs.errors import BackendError


def _static(variable: Any, generator: Generator, op: Any) -> int | None:
    """Return the value of a slice bound, which must not depend on the inputs."""
    if variable is None or isinstance(variable, int):
        return variable
    value = generator.value(variable)
    if not isinstance(value, Scalar) or value.constant is None:
        raise BackendError(f"The Numba backend needs constant slice bounds in {op}.", "numba", str(op))
    return int(value.constant)


def _scalar_position(variable: Any, length: int, generator: Generator, steps: list[int]) -> str:
    """Return the position of a scalar index, which may count from the end."""
    value = generator.value(variable)
    assert isinstance(value, Scalar)
    if value.constant is not None:
        position = int(value.constant)
        if not -length <= position < length:
            raise BackendError(f"Index {position} is out of bounds for length {length}.", "numba")
        return str(position % length)
    name = generator.name("k")
    index = generator.place_block(generator.after([value.step]))
    plain = convert(value.expression, value.kind, "i")
    generator.steps[index].lines.append(f"{name} = wrap_index({plain}, {length})")
    generator.require(f"({-length} <= {plain}) & ({plain} < {length})", [index])
    steps.append(index)
    return name


def _array_position(variable: Variable, length: int, generator: Generator, steps: list[int]) -> tuple[Array, int]:
    """Return integer positions and the length by which they wrap around; 0 if they are known to lie inside."""
    if isinstance(variable, Constant):
        data = np.asarray(variable.data)
        if data.size and not (data.min() >= -length and data.max() < length):
            raise BackendError(f"An index is out of bounds for length {length}.", "numba")
        if data.size and data.min() < 0:
            variable = Constant(variable.type, np.where(data < 0, data + length, data).astype(data.dtype))
        return generator.read(variable), 0
    array = generator.read(variable)
    steps.append(array.step)
    names = [f"i{d}" for d in range(len(array.shape))]
    current, inside = generator.name("k"), generator.name("inside")
    body = [f"{current} = {array.load(names)}", f"{inside} &= ({-length} <= {current}) & ({current} < {length})"]
    index = generator.append([f"{inside} = True", *loop_nest(array.shape, names, body)], [array])
    generator.require(inside, [index])
    return array, length


def basic_subscripts(
    entries: Sequence[Any], shape: Sequence[int], generator: Generator, op: Any
) -> tuple[list[Subscript], tuple[int, ...], list[int]]:
    """Return the subscripts of a basic index, the shape of the result, and the steps that it depends on."""
    subscripts: list[Subscript] = []
    result: list[int] = []
    steps: list[int] = []
    for entry, length in zip([*entries, *[slice(None)] * (len(shape) - len(entries))], shape, strict=True):
        if isinstance(entry, slice):
            bounds = slice(*(_static(part, generator, op) for part in (entry.start, entry.stop, entry.step)))
            positions = range(*bounds.indices(length))
            stride = 0 if len(positions) == 1 else positions.step
            subscripts.append(Subscript(str(positions.start), stride, len(result)))
            result.append(len(positions))
        else:
            subscripts.append(Subscript(_scalar_position(entry, length, generator, steps)))
    return subscripts, tuple(result), steps


def advanced_subscripts(
    entries: Sequence[Any], shape: Sequence[int], generator: Generator, op: Any
) -> tuple[list[Subscript], tuple[int, ...], list[int]]:
    """Return the same for an advanced index, whose array dimensions come where NumPy puts them."""
    expanded: list[Any] = []
    for entry in entries:
        if not isinstance(entry, slice) and entry.type.dtype == "bool":
            if not isinstance(entry, Constant):
                raise BackendError(
                    f"The Numba backend cannot select by a mask that varies ({op}), whose result has no fixed shape; "
                    "use switch, or backend='c'.",
                    "numba",
                    str(op),
                )
            expanded += [_integers(positions) for positions in np.asarray(entry.data).nonzero()]
        else:
            expanded.append(entry)
    expanded += [slice(None)] * (len(shape) - len(expanded))
    places = [d for d, entry in enumerate(expanded) if not isinstance(entry, slice)]
    together = np.broadcast_shapes(*(generator.shape(expanded[d]) for d in places))
    contiguous = places == list(range(places[0], places[-1] + 1))
    first = places[0] if contiguous else 0
    steps: list[int] = []
    subscripts, result = [], [] if first else list(together)
    for d, (entry, length) in enumerate(zip(expanded, shape, strict=True)):
        if d == first and first:
            result += together
        if isinstance(entry, slice):
            bounds = slice(*(_static(part, generator, op) for part in (entry.start, entry.stop, entry.step)))
            positions = range(*bounds.indices(length))
            subscripts.append(
                Subscript(str(positions.start), 0 if len(positions) == 1 else positions.step, len(result))
            )
            result.append(len(positions))
        elif generator.is_scalar(entry):
            subscripts.append(Subscript(_scalar_position(entry, length, generator, steps)))
        else:
            array, wrap = _array_position(entry, length, generator, steps)
            offset = first + len(together) - len(array.shape)
            dims = tuple(None if n == 1 else offset + k for k, n in enumerate(array.shape))
            subscripts.append(Subscript(array=array, dims=dims, wrap=wrap))
    return subscripts, tuple(result), steps


def _integers(positions: np.ndarray) -> Constant:
    """Return a constant index vector."""
    return Constant(TensorType("int64", (len(positions),)), positions.astype(np.int64))


def _subscripts(
    op: Any, indices: Sequence[Variable], shape: Sequence[int], generator: Generator
) -> tuple[list[Subscript], tuple[int, ...], list[int]]:
    """Return the subscripts of any index."""
    entries = unflatten_index_variables(list(indices), op.idx_list)
    find = advanced_subscripts if isinstance(op, AdvancedSubtensor | AdvancedIncSubtensor) else basic_subscripts
    return find(entries, shape, generator, op)


@lower.register(Subtensor)
@lower.register(AdvancedSubtensor)
def lower_read(op: Subtensor | AdvancedSubtensor, node: Apply, generator: Generator) -> None:
    """Represent an indexed array by its subscripts."""
    _read(op, node, node.inputs[1:], 0, generator)
    (target,) = node.outputs
    if isinstance(op, AdvancedSubtensor) and _is_batch_of_rows(node, generator):
        generator.values[target] = generator.copy(generator.read(target), target)


def _is_batch_of_rows(node: Apply, generator: Generator) -> bool:
    """Whether rows of a matrix are read that only a run tells, for products: value and gradient read them twice."""
    matrix, *indices = node.inputs
    is_of_rows = node.op.idx_list == (0,) and not isinstance(indices[0], Constant)
    if not is_of_rows or len(generator.shape(matrix)) != 2 or generator.shape(matrix)[1] < 2:
        return False
    waiting = [node.outputs[0]]
    while waiting:
        for client, _ in generator.fgraph.clients[waiting.pop()]:
            core = client.op.core_op if isinstance(client.op, Blockwise) else client.op
            if isinstance(core, Dot):
                return True
            if isinstance(core, DimShuffle):
                waiting += client.outputs
    return False


@lower.register(IncSubtensor)
@lower.register(AdvancedIncSubtensor)
def lower_write(op: IncSubtensor | AdvancedIncSubtensor, node: Apply, generator: Generator) -> None:
    """Copy an array and write or add through an index, duplicates adding up."""
    _write(op, node, node.inputs[2:], 0, generator)


def lower_batched(op: Blockwise, node: Apply, generator: Generator) -> bool:
    """Add a batch of indexings by one and the same index; return whether that is what the operation is."""
    core, num_batch = op.core_op, op.batch_ndim(node)
    is_write = isinstance(core, IncSubtensor | AdvancedIncSubtensor)
    if not is_write and not isinstance(core, Subtensor | AdvancedSubtensor):
        return False
    indices = node.inputs[2 if is_write else 1 :]
    if any(prod(generator.shape(v)[:num_batch]) != 1 for v in indices):
        return False
    own = [_without_batch(variable, num_batch, generator) for variable in indices]
    (_write if is_write else _read)(core, node, own, num_batch, generator)
    return True


def _without_batch(variable: Variable, num_batch: int, generator: Generator) -> Variable:
    """Return an index without its leading dimensions, all of length one."""
    core: Any = TensorType(variable.type.dtype, generator.shape(variable)[num_batch:])
    if isinstance(variable, Constant):
        return Constant(core, np.asarray(variable.data).reshape(core.shape))
    index = core()
    generator.shapes[index] = core.shape
    value = generator.value(variable)
    if isinstance(value, Scalar):
        generator.values[index] = value
        return index
    array = generator.read(variable)
    kept = [Subscript() if n == 1 else Subscript("0", 1, d) for d, n in enumerate(core.shape)]
    generator.values[index] = subscripted(array, [Subscript()] * num_batch + kept, core.shape, array.step)
    return index


def _batched(
    op: Any, indices: Sequence[Variable], shape: Sequence[int], num_batch: int, generator: Generator
) -> tuple[list[Subscript], tuple[int, ...], list[int]]:
    """Return the subscripts of an index into each of a batch of arrays."""
    subscripts, region, steps = _subscripts(op, indices, shape[num_batch:], generator)
    batch = [Subscript() if n == 1 else Subscript("0", 1, d) for d, n in enumerate(shape[:num_batch])]
    moved = [
        replace(s, dim=s.dim + num_batch, dims=tuple(None if d is None else d + num_batch for d in s.dims))
        for s in subscripts
    ]
    return [*batch, *moved], (*shape[:num_batch], *region), steps


def _read(op: Any, node: Apply, indices: Sequence[Variable], num_batch: int, generator: Generator) -> None:
    """Represent an indexed array by its subscripts."""
    source, (target,) = node.inputs[0], node.outputs
    subscripts, shape, steps = _batched(op, indices, generator.shape(source), num_batch, generator)
    array = generator.read(source)
    # Subscripts of a later step make the array readable only from that step on.
    step = max([array.step, *steps])
    represent(generator, target, subscripted(array, subscripts, shape, step))


def _write(op: Any, node: Apply, indices: Sequence[Variable], num_batch: int, generator: Generator) -> None:
    """Copy an array and write or add through an index."""
    source, update = node.inputs[:2]
    (target,) = node.outputs
    subscripts, region, _ = _batched(op, indices, generator.shape(target), num_batch, generator)
    whole = writable(generator, source, target)
    terms = generator.read(update)
    names = [f"i{d}" for d in range(len(region))]
    positions = [s.position(names) for s in subscripts]
    place = whole.position([f"({p})" if " " in p else p for p in positions])
    # Batches stand alike; of the rest the last dimensions.
    aligned = names[:num_batch] + names[len(region) - len(terms.shape) + num_batch :]
    term = terms.load(["0" if n == 1 else name for n, name in zip(terms.shape, aligned, strict=True)])
    term = convert(term, terms.kind, whole.kind)
    if not op.set_instead_of_inc:
        term = combine("add", whole.kind, convert(place, whole.buffer.storage, whole.kind), term)
    body = [f"{place} = {convert(term, whole.kind, whole.buffer.storage)}"]
    index_arrays = [s.array for s in subscripts if s.array is not None]
    generator.append(loop_nest(region, names, body), [whole, terms, *index_arrays])
    step = len(generator.steps) - 1
    final = View(whole.buffer, whole.kind, whole.shape, whole.strides, whole.offset, step)
    represent(generator, target, final)


def writable(generator: Generator, source: Variable, target: Variable) -> View:
    """Return memory that holds the source and may be overwritten: its own if nobody else reads it."""
    value = generator.read(source)
    shape, own = generator.shape(target), generator.shape(source)
    if own != shape:
        repeated = [Subscript() if n == 1 else Subscript("0", 1, d) for d, n in enumerate(own)]
        value = subscripted(value, repeated, shape, value.step)
    # Views share memory: only an operation that wrote its own, for this one reader, can give it away.
    is_private = (
        source.owner is not None
        and isinstance(source.owner.op, Elemwise | IncSubtensor | AdvancedIncSubtensor)
        and len(generator.fgraph.clients[source]) == 1
        and source in generator.owned
        and target not in generator.reserved
        and own == shape
    )
    if is_private and isinstance(value, View) and value.buffer.scope == "work":
        generator.owned.add(target)
        return value
    return generator.copy(value, target, into=generator.array(target, step=-1))
