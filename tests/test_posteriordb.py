"""Posteriors against published reference summaries: data and references lie beside the checkout, not in it.

`benchmarks.posteriordb` says when a run agrees; the tests run fewer posteriors than its table.

Answers: published reference summaries.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest

import ppl
from benchmarks.posteriordb import compare, read
from tests.posteriors import CONJUGATE, FOLDER, POSTERIORS

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference posteriors are not beside the checkout")
BY_NUTS = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhs",
    "kidiq-kidscore_momhsiq",
    "mesquite-mesquite",
    "mesquite-logmesquite_logvas",
    "diamonds-diamonds",
    "sblrc-blr",
    "sblri-blr",
    "arK-arK",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "bball_drive_event_1-hmm_drive_1",
    "gp_pois_regr-gp_pois_regr",
    "arma-arma11",
    "hudson_lynx_hare-lotka_volterra",
)


@pytest.mark.parametrize("posterior", BY_NUTS)
def test_summary_agrees_with_the_reference(posterior):
    entry = read(posterior)
    options = {"target_accept": 0.95} if posterior.startswith(("eight", "gp_")) else {}
    model = POSTERIORS[posterior](entry["data"])
    trace = ppl.sample(model, draws=2500, tune=1500, chains=4, seed=20, sampler="nuts", progress=False, **options)
    assert compare(trace.posterior, entry["reference"]).failures() == []


@pytest.mark.parametrize("posterior", CONJUGATE)
def test_gibbs_alone_agrees_with_the_reference(posterior):
    entry = read(posterior)
    model = POSTERIORS[posterior](entry["data"])
    plan = ppl.plan(model, sampler="gibbs")
    assert {a.method for a in plan.assignments} == {"gibbs"}
    trace = ppl.sample(model, sampler="gibbs", draws=2500, tune=200, chains=4, seed=20, progress=False)
    assert compare(trace.posterior, entry["reference"]).failures() == []


@pytest.mark.parametrize("shift", [0.0, 0.3], ids=["the reference itself", "shifted"])
def test_agreement_is_not_found_where_there_is_none(shift):
    rng = np.random.default_rng(3)
    posterior = az.convert_to_dataset({"x": rng.normal(shift, 1.0, size=(4, 1000, 1))})
    reference = {"mean": 0.0, "sd": 1.0, "q5": -1.6449, "q95": 1.6449}
    errors = {"mcse_mean": 0.01, "mcse_sd": 0.007, "mcse_q5": 0.02, "mcse_q95": 0.02}
    assert (compare(posterior, {"x[1]": reference | errors}).failures() == []) == (shift == 0)
