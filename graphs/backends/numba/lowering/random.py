"""Lowering of random variables: draws from the program's generator, in the order of the graph."""

from __future__ import annotations

from math import prod

import numba
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.random.op import RandomVariable

from graphs.backends.numba.compiler.callback import lower_callback
from graphs.backends.numba.compiler.generator import Generator, lower
from graphs.backends.numba.compiler.loops import Statements, loop_nest
from graphs.backends.numba.compiler.values import Kind, Scalar, View, affine, convert, kind_of
from graphs.backends.numba.library.intrinsics import plain_pointer
from graphs.backends.numba.lowering.shaping import represent

UNIVARIATE: dict[str, tuple[str, str, str]] = {
    "bernoulli": ("f", "draw_bernoulli({}, words)", "{d}"),
    "beta": ("ff", "draw_beta({}, {}, words)", "{d}"),
    "beta_binomial": ("iff", "draw_beta_binomial({}, {}, {}, words)", "{d}"),
    "binomial": ("if", "draw_binomial({}, {}, words)", "{d}"),
    "cauchy": ("ff", "draw_cauchy(words)", "{0} + {1} * {d}"),
    "discrete_uniform": ("ii", "draw_integer({}, {} + 1, words)", "{d}"),
    "exponential": ("f", "draw_exponential(words)", "{0} * {d}"),
    "gamma": ("ff", "draw_gamma({0}, words)", "{1} * {d}"),
    "gengamma": ("fff", "draw_gamma({0} / {1}, words)", "{2} * {d} ** (1.0 / {1})"),
    "geometric": ("f", "draw_geometric({}, words)", "{d}"),
    "gig": ("fffff", "draw_gig({}, {}, {}, {}, {}, words)", "{d}"),
    "gumbel": ("ff", "draw_exponential(words)", "{0} - {1} * math.log({d})"),
    "halfcauchy": ("ff", "draw_cauchy(words)", "{0} + {1} * abs({d})"),
    "halfnormal": ("ff", "draw_normal(words)", "{0} + {1} * abs({d})"),
    "hypergeometric": ("iii", "draw_hypergeometric({}, {}, {}, words)", "{d}"),
    "integers": ("ii", "draw_integer({}, {}, words)", "{d}"),
    "invgamma": ("ff", "draw_gamma({0}, words)", "{1} / {d}"),
    "laplace": ("ff", "draw_laplace(words)", "{0} + {1} * {d}"),
    "logistic": ("ff", "draw_logistic(words)", "{0} + {1} * {d}"),
    "lognormal": ("ff", "draw_normal(words)", "math.exp({0} + {1} * {d})"),
    "negative_binomial": ("ff", "draw_negative_binomial({}, {}, words)", "{d}"),
    "normal": ("ff", "draw_normal(words)", "{0} + {1} * {d}"),
    "pareto": ("ff", "draw_exponential(words)", "{1} * math.exp({d} / {0})"),
    "poisson": ("f", "draw_poisson({}, words)", "{d}"),
    "polya_gamma": ("ff", "draw_polya_gamma({}, {}, words)", "{d}"),
    "signed_log_gamma": ("ff", "draw_signed_log_gamma({}, {}, words)", "{d}"),
    "skewnormal": ("fff", "draw_skew_normal({2}, words)", "{0} + {1} * {d}"),
    "t": ("fff", "draw_student_t({0}, words)", "{1} + {2} * {d}"),
    "triangular": ("fff", "draw_triangular({}, {}, {}, words)", "{d}"),
    "truncated_normal": (
        "ffff",
        "draw_truncated_normal(({2} - {0}) / {1}, ({3} - {0}) / {1}, words)",
        "{0} + {1} * {d}",
    ),
    "truncexpon": ("fff", "draw_uniform(words)", "{1} - {2} * math.log1p({d} * math.expm1(-{0}))"),
    "uniform": ("ff", "draw_uniform(words)", "{0} + ({1} - {0}) * {d}"),
    "vonmises": ("ff", "draw_vonmises({}, {}, words)", "{d}"),
    "weibull": ("f", "draw_exponential(words)", "{d} ** (1.0 / {0})"),
}
"""For each distribution the kinds of its parameters, the draw, and what is made of it."""

WALD = {
    2: ("ff", "draw_wald({}, {}, words)", "{d}"),
    3: ("fff", "draw_wald({}, {}, words)", "{2} + {d}"),
}
"""PyMC's own Wald distribution has a shift besides."""


@lower.register(RandomVariable)
def lower_draw(op: RandomVariable, node: Apply, generator: Generator) -> None:
    """Add the draws of a random variable."""
    parameters = op.dist_params(node)
    target = node.outputs[1]
    generator.script.uses_rng = True
    recipe = WALD[len(parameters)] if op.name == "wald" else UNIVARIATE.get(op.name or "")
    if recipe is not None:
        _draw_elements(recipe, parameters, target, generator)
        return
    if op.name not in VECTOR:
        lower_callback(node, generator)
        return
    _draw_vectors(op.name, parameters, target, generator)


def _statements(
    recipe: tuple[str, str, str], operands: list[tuple[str, Kind]], kind: Kind, generator: Generator
) -> tuple[list[str], str]:
    """Return the statements of one draw and the expression of its result."""
    kinds, draw, transform = recipe
    arguments = [convert(*operand, target) for operand, target in zip(operands, kinds, strict=True)]
    name = generator.name("d")
    native: Kind = "i" if transform == "{d}" and recipe in _INTEGER_RECIPES else "f"
    lines = [f"{name}, words = {draw.format(*arguments)}"]
    return lines, convert(transform.format(*arguments, d=name), native, kind)


_INTEGER_RECIPES = [
    UNIVARIATE[name]
    for name in (
        "bernoulli", "beta_binomial", "binomial", "discrete_uniform", "geometric", "hypergeometric", "integers",
        "negative_binomial", "poisson",
    )
]  # fmt: skip


def _draw_elements(
    recipe: tuple[str, str, str], parameters: list[Variable], target: Variable, generator: Generator
) -> None:
    """Draw every element of an array, or one scalar, from a univariate distribution."""
    kind, shape = kind_of(target.type.dtype), generator.shape(target)
    if prod(shape) == 1:
        values = [generator.value(p) for p in parameters]
        known = [v.step for v in values if isinstance(v, Scalar)]
        index = generator.place_block(generator.after([*known, generator.last_draw]))
        block = generator.steps[index]
        assert isinstance(block, Statements)
        lines, expression = _statements(recipe, [generator.operand(p) for p in parameters], kind, generator)
        name = generator.name("s")
        block.lines += [*lines, f"{name} = {expression}"]
        generator.values[target] = Scalar(name, kind, index)
        generator.last_draw = index
        return
    names = [f"i{d}" for d in range(len(shape))]
    arrays = [generator.read(p) for p in parameters]
    operands: list[tuple[str, Kind]] = []
    loads = []
    for array in arrays:
        skipped = len(shape) - len(array.shape)
        index_names = ["0" if n == 1 else names[skipped + d] for d, n in enumerate(array.shape)]
        name = generator.name("e")
        loads.append(f"{name} = {array.load(index_names)}")
        operands.append((name, array.kind))
    view = generator.array(target, step=len(generator.steps))
    lines, expression = _statements(recipe, operands, kind, generator)
    body = [*loads, *lines, view.store(names, expression, kind)]
    generator.last_draw = generator.append(loop_nest(shape, names, body), [*arrays, view])
    generator.values[target] = view


VECTOR: dict[str, tuple[tuple[int, ...], int, str]] = {
    "categorical": ((1,), 0, "draw_categorical({}, words)"),
    "dirichlet": ((1,), 1, "draw_dirichlet({}, {out}, words)"),
    "multinomial": ((0, 1), 1, "draw_multinomial({}, {}, {out}, words)"),
    "multivariate_normal": ((1, 2), 1, "draw_multivariate_normal({}, {}, {out}, words)"),
}
"""For each distribution the dimensions of its parameters and of a draw, and the draw."""


def _draw_vectors(name: str, parameters: list[Variable], target: Variable, generator: Generator) -> None:
    """Draw from a distribution whose parameters or draws are vectors, once for each position of the batch."""
    core, out_core, draw = VECTOR[name]
    generator.script.names |= {"carray": numba.carray, "plain_pointer": plain_pointer}
    views = [generator.view(p, contiguous=True) for p in parameters]
    step = len(generator.steps)
    result = generator.array(target, step=step)
    names = [f"i{d}" for d in range(len(result.shape) - out_core)]
    arguments = [_core(view, ndim, names, generator) for view, ndim in zip(views, core, strict=True)]
    if out_core:
        body = [f"words = {draw.format(*arguments, out=_core(result, 1, names, generator))}"]
    else:
        body = [f"draw, words = {draw.format(*arguments)}", result.store(names, "draw", "i")]
    generator.last_draw = generator.append(loop_nest(result.shape[: len(names)], names, body), [*views, result])
    represent(generator, target, result)


def _core(view: View, ndim: int, names: list[str], generator: Generator) -> str:
    """Return the expression of a parameter or result at one position of the batch."""
    leading = view.shape[: len(view.shape) - ndim]
    skipped = len(names) - len(leading)
    index = ["0" if n == 1 else names[skipped + d] for d, n in enumerate(leading)] + ["0"] * ndim
    if ndim == 0:
        return view.load(index)
    offset = affine(view.offset, list(zip(view.strides, index, strict=True)))
    pointer = f"{generator.pointer_function(view.buffer)}({view.buffer.name}, {offset})"
    return f"carray(plain_pointer({pointer}), {view.shape[len(leading) :]})"
