"""The public nouns of graphs: log-densities, supports, layouts, steps, errors; and what derivation needs everywhere.

Log-probabilities, sums over discrete variables, full conditionals, and the backends that run them. This package knows
neither chains nor data sets: `samplers` and `ppl` build on it, never the other way round.
"""

from __future__ import annotations

from graphs.backends import get_backend
from graphs.compiling import compile
from graphs.conditional import Law, conditional, find_conditional
from graphs.density import LogDensity, as_logdensity
from graphs.disk import compile_directory  # noqa: F401
from graphs.errors import BackendError, DerivationError, ModelError, PPLError, SamplingError
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import ModelGraph, logprob, unconstrain
from graphs.layout import Layout
from graphs.marginal.summing_out import sum_out
from graphs.mended import flags, lengths, nodes, slices  # noqa: F401  (importing them mends)
from graphs.step import StepGraph
from graphs.supports import Support
from graphs.surgery.printing import dprint

__all__ = [
    "BackendError",
    "DerivationError",
    "Law",
    "Layout",
    "LogDensity",
    "LogProb",
    "ModelError",
    "ModelGraph",
    "PPLError",
    "SamplingError",
    "StepGraph",
    "Support",
    "as_logdensity",
    "compile",
    "conditional",
    "dprint",
    "find_conditional",
    "get_backend",
    "logprob",
    "sum_out",
    "unconstrain",
]
