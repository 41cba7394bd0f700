"""What arrays, tuples and other objects consist of: read and written."""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir

from graphs.backends.numba.translation.operations import Operations
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, types

_WORDS = (types.float64, types.int64, types.uint64)
"""Elements of arrays that lie in memory as they are computed with."""
_DATA, _SHAPE = 4, 5
"""Fields of Numba's arrays."""


class Elements(Operations):
    """Generates what reads and writes parts of objects, too."""

    def element(self, array: Known, index: Known) -> Known:
        """Return what stands at an index."""
        if isinstance(index, Static) and type(index.value) is int:
            if isinstance(array, Static) and isinstance(array.value, tuple):
                return Static(array.value[index.value])
            if isinstance(array, Value) and isinstance(array.type, types.BaseTuple):
                return self.parts_of(array)[index.value]
        value = self.value(array)
        place = self._place(value, index)
        if place is not None:
            return Value(value.type.dtype, self.builder.load(place))
        return self.call(operator.getitem, (value, index))

    def store(self, array: Known, index: Known, item: Known) -> None:
        """Write to an index."""
        target, value = self.value(array), self.value(item)
        place = self._place(target, index) if getattr(target.type, "mutable", False) else None
        if place is None:
            self.call(operator.setitem, (target, index, item))
        else:
            self.builder.store(self.cast(value, target.type.dtype), place)

    def _place(self, array: Value, index: Known) -> Any:
        """Return where an element of a contiguous array of numbers lies; None if it is of another kind."""
        kind = array.type
        is_plain = isinstance(kind, types.Array) and kind.layout == "C" and kind.dtype in _WORDS and kind.aligned
        if not is_plain:
            return None
        several = isinstance(index, Static) and isinstance(index.value, tuple)
        several = several or (isinstance(index, Value) and isinstance(index.type, types.BaseTuple))
        indices = self.parts_of(index) if several else [index]
        if len(indices) != kind.ndim:
            return None
        builder, offset = self.builder, None
        for axis, each in enumerate(indices):
            size = builder.extract_value(array.llvm, [_SHAPE, axis])
            position = self._position(each, size)
            if position is None:
                return None
            offset = position if offset is None else builder.add(builder.mul(offset, size), position)
        return builder.gep(builder.extract_value(array.llvm, _DATA), [offset])

    def _position(self, index: Known, size: Any) -> Any:
        """Return an index counted from the beginning; None if it is no integer of 64 bits."""
        kind, position = self.value(index)
        if kind == types.uint64 or (isinstance(index, Static) and kind == types.int64 and index.value >= 0):
            return position
        if kind != types.int64:
            return None
        is_negative = self.builder.icmp_signed("<", position, ir.Constant(position.type, 0))
        return self.builder.select(is_negative, self.builder.add(position, size), position)

    def attribute(self, known: Known, name: str) -> Known:
        """Return an attribute."""
        if isinstance(known, Static):
            try:
                return Static(getattr(known.value, name))
            except AttributeError as error:
                raise Untranslatable(f"{known.value!r} has no {name}") from error
        kind, llvm = known
        if isinstance(kind, types.BaseNamedTuple):
            if name not in kind.fields:
                raise Untranslatable(f"{kind} has no {name}")
            return self.parts_of(known)[kind.fields.index(name)]
        if isinstance(kind, types.Array) and name in ("size", "shape"):
            sizes = [Value(types.int64, self.builder.extract_value(llvm, [_SHAPE, i])) for i in range(kind.ndim)]
            if name == "shape":
                return self.tuple_of(sizes)
            if kind.ndim == 1:
                return sizes[0]
        found = self.unit.typing.resolve_getattr(kind, name)
        if found is None or isinstance(found, types.Callable):
            raise Untranslatable(f"{kind} has no {name}")
        implementation = self.context.get_getattr(kind, name)
        result = implementation(self.context, self.builder, kind, llvm, name)
        return self.unliteral(Value(found, result))
