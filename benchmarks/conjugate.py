"""Conjugate models against JAGS: effective samples per second of what is of interest, the least of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import arviz as az
import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike

import ppl
from benchmarks import jags
from benchmarks.measure import Contender, Row, rows_of, skipped

TITLE = "Conjugate models: effective samples per second, one chain on one core"
RNG = np.random.default_rng(20)


@dataclass(frozen=True)
class Case:
    """One model, for both."""

    model: Callable[[], ppl.Model]
    options: Mapping[str, Any]
    draws: int
    text: str
    data: Mapping[str, ArrayLike]
    monitored: tuple[str, ...]
    jags_draws: int
    modules: tuple[str, ...] = ()
    inits: Mapping[str, ArrayLike] = field(default_factory=dict)
    init: Mapping[str, ArrayLike] | None = None


AGES = np.array([8.0, 15.0, 22.0, 29.0, 36.0]) - 22.0
WEIGHTS = (
    242.5
    + RNG.normal(0, 14, size=(30, 1))
    + RNG.normal(6.2, 0.5, size=(30, 1)) * AGES
    + RNG.normal(0, 6.1, size=(30, 5))
)


def rats() -> ppl.Model:
    alpha_c, beta_c = ppl.Normal("alpha_c", 0, 1000), ppl.Normal("beta_c", 0, 1000)
    tau_a, tau_b, tau_c = (ppl.Gamma(name, 1e-3, 1e-3) for name in ("tau_a", "tau_b", "tau_c"))
    alpha = ppl.Normal("alpha", alpha_c, tau=tau_a, size=30)
    beta = ppl.Normal("beta", beta_c, tau=tau_b, size=30)
    return ppl.Model({ppl.Normal("y", alpha[:, None] + beta[:, None] * AGES, tau=tau_c): WEIGHTS})


RATS = """
model {
  for (i in 1:30) {
    for (j in 1:5) { y[i, j] ~ dnorm(alpha[i] + beta[i] * x[j], tau_c) }
    alpha[i] ~ dnorm(alpha_c, tau_a)
    beta[i] ~ dnorm(beta_c, tau_b)
  }
  alpha_c ~ dnorm(0, 1.0E-6)
  beta_c ~ dnorm(0, 1.0E-6)
  tau_a ~ dgamma(0.001, 0.001)
  tau_b ~ dgamma(0.001, 0.001)
  tau_c ~ dgamma(0.001, 0.001)
}
"""

FAILURES = np.array([5, 1, 5, 14, 3, 19, 1, 1, 4, 22])
HOURS = np.array([94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5])


def pumps() -> ppl.Model:
    alpha, beta = ppl.Exponential("alpha", 1.0), ppl.Gamma("beta", 0.1, 1.0)
    theta = ppl.Gamma("theta", alpha, beta, size=10)
    return ppl.Model({ppl.Poisson("x", theta * HOURS): FAILURES})


PUMPS = """
model {
  for (i in 1:10) {
    theta[i] ~ dgamma(alpha, beta)
    x[i] ~ dpois(theta[i] * t[i])
  }
  alpha ~ dexp(1)
  beta ~ dgamma(0.1, 1.0)
}
"""

GROUP = RNG.random(500) < 0.35
POINTS = np.where(GROUP, RNG.normal(54.6, 5.9, size=500), RNG.normal(80.3, 5.6, size=500))


def mixture() -> ppl.Model:
    w = ppl.Dirichlet("w", np.ones(2))
    mu = ppl.Normal("mu", 70, 30, size=2)
    tau = ppl.Gamma("tau", 2, 50, size=2)
    z = ppl.Categorical("z", w, size=500)
    return ppl.Model({ppl.Normal("y", mu[z], tau=tau[z]): POINTS})


MIXTURE = """
model {
  for (i in 1:500) {
    y[i] ~ dnorm(mu[z[i]], tau[z[i]])
    z[i] ~ dcat(w)
  }
  for (k in 1:2) {
    mu[k] ~ dnorm(70, 0.00111111111)
    tau[k] ~ dgamma(2, 50)
  }
  w ~ ddirch(a)
}
"""

DESIGN = RNG.normal(size=(10_000, 50))
RESPONSE = DESIGN @ RNG.normal(size=50) + RNG.normal(0, 2, size=10_000)


def regression() -> ppl.Model:
    b, tau = ppl.Normal("b", 0, 10, size=50), ppl.Gamma("tau", 1, 1)
    return ppl.Model({ppl.Normal("y", pt.dot(DESIGN, b), tau=tau): RESPONSE})


REGRESSION = """
model {
  mean <- X %*% b
  for (i in 1:10000) { y[i] ~ dnorm(mean[i], tau) }
  for (j in 1:50) { b[j] ~ dnorm(0, 0.01) }
  tau ~ dgamma(1, 1)
}
"""

GIBBS = {"sampler": "gibbs"}
CASES = {
    "rats, 30 x 5": Case(
        rats,
        GIBBS,
        100_000,
        RATS,
        {"y": WEIGHTS, "x": AGES},
        ("alpha_c", "beta_c", "tau_a", "tau_b", "tau_c"),
        10_000,
        inits={"tau_a": 0.01, "tau_b": 1.0, "tau_c": 0.1, "alpha_c": 240.0, "beta_c": 6.0},
        init={"tau_a": 0.01, "tau_b": 1.0, "tau_c": 0.1, "alpha_c": 240.0, "beta_c": 6.0},
    ),
    "pumps": Case(
        pumps,
        {"sampler": {"alpha": "slice", "beta": "gibbs", "theta": "gibbs"}},
        50_000,
        PUMPS,
        {"x": FAILURES, "t": HOURS},
        ("alpha", "beta", "theta"),
        50_000,
    ),
    "mixture of 2, n=500, labels drawn": Case(
        mixture,
        {"sampler": "gibbs", "marginalize": False},
        10_000,
        MIXTURE,
        {"y": POINTS, "a": np.ones(2)},
        ("mu", "tau", "w"),
        5_000,
        inits={"mu": [55.0, 80.0], "tau": [0.03, 0.03]},
        init={"mu": np.array([55.0, 80.0]), "tau": np.array([0.03, 0.03])},
    ),
    "regression, n=10000, p=50": Case(
        regression,
        GIBBS,
        2_000,
        REGRESSION,
        {"y": RESPONSE, "X": DESIGN},
        ("b", "tau"),
        100,
        modules=("glm",),
    ),
}


def first_call() -> None:
    ppl.compile(rats(), sampler="gibbs").sample(2, 2, chains=1, cores=1, seed=1, progress=False)


def ours(case: Case) -> Contender:
    """Return what gives the seconds per effective sample of a run."""
    compiled = ppl.compile(case.model(), **case.options)
    names = case.monitored

    def cost() -> float:
        start = perf_counter()
        trace = compiled.sample(
            case.draws,
            500,
            chains=1,
            cores=1,
            seed=int(RNG.integers(2**31)),
            init=case.init,
            progress=False,
            var_names=names,
        )
        seconds = perf_counter() - start
        draws = [trace.posterior[name].to_numpy().reshape(case.draws, -1).T for name in names]
        return seconds / least_effective(np.concatenate(draws))

    return cost


def by_jags(case: Case) -> Contender:
    def cost() -> float:
        draws, seconds = jags.sample(
            case.text,
            case.data,
            case.monitored,
            draws=case.jags_draws,
            tune=500 if case.jags_draws > 500 else 50,
            modules=case.modules,
            inits=case.inits,
        )
        return seconds / least_effective(np.stack(list(draws.values())))

    return cost


def least_effective(draws: np.ndarray) -> float:
    """Return the least bulk effective sample size of rows."""
    return min(float(az.ess(row[None])) for row in draws)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    for what, case in CASES.items():
        label = f"{what}: time per effective sample"
        contenders = {"rvgraph: whole call of sample": ours(case)}
        if jags.is_available():
            contenders["JAGS, sweeps only"] = by_jags(case)
        yield from rows_of(label, contenders, repeats, "ms", 1e3)
        if not jags.is_available():
            yield skipped(label, "JAGS", "no program jags is installed")
