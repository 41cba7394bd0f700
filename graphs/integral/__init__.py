"""Integrals over continuous variables by their laws: log p(rest) = log p(x, rest) - log p(x given rest)."""

from graphs.integral.anchored import law_of
from graphs.integral.bordered import BorderedNormal
from graphs.integral.by_group import GroupLikelihood, groups_of, log_likelihood_of_groups, separable, why_barred
from graphs.integral.choosing import Attempt, Integrated, integrate, integrate_all, may_be_integrated
from graphs.integral.field_normal import FieldNormal
from graphs.integral.grouping import is_tied_by_prior
from graphs.integral.integrating import at_fixed_points, drawn_back, find_step, with_step
from graphs.integral.step import Factor, Step
from graphs.integral.whitened import WhitenedNormal

__all__ = [
    "Attempt",
    "BorderedNormal",
    "Factor",
    "FieldNormal",
    "GroupLikelihood",
    "Integrated",
    "Step",
    "WhitenedNormal",
    "at_fixed_points",
    "drawn_back",
    "find_step",
    "groups_of",
    "integrate",
    "integrate_all",
    "is_tied_by_prior",
    "law_of",
    "log_likelihood_of_groups",
    "may_be_integrated",
    "separable",
    "why_barred",
    "with_step",
]
