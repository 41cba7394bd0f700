"""The few machine-level operations that generated source needs and Python lacks."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, extending
from numba.core.datamodel import models
from numba.core.extending import lower_builtin, register_model, type_callable
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

intrinsic: Any = extending.intrinsic
"""Numba's decorator; its own annotation takes the function for one that is called with the typing context."""

SCOPES = ("fixed", "out", "work", "gathered")
"""Memory that is only read (inputs, context, constants), the outputs, scratch, and scratch that is read by positions
which only data tell: they never overlap."""


class ScopedPointer(types.CPointer):
    """A pointer that tells LLVM which of the disjoint memories it points into.

    Without this LLVM has to assume that every store may change every input, and neither hoists loads nor vectorises
    loops that touch several arrays.
    """

    def __init__(self, dtype: types.Type, scope: str):
        self.scope = scope  # part of the key, by which Numba looks for an equal type while this one is made
        super().__init__(dtype)
        self.name = f"{scope}*{dtype}"

    @property
    def key(self) -> tuple:
        """Types of equal key are one type to Numba."""
        return (*super().key, self.scope)


@register_model(ScopedPointer)
class ScopedPointerModel(models.PointerModel):
    """A scoped pointer is a plain pointer."""


class LocalPointer(types.CPointer):
    """A pointer to memory of the running function, which nothing else points to."""

    def __init__(self, dtype: types.Type):
        super().__init__(dtype)
        self.name = f"local*{dtype}"


@register_model(LocalPointer)
class LocalPointerModel(models.PointerModel):
    """A local pointer is a plain pointer."""


FLOATS = {scope: ScopedPointer(types.float64, scope) for scope in SCOPES}
INTEGERS = {scope: ScopedPointer(types.int64, scope) for scope in SCOPES}


def _tag(module: ir.Module, instruction: ir.Instruction, scope: str) -> None:
    """Attach LLVM's alias scopes: this access is in ``scope`` and in none of the others."""
    domain = module.add_metadata(["rvgraph"])
    nodes = {name: module.add_metadata([name, domain]) for name in SCOPES}
    instruction.set_metadata("alias.scope", module.add_metadata([nodes[scope]]))
    instruction.set_metadata("noalias", module.add_metadata([nodes[name] for name in SCOPES if name != scope]))


@lower_builtin(operator.getitem, ScopedPointer, types.Integer)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Load one element."""
    value = builder.load(builder.gep(args[0], [args[1]]))
    _tag(builder.module, value, sig.args[0].scope)
    return value


@lower_builtin(operator.setitem, ScopedPointer, types.Integer, types.Any)
def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Store one element."""
    store = builder.store(args[2], builder.gep(args[0], [args[1]]))
    _tag(builder.module, store, sig.args[0].scope)
    return context.get_dummy_value()


@lower_builtin(operator.getitem, LocalPointer, types.Integer)
def _get_local(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Load one element."""
    return builder.load(builder.gep(args[0], [args[1]]))


@lower_builtin(operator.setitem, LocalPointer, types.Integer, types.Any)
def _set_local(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Store one element."""
    builder.store(args[2], builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()


@intrinsic
def local_floats(typing_context: Any, size: Any) -> Any:
    """Return memory for some floats until the function returns; of few whose number is known LLVM makes registers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.alloca(ir.DoubleType(), size=args[0])

    return LocalPointer(types.float64)(types.int64), generate


@intrinsic
def at(typing_context: Any, pointer: Any, offset: Any) -> Any:
    """Return a pointer of the same kind to the element at ``offset``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), generate


def _pointer_at(pointers: dict[str, ScopedPointer], scope: str) -> Any:
    """Make the intrinsic that gives a pointer into one memory, at an offset counted in 8-byte words."""

    @intrinsic
    def pointer_at(typing_context: Any, base: Any, offset: Any) -> Any:
        """Return a pointer to the element at ``offset``."""

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            target = context.get_value_type(sig.return_type)
            return builder.bitcast(builder.gep(args[0], [args[1]]), target)

        return pointers[scope](base, offset), generate

    return pointer_at


# By names that `Generator.pointer_function` makes of a buffer.
fixed_floats = _pointer_at(FLOATS, "fixed")
fixed_integers = _pointer_at(INTEGERS, "fixed")
out_floats = _pointer_at(FLOATS, "out")
work_floats = _pointer_at(FLOATS, "work")
work_integers = _pointer_at(INTEGERS, "work")
gathered_floats = _pointer_at(FLOATS, "gathered")
gathered_integers = _pointer_at(INTEGERS, "gathered")


@intrinsic
def plain_pointer(typing_context: Any, pointer: Any) -> Any:
    """Return a scoped pointer as one that ``numba.carray`` takes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return types.CPointer(pointer.dtype)(pointer), generate


@intrinsic
def select(typing_context: Any, condition: Any, if_true: Any, if_false: Any) -> Any:
    """Choose without a branch; both alternatives have been evaluated."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        condition = context.cast(builder, args[0], sig.args[0], types.boolean)
        if condition.type.width > 1:
            condition = builder.trunc(condition, ir.IntType(1))
        return builder.select(condition, args[1], args[2])

    result = typing_context.unify_types(if_true, if_false)
    return result(types.boolean, result, result), generate


@intrinsic
def accumulate(typing_context: Any, total: Any, term: Any) -> Any:
    """Add two floats in an order left to the compiler, so that sums become vector code."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fadd(args[0], args[1], flags=("reassoc", "nsz"))

    return types.float64(types.float64, types.float64), generate


@intrinsic
def call_address(typing_context: Any, function: Any, arguments: Any) -> Any:
    """Call a C function that returns an integer by its address, with a tuple of pointers and integers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [builder.extract_value(args[1], i) for i in range(len(sig.args[1]))]
        kind = ir.FunctionType(ir.IntType(64), [value.type for value in values])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), values)

    return types.int64(function, arguments), generate


@intrinsic
def call_packed(typing_context: Any, function: Any, arguments: Any) -> Any:
    """Call a C function that returns an integer by its address, with a pointer to a tuple of anything."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(cgutils.alloca_once_value(builder, args[1]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.IntType(64), [cgutils.voidptr_t])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [pointer])

    return types.int64(function, arguments), generate


@intrinsic
def call_fortran(typing_context: Any, function: Any, arguments: Any) -> Any:
    """Call a Fortran subroutine by its address, with a tuple of pointers, numbers and codes of characters.

    Numbers go by reference, integers as 32 bits, of which a character is the first byte. Returns the last argument, if
    it is an integer, as the subroutine leaves it: LAPACK's ``info``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        places = []
        for i, kind in enumerate(sig.args[1]):
            value = builder.extract_value(args[1], i)
            if isinstance(kind, types.Integer):
                value = context.cast(builder, value, kind, types.int32)
            is_pointer = isinstance(value.type, ir.PointerType)
            places.append(value if is_pointer else cgutils.alloca_once_value(builder, value))
        kind = ir.FunctionType(ir.VoidType(), [place.type for place in places])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), places)
        left = isinstance(sig.args[1][len(places) - 1], types.Integer)
        return builder.sext(builder.load(places[-1]), ir.IntType(64)) if left else ir.Constant(ir.IntType(64), 0)

    return types.int64(function, arguments), generate


@intrinsic
def pivot_at(typing_context: Any, pointer: Any, index: Any) -> Any:
    """Return an integer of 32 bits, as Fortran leaves them, from memory for integers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        narrow = builder.bitcast(args[0], ir.IntType(32).as_pointer())
        return builder.sext(builder.load(builder.gep(narrow, [args[1]])), ir.IntType(64))

    return types.int64(pointer, types.int64), generate


def unpack_as(kind: types.Type) -> Any:
    """Make the intrinsic that returns the tuple of one type that ``call_packed`` was given.

    Parameters
    ----------
    kind : numba type
        Of the tuple.
    """

    @intrinsic
    def unpack(typing_context: Any, pointer: Any) -> Any:
        """Return what a pointer points to."""

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.load(builder.bitcast(args[0], context.get_value_type(kind).as_pointer()))

        return kind(pointer), generate

    return unpack


def as_rows(vector: NDArray[np.float64], num_rows: int, size: int) -> NDArray[np.float64]:
    """Return the beginning of a vector as rows, without a copy.

    What ``reshape`` does; Numba compiles that as a function of its own.

    Parameters
    ----------
    vector : array, float64
        Contiguous, of length ``num_rows * size`` at least: compiled code does not check.
    num_rows, size : int
        Shape of what is returned.
    """
    return vector[: num_rows * size].reshape((num_rows, size))


@type_callable(as_rows)
def _type_rows(typing_context: Any) -> Any:
    """Tell Numba the type of the rows."""

    def typer(vector: Any, num_rows: Any, size: Any) -> Any:
        return types.Array(vector.dtype, 2, "C") if isinstance(vector, types.Array) and vector.layout == "C" else None

    return typer


@lower_builtin(as_rows, types.Array, types.Integer, types.Integer)
def _lower_rows(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Make the rows; like all that the kernels work on, they are kept alive by whoever called these."""
    vector = make_array(sig.args[0])(context, builder, args[0])
    rows = make_array(sig.return_type)(context, builder)
    shape = [context.cast(builder, value, kind, types.intp) for value, kind in zip(args[1:], sig.args[1:], strict=True)]
    strides = [builder.mul(shape[1], vector.itemsize), vector.itemsize]
    populate_array(rows, vector.data, shape, strides, vector.itemsize, meminfo=None)
    return rows._getvalue()
