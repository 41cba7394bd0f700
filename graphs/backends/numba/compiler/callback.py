"""Operations that have no machine code: compiled programs call Python for them.

A program passes the addresses of inputs and outputs to a C function that takes the interpreter's lock and evaluates the
operation by its own Python implementation. The address of that function is data of the program, so that machine code on
disk does not depend on it. An error makes the program fail, as a failing check does, and is kept until
:meth:`Callback.reraise`, since none can pass through machine code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.random.type import RandomType

from graphs.backends.failures import failed_in
from graphs.backends.numba.compiler.generator import Generator
from graphs.backends.numba.compiler.values import Shape, View
from graphs.backends.numba.lowering.shaping import represent

_STORAGES = {"f": np.float64, "i": np.int64}
NUM_WORDS = 2
"""Words of the program's generator that seed NumPy's, where an operation draws."""


class Callback:
    """Evaluates a node by its Python implementation on memory of a program.

    Parameters
    ----------
    node : Apply
        What is evaluated.
    inputs : sequence of (str, tuple of int)
        How each input that is not constant is stored (``"f"`` or ``"i"``), and its shape.
    outputs : sequence of (str, tuple of int)
        The same of the outputs.

    Attributes
    ----------
    address : int
        Of a C function of the addresses of inputs and outputs, then two words if the node draws; it returns whether
        all went well. This object has to be alive while it is called.
    """

    def __init__(self, node: Apply, inputs: Sequence[tuple[str, Shape]], outputs: Sequence[tuple[str, Shape]]):
        self.node = node
        self._memory = [*inputs, *outputs]
        self._num_inputs = len(inputs)
        self._errors: dict[int, BaseException] = {}  # by thread: chains run at once
        is_random = any(isinstance(v.type, RandomType) for v in node.inputs)
        kinds = [ctypes.c_void_p] * len(self._memory) + [ctypes.c_uint64] * (NUM_WORDS * is_random)
        self._function = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self._call)
        self.address = int(ctypes.cast(self._function, ctypes.c_void_p).value or 0)

    def reraise(self) -> None:
        """Raise what went wrong in this thread since the last time, naming the operation.

        Raises
        ------
        SamplingError
            Caused by the error of the operation.
        """
        error = self._errors.pop(get_ident(), None)
        if isinstance(error, Exception):
            raise failed_in(str(self.node.op), error) from error
        if error is not None:
            raise error

    def _call(self, *arguments: int) -> int:
        try:
            self._evaluate(*arguments)
        except BaseException as error:
            self._errors[get_ident()] = error
            return 0
        return 1

    def _evaluate(self, *arguments: int) -> None:
        views = [_array(address, *memory) for address, memory in zip(arguments, self._memory, strict=False)]
        given = iter(views[: self._num_inputs])
        words = arguments[len(views) :]
        values = [_value(variable, given, words) for variable in self.node.inputs]
        storage: list[list[Any]] = [[None] for _ in self.node.outputs]
        self.node.op.perform(self.node, values, storage)
        results = [s[0] for s, v in zip(storage, self.node.outputs, strict=True) if not isinstance(v.type, RandomType)]
        for view, result in zip(views[self._num_inputs :], results, strict=True):
            if np.shape(result) != view.shape:
                raise ValueError(f"it gave an array of shape {np.shape(result)}, not {view.shape}")
            view[...] = result


def _array(address: int, storage: str, shape: Shape) -> NDArray:
    """Return memory as an array."""
    if not prod(shape):
        return np.zeros(shape)
    words = (ctypes.c_int64 * prod(shape)).from_address(address)
    return np.frombuffer(words, _STORAGES[storage]).reshape(shape)


def _value(variable: Variable, given: Any, words: Sequence[int]) -> Any:
    """Return what an operation gets for an input: arrays of its own, which it may keep or change."""
    if isinstance(variable.type, RandomType):
        return np.random.default_rng(list(words))
    if isinstance(variable, Constant):
        return variable.data
    array = next(given).astype(variable.type.dtype)
    return array if hasattr(variable.type, "broadcastable") else array[()]


def lower_callback(node: Apply, generator: Generator) -> None:
    """Add a call of a node's Python implementation; operations that draw are seeded by the program's generator."""
    inputs = [v for v in node.inputs if not isinstance(v, Constant) and not isinstance(v.type, RandomType)]
    is_random = any(isinstance(v.type, RandomType) for v in node.inputs)
    outputs = [v for v in node.outputs if not isinstance(v.type, RandomType)]
    sources = [generator.view(variable, contiguous=True) for variable in inputs]
    step = len(generator.steps)
    targets = [generator.array(variable, step=step) for variable in outputs]
    memory = [(view.buffer.storage, view.shape) for view in (*sources, *targets)]
    callback = Callback(node, memory[: len(sources)], memory[len(sources) :])
    generator.script.callbacks.append(callback)
    generator.script.can_fail = True
    address = generator.memory.fixed(np.array([callback.address]), "callback")
    words = [generator.name("word") for _ in range(NUM_WORDS * is_random)]
    lines = [f"{word}, words = draw_bits(words)" for word in words]
    generator.script.uses_rng |= is_random
    call = generator.script.intrinsic("call_address")
    arguments = "".join(f"{_pointer(view, generator)}, " for view in (*sources, *targets))
    lines.append(f"ok = ok & ({call}({address.name}[0], ({arguments}{', '.join(words)})) != 0)")
    step = generator.append(lines, [*sources, *targets])
    if is_random:
        generator.last_draw = step
    for variable, view in zip(outputs, targets, strict=True):
        represent(generator, variable, view)


def _pointer(view: View, generator: Generator) -> str:
    """Return the expression of the address of the first element of contiguous memory."""
    if view.offset == "0":
        return view.buffer.name
    return f"{generator.pointer_function(view.buffer)}({view.buffer.name}, {view.offset})"
