"""Expressions of a function, translated as they are read."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from graphs.backends.numba.translation.elements import Elements
from graphs.backends.numba.translation.operations import OPERATORS
from graphs.backends.numba.translation.unit import Unit
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, is_inlined, types

_NOTHING = Static(None)


class LocalName(NamedTuple):
    """A local name that is assigned to: memory, of one type."""

    type: Any
    place: Any


class Expressions:
    """Translates expressions of one function.

    Parameters
    ----------
    unit : Unit
        What functions share.
    builder : llvmlite.ir.IRBuilder
        Where code is appended.
    local : set of str
        The function's own names.
    names : dict
        What all others mean.
    call_function : callable
        Translates a call of a function that is to be part of this one.
    """

    def __init__(
        self,
        unit: Unit,
        builder: ir.IRBuilder,
        local: set[str],
        names: dict[str, Any],
        call_function: Callable[[ir.IRBuilder, Any, Sequence[Known]], Known],
    ):
        self.unit = unit
        self.builder = builder
        self.do = Elements(unit, builder)
        self.variables: dict[str, LocalName] = {}
        self.fixed: dict[str, Known] = {}
        self.local = local
        self._names = names
        self._call_function = call_function

    def place_of(self, kind: Any) -> Any:
        """Return memory for a value, zero until it is written."""
        return cgutils.alloca_once(self.builder, self.unit.context.get_value_type(kind), zfill=True)

    def read(self, node: ast.expr) -> Known:
        """Translate an expression."""
        method = getattr(self, f"_read_{type(node).__name__}", None)
        if method is None:
            raise Untranslatable(f"the expression {ast.unparse(node)}")
        result: Known = method(node)
        return result

    def _read_Constant(self, node: ast.Constant) -> Known:
        return Static(node.value)

    def _read_Name(self, node: ast.Name) -> Known:
        name = node.id
        if name in self.fixed:
            return self.fixed[name]
        if name in self.variables:
            variable = self.variables[name]
            return Value(variable.type, self.builder.load(variable.place))
        if name in self.local:
            raise Untranslatable(f"{name} before it is assigned to")
        if name in self._names:
            return Static(self._names[name])
        if hasattr(builtins, name):
            return Static(getattr(builtins, name))
        raise Untranslatable(f"the name {name}")

    def _read_Attribute(self, node: ast.Attribute) -> Known:
        return self.do.attribute(self.read(node.value), node.attr)

    def _read_Tuple(self, node: ast.Tuple) -> Known:
        parts = [self.read(element) for element in node.elts]
        known = tuple(part.value for part in parts if isinstance(part, Static))
        if len(known) == len(parts):
            return Static(known)
        return self.do.tuple_of([self.do.value(part) for part in parts])

    def _read_BinOp(self, node: ast.BinOp) -> Known:
        return self.do.apply(OPERATORS[type(node.op)], self.read(node.left), self.read(node.right))

    def _read_UnaryOp(self, node: ast.UnaryOp) -> Known:
        if not isinstance(node.op, ast.Not):
            return self.do.apply(OPERATORS[type(node.op)], self.read(node.operand))
        truth = self.condition(node.operand)
        if isinstance(truth, Static):
            return Static(not truth.value)
        return Value(types.boolean, self.builder.not_(truth.llvm))

    def _read_Subscript(self, node: ast.Subscript) -> Known:
        return self.do.element(self.read(node.value), self.index(node.slice))

    def index(self, node: ast.expr) -> Known:
        """Translate what stands in brackets."""
        if isinstance(node, ast.Slice):
            if node.step is not None:
                raise Untranslatable(f"the slice {ast.unparse(node)}")
            ends = [_NOTHING if end is None else self.read(end) for end in (node.lower, node.upper)]
            return self.do.call(slice, ends)
        if isinstance(node, ast.Tuple) and any(isinstance(element, ast.Slice) for element in node.elts):
            return self.do.tuple_of([self.do.value(self.index(element)) for element in node.elts])
        return self.read(node)

    def _read_Compare(self, node: ast.Compare) -> Known:
        left = self.read(node.left)
        result_of: list[Known] = []
        last = len(node.ops) - 1
        with self._short_circuit(result_of) as ends:
            for position, (operation, other) in enumerate(zip(node.ops, node.comparators, strict=True)):
                right = self.read(other)
                result = self._compared(operation, left, right)
                if position < last:
                    ends(result, False)
                else:
                    result_of.append(result)
                left = right
        return result_of[0]

    def _compared(self, operation: ast.cmpop, left: Known, right: Known) -> Known:
        if isinstance(operation, (ast.Is, ast.IsNot)):
            nothing = [
                known == _NOTHING or (isinstance(known, Value) and known.type == types.none) for known in (left, right)
            ]
            if not any(nothing):
                raise Untranslatable("a comparison of identities")
            return Static(all(nothing) is isinstance(operation, ast.Is))
        if type(operation) not in OPERATORS:
            raise Untranslatable("a comparison of membership")
        return self.do.apply(OPERATORS[type(operation)], left, right)

    def _read_BoolOp(self, node: ast.BoolOp) -> Known:
        return self._decided(node, self._boolean)

    def condition(self, node: ast.expr) -> Known:
        """Translate what is only asked whether it counts as true."""
        if isinstance(node, ast.BoolOp):
            return self._decided(node, self.condition)
        return self.do.truth(self.read(node))

    def _decided(self, node: ast.BoolOp, truth_of: Callable[[ast.expr], Known]) -> Known:
        """Translate operands as far as they are looked at."""
        stops_at = isinstance(node.op, ast.Or)
        result_of: list[Known] = []
        with self._short_circuit(result_of) as ends:
            for operand in node.values[:-1]:
                truth = truth_of(operand)
                if not isinstance(truth, Static):
                    ends(truth, stops_at)
                elif truth.value is stops_at:
                    result_of.append(truth)
                    break
            else:
                result_of.append(truth_of(node.values[-1]))
        return result_of[0]

    def _boolean(self, node: ast.expr) -> Known:
        """Translate a truth value; Python's ``and`` of anything else is one of its operands."""
        known = self.read(node)
        if isinstance(known, Static) and type(known.value) is bool:
            return known
        if isinstance(known, Value) and known.type == types.boolean:
            return known
        raise Untranslatable(f"{ast.unparse(node)} as a truth value")

    @contextmanager
    def _short_circuit(self, result_of: list[Known]) -> Iterator[Callable[[Known, bool], None]]:
        """Let what follows be evaluated only where what comes before leaves the result open.

        Parameters
        ----------
        result_of : list
            Holds the last operand afterwards; then, the result.

        Yields
        ------
        callable
            Ends the evaluation where a truth value is as given.
        """
        place: Any = None
        decided: Any = None

        def ends(truth: Known, at: bool) -> None:
            nonlocal place, decided
            value = self.do.value(truth)
            if place is None:
                place, decided = self.place_of(types.boolean), self.builder.append_basic_block("decided")
            self.builder.store(value.llvm, place)
            goes_on = self.builder.append_basic_block("open")
            self.builder.cbranch(value.llvm, *((decided, goes_on) if at else (goes_on, decided)))
            self.builder.position_at_end(goes_on)

        yield ends
        if place is not None:
            self.builder.store(self.do.value(result_of[0]).llvm, place)
            self.builder.branch(decided)
            self.builder.position_at_end(decided)
            result_of[0] = Value(types.boolean, self.builder.load(place))

    def _read_IfExp(self, node: ast.IfExp) -> Known:
        condition = self.condition(node.test)
        if isinstance(condition, Static):
            return self.read(node.body if condition.value else node.orelse)
        first, second, after = (self.builder.append_basic_block(name) for name in ("then", "otherwise", "after"))
        self.builder.cbranch(condition.llvm, first, second)
        self.builder.position_at_end(first)
        left = self.do.value(self.read(node.body))
        first = self.builder.block
        self.builder.position_at_end(second)
        right = self.do.value(self.read(node.orelse))
        second = self.builder.block
        kind = self.common_type(left.type, right.type)
        place = self.place_of(kind)
        for block, value in ((first, left), (second, right)):
            self.builder.position_at_end(block)
            self.builder.store(self.do.cast(value, kind), place)
            self.builder.branch(after)
        self.builder.position_at_end(after)
        return Value(kind, self.builder.load(place))

    def common_type(self, *kinds: Any) -> Any:
        """Return the type that values of several types have in one place."""
        if len({*kinds}) == 1:
            return kinds[0]
        if not all(isinstance(kind, (types.Number, types.Boolean)) for kind in kinds):
            raise Untranslatable(f"one name for values of types {kinds}")
        return self.unit.typing.unify_types(*kinds)

    def _read_Call(self, node: ast.Call) -> Known:
        function = self.read(node.func)
        if not isinstance(function, Static):
            raise Untranslatable(f"a call of {ast.unparse(node.func)}")
        called = function.value
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(not k.arg for k in node.keywords):
            raise Untranslatable("a call with stars")
        arguments = [self.read(argument) for argument in node.args]
        named = {keyword.arg: self.read(keyword.value) for keyword in node.keywords}
        if isinstance(called, type) and issubclass(called, tuple) and hasattr(called, "_fields"):
            return self._named_tuple(called, arguments, named)
        if called is len and len(arguments) == 1 and isinstance(arguments[0], Value):
            kind = arguments[0].type
            if isinstance(kind, types.Array) and kind.ndim:
                return self.do.element(self.do.attribute(arguments[0], "shape"), Static(0))
        if is_inlined(called):
            return self._call_function(self.builder, called.py_func, _bound(called.py_func, arguments, named))
        if named:
            raise Untranslatable(f"named arguments of {called}")
        return self.do.call(called, arguments)

    def _named_tuple(self, cls: Any, arguments: Sequence[Known], named: dict[Any, Known]) -> Known:
        given = dict(zip(cls._fields, arguments, strict=False)) | named
        values = [given.get(field, Static(cls._field_defaults.get(field))) for field in cls._fields]
        return self.do.tuple_of([self.do.value(value) for value in values], cls)


def _bound(function: Any, arguments: Sequence[Known], named: dict[Any, Known]) -> list[Known]:
    """Return arguments in the order of parameters, with those that are given by default."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    bound = dict(zip(names[len(names) - len(defaults) :], map(Static, defaults), strict=True))
    bound |= dict(zip(names, arguments, strict=False)) | named
    if len(arguments) > len(names) or {*bound} != {*names}:
        raise Untranslatable(f"arguments of {function.__name__}")
    return [bound[name] for name in names]
