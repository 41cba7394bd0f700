"""Functions translated to LLVM's code, and calls between them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, TypeGuard

from llvmlite import ir
from numba.core import typing
from numba.core.funcdesc import PythonFunctionDescriptor

from graphs.backends.numba.translation.expressions import Expressions
from graphs.backends.numba.translation.source import definition_of, names_of
from graphs.backends.numba.translation.statements import Retyped, Suite
from graphs.backends.numba.translation.unit import Unit
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, is_number, types


def translate(unit: Unit, function: Any, description: Any, arguments: Sequence[Known], inline: bool) -> Any:
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
    inline : bool
        Whether LLVM has to make it part of callers.
    """
    kinds: dict[str, Any] = {}
    while True:
        try:
            return _Function(unit, function, description, arguments, kinds).translated(inline)
        except Retyped as needed:
            kinds[needed.name] = needed.kind


class _Function:
    """A function that is translated.

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
        self._definition = definition_of(function)
        convention = unit.context.call_conv
        kind = convention.get_function_type(types.none, description.argtypes)
        self._function = unit.module.globals.get(description.mangled_name)
        if self._function is None:
            self._function = ir.Function(unit.module, kind, description.mangled_name)
        else:  # begun, and now anew
            self._function.blocks.clear()
            self._function.scope = type(self._function.scope)()
        convention.decorate_function(
            self._function, description.args, description.argtypes, noalias=description.noalias
        )
        builder = ir.IRBuilder(self._function.append_basic_block("entry"))
        assigned = {node.id for node in ast.walk(self._definition) if _is_assigned(node)}
        self._read = Expressions(unit, builder, assigned, names_of(function), self._call)
        self._write = Suite(builder, self._read, kinds)
        given = iter(convention.decode_arguments(builder, description.argtypes, self._function))
        for name, argument in zip(function.__code__.co_varnames, arguments, strict=False):
            known = argument if isinstance(argument, Static) else Value(argument.type, next(given))
            if name in assigned:
                self._write.assign(name, known)
            else:
                self._read.fixed[name] = known

    def translated(self, inline: bool) -> Any:
        """Translate all statements, and return the function."""
        if self._write.follow(self._definition.body):
            self._write.give_back(Static(None))
        self._finish()
        if inline:
            self._function.attributes.add("alwaysinline")
        return self._function

    def _finish(self) -> None:
        """Return what was found to be returned, now that its type is known."""
        convention = self._unit.context.call_conv
        function, description = self._function, self._description
        builder, returned = self._read.builder, self._write.returned
        if not returned:
            raise Untranslatable("a function that does not return")
        kind = description.restype
        if kind is None:
            kind = description.restype = self._read.common_type(*(value.type for _, value in returned))
        # Only now is the type of the place known where the result is written.
        function.ftype = convention.get_function_type(kind, description.argtypes)
        function.type = function.ftype.as_pointer()
        function.args[0].type = function.ftype.args[0]
        for block, value in returned:
            builder.position_at_end(block)
            cast = self._read.do.cast(value, kind)
            convention.return_value(builder, self._unit.context.get_return_value(builder, kind, cast))

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
            names = [
                n for n, each in zip(function.__code__.co_varnames, given, strict=False) if isinstance(each, Value)
            ]
            description = _internal(function, number, names, tuple(value.type for value in values), self._description)
            self._unit.instances[key] = description
            translate(self._unit, function, description, given, True).linkage = "internal"
        elif description.restype is None:
            raise Untranslatable(f"{function.__name__} calls itself")
        signature = typing.signature(description.restype, *description.argtypes)
        result = self._unit.context.call_internal(builder, description, signature, [value.llvm for value in values])
        return Value(description.restype, result)


def _internal(function: Any, number: int, names: Sequence[str], kinds: tuple[Any, ...], outer: Any) -> Any:
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


def _is_assigned(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
