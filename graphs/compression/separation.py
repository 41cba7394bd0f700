"""Write a log-density, row by row, as a sum of data times functions of parameters, and of squares of such sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor
from pytensor.tensor.variable import TensorVariable

from graphs.compression.forms import (
    MOST_PARTS,
    Column,
    Form,
    SharedProduct,
    Square,
    add,
    chosen,
    multiple,
    power,
    product,
    scaled,
    summed,
    switched,
)
from graphs.compression.rows import Rows, reordered
from graphs.compression.shapes import is_uniform, shape_of, size_of


class Separation:
    """Forms of the variables of a graph, worked out on demand.

    What no rule takes apart is a function of parameters whose rows differ by what they read: every variable has a form.

    Parameters
    ----------
    rows : Rows
        What the rows of the graph read.
    """

    def __init__(self, rows: Rows):
        self.rows = rows
        self._forms: dict[TensorVariable, Form] = {}

    def form(self, variable: TensorVariable) -> Form:
        """Return a variable as a sum of columns, blocks and squares."""
        if variable not in self._forms:
            found = self._find(variable)
            is_small = found is not None and found.num_parts <= MOST_PARTS
            self._forms[variable] = found if found is not None and is_small else _whole(variable)
        return self._forms[variable]

    def _find(self, variable: TensorVariable) -> Form | None:
        constant = self.rows.constant(variable)
        if constant is not None:
            return Form([Column(np.asarray(constant, "float64"))]) if constant.dtype.kind in "biuf" else None
        node = variable.owner
        if node is None or size_of(variable) is None or self.rows.is_data_free(variable):
            return None
        if isinstance(node.op, Elemwise):
            rule = _SCALAR_RULES.get(type(node.op.scalar_op))
            return None if rule is None else rule(self, node)
        for kinds, array_rule in _ARRAY_RULES:
            if isinstance(node.op, kinds):
                return array_rule(self, node)
        return self._product(variable)

    def _product(self, variable: TensorVariable) -> Form | None:
        found = self.rows.product(variable)
        if found is None:
            return None
        if found.is_shared:
            return Form([], [SharedProduct(found.data, found.parameters.flatten())])
        return summed(found.data, found.parameters)


def _whole(variable: TensorVariable) -> Form:
    return Form([Column(np.ones((1,) * variable.type.ndim), variable)])


def _add(separation: Separation, node: Apply) -> Form:
    return add([separation.form(i) for i in node.inputs])


def _subtract(separation: Separation, node: Apply) -> Form:
    first, second = (separation.form(i) for i in node.inputs)
    return add([first, _negative(second)])


def _negative(form: Form) -> Form:
    return scaled(np.array(-1.0), form)


def _multiply(separation: Separation, node: Apply) -> Form | None:
    if len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]:
        return _squared(separation, node.inputs[0])
    result: Form | None = Form([Column(np.ones((1,) * node.outputs[0].type.ndim))])
    for form in sorted((separation.form(i) for i in node.inputs), key=lambda f: f.single is None):
        single = None if result is None else result.single
        if single is None:
            return None
        result = product(single, form)
    return result


def _divide(separation: Separation, node: Apply) -> Form | None:
    over, under = (separation.form(i) for i in node.inputs)
    return None if under.single is None else product(power(under.single, -1), over)


def _reciprocal(separation: Separation, node: Apply) -> Form | None:
    single = separation.form(node.inputs[0]).single
    return None if single is None else Form([power(single, -1)])


def _square(separation: Separation, node: Apply) -> Form | None:
    return _squared(separation, node.inputs[0])


def _power(separation: Separation, node: Apply) -> Form | None:
    exponent = separation.rows.constant(node.inputs[1])
    if exponent is None or not is_uniform(exponent):
        return None
    if exponent.flat[0] == 2:
        return _squared(separation, node.inputs[0])
    single = separation.form(node.inputs[0]).single
    whole = float(exponent.flat[0])
    # A root of a product is the product of the roots of a positive number and the rest.
    if single is None or (whole != int(whole) and not (single.data > 0).all()):
        return None
    return Form([power(single, whole)])


def _squared(separation: Separation, variable: TensorVariable) -> Form | None:
    factor, root = _peeled(separation, variable)
    form = separation.form(root)
    if form.squares:
        return None
    if form.single is not None:
        return product(power(form.single, 2), Form([power(factor, 2)]))
    return Form([], [], [Square(power(factor, 2), form)])


def _peeled(separation: Separation, variable: TensorVariable) -> tuple[Column, TensorVariable]:
    """Return factors of a variable and what is left of it, a sum."""
    factor = Column(np.ones((1,) * variable.type.ndim))
    while variable.owner is not None and isinstance(variable.owner.op, Elemwise):
        kind, inputs = type(variable.owner.op.scalar_op), variable.owner.inputs
        singles = [separation.form(i).single for i in inputs]
        sums = [i for i, single in zip(inputs, singles, strict=True) if single is None]
        if len(sums) != 1 or kind not in (ps.Mul, ps.TrueDiv, ps.Neg) or (kind is ps.TrueDiv and singles[1] is None):
            break
        for single in singles:
            if single is not None:
                [factor] = _times(factor, power(single, -1) if kind is ps.TrueDiv else single)
        [variable] = sums
    return factor, variable


def _times(a: Column, b: Column) -> Sequence[Column]:
    both = product(a, Form([b]))
    assert both is not None
    return both.columns


def _log(separation: Separation, node: Apply) -> Form | None:
    argument = node.inputs[0]
    op = None if argument.owner is None else argument.owner.op
    if isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Exp):
        return separation.form(argument.owner.inputs[0])
    single = separation.form(argument).single
    if single is None or single.function is None or not (single.data > 0).all():
        return None
    return Form([Column(np.log(single.data)), Column(np.ones((1,) * single.data.ndim), pt.log(single.function))])


def _exp(separation: Separation, node: Apply) -> Form | None:
    """Take an exponential apart where data are added to parameters, not multiplied."""
    form = separation.form(node.inputs[0])
    data = [c for c in form.columns if c.function is None]
    rest = [c for c in form.columns if c.function is not None]
    if not data or form.blocks or form.squares or not all(is_uniform(c.data) for c in rest):
        return None
    functions = [multiple(float(c.data.flat[0]), c.function) for c in rest if c.function is not None]
    offset = sum(c.data for c in data)
    return Form([Column(np.exp(offset), pt.exp(pt.add(*functions) if len(functions) > 1 else functions[0]))])


def _switch(separation: Separation, node: Apply) -> Form | None:
    condition = separation.rows.constant(node.inputs[0])
    if condition is None:
        is_known = separation.rows.is_data_free(node.inputs[0])
        return switched(node.inputs[0], *(separation.form(i) for i in node.inputs[1:])) if is_known else None
    yes, no = (separation.form(i) for i in node.inputs[1:])
    return add([chosen(condition != 0, yes), chosen(condition == 0, no)])


def _cast(separation: Separation, node: Apply) -> Form | None:
    is_exact = str(node.inputs[0].type.dtype) != "bool" and str(node.outputs[0].type.dtype) == "float64"
    return separation.form(node.inputs[0]) if is_exact else None


def _move(separation: Separation, node: Apply) -> Form | None:
    """Repeat, reorder or pick elements of a form."""
    base = separation.rows.moved_base(node)
    if base is None:
        return None
    form, shape = separation.form(base), shape_of(base)
    is_in_place = isinstance(node.op, Alloc) and node.outputs[0].type.ndim == base.type.ndim
    if isinstance(node.op, SpecifyShape) or is_in_place:
        return form
    if form.squares:
        return None
    if isinstance(node.op, DimShuffle):
        return Form(
            [
                Column(reordered(c.data, node.op), None if c.function is None else node.op(c.function))
                for c in form.columns
            ],
            [SharedProduct(reordered(b.data, node.op), b.parameters) for b in form.blocks],
        )
    if isinstance(node.op, Alloc):
        added = (1,) * (node.outputs[0].type.ndim - base.type.ndim)
        return Form(
            [Column(c.data.reshape(added + c.data.shape), _padded(c.function, len(added))) for c in form.columns],
            [SharedProduct(b.data.reshape(added + b.data.shape), b.parameters) for b in form.blocks],
        )
    blocks = []
    for block in form.blocks:
        parts = np.broadcast_to(block.data, (*shape, block.data.shape[-1]))
        moved = [separation.rows.move(node, parts[..., i]) for i in range(parts.shape[-1])]
        blocks.append(SharedProduct(np.stack(moved, axis=-1), block.parameters))
    columns = []
    for column in form.columns:
        data = separation.rows.move(node, np.broadcast_to(column.data, shape))
        function = column.function
        if function is not None:
            full = function if function.type.shape == base.type.shape else pt.broadcast_to(function, shape)
            function = node.op(full, *node.inputs[1:])
        columns.append(Column(data, function))
    return Form(columns, blocks)


def _padded(function: TensorVariable | None, count: int) -> TensorVariable | None:
    return None if function is None else pt.shape_padleft(function, count) if count else function


def _sum(separation: Separation, node: Apply) -> Form | None:
    """Open a sum over the last axis, as in ``(x * b[group]).sum(axis=-1)``."""
    argument = node.inputs[0]
    axes = tuple(range(argument.type.ndim)) if node.op.axis is None else tuple(node.op.axis)
    single = separation.form(argument).single
    if axes != (argument.type.ndim - 1,) or size_of(argument) is None or single is None or single.function is None:
        return None
    data = np.broadcast_to(single.data, (*single.data.shape[:-1], argument.type.shape[-1]))
    return summed(data, single.function)


_SCALAR_RULES: dict[type, Callable[[Separation, Apply], Form | None]] = {
    ps.Add: _add,
    ps.Sub: _subtract,
    ps.Neg: lambda separation, node: _negative(separation.form(node.inputs[0])),
    ps.Mul: _multiply,
    ps.TrueDiv: _divide,
    ps.Reciprocal: _reciprocal,
    ps.Sqr: _square,
    ps.Pow: _power,
    ps.Log: _log,
    ps.Exp: _exp,
    ps.Switch: _switch,
    ps.Cast: _cast,
    ps.Identity: lambda separation, node: separation.form(node.inputs[0]),
}
_ARRAY_RULES: tuple[tuple[tuple[type, ...], Callable[[Separation, Apply], Form | None]], ...] = (
    ((DimShuffle, Alloc, SpecifyShape, Subtensor, AdvancedSubtensor), _move),
    ((Sum,), _sum),
)
