"""How the variables of a graph are represented in generated source.

A variable of one element is a scalar local variable. Any other is an array in memory that can be read element by
element: a strided view, or a view read through indices; or it is still only an element inside a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from graphs.errors import BackendError

if TYPE_CHECKING:
    from graphs.backends.numba.compiler.loops import LoopNest

Kind = Literal["f", "i", "b"]
type Operand = tuple[str, Kind]
"""What a local variable holds: float64, int64 or bool."""

Shape = tuple[int, ...]


def kind_of(dtype: str) -> Kind:
    """Return how values of a dtype are held: single precision is computed in double."""
    character = np.dtype(dtype).kind
    if character == "f":
        return "f"
    if character in "iu":
        return "i"
    if character == "b":
        return "b"
    raise BackendError(
        f"The Numba backend has no {dtype} numbers; write the model with real numbers, or use backend='c'.", "numba"
    )


def convert(expression: str, source: str, target: str) -> str:
    """Return an expression of the target kind."""
    if source == target:
        return expression
    if target == "f":
        return f"{expression}.0" if expression.isdigit() else f"np.float64({expression})"
    if target == "i":
        return f"np.int64({expression})"
    return f"({expression} != 0)"


def contiguous_strides(shape: Shape) -> Shape:
    """Return the strides, in elements, of a row-major array; 0 along dimensions of length one."""
    return tuple(0 if n == 1 else prod(shape[d + 1 :]) for d, n in enumerate(shape))


def affine(offset: str, terms: Sequence[tuple[int, str]]) -> str:
    """Return the expression ``offset + sum stride * index``."""
    parts = [] if offset == "0" else [offset]
    for stride, index in terms:
        if stride == 0 or index == "0":
            continue
        parts.append(index if stride == 1 else f"{stride} * {index}")
    return " + ".join(parts) or "0"


@dataclass(eq=False)
class Buffer:
    """A region of memory, with the steps between which it is in use.

    Parameters
    ----------
    name : str
        The local variable that points to it.
    storage : {"f", "i"}
        Whether it holds float64 or int64.
    size : int
        Number of elements.
    scope : {"fixed", "out", "work"}
        Which memory it lies in.
    offset : int
        Where it begins there; given later for scratch memory.
    within : Buffer, optional
        The memory of a loop's body, from whose beginning ``offset`` then counts.
    is_gathered : bool
        Whether it is read by positions that only data tell. LLVM cannot see then that what is written meanwhile is
        other memory, and makes no vector code: a loop over 5000 rows with a logistic function took four times as long.
    """

    name: str
    storage: Literal["f", "i"]
    size: int
    scope: str = "work"
    base: str = "work"
    offset: int = 0
    first: int = -1
    last: int = -1
    within: Buffer | None = None
    is_gathered: bool = False

    @property
    def is_apart(self) -> bool:
        """Whether it is scratch memory that nothing else ever uses."""
        return self.is_gathered and self.scope == "work" and self.within is None

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.offset + (0 if self.within is None else self.within.start)

    def use(self, step: int) -> None:
        """Note that the step reads or writes this buffer."""
        self.first = step if self.first < 0 else min(self.first, step)
        self.last = max(self.last, step)


@dataclass(eq=False)
class Scalar:
    """The value of a variable of one element.

    Parameters
    ----------
    expression : str
        A local variable or a literal.
    kind : {"f", "i", "b"}
        What it holds.
    step : int
        The step that assigns it; -1 if it is known from the start.
    """

    expression: str
    kind: Kind
    step: int = -1
    constant: float | int | bool | None = None


@dataclass(eq=False)
class View:
    """A strided view of a buffer.

    Parameters
    ----------
    buffer : Buffer
        The memory.
    kind : {"f", "i", "b"}
        What its elements mean.
    shape, strides : tuple of int
        Strides count elements and are 0 along broadcast dimensions.
    offset : str
        Expression of the first element's position.
    step : int
        The step after which it can be read.
    """

    buffer: Buffer
    kind: Kind
    shape: Shape
    strides: Shape
    offset: str = "0"
    step: int = -1

    def position(self, index: Sequence[str]) -> str:
        """Return the expression of an element's place in memory."""
        return f"{self.buffer.name}[{affine(self.offset, list(zip(self.strides, index, strict=True)))}]"

    def load(self, index: Sequence[str]) -> str:
        """Return the expression of an element's value."""
        return convert(self.position(index), self.buffer.storage, self.kind)

    def store(self, index: Sequence[str], expression: str, kind: str) -> str:
        """Return the statement that writes an element."""
        if kind != self.kind:
            expression = convert(expression, kind, self.kind)
        return f"{self.position(index)} = {convert(expression, self.kind, self.buffer.storage)}"

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie side by side in row-major order."""
        return self.strides == contiguous_strides(self.shape)

    def buffers(self) -> Iterator[Buffer]:
        """Give the memory that is read."""
        yield self.buffer


@dataclass(eq=False)
class Broadcast:
    """An array whose elements are all one scalar; it takes no memory."""

    scalar: Scalar
    shape: Shape

    @property
    def kind(self) -> Kind:
        """What its elements mean."""
        return self.scalar.kind

    @property
    def step(self) -> int:
        """The step that assigns the scalar."""
        return self.scalar.step

    def load(self, index: Sequence[str]) -> str:
        """Return the scalar."""
        return self.scalar.expression

    def buffers(self) -> Iterator[Buffer]:
        """Give the memory that is read: none."""
        return iter(())


@dataclass(frozen=True)
class Subscript:
    """How one dimension of an indexed array follows from the dimensions of the result.

    Parameters
    ----------
    start : str
        Expression of the first position.
    stride : int
        Positions per step along dimension ``dim`` of the result; 0 for a fixed position.
    dim : int
        Dimension of the result.
    array : View, optional
        Integer positions, read at the dimensions ``dims`` of the result; replaces the above.
    """

    start: str = "0"
    stride: int = 0
    dim: int = -1
    array: Array | None = None
    dims: tuple[int | None, ...] = ()
    wrap: int = 0

    def position(self, index: Sequence[str]) -> str:
        """Return the expression of the position along this dimension."""
        if self.array is None:
            return affine(self.start, [(self.stride, index[self.dim])] if self.stride else [])
        inner = self.array.load(["0" if d is None else index[d] for d in self.dims])
        return f"wrap_index({inner}, {self.wrap})" if self.wrap else inner


@dataclass(eq=False)
class Gather:
    """An array read through one subscript per dimension of another."""

    base: Array
    subscripts: tuple[Subscript, ...]
    shape: Shape
    step: int = -1
    kind: Kind = field(init=False)

    def __post_init__(self) -> None:
        self.kind = self.base.kind

    def load(self, index: Sequence[str]) -> str:
        """Return the expression of an element's value."""
        return self.base.load([_parenthesized(s.position(index)) for s in self.subscripts])

    def buffers(self) -> Iterator[Buffer]:
        """Give the memory that is read."""
        yield from self.base.buffers()
        for subscript in self.subscripts:
            if subscript.array is not None:
                yield from subscript.array.buffers()


def _parenthesized(expression: str) -> str:
    """Protect a sum that is going to be multiplied by a stride."""
    return f"({expression})" if " " in expression else expression


@dataclass(eq=False)
class Element:
    """An array that so far only exists as the current element of a loop.

    Parameters
    ----------
    kernel : LoopNest
        The loop.
    name : str
        The local variable that holds the current element.
    """

    kernel: LoopNest
    name: str
    kind: Kind
    shape: Shape


Array = View | Broadcast | Gather
Value = Scalar | Array | Element
