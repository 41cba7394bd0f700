"""Statements of a function, translated as they are read."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from graphs.backends.numba.translation.expressions import Expressions, LocalName
from graphs.backends.numba.translation.operations import OPERATORS
from graphs.backends.numba.translation.values import Known, Static, Untranslatable, Value, types

FEWEST_OF_A_VECTOR = 7
"""Elements of an inner loop that takes them at once; with fewer the loop around it does, of which it is a part then:
softplus and sigmoids of 24 by 2 take half the time, of 24 by 7 they would take a fifth longer."""


class Retyped(Exception):
    """A name turned out to need another type than that of the first value it got."""

    def __init__(self, name: str, kind: Any):
        super().__init__(name)
        self.name = name
        self.kind = kind


class Suite:
    """Translates statements of one function.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where code is appended.
    read : Expressions
        Translates expressions there.
    kinds : dict
        Types of names that more than their first values decide.

    Attributes
    ----------
    returned : list of tuple
        Blocks that end where the function returns, and what it returns there.
    """

    def __init__(self, builder: ir.IRBuilder, read: Expressions, kinds: dict[str, Any]):
        self.builder = builder
        self.read = read
        self.returned: list[tuple[Any, Value]] = []
        self._kinds = kinds
        self._loops: list[tuple[Any, Any]] = []

    def follow(self, nodes: Sequence[ast.stmt]) -> bool:
        """Translate statements; return whether what follows them can be reached. So does the method of each kind."""
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
            self.read.read(node.value)
        return True

    def _do_Return(self, node: ast.Return) -> bool:
        self.give_back(Static(None) if node.value is None else self.read.read(node.value))
        return False

    def give_back(self, known: Known) -> None:
        """Remember what is returned where the builder stands."""
        value = self.read.do.value(known)
        self.returned.append((self.builder.block, value))

    def _do_Assign(self, node: ast.Assign) -> bool:
        known = self.read.read(node.value)
        for target in node.targets:
            self._write(target, known)
        return True

    def _do_AnnAssign(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self._write(node.target, self.read.read(node.value))
        return True

    def _do_AugAssign(self, node: ast.AugAssign) -> bool:
        target = node.target
        operation = OPERATORS[type(node.op)]
        if isinstance(target, ast.Subscript):
            array: Known = self.read.do.value(self.read.read(target.value))
            index = self.read.index(target.slice)
            old = self.read.do.element(array, index)
            self._numbers_only(old)
            self.read.do.store(array, index, self.read.do.apply(operation, old, self.read.read(node.value)))
        elif isinstance(target, ast.Name):
            old = self.read.read(ast.Name(target.id, ast.Load()))
            self._numbers_only(old)
            self.assign(target.id, self.read.do.apply(operation, old, self.read.read(node.value)))
        else:
            raise Untranslatable(f"an assignment to {ast.unparse(target)}")
        return True

    def _numbers_only(self, known: Known) -> None:
        """Refuse what would be changed in place."""
        if isinstance(known, Value) and not isinstance(known.type, (types.Number, types.Boolean)):
            raise Untranslatable(f"{known.type} changed in place")

    def _write(self, target: ast.expr, known: Known) -> None:
        if isinstance(target, ast.Name):
            self.assign(target.id, known)
        elif isinstance(target, ast.Tuple):
            parts = self.read.do.parts_of(known)
            if len(parts) != len(target.elts):
                raise Untranslatable("as many names as values")
            for element, part in zip(target.elts, parts, strict=True):
                self._write(element, part)
        elif isinstance(target, ast.Subscript):
            self.read.do.store(self.read.read(target.value), self.read.index(target.slice), known)
        else:
            raise Untranslatable(f"an assignment to {ast.unparse(target)}")

    def assign(self, name: str, known: Known) -> None:
        """Give a name of the function a value."""
        value = self.read.do.value(known)
        variable = self.read.variables.get(name)
        if variable is None:
            kind = self._kinds.get(name, value.type)
            variable = self.read.variables[name] = LocalName(kind, self.read.place_of(kind))
        if value.type != variable.type:
            kind = self.read.common_type(variable.type, value.type)
            if kind != variable.type:
                raise Retyped(name, kind)
        self.builder.store(self.read.do.cast(value, variable.type), variable.place)

    def _do_If(self, node: ast.If) -> bool:
        condition = self.read.condition(node.test)
        if isinstance(condition, Static):
            return self.follow(node.body if condition.value else node.orelse)
        first, second, after = (self.builder.append_basic_block(n) for n in ("then", "otherwise", "after"))
        self.builder.cbranch(condition.llvm, first, second)
        reached = False
        for block, statements in ((first, node.body), (second, node.orelse)):
            self.builder.position_at_end(block)
            if self.follow(statements):
                self.builder.branch(after)
                reached = True
        self.builder.position_at_end(after)
        if not reached:
            self.builder.unreachable()
        return reached

    def _do_While(self, node: ast.While) -> bool:
        if node.orelse:
            raise Untranslatable("a loop with else")
        test, body, after = (self.builder.append_basic_block(n) for n in ("test", "body", "after"))
        self.builder.branch(test)
        self.builder.position_at_end(test)
        condition = self.read.condition(node.test)
        if isinstance(condition, Static) and not condition.value:
            self.builder.branch(after)
        else:
            if isinstance(condition, Static):
                self.builder.branch(body)
            else:
                self.builder.cbranch(condition.llvm, body, after)
            self.builder.position_at_end(body)
            self._loop(node.body, test, after)
        self.builder.position_at_end(after)
        is_left = not isinstance(condition, Static) or not condition.value or _breaks(node)
        if not is_left:
            self.builder.unreachable()
        return is_left

    def _loop(self, statements: Sequence[ast.stmt], goes_on: Any, after: Any) -> None:
        """Translate the body of a loop."""
        self._loops.append((goes_on, after))
        if self.follow(statements):
            self.builder.branch(goes_on)
        self._loops.pop()

    def _do_For(self, node: ast.For) -> bool:
        if node.orelse or not isinstance(node.target, ast.Name):
            raise Untranslatable("a loop over several names, or with else")
        if isinstance(node.iter, ast.Call):
            self._count(node, *self._range(node.iter))
            return True
        array = self.read.do.value(self.read.read(node.iter))
        if not isinstance(array.type, types.Array) or array.type.ndim != 1:
            raise Untranslatable(f"a loop over {ast.unparse(node.iter)}")
        size = self.read.do.value(self.read.do.attribute(array, "size")).llvm
        self._count(node, ir.Constant(size.type, 0), size, 1, array)
        return True

    def _count(self, node: ast.For, start: Any, stop: Any, step: int, array: Value | None = None) -> None:
        """Translate a loop over integers, or over the elements of an array."""
        builder, integer = self.builder, ir.IntType(64)
        counter = cgutils.alloca_once(builder, integer)
        builder.store(start, counter)
        test, body, next_, after = (builder.append_basic_block(n) for n in ("test", "body", "next", "after"))
        builder.branch(test)
        builder.position_at_end(test)
        now = builder.load(counter)
        builder.cbranch(builder.icmp_signed("<" if step > 0 else ">", now, stop), body, after)
        builder.position_at_end(body)
        known: Known = Value(types.int64, now)
        assert isinstance(node.target, ast.Name)
        self.assign(node.target.id, known if array is None else self.read.do.element(array, known))
        self._loop(node.body, next_, after)
        builder.position_at_end(next_)
        builder.store(builder.add(builder.load(counter), ir.Constant(integer, step), flags=["nsw"]), counter)
        back = builder.branch(test)
        if self._loops and is_narrow(start, stop, step) and not _has_loop(node):
            unroll(back)
        builder.position_at_end(after)

    def _range(self, node: ast.Call) -> tuple[Any, Any, int]:
        """Return where a loop starts and stops, and its step."""
        if node.keywords or self.read.read(node.func) != Static(range):
            raise Untranslatable(f"a loop over {ast.unparse(node)}")
        bounds = [self.read.read(argument) for argument in node.args]
        step = bounds[2] if len(bounds) == 3 else Static(1)
        if not isinstance(step, Static) or type(step.value) is not int or not step.value:
            raise Untranslatable("a loop with steps that are not known")
        first = Static(0) if len(bounds) == 1 else bounds[0]
        ends = [self.read.do.value(bound) for bound in (first, bounds[0] if len(bounds) == 1 else bounds[1])]
        if any(not isinstance(end.type, types.Integer) or end.type == types.uint64 for end in ends):
            raise Untranslatable("a loop over what are no integers")
        start, stop = (self.read.do.cast(end, types.int64) for end in ends)
        return start, stop, step.value

    def _do_Break(self, node: ast.Break) -> bool:
        self.builder.branch(self._loops[-1][1])
        return False

    def _do_Continue(self, node: ast.Continue) -> bool:
        self.builder.branch(self._loops[-1][0])
        return False


def is_narrow(start: Any, stop: Any, step: int) -> bool:
    """Whether a loop has fewer steps than fill a vector, known beforehand."""
    is_known = isinstance(start, ir.Constant) and isinstance(stop, ir.Constant)
    return is_known and len(range(start.constant, stop.constant, step)) < FEWEST_OF_A_VECTOR


def unroll(back: Any) -> None:
    """Have LLVM write all steps of a loop one after the other, so that the loop around it may take several at once.

    Parameters
    ----------
    back : llvmlite.ir.Branch
        From the end of the loop to its beginning.
    """
    module = back.parent.module
    # What says of a loop refers to itself: else those of two loops would be one.
    said = ir.MDValue(module, [module.add_metadata(["llvm.loop.unroll.full"])], name=str(len(module.metadata)))
    said.operands = (said, *said.operands)
    back.set_metadata("llvm.loop", said)


def _has_loop(loop: ast.For) -> bool:
    return any(isinstance(node, ast.For | ast.While) for node in ast.walk(loop) if node is not loop)


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
