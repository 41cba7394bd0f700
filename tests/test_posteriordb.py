"""Posteriors against published reference summaries: data and references lie beside the checkout, not in it.

A run agrees when, with both Monte Carlo errors counted, no z-score of a mean or of the 5% and 95% quantiles exceeds 6
and at most 1% (here: at most one) exceed 4, standard deviations agree within 10% plus 4 of their errors, every bulk
effective sample size is at least 400 and every R-hat at most 1.01.
"""

from __future__ import annotations

import json
from typing import Any

import arviz as az
import numpy as np
import pytest

import ppl
from tests.posteriors import CONJUGATE, FOLDER, POSTERIORS

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference posteriors are not beside the checkout")
BY_NUTS = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhs",
    "kidiq-kidscore_momhsiq",
    "mesquite-logmesquite_logvas",
    "sblrc-blr",
    "sblri-blr",
    "arK-arK",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "bball_drive_event_1-hmm_drive_1",
    "gp_pois_regr-gp_pois_regr",
)


def scalars(posterior: Any, name: str) -> Any:
    """Return the draws of a scalar by its name in Stan, ``beta[1]``."""
    base, _, index = name.partition("[")
    array = posterior[base].to_numpy()
    return array if not index else array[(..., *(int(i) - 1 for i in index.rstrip("]").split(",")))]


def read(posterior: str) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((FOLDER / f"{posterior}.json").read_text())
    return entry


def assert_agrees(posterior: Any, references: dict[str, Any]) -> None:
    large = 0
    for name, reference in references.items():
        draws = scalars(posterior, name)
        array = az.convert_to_dataset({"x": draws})
        assert float(az.ess(array)["x"]) >= 400
        assert float(az.rhat(array)["x"]) <= 1.01
        found = {"mean": draws.mean(), "q5": np.quantile(draws, 0.05), "q95": np.quantile(draws, 0.95)}
        errors = {
            "mean": float(az.mcse(array, method="mean")["x"]),
            "q5": float(az.mcse(array, method="quantile", prob=0.05)["x"]),
            "q95": float(az.mcse(array, method="quantile", prob=0.95)["x"]),
        }
        for what, value in found.items():
            z = abs(value - reference[what]) / np.hypot(errors[what], reference[f"mcse_{what}"])
            assert z < 6, (name, what)
            large += z > 4
        sd_error = np.hypot(float(az.mcse(array, method="sd")["x"]), reference["mcse_sd"])
        assert abs(draws.std() - reference["sd"]) < 0.1 * reference["sd"] + 4 * sd_error, name
    assert large <= 1


@pytest.mark.parametrize("posterior", BY_NUTS)
def test_summary_agrees_with_the_reference(posterior):
    entry = read(posterior)
    options = {"target_accept": 0.95} if posterior.startswith(("eight", "gp_")) else {}
    model = POSTERIORS[posterior](entry["data"])
    trace = ppl.sample(model, draws=2500, tune=1500, chains=4, seed=20, sampler="nuts", progress=False, **options)
    assert_agrees(trace.posterior, entry["reference"])


@pytest.mark.parametrize("posterior", CONJUGATE)
def test_gibbs_alone_agrees_with_the_reference(posterior):
    entry = read(posterior)
    model = POSTERIORS[posterior](entry["data"])
    plan = ppl.plan(model, sampler="gibbs")
    assert {a.method for a in plan.assignments} == {"gibbs"}
    trace = ppl.sample(model, sampler="gibbs", draws=2500, tune=200, chains=4, seed=20, progress=False)
    assert_agrees(trace.posterior, entry["reference"])
