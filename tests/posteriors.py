"""Models of the reference posteriors that lie beside the checkout, ported from their mathematics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

import ppl

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "posteriordb"
Data = dict[str, Any]
STEPS = 20
"""Steps a year of the differential equation."""


def eight_schools(data: Data) -> ppl.Model:
    mu = ppl.Normal("mu", 0, 5)
    tau = ppl.HalfCauchy("tau", 5)
    raw = ppl.Normal("raw", 0, 1, size=8)
    theta = ppl.Deterministic("theta", mu + tau * raw)
    y = ppl.Normal("y", theta, np.array(data["sigma"]))
    return ppl.Model({y: np.array(data["y"], float)})


def regression(
    data: Data, outcome: Callable[[Data], NDArray], design: Callable[..., NDArray], scale: float | None
) -> Any:
    """Linear regression with flat coefficients; the standard deviation is half-Cauchy, or flat too."""
    x = design(data)
    beta = ppl.Flat("beta", size=x.shape[1])
    sigma = ppl.HalfFlat("sigma") if scale is None else ppl.HalfCauchy("sigma", scale)
    return ppl.Model({ppl.Normal("y", x @ beta, sigma): outcome(data)})


def columns(*parts: Any) -> NDArray:
    """Return a design matrix with an intercept."""
    return np.column_stack([np.ones(len(parts[0])), *parts]).astype(float)


def kid_score(data: Data) -> NDArray:
    return np.array(data["kid_score"], float)


def mothers(data: Data, how: str) -> NDArray:
    """Education and intelligence of the mother, and their product."""
    hs, iq = (np.array(data[c], float) for c in ("mom_hs", "mom_iq"))
    if how == "centred":
        hs, iq = hs - hs.mean(), iq - iq.mean()
    elif how == "at values":
        hs, iq = hs - 0.5, iq - 100.0
    elif how == "standardised":
        hs, iq = ((v - v.mean()) / (2 * v.std(ddof=1)) for v in (hs, iq))
    return columns(hs, iq, hs * iq)


def mesquite(data: Data, names: str, is_log: bool = True) -> NDArray:
    """Measures of bushes, or logarithms of them and of volume, area and shape; the group as it is."""
    d = {k: np.array(v, float) for k, v in data.items() if isinstance(v, list)}
    d |= {"volume": d["diam1"] * d["diam2"] * d["canopy_height"], "area": d["diam1"] * d["diam2"]}
    d["shape"] = d["diam1"] / d["diam2"]
    return columns(*(np.log(d[n]) if is_log and n != "group" else d[n] for n in names.split()))


def log_weight(data: Data) -> NDArray:
    return np.log(data["weight"])


MEASURES = "diam1 diam2 canopy_height total_height density group"
KIDS = partial(regression, outcome=kid_score, scale=2.5)
FLAT_KIDS = partial(regression, outcome=kid_score, scale=None)
BUSHES = partial(regression, outcome=log_weight, scale=None)
REGRESSIONS: dict[str, Callable[[Data], ppl.Model]] = {
    "kidiq-kidscore_momhs": partial(KIDS, design=lambda d: columns(d["mom_hs"])),
    "kidiq-kidscore_momiq": partial(KIDS, design=lambda d: columns(d["mom_iq"])),
    "kidiq-kidscore_momhsiq": partial(KIDS, design=lambda d: columns(d["mom_hs"], d["mom_iq"])),
    "kidiq-kidscore_interaction": partial(KIDS, design=partial(mothers, how="as they are")),
    "kidiq_with_mom_work-kidscore_interaction_c": partial(FLAT_KIDS, design=partial(mothers, how="centred")),
    "kidiq_with_mom_work-kidscore_interaction_c2": partial(FLAT_KIDS, design=partial(mothers, how="at values")),
    "kidiq_with_mom_work-kidscore_interaction_z": partial(FLAT_KIDS, design=partial(mothers, how="standardised")),
    "kidiq_with_mom_work-kidscore_mom_work": partial(
        FLAT_KIDS, design=lambda d: columns(*(np.array(d["mom_work"]) == k for k in (2, 3, 4)))
    ),
    "mesquite-mesquite": partial(
        BUSHES,
        outcome=lambda d: np.array(d["weight"], float),
        design=partial(mesquite, names=MEASURES, is_log=False),
    ),
    "mesquite-logmesquite": partial(BUSHES, design=partial(mesquite, names=MEASURES)),
    "mesquite-logmesquite_logvolume": partial(BUSHES, design=partial(mesquite, names="volume")),
    "mesquite-logmesquite_logva": partial(BUSHES, design=partial(mesquite, names="volume area group")),
    "mesquite-logmesquite_logvas": partial(
        BUSHES, design=partial(mesquite, names="volume area shape total_height density group")
    ),
    "mesquite-logmesquite_logvash": partial(
        BUSHES, design=partial(mesquite, names="volume area shape total_height group")
    ),
}


def diamonds(data: Data) -> ppl.Model:
    x = np.array(data["X"], float)[:, 1:]
    b = ppl.Normal("b", 0, 1, size=x.shape[1])
    intercept = ppl.StudentT("Intercept", 3, 8, sigma=10)
    sigma = ppl.HalfStudentT("sigma", 3, sigma=10)
    return ppl.Model({ppl.Normal("Y", intercept + (x - x.mean(axis=0)) @ b, sigma): np.array(data["Y"], float)})


def blr(data: Data) -> ppl.Model:
    x = np.array(data["X"])
    beta = ppl.Normal("beta", 0, 10, size=x.shape[1])
    sigma = ppl.HalfNormal("sigma", 10)
    return ppl.Model({ppl.Normal("y", x @ beta, sigma): np.array(data["y"])})


def ark(data: Data) -> ppl.Model:
    y, k = np.array(data["y"]), data["K"]
    lags = np.column_stack([y[k - i - 1 : len(y) - i - 1] for i in range(k)])
    alpha = ppl.Normal("alpha", 0, 10)
    beta = ppl.Normal("beta", 0, 10, size=k)
    sigma = ppl.HalfCauchy("sigma", 2.5)
    return ppl.Model({ppl.Normal("y", alpha + lags @ beta, sigma): y[k:]})


def low_dim_gauss_mix(data: Data) -> ppl.Model:
    mu = ppl.Normal("mu", 0, 2, size=2, transform="ordered")
    sigma = ppl.HalfNormal("sigma", 2, size=2)
    theta = ppl.Beta("theta", 5, 5)
    k = ppl.Bernoulli("k", 1 - theta, size=data["N"])
    y = ppl.Normal("y", mu[k], sigma[k])
    return ppl.Model({y: np.array(data["y"])})


def hmm_drive(data: Data) -> ppl.Model:
    alpha = np.array(data["alpha"], float)
    rows = [ppl.Dirichlet("theta1", alpha[0]), ppl.Dirichlet("theta2", alpha[1])]
    phi = ppl.Normal("phi", [0.0, 3.0], 1, transform="ordered")
    lambda_ = ppl.Normal("lambda", [0.0, 3.0], 1, transform="ordered")
    z = ppl.MarkovChain("z", pt.stack(rows), np.full(2, 0.5), steps=data["N"])
    u, v = ppl.Normal("u", phi[z], data["tau"]), ppl.Normal("v", lambda_[z], data["rho"])
    return ppl.Model({u: np.array(data["u"]), v: np.array(data["v"])})


def gp_pois_regr(data: Data) -> ppl.Model:
    x = np.array(data["x"], float)
    rho = ppl.Gamma("rho", 25, 4)
    alpha = ppl.HalfNormal("alpha", 2)
    raw = ppl.Normal("f_tilde", 0, 1, size=len(x))
    covariance = alpha**2 * pt.exp(-((x[:, None] - x) ** 2) / (2 * rho**2)) + 1e-10 * np.eye(len(x))
    f = ppl.Deterministic("f", pt.linalg.cholesky(covariance) @ raw)
    k = ppl.Poisson("k", pt.exp(f))
    return ppl.Model({k: np.array(data["k"])})


def arma(data: Data) -> ppl.Model:
    """The errors follow from the data one after the other; the mean of the first observation is not an error's."""
    y = np.array(data["y"], float)
    mu = ppl.Normal("mu", 0, 10)
    phi, theta = ppl.Normal("phi", 0, 2), ppl.Normal("theta", 0, 2)
    sigma = ppl.HalfCauchy("sigma", 2.5)
    errors = pytensor.scan(
        lambda now, last, error, mu, phi, theta: now - (mu + phi * last + theta * error),
        sequences=[pt.as_tensor(y[1:]), pt.as_tensor(y[:-1])],
        outputs_info=[y[0] - (mu + phi * mu)],
        non_sequences=[mu, phi, theta],
        return_updates=False,
    )
    errors = pt.concatenate([[y[0] - (mu + phi * mu)], errors])
    return ppl.Model({ppl.Normal("y", y - errors, sigma): y})


def lotka_volterra(data: Data) -> ppl.Model:
    mean, scale = np.array([1, 0.05, 1, 0.05]), np.array([0.5, 0.05, 0.5, 0.05])
    theta = ppl.TruncatedNormal("theta", mean, scale, lower=0)
    sigma = ppl.LogNormal("sigma", -1, 1, size=2)
    z_init = ppl.LogNormal("z_init", np.log(10), 1, size=2)
    z = ppl.odeint(
        lambda t, z: [(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]],
        z_init,
        np.array(data["ts"], float),
        steps=STEPS,
    )
    start = ppl.LogNormal("y_init", pt.log(z_init), sigma)
    y = ppl.LogNormal("y", pt.log(z), sigma)
    return ppl.Model({start: np.array(data["y_init"], float), y: np.array(data["y"], float)})


POSTERIORS: dict[str, Callable[[Data], ppl.Model]] = {
    **REGRESSIONS,
    "eight_schools-eight_schools_noncentered": eight_schools,
    "diamonds-diamonds": diamonds,
    "sblrc-blr": blr,
    "sblri-blr": blr,
    "arK-arK": ark,
    "low_dim_gauss_mix-low_dim_gauss_mix": low_dim_gauss_mix,
    "bball_drive_event_1-hmm_drive_1": hmm_drive,
    "gp_pois_regr-gp_pois_regr": gp_pois_regr,
    "arma-arma11": arma,
    "hudson_lynx_hare-lotka_volterra": lotka_volterra,
}
CONJUGATE = (*REGRESSIONS, "diamonds-diamonds", "sblrc-blr", "sblri-blr", "arK-arK")
"""Those that Gibbs sampling alone draws, with auxiliary variables where priors are half-Cauchy or Student's t."""
