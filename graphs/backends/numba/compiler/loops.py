"""Loops: elementwise operations and reductions over one domain, fused into a single loop nest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from graphs.backends.numba.compiler.values import Array, Broadcast, Buffer, Kind, Shape, View, affine, convert

INDENT = "    "

INITIAL: dict[str, dict[str, str]] = {
    "add": {"f": "0.0", "i": "0", "b": "False"},
    "mul": {"f": "1.0", "i": "1", "b": "True"},
    "maximum": {"f": "-np.inf", "i": str(np.iinfo(np.int64).min), "b": "False"},
    "minimum": {"f": "np.inf", "i": str(np.iinfo(np.int64).max), "b": "True"},
    "and": {"i": "-1", "b": "True"},
    "or": {"i": "0", "b": "False"},
    "xor": {"i": "0", "b": "False"},
    "multiply_nonzero": {"f": "1.0", "i": "1", "b": "True"},
}
"""The neutral element of each reduction."""


def combine(operation: str, kind: Kind, total: str, term: str) -> str:
    """Return the expression that adds a term to a reduction."""
    if operation == "add":
        if kind == "f":
            return f"accumulate({total}, {term})"
        return f"{total} + {term}" if kind == "i" else f"{total} | {term}"
    if operation == "mul":
        return f"{total} * {term}" if kind != "b" else f"{total} & {term}"
    symbols = {"and": "&", "or": "|", "xor": "^"}
    return f"{total} {symbols[operation]} {term}" if operation in symbols else f"{operation}({total}, {term})"


def loop_nest(lengths: Sequence[int], names: Sequence[str], body: Sequence[str]) -> list[str]:
    """Return nested loops around statements."""
    lines, indent = [], ""
    for length, name in zip(lengths, names, strict=True):
        if length == 1:
            lines.append(f"{indent}{name} = 0")
            continue
        lines.append(f"{indent}for {name} in range({length}):")
        indent += INDENT
    return lines + [indent + line for line in body]


@dataclass
class Statements:
    """Statements outside of any loop."""

    lines: list[str] = field(default_factory=list)

    def render(self) -> list[str]:
        """Return the source lines."""
        return self.lines


@dataclass
class Text(Statements):
    """Statements that nothing is added to later."""


@dataclass(eq=False)
class Access:
    """An element read or written in a loop.

    Parameters
    ----------
    name : str
        The local variable read into or written from.
    array : View, Broadcast or Gather
        The array.
    dims : tuple of int or None
        For each dimension of the array the loop that runs along it.
    kind : {"f", "i", "b"}
        What the local variable holds.
    """

    name: str
    array: Array
    dims: tuple[int | None, ...]
    kind: Kind

    def strides(self, num_loops: int) -> list[int] | None:
        """Return the stride along each loop; None if there is not one."""
        if isinstance(self.array, Broadcast):
            return [0] * num_loops
        if not isinstance(self.array, View):
            return None
        strides = [0] * num_loops
        for stride, dim in zip(self.array.strides, self.dims, strict=True):
            if dim is not None:
                strides[dim] += stride
        return strides


@dataclass(eq=False)
class Reduction(Access):
    """A reduction over some of the loops.

    Parameters
    ----------
    operation : str
        A key of ``INITIAL``.
    term : str
        The local variable that is reduced; ``name`` is the accumulator.
    loops : frozenset of int
        The loops that are reduced over; ``array`` receives the result unless that is all of them.
    """

    operation: str = "add"
    term: str = ""
    loops: frozenset[int] = frozenset()
    is_partial: bool = False


@dataclass(eq=False)
class LoopNest:
    """One loop nest.

    Parameters
    ----------
    domain : tuple of int
        Lengths of the loops, none of them 1.
    """

    domain: Shape
    loads: list[Access] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    stores: list[Access] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)

    def buffers(self) -> Iterator[Buffer]:
        """Give all memory that is touched."""
        for access in (*self.loads, *self.stores, *(r for r in self.reductions if r.is_partial)):
            yield from access.array.buffers()

    def render(self) -> list[str]:
        """Return the source lines."""
        return _Nest(self).render()


class _Nest:
    """The loops of a kernel, with neighbouring ones merged where every access allows it."""

    def __init__(self, kernel: LoopNest):
        self.kernel = kernel
        self.partial = [r for r in kernel.reductions if r.is_partial]
        self.groups = self._merge()
        self.lengths = [prod(kernel.domain[d] for d in group) for group in self.groups]
        self.order = self._order()
        self.names = [f"i{k}" for k in range(len(self.groups))]

    def _merge(self) -> list[list[int]]:
        """Return the groups of loops that become one."""
        domain = self.kernel.domain
        rows = [a.strides(len(domain)) for a in (*self.kernel.loads, *self.kernel.stores, *self.partial)]
        groups: list[list[int]] = []
        for d in range(len(domain)):
            mergeable = (
                d > 0
                and all(row is not None and row[d - 1] == row[d] * domain[d] for row in rows)
                and all((d - 1 in r.loops) == (d in r.loops) for r in self.partial)
            )
            if mergeable:
                groups[-1].append(d)
            else:
                groups.append([d])
        return groups

    def _reduced(self, reduction: Reduction) -> set[int]:
        """Return the merged loops that a reduction runs over."""
        return {k for k, group in enumerate(self.groups) if group[0] in reduction.loops}

    def _order(self) -> list[int]:
        """Return the nesting: row-major, unless that leaves a reduction with short inner loops."""
        order = list(range(len(self.groups)))
        for reduction in self.partial:
            reduced = self._reduced(reduction)
            kept = [k for k in order if k not in reduced]
            after = [k for k in kept if k > min(reduced)]
            if prod(self.lengths[k] for k in after) < 8:
                return kept + sorted(reduced)
            return order
        return order

    def _index(self, access: Access) -> tuple[str, int]:
        """Return the expression of the element, and how many loops it lies inside."""
        strides = access.strides(len(self.kernel.domain))
        if strides is None:
            index = ["0" if d is None else self.names[d] for d in access.dims]
            return access.array.load(index), len(self.order)
        if isinstance(access.array, Broadcast):
            return access.array.load(()), 0
        assert isinstance(access.array, View)
        merged = [strides[group[-1]] for group in self.groups]
        level = max((self.order.index(k) + 1 for k, stride in enumerate(merged) if stride), default=0)
        position = affine(access.array.offset, list(zip(merged, self.names, strict=True)))
        return f"{access.array.buffer.name}[{position}]", level

    def render(self) -> list[str]:
        """Return the source lines."""
        depth = len(self.order)
        before: list[list[str]] = [[] for _ in range(depth + 1)]
        after: list[list[str]] = [[] for _ in range(depth + 1)]
        preface: list[str] = []
        for load in self.kernel.loads:
            expression, level = self._index(load)
            if isinstance(load.array, View):
                expression = convert(expression, load.array.buffer.storage, load.array.kind)
            before[level].append(f"{load.name} = {expression}")
        body = before[depth]
        body += self.kernel.lines
        for store in self.kernel.stores:
            body.append(f"{self._index(store)[0]} = {self._stored(store)}")
        for reduction in self.kernel.reductions:
            self._reduce(reduction, preface, before, after)
        lines = list(preface)
        for level in range(depth + 1):
            lines += [INDENT * level + line for line in before[level]]
            if level < depth:
                k = self.order[level]
                lines.append(f"{INDENT * level}for {self.names[k]} in range({self.lengths[k]}):")
        for level in range(depth, -1, -1):
            lines += [INDENT * level + line for line in after[level]]
        return lines

    def _stored(self, access: Access) -> str:
        """Return the expression to write for a local variable."""
        assert isinstance(access.array, View)
        value = convert(access.name, access.kind, access.array.kind)
        return convert(value, access.array.kind, access.array.buffer.storage)

    def _reduce(
        self, reduction: Reduction, preface: list[str], before: list[list[str]], after: list[list[str]]
    ) -> None:
        """Add the statements of one reduction."""
        depth = len(self.order)
        kind, initial = reduction.kind, INITIAL[reduction.operation][reduction.kind]
        update = combine(reduction.operation, kind, reduction.name, reduction.term)
        if not reduction.is_partial:
            preface.append(f"{reduction.name} = {initial}")
            before[depth].append(f"{reduction.name} = {update}")
            return
        reduced = self._reduced(reduction)
        if set(self.order[depth - len(reduced) :]) == reduced:
            level = depth - len(reduced)
            before[level].append(f"{reduction.name} = {initial}")
            before[depth].append(f"{reduction.name} = {update}")
            after[level].append(f"{self._index(reduction)[0]} = {self._stored(reduction)}")
            return
        view = reduction.array
        assert isinstance(view, View)
        names = [f"j{d}" for d in range(len(view.shape))]
        preface += loop_nest(view.shape, names, [view.store(names, initial, kind)])
        place = self._index(reduction)[0]
        before[depth].append(f"{reduction.name} = {convert(place, view.buffer.storage, kind)}")
        before[depth].append(f"{place} = {convert(update, kind, view.buffer.storage)}")
