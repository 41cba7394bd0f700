"""Scalar operations as Python expressions on local variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytensor.scalar as ps
import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.math import MulWithoutZeros

from graphs.backends.numba.compiler.foreign import call_foreign
from graphs.backends.numba.compiler.values import Kind, Operand, convert, kind_of
from graphs.roots import LogSqrt, ReciprocalSqrt

if TYPE_CHECKING:
    from graphs.backends.numba.compiler.generator import Generator

FLOAT_FUNCTIONS: dict[type[ps.ScalarOp], str] = {
    ps.Log: "math.log({})",
    ps.Log2: "np.log2({})",
    ps.Log10: "math.log10({})",
    ps.Log1p: "math.log1p({})",
    ps.Exp: "math.exp({})",
    ps.Exp2: "np.exp2({})",
    ps.Expm1: "math.expm1({})",
    ps.Sqrt: "math.sqrt({})",
    ps.Sin: "math.sin({})",
    ps.Cos: "math.cos({})",
    ps.Tan: "math.tan({})",
    ps.ArcSin: "math.asin({})",
    ps.ArcCos: "math.acos({})",
    ps.ArcTan: "math.atan({})",
    ps.ArcTan2: "math.atan2({}, {})",
    ps.Sinh: "math.sinh({})",
    ps.Cosh: "math.cosh({})",
    ps.Tanh: "math.tanh({})",
    ps.ArcSinh: "math.asinh({})",
    ps.ArcCosh: "math.acosh({})",
    ps.ArcTanh: "math.atanh({})",
    ps.TrueDiv: "({} / {})",
    ps.Reciprocal: "(1.0 / {})",
    ReciprocalSqrt: "(1.0 / math.sqrt({}))",
    LogSqrt: "(0.5 * math.log({}))",
    psm.Erf: "math.erf({})",
    psm.Erfc: "math.erfc({})",
    psm.Erfcx: "vector_erfcx({})",
    psm.GammaLn: "math.lgamma({})",
    psm.Sigmoid: "(1.0 / (1.0 + math.exp(-{})))",
    psm.Softplus: "softplus({})",
    psm.Log1mexp: "log1mexp({})",
    psm.Psi: "vector_digamma({})",
    psm.TriGamma: "trigamma({})",
}
"""Functions computed in double precision, whatever the dtypes of the inputs."""

IN_LOOPS: dict[type[ps.ScalarOp], str] = {
    ps.Exp: "vector_exp({})",
    ps.Log: "vector_log({})",
    LogSqrt: "(0.5 * vector_log({}))",
    ps.Log1p: "vector_log1p({})",
    ps.Expm1: "vector_expm1({})",
    ps.Tanh: "vector_tanh({})",
    psm.Log1mexp: "vector_log1mexp({})",
    psm.Erf: "vector_erf({})",
    psm.Erfc: "vector_erfc({})",
    psm.Erfcx: "vector_erfcx({})",
    psm.GammaLn: "vector_lgamma({})",
    psm.Psi: "vector_digamma({})",
    psm.Sigmoid: "vector_sigmoid({})",
    psm.Softplus: "vector_softplus({})",
}
"""What replaces functions inside loops: they become vector code. Elsewhere a call is quicker to compile."""

SAME_KIND: dict[type[ps.ScalarOp], str] = {
    ps.Sub: "({} - {})",
    ps.IntDiv: "({} // {})",
    ps.Mod: "({} % {})",
    ps.Neg: "(-{})",
    ps.Abs: "abs({})",
    ps.Sqr: "({0} * {0})",
    ps.Maximum: "maximum({}, {})",
    ps.Minimum: "minimum({}, {})",
    ps.Clip: "clip({}, {}, {})",
    ps.Sign: "sign({})",
    ps.Identity: "{}",
    ps.AND: "({} & {})",
    ps.OR: "({} | {})",
    ps.XOR: "({} ^ {})",
    MulWithoutZeros: "multiply_nonzero({}, {})",
}
"""Operations on operands converted to the dtype of the result."""

FLOAT_SAME: dict[type[ps.ScalarOp], str] = {
    ps.Floor: "np.floor({})",
    ps.Ceil: "np.ceil({})",
    ps.Trunc: "np.trunc({})",
    ps.RoundHalfToEven: "np.rint({})",
    ps.RoundHalfAwayFromZero: "round_away({})",
}

COMPARISONS: dict[type[ps.ScalarOp], str] = {
    ps.LT: "<",
    ps.GT: ">",
    ps.LE: "<=",
    ps.GE: ">=",
    ps.EQ: "==",
    ps.NEQ: "!=",
}


def literal(value: object, kind: Kind) -> str:
    """Return the source of a constant."""
    if kind == "b":
        return repr(bool(value))
    if kind == "i":
        return f"np.int64({int(value)})" if abs(int(value)) > 2**62 else repr(int(value))  # type: ignore[call-overload]
    number = float(value)  # type: ignore[arg-type]
    if np.isnan(number):
        return "np.nan"
    if np.isinf(number):
        return "np.inf" if number > 0 else "(-np.inf)"
    return repr(number) if number >= 0 and not np.signbit(number) else f"({number!r})"


def _wrapped(expression: str, dtype: str) -> str:
    """Reduce an integer to the range of a narrow dtype, as C arithmetic would have done."""
    if dtype in ("int64", "uint64", "bool") or np.dtype(dtype).kind == "f":
        return expression
    return f"np.int64(np.{dtype}({expression}))"


def _switch(operands: Sequence[Operand], kind: Kind) -> str:
    """Return a choice without a branch."""
    condition, if_true, if_false = operands
    return f"select({convert(*condition, 'b')}, {convert(*if_true, kind)}, {convert(*if_false, kind)})"


def _power(operands: Sequence[Operand], kind: Kind) -> str:
    """Return a power."""
    base, exponent = operands
    if kind == "f":
        return f"({convert(*base, 'f')} ** {convert(*exponent, 'f')})"
    return f"({convert(*base, 'i')} ** {convert(*exponent, 'i')})"


def _compare(symbol: str, operands: Sequence[Operand]) -> str:
    """Return a comparison in the wider of the two kinds."""
    kinds = {kind for _, kind in operands}
    common: Kind = "f" if "f" in kinds else "i"
    left, right = (convert(expression, kind, common) for expression, kind in operands)
    return f"({left} {symbol} {right})"


def _cast(operand: Operand, dtype: str) -> str:
    """Return a conversion to a dtype."""
    expression, kind = operand
    target = kind_of(dtype)
    return _wrapped(convert(expression, kind, target), dtype) if kind != target or target == "i" else expression


def expression_of(op: ps.ScalarOp, operands: Sequence[Operand], dtype: str, *, in_loop: bool = False) -> str | None:
    """Return the source of one scalar operation, or None for one that has no expression of its own.

    Parameters
    ----------
    op : ScalarOp
        The operation.
    operands : sequence of (str, kind)
        Its operands.
    dtype : str
        Dtype of the result.
    in_loop : bool
        Whether the expression is going to be evaluated for every element of an array.
    """
    kind, exact = kind_of(dtype), type(op)
    if exact in COMPARISONS:
        return _compare(COMPARISONS[exact], operands)
    special: dict[type, Callable[[], str]] = {
        ps.Switch: lambda: _switch(operands, kind),
        ps.Pow: lambda: _wrapped(_power(operands, kind), dtype),
        ps.Cast: lambda: _cast(operands[0], dtype),
        ps.Second: lambda: convert(*operands[1], kind),
        ps.IsNan: lambda: f"math.isnan({convert(*operands[0], 'f')})",
        ps.IsInf: lambda: f"math.isinf({convert(*operands[0], 'f')})",
    }
    if exact in special:
        return special[exact]()
    if exact in FLOAT_FUNCTIONS and kind == "f":
        function = IN_LOOPS.get(exact, FLOAT_FUNCTIONS[exact]) if in_loop else FLOAT_FUNCTIONS[exact]
        return function.format(*(convert(*operand, "f") for operand in operands))
    converted = [convert(*operand, kind) for operand in operands]
    if exact in FLOAT_SAME:
        return FLOAT_SAME[exact].format(*converted) if kind == "f" else converted[0]
    if exact in (ps.Add, ps.Mul):
        symbol = {("b", ps.Add): " | ", ("b", ps.Mul): " & "}.get((kind, exact), " + " if exact is ps.Add else " * ")
        return _wrapped(f"({symbol.join(converted)})", dtype)
    if exact is ps.Invert:
        return f"(not {converted[0]})" if kind == "b" else _wrapped(f"(~{converted[0]})", dtype)
    if exact in SAME_KIND and not (kind == "b" and exact in (ps.Sub, ps.Neg, ps.Abs, ps.Sign, ps.Sqr)):
        return _wrapped(SAME_KIND[exact].format(*converted), dtype)
    return None


def is_compiled(generator: Generator, op: ps.ScalarOp, node: Apply) -> bool:
    """Whether there is machine code for a scalar operation, of our own or of PyTensor.

    Parameters
    ----------
    generator : Generator
        Keeps what PyTensor has for it.
    op : ScalarOp
        The operation.
    node : Apply
        A scalar node of it.
    """
    dtypes = [v.type.dtype for v in node.outputs]
    operands = [("0", kind_of(v.type.dtype)) for v in node.inputs]
    if len(dtypes) == 1 and expression_of(op, operands, dtypes[0]) is not None:
        return True
    return generator.script.foreign(op, node) is not None


def apply_scalar(
    generator: Generator,
    op: ps.ScalarOp,
    node: Apply | None,
    operands: Sequence[Operand],
    dtypes: Sequence[str],
    lines: list[str],
    *,
    in_loop: bool = False,
) -> list[Operand]:
    """Append the statements of a scalar operation and return the local variables that hold its results.

    Parameters
    ----------
    generator : Generator
        Gives names.
    op : ScalarOp
        The operation; a composite one is expanded.
    node : Apply or None
        A scalar node of the operation, if there is one.
    operands : sequence of (str, kind)
        Its operands.
    dtypes : sequence of str
        Dtypes of its results.
    lines : list of str
        Receives the statements.
    in_loop : bool
        Whether the statements are executed for every element of an array.
    """
    if isinstance(op, ps.Composite):
        return _apply_composite(generator, op, operands, lines, in_loop)
    expression = expression_of(op, operands, dtypes[0], in_loop=in_loop) if len(dtypes) == 1 else None
    if expression is None:
        return call_foreign(generator, op, node, operands, dtypes, lines)
    name = generator.name("t")
    lines.append(f"{name} = {expression}")
    return [(name, kind_of(dtypes[0]))]


def _apply_composite(
    generator: Generator, op: ps.Composite, operands: Sequence[Operand], lines: list[str], in_loop: bool
) -> list[Operand]:
    """Expand a fused operation."""
    known: dict[Variable, Operand] = dict(zip(op.fgraph.inputs, operands, strict=True))

    def operand(variable: Variable) -> Operand:
        if isinstance(variable, Constant):
            kind = kind_of(variable.type.dtype)
            return literal(variable.data, kind), kind
        return known[variable]

    for inner in op.fgraph.toposort():
        arguments = [operand(v) for v in inner.inputs]
        dtypes = [v.type.dtype for v in inner.outputs]
        results = apply_scalar(generator, inner.op, inner, arguments, dtypes, lines, in_loop=in_loop)
        known.update(zip(inner.outputs, results, strict=True))
    return [operand(v) for v in op.fgraph.outputs]
