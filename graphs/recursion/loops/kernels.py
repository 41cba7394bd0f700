"""The loops of the forward recursion as C functions, compiled once for all programs and called by address.

A program that contained them would take seconds to compile, each time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from graphs.backends.numba.library import intrinsics
from graphs.backends.numba.machine_code.kept import cfunc
from graphs.backends.numba.machine_code.source import define
from graphs.once import once
from graphs.recursion.loops import forward, gradient, steps, traceback
from graphs.recursion.loops.tables import Sizes

LARGEST_UNROLLED = 32
"""Up to this many states the inner loops are compiled for their number; beyond, and for others, it is read."""


@dataclass(frozen=True)
class CFunction:
    """How a function is called from C.

    Parameters
    ----------
    function : object
        Numba's function.
    arguments : str
        Names, each with the memory that it points to in front (``fixed``, ``out``, ``work``), or ``int``.
    is_inner : bool
        Whether it is an inner loop, which takes C and N as last arguments; others take sizes, and what follows them in
        the array ``numbers``.
    num_options : int
        How many numbers follow.
    """

    function: Any
    arguments: str
    is_inner: bool = False
    num_options: int = 0

    @property
    def signature(self) -> Any:
        """Numba's signature."""
        kinds = {"int": types.int64}
        words = self.arguments.split()[::2]
        last = (types.int64, types.int64) if self.is_inner else (types.CPointer(types.int64),)
        return types.int64(*(kinds.get(word, types.CPointer(types.float64)) for word in words), *last)

    def source(self, c: int, n: int) -> str:
        """Return the source of the C function; sizes of zero are those that it is given."""
        words = self.arguments.split()
        names = words[1::2]
        given = [
            name if kind == "int" else f"{kind}_floats({name}, 0)" for kind, name in zip(words[::2], names, strict=True)
        ]
        if self.is_inner:
            body = f"    return function({', '.join(given)}, {c or 'c'}, {n or 'n'})"
            return f"def PROGRAM({', '.join(names)}, c, n):\n{body}\n"
        count = len(Sizes._fields)
        sizes = ", ".join(f"numbers[{i}]" for i in range(count))
        options = [f"numbers[{count + i}]" for i in range(self.num_options)]
        body = f"    function({', '.join((*given, f'Sizes({sizes})', *options))})\n    return 0"
        return f"def PROGRAM({', '.join(names)}, numbers):\n    numbers = fixed_integers(numbers, 0)\n{body}\n"


_FORWARD = "fixed initial fixed transition fixed emission out total out states work work"
_GRADIENT = "fixed transition fixed states fixed outer out to_initial out to_transition out to_emission work work"
_RUN = "work weights work ties int tie_step work added int added_step out states int state_step int count"
_RUN_BACK = (
    "out adjoint fixed weights work ratios int state_step fixed ties fixed turned int tie_step "
    "out to_emission int added_step int count"
)
_ADD = "out used work weights work ratios int spacing int count"
KERNELS = {
    "forward": CFunction(forward.forward, _FORWARD, num_options=1),
    "best": CFunction(forward.best, _FORWARD),
    "gradient": CFunction(gradient.gradient, _GRADIENT, num_options=2),
    "trace_back": CFunction(
        traceback.trace_back, "fixed transition fixed states fixed uniform out path work work", num_options=2
    ),
    "run": CFunction(steps.run, _RUN, is_inner=True),
    "run_back": CFunction(steps.run_back, _RUN_BACK, is_inner=True),
    "add_products": CFunction(steps.add_products, _ADD, is_inner=True),
}


@once
def _compiled(name: str, c: int = 0, n: int = 0) -> Any:
    kernel = KERNELS[name]
    pointers = {f: getattr(intrinsics, f) for f in ("fixed_floats", "fixed_integers", "out_floats", "work_floats")}
    function, digest = define(kernel.source(c, n), name, pointers | {"function": kernel.function, "Sizes": Sizes})
    options = {"fastmath": {"contract"}} if kernel.is_inner else {}
    return cfunc(kernel.signature, name, digest, error_model="numpy", **options)(function)


def _inner(name: str, sizes: Sizes) -> int:
    """Return the address of an inner loop."""
    is_known = sizes.c * sizes.n <= LARGEST_UNROLLED and (name != "add_products" or sizes.c * sizes.n <= 4)
    return int(_compiled(name, *((sizes.c, sizes.n) if is_known else (0, 0))).address)


def address(name: str) -> int:
    """Return the address of a C function."""
    return int(_compiled(name).address)


def numbers_of(name: str, sizes: Sizes, *options: int) -> NDArray[np.int64]:
    """Return the last argument of a C function: sizes and options, and the inner loops that it is to call."""
    inner = {"forward": ("run",), "gradient": ("run_back", "add_products")}.get(name, ())
    return np.array([*sizes, *(_inner(loop, sizes) for loop in inner), *options], dtype=np.int64)


def work_size(name: str, sizes: Sizes) -> int:
    """Return how many numbers of scratch memory a C function needs."""
    if name == "gradient":
        return gradient.gradient_work(sizes)
    return sizes.c * sizes.n if name == "trace_back" else forward.forward_work(sizes)


def call(name: str, sizes: Sizes, given: Sequence[NDArray], written: Sequence[NDArray], *options: int) -> None:
    """Call a C function on arrays; those that it writes are contiguous."""
    arrays = [np.ascontiguousarray(array, dtype=np.float64) for array in given]
    work, numbers = np.empty(work_size(name, sizes)), numbers_of(name, sizes, *options)
    pointers = [array.ctypes.data for array in (*arrays, *written, work, numbers)]
    ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * len(pointers))(address(name))(*pointers)
