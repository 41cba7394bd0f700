"""Posteriors against published reference summaries: data and references lie beside the checkout, not in it.

A run agrees when, with both Monte Carlo errors counted, no z-score of a mean or of the 5% and 95% quantiles exceeds 6
and at most 1% (here: at most one) exceed 4, standard deviations agree within 10% plus 4 of their errors, every bulk
effective sample size is at least 400 and every R-hat at most 1.01.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pytensor.tensor as pt
import pytest

import ppl

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "posteriordb"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference posteriors are not beside the checkout")


def eight_schools(data: dict[str, Any]) -> ppl.Model:
    mu = ppl.Normal("mu", 0, 5)
    tau = ppl.HalfCauchy("tau", 5)
    raw = ppl.Normal("raw", 0, 1, size=8)
    theta = ppl.Deterministic("theta", mu + tau * raw)
    y = ppl.Normal("y", theta, np.array(data["sigma"]))
    return ppl.Model({y: np.array(data["y"], float)})


def kidscore(data: dict[str, Any], columns: list[str]) -> ppl.Model:
    x = np.column_stack([np.ones(data["N"]), *(data[c] for c in columns)]).astype(float)
    beta = ppl.Flat("beta", size=x.shape[1])
    sigma = ppl.HalfCauchy("sigma", 2.5)
    y = ppl.Normal("y", x @ beta, sigma)
    return ppl.Model({y: np.array(data["kid_score"], float)})


def logmesquite_logvas(data: dict[str, Any]) -> ppl.Model:
    d = {k: np.log(v) for k, v in data.items() if isinstance(v, list) and k != "group"}
    columns = [
        np.ones(data["N"]),
        d["diam1"] + d["diam2"] + d["canopy_height"],
        d["diam1"] + d["diam2"],
        d["diam1"] - d["diam2"],
        d["total_height"],
        d["density"],
        np.array(data["group"], float),
    ]
    beta = ppl.Flat("beta", size=7)
    sigma = ppl.HalfFlat("sigma")
    y = ppl.Normal("y", np.column_stack(columns) @ beta, sigma)
    return ppl.Model({y: d["weight"]})


def blr(data: dict[str, Any]) -> ppl.Model:
    x = np.array(data["X"])
    beta = ppl.Normal("beta", 0, 10, size=x.shape[1])
    sigma = ppl.HalfNormal("sigma", 10)
    return ppl.Model({ppl.Normal("y", x @ beta, sigma): np.array(data["y"])})


def ark(data: dict[str, Any]) -> ppl.Model:
    y, k = np.array(data["y"]), data["K"]
    lags = np.column_stack([y[k - i - 1 : len(y) - i - 1] for i in range(k)])
    alpha = ppl.Normal("alpha", 0, 10)
    beta = ppl.Normal("beta", 0, 10, size=k)
    sigma = ppl.HalfCauchy("sigma", 2.5)
    return ppl.Model({ppl.Normal("y", alpha + lags @ beta, sigma): y[k:]})


def low_dim_gauss_mix(data: dict[str, Any]) -> ppl.Model:
    mu = ppl.Normal("mu", 0, 2, size=2, transform="ordered")
    sigma = ppl.HalfNormal("sigma", 2, size=2)
    theta = ppl.Beta("theta", 5, 5)
    k = ppl.Bernoulli("k", 1 - theta, size=data["N"])
    y = ppl.Normal("y", mu[k], sigma[k])
    return ppl.Model({y: np.array(data["y"])})


def hmm_drive(data: dict[str, Any]) -> ppl.Model:
    alpha = np.array(data["alpha"], float)
    rows = [ppl.Dirichlet("theta1", alpha[0]), ppl.Dirichlet("theta2", alpha[1])]
    phi = ppl.Normal("phi", [0.0, 3.0], 1, transform="ordered")
    lambda_ = ppl.Normal("lambda", [0.0, 3.0], 1, transform="ordered")
    z = ppl.MarkovChain("z", pt.stack(rows), np.full(2, 0.5), steps=data["N"])
    u, v = ppl.Normal("u", phi[z], data["tau"]), ppl.Normal("v", lambda_[z], data["rho"])
    return ppl.Model({u: np.array(data["u"]), v: np.array(data["v"])})


def gp_pois_regr(data: dict[str, Any]) -> ppl.Model:
    x = np.array(data["x"], float)
    rho = ppl.Gamma("rho", 25, 4)
    alpha = ppl.HalfNormal("alpha", 2)
    raw = ppl.Normal("f_tilde", 0, 1, size=len(x))
    covariance = alpha**2 * pt.exp(-((x[:, None] - x) ** 2) / (2 * rho**2)) + 1e-10 * np.eye(len(x))
    f = ppl.Deterministic("f", pt.linalg.cholesky(covariance) @ raw)
    k = ppl.Poisson("k", pt.exp(f))
    return ppl.Model({k: np.array(data["k"])})


POSTERIORS = {
    "eight_schools-eight_schools_noncentered": eight_schools,
    "kidiq-kidscore_momhs": lambda d: kidscore(d, ["mom_hs"]),
    "kidiq-kidscore_momhsiq": lambda d: kidscore(d, ["mom_hs", "mom_iq"]),
    "mesquite-logmesquite_logvas": logmesquite_logvas,
    "sblrc-blr": blr,
    "sblri-blr": blr,
    "arK-arK": ark,
    "low_dim_gauss_mix-low_dim_gauss_mix": low_dim_gauss_mix,
    "bball_drive_event_1-hmm_drive_1": hmm_drive,
    "gp_pois_regr-gp_pois_regr": gp_pois_regr,
}


def scalars(posterior: Any, name: str) -> Any:
    """Return the draws of a scalar by its name in Stan, ``beta[1]``."""
    base, _, index = name.partition("[")
    array = posterior[base].to_numpy()
    return array if not index else array[(..., *(int(i) - 1 for i in index.rstrip("]").split(",")))]


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_summary_agrees_with_the_reference(posterior):
    entry = json.loads((FOLDER / f"{posterior}.json").read_text())
    model = POSTERIORS[posterior](entry["data"])
    options = {"target_accept": 0.95} if posterior.startswith(("eight", "gp_")) else {}
    trace = ppl.sample(model, draws=2500, tune=1500, chains=4, seed=20, progress=False, **options)
    large = 0
    for name, reference in entry["reference"].items():
        draws = scalars(trace.posterior, name)
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
    assert int(trace.sample_stats["diverging"].sum()) <= 10
