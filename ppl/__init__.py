"""Declare a model as random variables, condition it on data, sample it.

The first door of the library: distributions by their names (``ppl.Normal("mu", 0, 1)``), `Model`, `plan`, `sample`,
`recover`, `log_likelihood`. The graphs behind them are in `graphs`, the step functions in `samplers`.
"""

from __future__ import annotations

import ppl.companions  # noqa: F401  (before all others)
from graphs.errors import BackendError, DerivationError, ModelError, PPLError, SamplingError
from ppl import datasets, distributions, numpy_functions, operands
from ppl.chains import MarkovChain
from ppl.compiled import CompiledModel
from ppl.declare import Data, Density, Deterministic, Potential
from ppl.diagnosis import Diagnosis, diagnose
from ppl.distributions import *  # noqa: F403
from ppl.interop import from_pymc
from ppl.likelihood import log_likelihood
from ppl.matrices import InverseWishart
from ppl.model import Model
from ppl.odes import odeint
from ppl.planning import plan
from ppl.plans import Plan
from ppl.predictive import posterior_predictive, prior_predictive
from ppl.recovery import recover
from ppl.sampling import compile, sample

operands.install()
numpy_functions.install()

__all__ = [
    "BackendError",
    "CompiledModel",
    "Data",
    "Density",
    "DerivationError",
    "Deterministic",
    "Diagnosis",
    "InverseWishart",
    "MarkovChain",
    "Model",
    "ModelError",
    "PPLError",
    "Plan",
    "Potential",
    "SamplingError",
    "compile",
    "datasets",
    "diagnose",
    "from_pymc",
    "log_likelihood",
    "odeint",
    "plan",
    "posterior_predictive",
    "prior_predictive",
    "recover",
    "sample",
    *distributions.__all__,
]
