"""Functions translated to LLVM's code: their statements, and calls between them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types, typing
from numba.core.funcdesc import PythonFunctionDescriptor

from graphs.backends.numba.translation.expressions import Expressions, Variable
from graphs.backends.numba.translation.operations import OPERATORS, Unit
from graphs.backends.numba.translation.source import definition_of, names_of
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, is_number

_definition_of = cache(definition_of)


class _Retyped(Exception):
    """A name turned out to need another type than that of the first value it got."""

    def __init__(self, name: str, kind: types.Type):
        super().__init__(name)
        self.name = name
        self.kind = kind


def translate(unit: Unit, function: Any, description: Any, arguments: Sequence[Known], inline: bool | None) -> Any:
    """Translate a function for arguments of given types, and return its LLVM function.

    Parameters
    ----------
    unit : Unit
        What functions share.
    function : callable
        In plain Python.
    description : FunctionDescriptor
        Numba's, with the types of arguments that are no `Static`; that of the result is set.
    arguments : sequence of Static or Value
        One for each parameter: what is known, or its type.
    inline : bool, optional
        Whether LLVM has to make it part of callers; None: as it thinks best.
    """
    kinds: dict[str, types.Type] = {}
    while True:
        body = _Body(unit, function, description, arguments, kinds)
        try:
            return body.translated(inline)
        except _Retyped as needed:
            unit.module.globals.pop(description.mangled_name)
            kinds[needed.name] = needed.kind


class _Body:
    """The statements of one function.

    Parameters
    ----------
    unit, function, description, arguments : object
        As of `translate`.
    kinds : dict
        Types of names that more than their first values decide.
    """

    def __init__(self, unit: Unit, function: Any, description: Any, arguments: Sequence[Known], kinds: dict[str, Any]):
        self._unit = unit
        self._description = description
        self._kinds = kinds
        self._definition = _definition_of(function)
        convention = unit.context.call_conv
        kind = convention.get_function_type(types.none, description.argtypes)
        self._function = ir.Function(unit.module, kind, description.mangled_name)
        convention.decorate_function(
            self._function, description.args, description.argtypes, noalias=description.noalias
        )
        builder = ir.IRBuilder(self._function.append_basic_block("entry"))
        self._builder = builder
        self._read = Expressions(unit, builder, names_of(function), self._call)
        self._loops: list[tuple[Any, Any]] = []
        self._returned: list[tuple[Any, Known]] = []
        assigned = {node.id for node in ast.walk(self._definition) if _is_assigned(node)}
        given = iter(convention.decode_arguments(builder, description.argtypes, self._function))
        self._start = function.__code__.co_varnames[: len(arguments)]
        for name, argument in zip(self._start, arguments, strict=True):
            known = argument if isinstance(argument, Static) else Value(argument.type, next(given))
            if name in assigned:
                self._assign(name, known)
            else:
                self._read.fixed[name] = known

    def translated(self, inline: bool | None) -> Any:
        """Translate all statements, and return the function."""
        if self._statements(self._definition.body):
            self._returned.append((self._builder.block, Static(None)))
        self._finish()
        if inline:
            self._function.attributes.add("alwaysinline")
        return self._function

    def _finish(self) -> None:
        """Return what was found to be returned, now that its type is known."""
        convention = self._unit.context.call_conv
        function, description = self._function, self._description
        results = []
        for block, known in self._returned:
            self._builder.position_at_end(block)
            results.append((self._builder.block, self._read.do.value(known)))
        if not results:
            raise Untranslatable("a function that does not return")
        kind = description.restype
        if kind is None:
            kind = description.restype = self._read.common_type(*(value.type for _, value in results))
        # Only now is the type of the place known where the result is written.
        function.ftype = convention.get_function_type(kind, description.argtypes)
        function.type = function.ftype.as_pointer()
        function.args[0].type = function.ftype.args[0]
        for block, value in results:
            self._builder.position_at_end(block)
            cast = self._read.do.cast(value, kind)
            convention.return_value(self._builder, self._unit.context.get_return_value(self._builder, kind, cast))

    def _call(self, builder: ir.IRBuilder, function: Any, arguments: Sequence[Known]) -> Known:
        """Call a function that becomes part of this one, translated once for arguments of the same types."""
        do = self._read.do
        given: list[Known] = []
        for argument in arguments:
            is_runtime = is_number(argument) or isinstance(argument, Value) or type(argument.value) is tuple
            given.append(do.value(argument) if is_runtime else argument)
        key = (function, tuple(each.type if isinstance(each, Value) else ("", id(each.value)) for each in given))
        description = self._unit.instances.get(key)
        values = [each for each in given if isinstance(each, Value)]
        if description is None:
            number = len(self._unit.instances)
            names = [n for n, each in zip(function.__code__.co_varnames, given, strict=False) if isinstance(each, Value)]
            description = _internal(function, number, names, tuple(value.type for value in values), self._description)
            self._unit.instances[key] = description
            translate(self._unit, function, description, given, True).linkage = "internal"
        elif description.restype is None:
            raise Untranslatable(f"{function.__name__} calls itself")
        signature = typing.signature(description.restype, *description.argtypes)
        result = self._unit.context.call_internal(builder, description, signature, [value.llvm for value in values])
        return Value(description.restype, result)

    # Statements. Each says whether what follows it can be reached.

    def _statements(self, nodes: Sequence[ast.stmt]) -> bool:
        for node in nodes:
            method = getattr(self, f"_do_{type(node).__name__}", None)
            if method is None:
                raise Untranslatable(f"the statement {ast.unparse(node)}")
            if not method(node):
                return False
        return True

    def _do_Pass(self, node: ast.Pass) -> bool:
        return True

    def _do_Expr(self, node: ast.Expr) -> bool:
        if not isinstance(node.value, ast.Constant):
            self._read.read(node.value)
        return True

    def _do_Return(self, node: ast.Return) -> bool:
        known = Static(None) if node.value is None else self._read.read(node.value)
        # Here, where the builder stands: tuples take instructions.
        self._returned.append((self._builder.block, self._read.do.value(known)))
        return False

    def _do_Assign(self, node: ast.Assign) -> bool:
        known = self._read.read(node.value)
        for target in node.targets:
            self._write(target, known)
        return True

    def _do_AnnAssign(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self._write(node.target, self._read.read(node.value))
        return True

    def _do_AugAssign(self, node: ast.AugAssign) -> bool:
        target = node.target
        operation = OPERATORS[type(node.op)]
        if isinstance(target, ast.Subscript):
            array, index = self._read.read(target.value), self._read.index(target.slice)
            array = self._read.do.value(array)
            old = self._read.do.element(array, index)
            self._numbers_only(old)
            self._read.do.store(array, index, self._read.do.apply(operation, old, self._read.read(node.value)))
            return True
        old = self._read.read(ast.Name(target.id, ast.Load())) if isinstance(target, ast.Name) else None
        if old is None:
            raise Untranslatable(f"an assignment to {ast.unparse(target)}")
        self._numbers_only(old)
        self._write(target, self._read.do.apply(operation, old, self._read.read(node.value)))
        return True

    def _numbers_only(self, known: Known) -> None:
        """Refuse what would be changed in place."""
        if isinstance(known, Value) and not isinstance(known.type, (types.Number, types.Boolean)):
            raise Untranslatable(f"{known.type} changed in place")

    def _write(self, target: ast.expr, known: Known) -> None:
        if isinstance(target, ast.Name):
            self._assign(target.id, known)
        elif isinstance(target, ast.Tuple):
            parts = self._read.do.parts_of(known)
            if len(parts) != len(target.elts):
                raise Untranslatable("as many names as values")
            for element, part in zip(target.elts, parts, strict=True):
                self._write(element, part)
        elif isinstance(target, ast.Subscript):
            self._read.do.store(self._read.read(target.value), self._read.index(target.slice), known)
        else:
            raise Untranslatable(f"an assignment to {ast.unparse(target)}")

    def _assign(self, name: str, known: Known) -> None:
        value = self._read.do.value(known)
        variable = self._read.variables.get(name)
        if variable is None:
            kind = self._kinds.get(name, value.type)
            variable = self._read.variables[name] = Variable(kind, self._read.place_of(kind))
        if value.type != variable.type:
            kind = self._read.common_type(variable.type, value.type)
            if kind != variable.type:
                raise _Retyped(name, kind)
        self._builder.store(self._read.do.cast(value, variable.type), variable.place)

    def _do_If(self, node: ast.If) -> bool:
        condition = self._read.condition(node.test)
        if isinstance(condition, Static):
            return self._statements(node.body if condition.value else node.orelse)
        first, second, after = (self._function.append_basic_block(n) for n in ("then", "otherwise", "after"))
        self._builder.cbranch(condition.llvm, first, second)
        reached = False
        for block, statements in ((first, node.body), (second, node.orelse)):
            self._builder.position_at_end(block)
            if self._statements(statements):
                self._builder.branch(after)
                reached = True
        self._builder.position_at_end(after)
        if not reached:
            self._builder.unreachable()
        return reached

    def _do_While(self, node: ast.While) -> bool:
        if node.orelse:
            raise Untranslatable("a loop with else")
        test, body, after = (self._function.append_basic_block(n) for n in ("test", "body", "after"))
        self._builder.branch(test)
        self._builder.position_at_end(test)
        condition = self._read.condition(node.test)
        if isinstance(condition, Static) and not condition.value:
            self._builder.branch(after)
        else:
            if isinstance(condition, Static):
                self._builder.branch(body)
            else:
                self._builder.cbranch(condition.llvm, body, after)
            self._builder.position_at_end(body)
            self._loop(node.body, test, after)
        self._builder.position_at_end(after)
        is_left = not isinstance(condition, Static) or not condition.value or _breaks(node)
        if not is_left:
            self._builder.unreachable()
        return is_left

    def _loop(self, statements: Sequence[ast.stmt], goes_on: Any, after: Any) -> None:
        """Translate the body of a loop."""
        self._loops.append((goes_on, after))
        if self._statements(statements):
            self._builder.branch(goes_on)
        self._loops.pop()

    def _do_For(self, node: ast.For) -> bool:
        if node.orelse or not isinstance(node.target, ast.Name):
            raise Untranslatable("a loop over several names, or with else")
        start, stop, step = self._range(node.iter)
        builder, integer = self._builder, ir.IntType(64)
        counter = cgutils.alloca_once(builder, integer)
        builder.store(start, counter)
        test, body, next_, after = (self._function.append_basic_block(n) for n in ("test", "body", "next", "after"))
        builder.branch(test)
        builder.position_at_end(test)
        now = builder.load(counter)
        builder.cbranch(builder.icmp_signed("<" if step > 0 else ">", now, stop), body, after)
        builder.position_at_end(body)
        self._assign(node.target.id, Value(types.int64, now))
        self._loop(node.body, next_, after)
        builder.position_at_end(next_)
        builder.store(builder.add(builder.load(counter), ir.Constant(integer, step), flags=["nsw"]), counter)
        builder.branch(test)
        builder.position_at_end(after)
        return True

    def _range(self, node: ast.expr) -> tuple[Any, Any, int]:
        """Return where a loop starts and stops, and its step."""
        if not isinstance(node, ast.Call) or node.keywords or self._read.read(node.func) != Static(range):
            raise Untranslatable(f"a loop over {ast.unparse(node)}")
        bounds = [self._read.read(argument) for argument in node.args]
        step = bounds[2] if len(bounds) == 3 else Static(1)
        if not isinstance(step, Static) or type(step.value) is not int or not step.value:
            raise Untranslatable("a loop with steps that are not known")
        first = Static(0) if len(bounds) == 1 else bounds[0]
        ends = [self._read.do.value(bound) for bound in (first, bounds[0] if len(bounds) == 1 else bounds[1])]
        if any(not isinstance(end.type, types.Integer) or end.type == types.uint64 for end in ends):
            raise Untranslatable("a loop over what are no integers")
        start, stop = (self._read.do.cast(end, types.int64) for end in ends)
        return start, stop, step.value

    def _do_Break(self, node: ast.Break) -> bool:
        self._builder.branch(self._loops[-1][1])
        return False

    def _do_Continue(self, node: ast.Continue) -> bool:
        self._builder.branch(self._loops[-1][0])
        return False


def _internal(function: Any, number: int, names: Sequence[str], kinds: tuple[types.Type, ...], outer: Any) -> Any:
    """Describe a function that is part of another one."""
    name = f"{outer.qualname}.{function.__name__}.{number}"
    return PythonFunctionDescriptor(
        native=True,
        modname=outer.modname,
        qualname=name,
        unique_name=name,
        doc="",
        typemap=None,
        restype=None,
        calltypes=None,
        args=tuple(names),
        kws=(),
        argtypes=kinds,
        global_dict=outer.global_dict,
        abi_tags=outer.abi_tags,
        uid=outer.uid,
    )


def _is_assigned(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _breaks(loop: ast.While) -> bool:
    """Return whether a statement of a loop leaves it."""
    waiting: list[ast.AST] = [*loop.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Break):
            return True
        if not isinstance(node, (ast.For, ast.While)):
            waiting += ast.iter_child_nodes(node)
    return False

