"""Operations on values: arithmetic of floats and integers here, all others by Numba's own rules."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core.typing.templates import Signature, fold_arguments

from graphs.backends.numba.translation.unit import Unit
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, is_number, types

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_COMPARED = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
_FLOATS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul"}
_INTEGERS = {
    operator.add: "add",
    operator.sub: "sub",
    operator.mul: "mul",
    operator.and_: "and_",
    operator.or_: "or_",
    operator.xor: "xor",
}
_FOLDED = {*_FLOATS, operator.neg, *_COMPARED}
"""Python's own numbers are combined beforehand where nothing can fail or round otherwise."""
_NUMBERS = (types.float64, types.int64)


class Operations:
    """Generates operations at the end of a basic block.

    Parameters
    ----------
    unit : Unit
        What functions share.
    builder : llvmlite.ir.IRBuilder
        Where code is appended.
    """

    def __init__(self, unit: Unit, builder: ir.IRBuilder):
        self.unit = unit
        self.context = unit.context
        self.builder = builder

    def value(self, known: Known) -> Value:
        """Return something as it is computed with."""
        if isinstance(known, Value):
            return known
        constant = known.value
        if type(constant) is bool:
            return Value(types.boolean, ir.Constant(ir.IntType(1), int(constant)))
        if type(constant) is int and -(2**63) <= constant < 2**63:
            return Value(types.int64, ir.Constant(ir.IntType(64), constant))
        if type(constant) is float:
            return Value(types.float64, self.context.get_constant(types.float64, constant))
        if type(constant) is tuple:
            return self.tuple_of([self.value(Static(part)) for part in constant])
        try:
            kind = types.unliteral(self.unit.typing.resolve_value_type(constant))
        except ValueError as error:
            raise Untranslatable(f"{constant!r} is no number") from error
        if isinstance(kind, types.Array):
            kind = kind.copy(readonly=True)
        elif not isinstance(kind, (types.Number, types.Boolean, types.NoneType, types.BaseTuple)):
            raise Untranslatable(f"{constant!r} is computed with")
        return Value(kind, self.context.get_constant_generic(self.builder, kind, constant))

    def cast(self, value: Value, kind: Any) -> Any:
        """Return a value as one of another type."""
        if value.type == kind:
            return value.llvm
        if kind == types.float64 and value.type == types.int64:
            return self.builder.sitofp(value.llvm, ir.DoubleType())
        return self.context.cast(self.builder, value.llvm, value.type, kind)

    def truth(self, known: Known) -> Known:
        """Return whether something counts as true."""
        if isinstance(known, Static):
            return Static(bool(known.value))
        kind, llvm = known
        if kind == types.boolean:
            return known
        if not isinstance(kind, types.Number):
            raise Untranslatable(f"{kind} as a condition")
        return Value(types.boolean, self.context.is_true(self.builder, kind, llvm))

    def tuple_of(self, parts: Sequence[Value], cls: Any = None) -> Value:
        """Return a tuple, or one with names, of a class of these."""
        kinds = [part.type for part in parts]
        kind = types.BaseTuple.from_types(kinds) if cls is None else types.BaseTuple.from_types(kinds, cls)
        return Value(kind, self.context.make_tuple(self.builder, kind, [part.llvm for part in parts]))

    def parts_of(self, known: Known) -> list[Known]:
        """Return the elements of a tuple."""
        if isinstance(known, Static) and isinstance(known.value, tuple):
            return [Static(part) for part in known.value]
        if isinstance(known, Value) and isinstance(known.type, types.BaseTuple):
            parts = enumerate(known.type)
            return [Value(types.unliteral(kind), self.builder.extract_value(known.llvm, i)) for i, kind in parts]
        raise Untranslatable("several names for what is no tuple")

    def call(self, function: Any, arguments: Sequence[Known]) -> Value:
        """Call a function that Numba knows; numbers of Python's stand as literals, which some rules want."""
        given, kinds = [], []
        for argument in arguments:
            given.append(self.value(argument))
            literal = types.maybe_literal(argument.value) if is_number(argument) else None
            kinds.append(given[-1].type if literal is None else literal)
        implementation, signature = self.unit.implementation(function, tuple(kinds))
        result = implementation(self.builder, self._folded(signature, given))
        return self.unliteral(Value(signature.return_type, result))

    def _folded(self, signature: Signature, given: Sequence[Value]) -> Sequence[Any]:
        """Return arguments as a signature wants them."""

        def one(index: int, parameter: Any, value: Value) -> Any:
            return self.cast(value, types.unliteral(signature.args[index]))

        def left_out(index: int, parameter: Any, default: Any) -> Any:
            return self.context.get_constant_generic(self.builder, signature.args[index], default)

        def several(index: int, parameter: Any, values: Sequence[Value]) -> Any:
            kinds = signature.args[index]
            parts = [self.cast(value, types.unliteral(kind)) for value, kind in zip(values, kinds, strict=True)]
            return self.context.make_tuple(self.builder, kinds, parts)

        if signature.pysig is None:
            return [one(i, None, value) for i, value in enumerate(given)]
        folded: Sequence[Any] = fold_arguments(signature.pysig, tuple(given), {}, one, left_out, several)
        return folded

    def unliteral(self, value: Value) -> Value:
        """Return a value whose type says nothing of what it is."""
        return Value(types.unliteral(value.type), value.llvm)

    def apply(self, function: Any, *operands: Known) -> Known:
        """Apply an operator."""
        numbers = [operand.value for operand in operands if is_number(operand)]
        if function in _FOLDED and len(numbers) == len(operands) and bool not in map(type, numbers):
            return Static(function(*numbers))
        if len(operands) == 2:
            left, right = (self.value(operand) for operand in operands)
            if left.type in _NUMBERS and right.type in _NUMBERS:
                found = self._arithmetic(function, left, right)
                if found is not None:
                    return found
        elif function is operator.neg:
            only = self.value(operands[0])
            if only.type == types.float64:
                return Value(types.float64, self.builder.fneg(only.llvm))
        return self.call(function, operands)

    def _arithmetic(self, function: Any, left: Value, right: Value) -> Value | None:
        """Combine floats or integers as a processor does; None where Python means something else."""
        builder = self.builder
        if left.type == right.type == types.int64:
            if function in _COMPARED:
                return Value(types.boolean, builder.icmp_signed(_COMPARED[function], left.llvm, right.llvm))
            name = _INTEGERS.get(function)
            return None if name is None else Value(types.int64, getattr(builder, name)(left.llvm, right.llvm))
        if function in _COMPARED and left.type != right.type:
            # Numba compares integers with floats as floats, too; left to it.
            return None
        x, y = (self.cast(value, types.float64) for value in (left, right))
        if function in _COMPARED:
            compare = builder.fcmp_unordered if function is operator.ne else builder.fcmp_ordered
            return Value(types.boolean, compare(_COMPARED[function], x, y))
        if function in _FLOATS:
            return Value(types.float64, getattr(builder, _FLOATS[function])(x, y))
        if function is operator.truediv and self.unit.divides_freely:
            return Value(types.float64, builder.fdiv(x, y))
        return None
