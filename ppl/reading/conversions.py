"""What Python and NumPy ask of a random variable as if it had a value: answered where it can be, else refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dis import opname
from types import FrameType
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import _tensor_py_operators

from graphs.errors import ModelError
from ppl.reading.operands import called

_CONVERSIONS = {
    "bool": "pytensor.tensor.switch(condition, a, b) chooses between two, & and | combine conditions",
    **dict.fromkeys(("int", "float", "complex"), ".astype(...) converts in the model, draws are in the trace"),
    "index": "pytensor.tensor.as_tensor(numbers)[index] takes elements in the model",
}
_SUBSCRIPT = 26
"""The kind of binary operation that reading an element is in Python 3.14; before it was an instruction of its own."""


class NoValueError(ModelError, TypeError):
    """A variable was taken for a number."""


def install() -> None:
    """Let PyTensor's variables say why they are no numbers, and what to write."""
    for name, remedy in _CONVERSIONS.items():
        setattr(_tensor_py_operators, f"__{name}__", _refusing(name, remedy))
    _tensor_py_operators.__array__ = _as_object
    _tensor_py_operators.__iter__ = _elements
    _tensor_py_operators.__contains__ = _holding
    _tensor_py_operators.__format__ = _formatted


def _refusing(name: str, remedy: str) -> Callable[[Any], Any]:
    def convert(self: Any) -> Any:
        raise NoValueError(f"{called(self)} is a variable and has no value of type {name} yet: {remedy}.", self.name)

    return convert


def _as_object(self: Any, dtype: Any = None, copy: bool | None = None) -> NDArray[np.object_]:
    """Return an array without axes that holds the variable, as NumPy does; not where it is to index an array."""
    frame = inspect.currentframe()
    if frame is not None and frame.f_back is not None and _is_indexing(frame.f_back):
        raise NoValueError(
            f"{called(self)} is a variable, by which an array of numbers cannot be indexed: "
            "pytensor.tensor.as_tensor(array)[...] can.",
            self.name,
        )
    found = np.empty((), dtype=object)
    found[()] = self
    return found if dtype is None else found.astype(dtype)


def _elements(self: Any) -> Iterator[Any]:
    """Yield the elements along the first axis, as NumPy does, where their number is known."""
    try:
        number = self.type.shape[0] if self.type.ndim != 1 else pt.get_vector_length(self)
    except (IndexError, TypeError, ValueError):
        number = None
    if number is None:
        what = "is a single number" if not self.type.ndim else "has a first axis whose length is not known"
        raise NoValueError(
            f"{called(self)} {what}, so Python cannot go through its elements: give it a size, or use functions of "
            "pytensor.tensor, which take whole arrays.",
            self.name,
        )
    yield from (self[i] for i in range(number))


def _holding(self: Any, element: Any) -> bool:
    raise NoValueError(
        f"{called(self)} is a variable, and what it holds is not known: "
        "pytensor.tensor.any(pytensor.tensor.eq(...)) asks in the model.",
        self.name,
    )


def _formatted(self: Any, written: str) -> str:
    if written:
        raise NoValueError(f"{called(self)} is a variable and has no value to write as {written!r} yet.", self.name)
    return str(self)


def _is_indexing(frame: FrameType) -> bool:
    """Whether Python is just reading an element: NumPy asks an index that is no number for its array."""
    code, place = frame.f_code.co_code, frame.f_lasti
    name = opname[code[place]]
    return name == "BINARY_SUBSCR" or (name == "BINARY_OP" and code[place + 1] == _SUBSCRIPT)
