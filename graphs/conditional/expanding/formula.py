"""Graphs as formulas that people read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.scalar.basic as ps
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import Alloc, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor, IncSubtensor, Subtensor

# How tightly a text binds: a looser one is put in brackets inside a tighter one.
_SUM, _NEGATION, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4, 5
_COMPARISON = 0
_LONGEST = 2000
Text = tuple[str, int]

_COMPARISONS = {ps.GT: ">", ps.LT: "<", ps.GE: ">=", ps.LE: "<=", ps.EQ: "==", ps.NEQ: "!=", ps.AND: "&", ps.OR: "|"}
_HIDDEN = (Alloc, SpecifyShape, Reshape, TensorFromScalar, ScalarFromTensor)


def formula(variable: Variable, max_length: int = 200) -> str:
    """Write a graph as an infix formula, without broadcasting and casts.

    Parameters
    ----------
    variable : Variable
        The graph.
    max_length : int
        Longer formulas are cut.

    Returns
    -------
    str

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> y = pt.scalar("y")
    >>> formula(4 + pt.exp(-y) * y**2)
    'exp(-y)*y**2 + 4'
    """
    texts: dict[Variable, Text] = {}
    for node in toposort([variable]):
        for output in node.outputs:
            texts[output] = _named(output) or _clip(_write(node, [texts.get(i) or _leaf(i) for i in node.inputs]))
    text = (texts.get(variable) or _leaf(variable))[0]
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def _named(variable: Variable) -> Text | None:
    return (variable.name, _ATOM) if variable.name and variable.name.isidentifier() else None


def _clip(text: Text) -> Text:
    return text if len(text[0]) <= _LONGEST else ("...", _ATOM)


def _leaf(variable: Variable) -> Text:
    if not isinstance(variable, Constant):
        return _named(variable) or (variable.name or f"<{variable.type}>", _ATOM)
    data = np.asarray(variable.data)
    if data.dtype.kind not in "biuf":
        return str(variable.data), _ATOM
    if data.size and (data == data.flat[0]).all():
        value = data.flat[0]
        return f"{value:.6g}", _NEGATION if value < 0 else _ATOM
    if variable.name:
        return variable.name, _ATOM
    if data.size <= 4:
        return " ".join(np.array2string(data, separator=", ", precision=4).split()), _ATOM
    return f"data({'x'.join(map(str, data.shape))})", _ATOM


def _bracket(text: Text, tightness: int) -> str:
    return text[0] if text[1] >= tightness else f"({text[0]})"


def _write(node: Apply, inputs: list[Text]) -> Text:
    op = node.op
    if isinstance(op, Elemwise):
        return _write_scalar(op.scalar_op, inputs)
    if isinstance(op, ps.ScalarOp):
        return _write_scalar(op, inputs)
    if isinstance(op, DimShuffle):
        kept = [axis for axis in op.new_order if axis != "x"]
        return inputs[0] if kept == sorted(kept) else (_bracket(inputs[0], _ATOM) + ".T", _ATOM)
    if isinstance(op, _HIDDEN):
        return inputs[0]
    if isinstance(op, CAReduce):
        name = str(op.scalar_op).lower() if type(op) is CAReduce else type(op).__name__.lower()
        axis = "" if op.axis is None or len(op.axis) == node.inputs[0].type.ndim else f", axis={_axes(op.axis)}"
        return f"{name}({inputs[0][0]}{axis})", _ATOM
    if isinstance(op, Subtensor | AdvancedSubtensor):
        return f"{_bracket(inputs[0], _ATOM)}[{_index(op.idx_list, inputs[1:])}]", _ATOM
    if isinstance(op, IncSubtensor | AdvancedIncSubtensor):
        index = _index(op.idx_list, inputs[2:])
        if op.set_instead_of_inc:
            return f"set({inputs[0][0]}, {index}, {inputs[1][0]})", _ATOM
        return _write_sum([(inputs[0], False), ((f"sum_by({inputs[1][0]}, {index})", _ATOM), False)])
    if isinstance(op, MakeVector):
        return f"[{', '.join(text for text, _ in inputs)}]", _ATOM
    return f"{getattr(op, 'name', None) or type(op).__name__}({', '.join(text for text, _ in inputs)})", _ATOM


def _axes(axes: tuple[int, ...]) -> str:
    return str(axes[0]) if len(axes) == 1 else str(tuple(axes))


def _index(idx_list: tuple, indices: list[Text]) -> str:
    def entry(item: object) -> str:
        if isinstance(item, slice):
            start, stop = ("" if i is None else indices[i][0] for i in (item.start, item.stop))
            return f"{start}:{stop}" + ("" if item.step is None else f":{indices[item.step][0]}")
        return indices[item][0] if isinstance(item, int) else ":"

    return ", ".join(entry(item) for item in idx_list)


def _write_scalar(op: ps.ScalarOp, inputs: list[Text]) -> Text:
    kind = type(op)
    if kind in _INFIX:
        return _INFIX[kind](inputs)
    if kind in _COMPARISONS and len(inputs) == 2:
        return f"{_bracket(inputs[0], _SUM)} {_COMPARISONS[kind]} {_bracket(inputs[1], _SUM)}", _COMPARISON
    name = {ps.Switch: "where", ps.Abs: "abs"}.get(kind, op.name or kind.__name__.lower())
    return f"{name}({', '.join(text for text, _ in inputs)})", _ATOM


def _write_sum(parts: list[tuple[Text, bool]]) -> Text:
    """Write a sum: variables before numbers, and what is added before what is subtracted."""
    signed = []
    for (text, tightness), is_negated in parts:
        if text.startswith("-") and tightness > _SUM:
            text, tightness, is_negated = text[1:], _PRODUCT, not is_negated
        signed.append((_bracket((text, tightness), _NEGATION if is_negated else _SUM), is_negated))
    signed = [part for part in signed if part[0] != "0"] or [("0", False)]
    signed.sort(key=lambda part: (part[1], part[0].replace(".", "").isdigit()))
    first, *rest = signed
    head = ("-" if first[1] else "") + first[0]
    return head + "".join(f" {'-' if negated else '+'} {text}" for text, negated in rest), (
        _SUM if rest else _NEGATION if head.startswith("-") else _PRODUCT
    )


def _write_product(inputs: list[Text]) -> Text:
    """Write a product: a sign in front, reciprocals as a quotient."""
    sign, above, below = "", [], []
    for text, tightness in inputs:
        if tightness == _NEGATION and text.startswith("-"):
            sign = "" if sign else "-"
            text, tightness = text[1:], _PRODUCT
        if text.startswith("1/") and tightness == _PRODUCT:
            below.append(text[2:])
        elif text != "1":
            above.append(_bracket((text, tightness), _PRODUCT))
    body = "*".join(above) or "1"
    if below:
        body += "/" + (below[0] if len(below) == 1 else f"({'*'.join(below)})")
    if not sign and len(above) <= 1 and not below and len(inputs) == 1:
        return inputs[0]
    return sign + body, _NEGATION if sign else _PRODUCT


_INFIX: dict[type, Callable[[list[Text]], Text]] = {
    ps.Add: lambda i: _write_sum([(text, False) for text in i]),
    ps.Sub: lambda i: _write_sum([(i[0], False), (i[1], True)]),
    ps.Mul: _write_product,
    ps.Neg: lambda i: ("-" + _bracket(i[0], _PRODUCT), _NEGATION),
    ps.TrueDiv: lambda i: (f"{_bracket(i[0], _PRODUCT)}/{_bracket(i[1], _POWER)}", _PRODUCT),
    ps.Reciprocal: lambda i: (f"1/{_bracket(i[0], _POWER)}", _PRODUCT),
    ps.Sqr: lambda i: (f"{_bracket(i[0], _ATOM)}**2", _POWER),
    ps.Pow: lambda i: (f"{_bracket(i[0], _ATOM)}**{_bracket(i[1], _POWER)}", _POWER),
    ps.Second: lambda i: i[-1],
    ps.Cast: lambda i: i[-1],
    ps.Identity: lambda i: i[-1],
}
