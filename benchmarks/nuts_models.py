"""The models of `nuts`: declared, and the same mathematics as PyMC models that the peers run.

A variable has the same name in both forms; a mixture's or chain's discrete variable, summed out of ours, does not
exist in the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.transforms import ordered

import ppl
from benchmarks import mixture_density as mixture
from tests import posteriors

MIXTURE = "mixture of 4, n=2000"


@dataclass(frozen=True)
class BenchmarkModel:
    """One model in two forms.

    Parameters
    ----------
    declare : callable
        Returns our model.
    in_pymc : callable
        Returns the PyMC model.
    start_at : mapping of str to array
        Where all chains of all tools start, natural space; where it is empty, each tool starts as it does by default.
    """

    declare: Callable[[], ppl.Model]
    in_pymc: Callable[[], pm.Model]
    start_at: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def built_in_pymc(self) -> pm.Model:
        """Return the PyMC model with its starting values."""
        model = self.in_pymc()
        for rv in model.free_RVs:
            if rv.name in self.start_at:
                model.rvs_to_initial_values[rv] = self.start_at[rv.name]
        return model


def eight_schools(data: posteriors.Data) -> None:
    mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
    raw = pm.Normal("raw", 0, 1, shape=8)
    pm.Normal("y", mu + tau * raw, np.array(data["sigma"], float), observed=np.array(data["y"], float))


def regression(data: posteriors.Data, outcome: Any, design: Any, scale: float | None) -> None:
    x = design(data)
    beta = pm.Flat("beta", shape=x.shape[1])
    sigma = pm.HalfFlat("sigma") if scale is None else pm.HalfCauchy("sigma", scale)
    pm.Normal("y", pt.dot(x, beta), sigma, observed=outcome(data))


def diamonds(data: posteriors.Data) -> None:
    x = np.array(data["X"], float)[:, 1:]
    b = pm.Normal("b", 0, 1, shape=x.shape[1])
    intercept = pm.StudentT("Intercept", 3.0, 8.0, sigma=10.0)
    # A whole number would become an integer of 8 bits, whose square overflows in PyMC's graph.
    sigma = pm.HalfStudentT("sigma", 3.0, sigma=10.0)
    pm.Normal("Y", intercept + pt.dot(x - x.mean(axis=0), b), sigma, observed=np.array(data["Y"], float))


def blr(data: posteriors.Data) -> None:
    x = np.array(data["X"])
    beta = pm.Normal("beta", 0, 10, shape=x.shape[1])
    pm.Normal("y", pt.dot(x, beta), pm.HalfNormal("sigma", 10), observed=np.array(data["y"]))


def ark(data: posteriors.Data) -> None:
    y, k = np.array(data["y"]), data["K"]
    lags = np.column_stack([y[k - i - 1 : len(y) - i - 1] for i in range(k)])
    alpha, beta = pm.Normal("alpha", 0, 10), pm.Normal("beta", 0, 10, shape=k)
    pm.Normal("y", alpha + pt.dot(lags, beta), pm.HalfCauchy("sigma", 2.5), observed=y[k:])


def low_dim_gauss_mix(data: posteriors.Data) -> None:
    mu = pm.Normal("mu", 0, 2, shape=2, transform=ordered, initval=np.array([-1.0, 1.0]))
    sigma, theta = pm.HalfNormal("sigma", 2, shape=2), pm.Beta("theta", 5, 5)
    pm.NormalMixture("y", pt.stack([theta, 1 - theta]), mu, sigma, observed=np.array(data["y"]))


def hmm_drive(data: posteriors.Data) -> None:
    """Sum over the chain by the forward algorithm, a scan over logarithms."""
    alpha = np.array(data["alpha"], float)
    rows = [pm.Dirichlet("theta1", alpha[0]), pm.Dirichlet("theta2", alpha[1])]
    start = np.array([0.0, 3.0])
    phi, lambda_ = (pm.Normal(name, start, 1, transform=ordered, initval=start) for name in ("phi", "lambda"))
    u, v = (np.array(data[name])[:, None] for name in ("u", "v"))
    emission = pm.logp(pm.Normal.dist(phi, data["tau"]), u) + pm.logp(pm.Normal.dist(lambda_, data["rho"]), v)

    def step(now: Any, old: Any, log_transition: Any) -> Any:
        return now + pt.logsumexp(old[:, None] + log_transition, axis=0)

    forward = pytensor.scan(
        step,
        sequences=[emission[1:]],
        outputs_info=[emission[0] - np.log(2)],
        non_sequences=[pt.log(pt.stack(rows))],
        return_updates=False,
    )
    pm.Potential("data", pt.logsumexp(forward[-1]))


def gp_pois_regr(data: posteriors.Data) -> None:
    x = np.array(data["x"], float)
    rho, alpha = pm.Gamma("rho", 25, 4), pm.HalfNormal("alpha", 2)
    raw = pm.Normal("f_tilde", 0, 1, shape=len(x))
    covariance = alpha**2 * pt.exp(-((x[:, None] - x) ** 2) / (2 * rho**2)) + 1e-10 * np.eye(len(x))
    pm.Poisson("k", pt.exp(pt.dot(pt.linalg.cholesky(covariance), raw)), observed=np.array(data["k"]))


def arma(data: posteriors.Data) -> None:
    y = np.array(data["y"], float)
    mu, phi, theta = pm.Normal("mu", 0, 10), pm.Normal("phi", 0, 2), pm.Normal("theta", 0, 2)
    first = y[0] - (mu + phi * mu)
    errors = pytensor.scan(
        lambda now, last, error, mu, phi, theta: now - (mu + phi * last + theta * error),
        sequences=[pt.as_tensor(y[1:]), pt.as_tensor(y[:-1])],
        outputs_info=[first],
        non_sequences=[mu, phi, theta],
        return_updates=False,
    )
    pm.Normal("y", y - pt.concatenate([[first], errors]), pm.HalfCauchy("sigma", 2.5), observed=y)


def lotka_volterra(data: posteriors.Data) -> None:
    """Solve the equations by the scan that we take, too: nobody but the sampler is compared."""
    mean, scale = np.array([1, 0.05, 1, 0.05]), np.array([0.5, 0.05, 0.5, 0.05])
    theta = pm.TruncatedNormal("theta", mean, scale, lower=0)
    sigma, z_init = pm.LogNormal("sigma", -1, 1, shape=2), pm.LogNormal("z_init", np.log(10), 1, shape=2)
    z = ppl.odeint(
        lambda t, z: [(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]],
        z_init,
        np.array(data["ts"], float),
        steps=posteriors.STEPS,
    )
    pm.LogNormal("y_init", pt.log(z_init), sigma, observed=np.array(data["y_init"], float))
    pm.LogNormal("y", pt.log(z), sigma, observed=np.array(data["y"], float))


IN_PYMC: Mapping[str, Callable[[posteriors.Data], None]] = {
    **{name: partial(regression, **declared.keywords) for name, declared in posteriors.REGRESSIONS.items()},
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


def _data(name: str) -> posteriors.Data:
    data: posteriors.Data = json.loads((posteriors.FOLDER / f"{name}.json").read_text())["data"]
    return data


def _in_pymc(name: str) -> pm.Model:
    with pm.Model() as model:
        IN_PYMC[name](_data(name))
    return model


def _reference(name: str) -> BenchmarkModel:
    return BenchmarkModel(lambda: posteriors.POSTERIORS[name](_data(name)), partial(_in_pymc, name))


def _mixture() -> BenchmarkModel:
    points = mixture.data(2000, 4)
    # All labellings are right; one start keeps all chains and all tools in the same one.
    centre = {"mu": 54.6 + 25.5 * np.arange(4), "sigma": np.full(4, 6.0), "w": np.full(4, 0.25)}
    return BenchmarkModel(
        partial(mixture.declare, points, 4),
        partial(mixture.marginalised, points, 4),
        centre,
    )


def models() -> dict[str, BenchmarkModel]:
    """Return all models whose data are there, by name."""
    found = {MIXTURE: _mixture()}
    if posteriors.FOLDER.is_dir():
        found |= {name: _reference(name) for name in posteriors.POSTERIORS if name in IN_PYMC}
    return found
