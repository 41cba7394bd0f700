"""Logarithms of the incomplete gamma and beta functions as operations, with gradients that hold in the tails.

PyTensor's own functions are not on the log scale: their logarithms lose digits where they are near one, and are minus
infinity where they underflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numba
import pytensor.scalar as ps
import pytensor.scalar.math as psm
from pytensor.gradient import grad_undefined
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.scalar.basic import ScalarOp, ScalarVariable, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise

from graphs.tails.incomplete_beta import incomplete_beta
from graphs.tails.incomplete_gamma import incomplete_gamma

VERSION = 3
"""Of the kernels: part of the keys under which PyTensor keeps compiled code."""


class _KernelNumber(ScalarOp):
    """One of the numbers that a kernel returns: the logarithm of a probability, or a derivative of it.

    Parameters
    ----------
    place : int
        Which one: the logarithm of the lower and of the upper probability, then the derivatives of both with respect
        to the first shape, and so on.
    """

    kernel: Callable[..., tuple[float, ...]]

    def __init__(self, place: int, name: str):
        self.place = place
        super().__init__(upgrade_to_float, name=name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.place == other.place

    def __hash__(self) -> int:
        return hash((type(self), self.place))

    def impl(self, *inputs: float) -> float:
        """Return the number."""
        return type(self).kernel(*map(float, inputs))[self.place]

    def log_density(self, *inputs: ScalarVariable) -> ScalarVariable:
        """Return the logarithm of the derivative of the lower probability with respect to the last input."""
        raise NotImplementedError

    def score(self, index: int, *inputs: ScalarVariable) -> ScalarVariable:
        """Return the derivative of the log-density with respect to a shape."""
        raise NotImplementedError

    def pullback(
        self, inputs: Sequence[ScalarVariable], outputs: Sequence[ScalarVariable], grads: Sequence[ScalarVariable]
    ) -> list[ScalarVariable]:
        """Return the gradients; the kernel has those with respect to shapes."""
        [gradient] = grads
        *shapes, x = inputs
        side = self.place % 2
        log_probability = type(self)(side, f"{self.name}_{side}")(*inputs)
        sign = 1.0 if side == 0 else -1.0
        slope = sign * ps.exp(self.log_density(*inputs) - log_probability)
        if self.place < 2:
            slopes = [type(self)(2 * (i + 1) + side, f"{self.name}_{i}")(*inputs) for i in range(len(shapes))]
        else:
            slopes = [grad_undefined(self, i, shape) for i, shape in enumerate(shapes)]
            slope *= self.score(self.place // 2 - 1, *inputs) - self(*inputs)
        slope = ps.switch(self.is_inside(x), slope, 0.0)
        return [*(gradient * s if self.place < 2 else s for s in slopes), gradient * slope]

    def is_inside(self, x: ScalarVariable) -> ScalarVariable:
        """Whether the density is not zero."""
        return ps.gt(x, 0.0)


class IncompleteGamma(_KernelNumber):
    """A part of `incomplete_gamma`."""

    nin = 2
    kernel = staticmethod(incomplete_gamma)

    def log_density(self, *inputs: ScalarVariable) -> ScalarVariable:
        """Return that of the gamma distribution."""
        shape, x = inputs
        return (shape - 1.0) * ps.log(x) - x - psm.gammaln(shape)

    def score(self, index: int, *inputs: ScalarVariable) -> ScalarVariable:
        """Return the derivative with respect to the shape."""
        shape, x = inputs
        return ps.log(x) - psm.psi(shape)


class IncompleteBeta(_KernelNumber):
    """A part of `incomplete_beta`."""

    nin = 3
    kernel = staticmethod(incomplete_beta)

    def log_density(self, *inputs: ScalarVariable) -> ScalarVariable:
        """Return that of the beta distribution."""
        a, b, x = inputs
        constant = psm.gammaln(a + b) - psm.gammaln(a) - psm.gammaln(b)
        return (a - 1.0) * ps.log(x) + (b - 1.0) * ps.log1p(-x) + constant

    def score(self, index: int, *inputs: ScalarVariable) -> ScalarVariable:
        """Return the derivative with respect to one of the shapes."""
        a, b, x = inputs
        return psm.psi(a + b) + (ps.log(x) - psm.psi(a) if index == 0 else ps.log1p(-x) - psm.psi(b))

    def is_inside(self, x: ScalarVariable) -> ScalarVariable:
        """Whether the density is not zero."""
        return ps.and_(ps.gt(x, 0.0), ps.lt(x, 1.0))


@register_funcify_and_cache_key(_KernelNumber)
def _numba_part(op: _KernelNumber, node: Any, **options: Any) -> tuple[Callable[..., float], str]:
    kernel, place = type(op).kernel, op.place

    @numba.njit
    def part(*inputs: float) -> float:
        return kernel(*inputs)[place]

    return part, sha256(repr((type(op).__name__, place, VERSION)).encode()).hexdigest()


log_gammainc = Elemwise(IncompleteGamma(0, "log_gammainc"))
log_gammaincc = Elemwise(IncompleteGamma(1, "log_gammaincc"))
log_betainc = Elemwise(IncompleteBeta(0, "log_betainc"))
log_betaincc = Elemwise(IncompleteBeta(1, "log_betaincc"))
