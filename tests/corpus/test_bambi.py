"""Bambi's formula language: models of every kind have PyMC's log-density, and are sampled, predicted and compared.

Answers: PyMC's log-density and gradient; shapes of the data.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

import ppl
from tests.corpus.agreement import assert_density_is_pymcs
from tests.corpus.formulas import FORMULAS, model

pytest.importorskip("bambi", reason="Bambi is an extra of the tests: pip install 'rvgraph[bambi]'")

# What Bambi itself calls.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*'str' dtypes are included by select_dtypes"),
    pytest.mark.filterwarnings("ignore:Detected variables likely created by GP objects"),
]


# The others take longer, and what they hold is elsewhere in part.
QUICK = {"common", "group_intercepts", "splines", "cumulative", "probit", "beta_binomial", "survival", "weighted"}
ALL = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FORMULAS]


@pytest.mark.parametrize("name", ALL)
def test_log_density_and_gradient_are_pymcs(name):
    formulas, options = FORMULAS[name]
    # Further out Bambi's differences of normal probabilities lose digits: at chances of 1e-14 PyMC's log-density is off
    # by 0.002, ours by 4e-15 (mpmath).
    spread = 0.1 if options.get("link") == "probit" and options["family"] == "cumulative" else 0.5
    assert_density_is_pymcs(name, lambda: model(*formulas, **options).backend.model, spread)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:arviz_stats")
@pytest.mark.parametrize("name", FORMULAS)
def test_models_are_sampled_predicted_and_compared(name):
    formulas, options = FORMULAS[name]
    taken = ppl.from_pymc(model(*formulas, **options).backend.model)
    trace = ppl.sample(taken, draws=100, tune=200, chains=2, seed=1, progress=False)
    trace = ppl.log_likelihood(taken, ppl.posterior_predictive(taken, trace, seed=1))
    [outcome] = taken.observed
    assert trace.posterior_predictive[outcome].shape[2:] == taken.observed_data[outcome].shape
    assert np.isfinite(az.loo(trace).elpd)
