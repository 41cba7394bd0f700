"""What users name: distributions, and the functions of the other rooms.

Declare a model as random variables, condition it on data, sample it. The first door of the library: distributions by
their names (``ppl.Normal("mu", 0, 1)``), `Model`, `plan`, `sample`, `recover`, `log_likelihood`. The graphs behind them
are in `graphs`, the step functions in `samplers`.
"""

from __future__ import annotations

import ppl.companions  # noqa: F401  (before all others)
from graphs.errors import BackendError, DerivationError, ModelError, PPLError, SamplingError
from ppl import datasets, distributions
from ppl.approximating.approximate import approximate
from ppl.approximating.laplace import laplace
from ppl.approximating.modes import find_map
from ppl.background.started import StartedRun, start
from ppl.checking.check import check
from ppl.checking.concern import ModelCheck
from ppl.chunks.parquet import parquet
from ppl.criticising.calibration import sbc
from ppl.criticising.leaving_out import loo
from ppl.criticising.sensitivity import log_prior, sensitivity
from ppl.declaring.declare import Data, Density, Deterministic, Potential
from ppl.declaring.inverse_wishart import InverseWishart
from ppl.declaring.markov_chain import MarkovChain
from ppl.declaring.odes import odeint
from ppl.diagnosing.diagnosis import Diagnosis, diagnose
from ppl.diagnosing.summarising import summary
from ppl.distributions import *  # noqa: F403
from ppl.modelling.interop import from_pymc
from ppl.modelling.interventions import do, observe
from ppl.modelling.model import Model
from ppl.planning.planning import plan
from ppl.planning.plans import Plan
from ppl.predicting.from_trace import condition_on_trace
from ppl.predicting.likelihood import log_likelihood
from ppl.predicting.predictive import posterior_predictive, prior_predictive
from ppl.predicting.recovery import recover
from ppl.reading import conversions, numpy_functions, operands
from ppl.running.compiled import CompiledModel
from ppl.running.maximising import em
from ppl.running.sampling import compile, sample
from ppl.stopping.until import Until
from ppl.storing.resuming import resume
from ppl.tempering.evidence import compare_evidence
from ppl.tempering.smc import smc

__version__ = "0.1.0"

conversions.install()
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
    "ModelCheck",
    "ModelError",
    "PPLError",
    "Plan",
    "Potential",
    "SamplingError",
    "StartedRun",
    "Until",
    "approximate",
    "check",
    "compare_evidence",
    "compile",
    "condition_on_trace",
    "datasets",
    "diagnose",
    "do",
    "em",
    "find_map",
    "from_pymc",
    "laplace",
    "log_likelihood",
    "log_prior",
    "loo",
    "observe",
    "odeint",
    "parquet",
    "plan",
    "posterior_predictive",
    "prior_predictive",
    "recover",
    "resume",
    "sample",
    "smc",
    "sbc",
    "sensitivity",
    "start",
    "summary",
    *distributions.__all__,
]
