"""Modes of covariance and precision matrices, from the gradient of a log-density at a few matrices.

As a function of a positive definite matrix X most log-densities are ``a log|X| - tr(B X) - tr(C X^-1)``: precision
matrices have no C, covariance matrices no B. The gradient ``a X^-1 - B + X^-1 C X^-1`` at X and multiples of it gives
all three, whatever the graph is made of: factors, inverses, determinants or quadratic forms. They do not depend on X;
but taken at an X of the right size they lose no digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.linalg import cholesky, eigh, inv, solve_triangular
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.conditional.expanding.simplify import simplify
from graphs.conditional.points import are_close, draw_in_support, inputs_of, random_points
from graphs.density import LogDensity
from graphs.supports import POSITIVE_DEFINITE, REAL, Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.rebuilding import substitute

_NUM_VALUES = 4


@dataclass(frozen=True, eq=False)
class MatrixMode:
    """A log-density of positive definite matrices: ``a log|X| - tr(B X) - tr(C X^-1)``.

    Parameters
    ----------
    variable : TensorVariable
        X; shape (..., d, d).
    log_determinant : TensorVariable
        a; shape (...).
    linear, inverse : TensorVariable, optional
        B and C; shape (..., d, d), symmetric. None where they are zero.
    """

    variable: TensorVariable
    log_determinant: TensorVariable
    linear: TensorVariable | None
    inverse: TensorVariable | None

    @property
    def family(self) -> str:
        """What the matrices are distributed like, where it is a distribution."""
        if self.inverse is None:
            return "Wishart"
        return "InverseWishart" if self.linear is None else "MatrixGIG"

    def __str__(self) -> str:
        """Write the form."""
        terms = ["a log|X|"]
        terms += [] if self.linear is None else ["-tr(B X)"]
        terms += [] if self.inverse is None else ["-tr(C X^-1)"]
        return f"{self.variable.name or 'x'} | rest ~ {self.family}({' '.join(terms)})"

    def logprob(self, value: TensorVariable) -> TensorVariable:
        """Return the log-density at positive definite matrices, up to a constant; shape (...)."""
        factor = cholesky(value, lower=True, on_error="nan")
        total: TensorVariable = 2.0 * self.log_determinant * pt.log(_diagonal(factor)).sum(axis=-1)
        for coefficient, matrix in ((self.linear, value), (self.inverse, inv(value))):
            total = total if coefficient is None else total - (coefficient * matrix).sum(axis=(-2, -1))
        return total

    def mode(self) -> TensorVariable:
        """Return the mode; not positive definite where there is none."""
        a = self.log_determinant[..., None, None]
        if self.linear is None:
            assert self.inverse is not None
            return -self.inverse / a
        if self.inverse is None:
            return _symmetric(a * inv(self.linear))
        # X B X - a X - C = 0 is a quadratic equation in R' X R, where B = R R'.
        factor = cholesky(self.linear, lower=True, on_error="nan")
        transposed = factor.mT
        sizes, vectors = eigh(transposed @ self.inverse @ factor)
        half = 0.5 * self.log_determinant[..., None]
        roots = half + pt.sqrt(pt.sqr(half) + sizes)
        inner = (vectors * roots[..., None, :]) @ vectors.mT
        left = solve_triangular(transposed, inner, lower=False, b_ndim=2)
        return _symmetric(solve_triangular(transposed, left.mT, lower=False, b_ndim=2))


def find_matrix_mode(logdensity: LogDensity, x: TensorVariable) -> MatrixMode | None:
    """Return a log-density as a function of positive definite matrices; None where it has no such form.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    x : TensorVariable
        One of its inputs, of static shape (..., d, d).
    """
    if not is_square(x):
        return None
    supports = {v: s for v, s in logdensity.supports.items() if v is not x}
    total = strip_guards(logdensity.total, supports)
    gradient = pytensor.grad(total, x, disconnected_inputs="ignore")
    at_one, at_two, at_half = (_symmetric(g) for g in _at_multiples(gradient, x, (1.0, 2.0, 0.5)))
    length = int(x.type.shape[-1])
    inverted = _symmetric(inv(x))

    def form(multiple: TensorVariable, has_linear: bool, has_inverse: bool) -> MatrixMode:
        # The multiple of the inverse that a combination of gradients is.
        size = (x * multiple).sum(axis=(-2, -1)) / length
        scaled = size[..., None, None] * inverted
        if not has_inverse:
            found = [size, scaled - at_one]
        elif not has_linear:
            found = [size, _symmetric(x @ at_one @ x) - size[..., None, None] * x]
        else:
            curved = (at_half - at_one - scaled) / 3.0
            found = [size, scaled + curved - at_one, _symmetric(x @ curved @ x)]
        size, *rest = simplify(found)
        linear, inverse = (rest[0], None) if not has_inverse else (rest[0] if has_linear else None, rest[-1])
        return MatrixMode(x, size, linear, inverse)

    candidates = (
        lambda: form(2.0 * (at_one - at_two), True, False),
        lambda: form(4.0 * at_two - at_one, False, True),
        lambda: form(4.0 * (at_one - at_two) - (at_half - at_one), True, True),
    )
    return next((c for make in candidates if _is_form_of(c := make(), total, supports)), None)


def _at_multiples(gradient: TensorVariable, x: TensorVariable, sizes: tuple[float, ...]) -> list[TensorVariable]:
    """Return a gradient at multiples of its variable."""
    return [pt.as_tensor(substitute([gradient], {x: size * x})[0]) if size != 1 else gradient for size in sizes]


def _is_form_of(found: MatrixMode, total: TensorVariable, supports: Mapping[Variable, Support]) -> bool:
    """Whether a log-density less the form found does not depend on the matrices."""
    x = found.variable
    outputs = [total, found.logprob(x).sum()]
    others = [i for i in inputs_of(outputs) if i is not x]
    rng = np.random.default_rng(20250611)
    # Square matrices of real numbers may have to be positive definite, or may be any.
    definite = {
        **supports,
        **{i: POSITIVE_DEFINITE for i in others if is_square(i) and supports.get(i) in (None, REAL)},
    }
    for rest, _, _ in (point for known in (definite, supports) for point in random_points(others, known, rng, 3)):
        values = [
            evaluate(outputs, {**rest, x: draw_in_support(rng, x, POSITIVE_DEFINITE)}) for _ in range(_NUM_VALUES)
        ]
        joint = np.array([np.nan if v is None else float(v[0]) for v in values])
        form = np.array([np.nan if v is None else float(v[1]) for v in values])
        if not (np.isfinite(joint).all() and np.isfinite(form).all()):
            continue
        return are_close(joint - form, joint, form)
    return False


def is_square(variable: Variable) -> bool:
    """Whether a variable is one or more square matrices, of known shape."""
    shape: tuple[int | None, ...] = getattr(variable.type, "shape", ())
    if len(shape) < 2 or None in shape or shape[-1] != shape[-2]:
        return False
    return shape[-1] != 1 and getattr(variable.type, "dtype", "") == "float64"


def _symmetric(matrix: TensorVariable) -> TensorVariable:
    symmetric: TensorVariable = 0.5 * (matrix + matrix.mT)
    return symmetric


def _diagonal(matrix: TensorVariable) -> TensorVariable:
    diagonal: TensorVariable = pt.diagonal(matrix, axis1=-2, axis2=-1)
    return diagonal
