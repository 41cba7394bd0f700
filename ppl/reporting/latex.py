"""Graphs as formulas, in LaTeX: what a paper says of a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor, indices_from_subtensor

from graphs.surgery.evaluating import evaluate

_LOWER = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi"
_UPPER = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi"
GREEK = frozenset([*_LOWER.split(), "omega", *_UPPER.split(), "Omega"])
_SPELT = {"lam": "lambda", "eps": "epsilon"}
SUM, PRODUCT, POWER, WHOLE = 1, 2, 3, 4
"""How tightly the outermost operation of a formula binds: what is looser than its place has brackets."""
MOST_SHOWN = 4
"""Elements of an unnamed array that are written out; longer ones get a letter."""
SCALE_SHOWN = {"gamma": ("", r"\text{scale}="), "exponential": (r"\text{scale}=",), "weibull": ("", r"\text{scale}=")}
"""Parameters of distributions that others state by a rate: what is said before each."""
WITHOUT_LOCATION = frozenset({"halfnormal", "halfcauchy"})

type Formula = tuple[str, int]


@dataclass
class FormulaWriter:
    """Writes variables as formulas of others that have names, and remembers which arrays got a letter.

    Parameters
    ----------
    names : mapping of Variable to str
        Variables that are called by name.
    """

    names: Mapping[Variable, str]
    arrays: dict[Variable, str] = field(default_factory=dict)

    def __call__(self, variable: Variable, loosest: int = 0) -> str:
        """Return the formula, in brackets if it binds more loosely than its place asks for."""
        text, binding = self._written(variable)
        return rf"\left({text}\right)" if binding < loosest else text

    def definition(self, variable: Variable) -> str:
        """Return the formula of a variable that has a name itself."""
        return self._operation(variable)[0]

    def distribution(self, rv: Variable) -> str:
        """Return a distribution with its parameters, as its random variable has them."""
        node = rv.owner
        if node is None:
            return r"\text{given}"
        op = node.op
        printed = getattr(op, "_print_name", None)
        name = printed[0] if printed else getattr(op, "name", None) or type(op).__name__
        if not isinstance(op, RandomVariable):
            parents = [self._part(v) for v in node.inputs if getattr(v.type, "dtype", None) and v.type.numpy_dtype]
            return rf"\operatorname{{{_plain(str(name).lstrip('_'))}}}\left({', '.join(parents)}\right)"
        parameters = [self(v) for v in op.dist_params(node)]
        kind = str(op.name)
        if kind in WITHOUT_LOCATION and parameters[0] in ("0", "0.0"):
            parameters = parameters[1:]
        said = SCALE_SHOWN.get(kind, ("",) * len(parameters))
        shown = ", ".join(f"{word}{text}" for word, text in zip(said, parameters, strict=False))
        return rf"\operatorname{{{_plain(str(name).lstrip('_'))}}}\left({shown}\right)"

    def _part(self, variable: Variable) -> str:
        """Return a parameter of a distribution that is made of others, which have no names."""
        node = variable.owner
        is_drawn = node is not None and isinstance(node.op, RandomVariable) and variable not in self.names
        return self.distribution(variable) if is_drawn else self(variable)

    def _written(self, variable: Variable) -> Formula:
        if variable in self.names:
            return symbol(self.names[variable]), WHOLE
        if isinstance(variable, Constant):
            return self._constant(variable.data, variable)
        if (value := self._value(variable)) is not None:
            return self._constant(value, variable)
        return self._operation(variable)

    def _value(self, variable: Variable) -> object | None:
        """Return the value of what depends on nothing that has a name."""
        above = list(ancestors([variable], blockers=list(self.names)))
        if any(v in self.names or (v.owner is None and not isinstance(v, Constant)) for v in above):
            return None
        if any(v.owner is not None and isinstance(v.owner.op, RandomVariable) for v in above):
            return None
        values = evaluate([variable], {})
        return None if values is None else values[0]

    def _constant(self, data: object, variable: Variable) -> Formula:
        value = np.asarray(data)
        if value.dtype.kind not in "fiub":
            return r"\cdot", WHOLE
        value = value.squeeze()
        if value.size and value.ndim < 2 and (value == value.flat[0]).all():
            number = _number(value.flat[0])
            return number, SUM if number.startswith("-") else WHOLE
        if value.ndim == 2 and value.shape[0] == value.shape[1] and (value == np.eye(len(value))).all():
            return "I", WHOLE
        if value.ndim == 1 and value.size <= MOST_SHOWN:
            return rf"\left({', '.join(map(_number, value))}\right)", WHOLE
        letter = self.arrays.setdefault(variable, rf"d_{{{len(self.arrays) + 1}}}")
        return letter, WHOLE

    def _operation(self, variable: Variable) -> Formula:
        node = variable.owner
        if node is None:
            return symbol(str(variable.name or "d")), WHOLE
        op = node.op
        if isinstance(op, Blockwise):
            op = op.core_op
        if isinstance(op, DimShuffle | SpecifyShape | Reshape | Alloc):
            return self._written(node.inputs[0])
        if isinstance(op, Elemwise):
            return self._elementwise(op.scalar_op, node.inputs)
        if isinstance(op, CAReduce):
            return self._reduced(op, node.inputs[0])
        if isinstance(op, Dot) or type(op).__name__ in ("Matmul", "MatMul", "BatchedDot"):
            return rf"{self(node.inputs[0], PRODUCT)}\,{self(node.inputs[1], PRODUCT)}", PRODUCT
        if isinstance(op, Subtensor | AdvancedSubtensor):
            return self._indexed(op, node.inputs)
        if isinstance(op, MakeVector | Join):
            parts = node.inputs[1:] if isinstance(op, Join) else node.inputs
            return rf"\left({', '.join(self(v) for v in parts)}\right)", WHOLE
        return self._called(str(getattr(op, "name", None) or type(op).__name__).lower(), node.inputs)

    def _called(self, name: str, inputs: Sequence[Variable]) -> Formula:
        arguments = [self(v) for v in inputs if hasattr(v.type, "dtype")]
        return rf"\operatorname{{{_plain(name)}}}\left({', '.join(arguments)}\right)", WHOLE

    def _elementwise(self, op: ScalarOp, inputs: Sequence[Variable]) -> Formula:
        name = type(op).__name__
        if name == "Cast":
            return self._written(inputs[0])
        if (rule := _RULES.get(name)) is not None:
            return rule(self, inputs)
        return self._called(_FUNCTIONS.get(name, str(op.name or name).lower()), inputs)

    def _reduced(self, op: CAReduce, argument: Variable) -> Formula:
        sign = {"Add": r"\sum", "Mul": r"\prod"}.get(type(op.scalar_op).__name__)
        if sign is None:
            return self._called(
                {"Maximum": "max", "Minimum": "min"}.get(type(op.scalar_op).__name__, "reduce"), [argument]
            )
        return rf"{sign} {self(argument, PRODUCT)}", SUM

    def _indexed(self, op: Variable, inputs: Sequence[Variable]) -> Formula:
        indices = indices_from_subtensor(inputs[1:], op.idx_list)
        shown = ", ".join(self._index(index) for index in indices)
        return rf"{{{self(inputs[0], WHOLE)}}}_{{{shown}}}", WHOLE

    def _index(self, index: object) -> str:
        if not isinstance(index, slice):
            return self(index) if isinstance(index, Variable) else str(index)
        ends = ["" if end is None else self._index(end) for end in (index.start, index.stop)]
        return ":".join(ends)


def symbol(name: str) -> str:
    r"""Return a name as LaTeX has it: Greek letters as such, what follows an underscore below the line.

    Examples
    --------
    >>> print(symbol("sigma_alpha"), symbol("school effect"), symbol("x1"))
    \sigma_{\alpha} \text{school effect} x_{1}
    """
    head, *rest = [part for part in re.split(r"_+|(?<=[A-Za-z])(?=\d+$)", name) if part] or ["?"]
    parts = [_letter(head), *(_letter(part) for part in rest)]
    return parts[0] if not rest else rf"{parts[0]}_{{{', '.join(parts[1:])}}}"


def _letter(part: str) -> str:
    part = _SPELT.get(part, part)
    if part in GREEK:
        return rf"\{part}"
    return part if len(part) == 1 or part.isdigit() else rf"\text{{{_plain(part)}}}"


def _plain(text: str) -> str:
    """Return text in which nothing means anything to LaTeX."""
    return re.sub(r"([#$%&_{}])", r"\\\1", text.replace("\\", r"\textbackslash "))


def _number(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if np.isinf(value):  # type: ignore[call-overload]
        return r"\infty" if value > 0 else r"-\infty"  # type: ignore[operator]
    text = f"{float(value):.6g}"  # type: ignore[arg-type]
    mantissa, _, exponent = text.partition("e")
    return text if not exponent else rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def _sum(write: FormulaWriter, inputs: Sequence[Variable]) -> Formula:
    text = write(inputs[0], SUM)
    for each in inputs[1:]:
        term = write(each, SUM)
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text, SUM


def _product(write: FormulaWriter, inputs: Sequence[Variable]) -> Formula:
    first, *others = sorted(inputs, key=lambda v: not isinstance(v, Constant) and write._value(v) is None)
    head = write(first)
    is_negative = re.fullmatch(r"-[\d.]+", head) is not None
    factors = [head if is_negative else write(first, PRODUCT), *(write(each, PRODUCT) for each in others)]
    return r" \, ".join(factors), SUM if is_negative else PRODUCT


def _fraction(write: FormulaWriter, inputs: Sequence[Variable]) -> Formula:
    return rf"\frac{{{write(inputs[0])}}}{{{write(inputs[1])}}}", WHOLE


def _power(write: FormulaWriter, inputs: Sequence[Variable]) -> Formula:
    if write(inputs[1]) == "0.5":
        return rf"\sqrt{{{write(inputs[0])}}}", WHOLE
    return rf"{{{write(inputs[0], WHOLE)}}}^{{{write(inputs[1])}}}", POWER


_RULES: dict[str, Callable[[FormulaWriter, Sequence[Variable]], Formula]] = {
    "Add": _sum,
    "Sub": lambda write, v: (f"{write(v[0], SUM)} - {write(v[1], PRODUCT)}", SUM),
    "Mul": _product,
    "TrueDiv": _fraction,
    "Reciprocal": lambda write, v: (rf"\frac{{1}}{{{write(v[0])}}}", WHOLE),
    "Neg": lambda write, v: (f"-{write(v[0], PRODUCT)}", SUM),
    "Pow": _power,
    "Sqr": lambda write, v: (rf"{{{write(v[0], WHOLE)}}}^{{2}}", POWER),
    "Sqrt": lambda write, v: (rf"\sqrt{{{write(v[0])}}}", WHOLE),
    "Exp": lambda write, v: (rf"e^{{{write(v[0])}}}", POWER),
    "Abs": lambda write, v: (rf"\left|{write(v[0])}\right|", WHOLE),
    "Sigmoid": lambda write, v: (rf"\operatorname{{logit}}^{{-1}}\left({write(v[0])}\right)", WHOLE),
    "Identity": lambda write, v: write._written(v[0]),
    "Second": lambda write, v: write._written(v[1]),
}
_FUNCTIONS = {"Log": "log", "Log1p": "log1p", "Switch": "if", "Softplus": "softplus"}


def _described(variable: Variable) -> str:
    kind = "indices" if variable.type.dtype.startswith(("int", "uint")) else "data"
    return f"{kind}, {' x '.join(map(str, variable.type.shape))}"


def model_to_latex(
    random_variables: Mapping[str, Variable],
    deterministics: Mapping[str, Variable],
    potentials: Mapping[str, Variable],
) -> str:
    r"""Return a model as aligned lines, one for each variable that has a name.

    Parameters
    ----------
    random_variables, deterministics, potentials : mapping of str to Variable
        What has a name.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> print(model_to_latex({"mu": mu, "y": ppl.Normal("y", mu, 2)}, {}, {}))
    \begin{aligned}
    \mu &\sim \operatorname{Normal}\left(0, 1\right) \\
    y &\sim \operatorname{Normal}\left(\mu, 2\right)
    \end{aligned}
    """
    named = {**deterministics, **random_variables}
    data = {v: str(v.name) for v in ancestors([*named.values(), *potentials.values()]) if getattr(v.tag, "data", False)}
    write = FormulaWriter({**data, **{variable: name for name, variable in named.items()}})
    rows = [rf"{symbol(n)} &\sim {write.distribution(v)}" for n, v in random_variables.items()]
    rows += [rf"{symbol(n)} &= {write.definition(v)}" for n, v in deterministics.items()]
    rows += [rf"\log p &\mathrel{{+}}= {write.definition(v)}" for v in potentials.values()]
    rows += [rf"{letter} &: \text{{{_described(array)}}}" for array, letter in write.arrays.items()]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
