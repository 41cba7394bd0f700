"""Integrals over continuous variables by their laws: log p(rest) = log p(x, rest) - log p(x given rest)."""

from graphs.integral.choosing import Integrated, integrate, integrate_all, may_be_integrated
from graphs.integral.integrating import at_fixed_points, drawn_back, find_step, integrate_out, with_step
from graphs.integral.step import Step

__all__ = [
    "Integrated",
    "Step",
    "at_fixed_points",
    "drawn_back",
    "find_step",
    "integrate",
    "integrate_all",
    "integrate_out",
    "may_be_integrated",
    "with_step",
]
