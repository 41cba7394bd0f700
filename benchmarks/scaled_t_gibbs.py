"""Gibbs sampling of a Student-t sample as a scale mixture of normals, with all four updates.

x_i ~ N(mu, alpha^2 U_i), U_i ~ scaled inverse chi^2(nu, tau^2), flat on mu, log alpha and log tau.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba import njit
from numpy.typing import NDArray

import graphs
import ppl
from benchmarks.measure import Contender, Row, rows_of, skipped, timed
from benchmarks.processes import compile_rows
from samplers.conditionals.gibbs import gibbs

TITLE = "Scaled-t Gibbs: 4000 sweeps, n=500, one core"
REACH = 0.04
DEGREES_OF_FREEDOM, NUM_POINTS, NUM_SWEEPS = 6.0, 500, 4000
DATA = -3.14 + math.sqrt(30.0) * np.random.default_rng(1).standard_t(DEGREES_OF_FREEDOM, NUM_POINTS)

_JAGS_MODEL = """
model {
  for (i in 1:n) {
    x[i] ~ dnorm(mu, precision[i] / alpha2)
    precision[i] ~ dgamma(nu / 2, nu * tau2 / 2)
  }
  mu ~ dnorm(0, 1.0E-8)
  log_alpha ~ dunif(-10, 10)
  log_tau ~ dunif(-10, 10)
  alpha2 <- exp(2 * log_alpha)
  tau2 <- exp(2 * log_tau)
}
"""


def declare(data: NDArray[np.float64]) -> ppl.Model:
    mu, alpha2, tau2 = ppl.Flat("mu"), ppl.HalfFlat("alpha2"), ppl.HalfFlat("tau2")
    u = ppl.InverseGamma("u", DEGREES_OF_FREEDOM / 2, DEGREES_OF_FREEDOM * tau2 / 2, size=data.size)
    x = ppl.Normal("x", mu, pt.sqrt(alpha2 * u))
    return ppl.Model({x: data}, ppl.Potential("flat_on_logarithms", -pt.log(alpha2) - pt.log(tau2)))


def by_model(compiled: ppl.CompiledModel, num_sweeps: int) -> Any:
    return compiled.sample(num_sweeps // 2, num_sweeps // 2, chains=1, cores=1, seed=1, progress=False)


def by_kernel(data: NDArray[np.float64], num_sweeps: int) -> Any:
    """Return a function that runs the Gibbs kernel of the declared model alone."""
    kernel = gibbs(graphs.logprob(declare(data)))
    step = graphs.compile(kernel)
    state = kernel.init({"mu": 0.0, "alpha2": 1.0, "tau2": 1.0, "u": np.ones(data.size)})
    return lambda: step.run(np.random.default_rng(1), state, num_sweeps)[1]


def by_numpy(data: NDArray[np.float64], num_sweeps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return draws of mu and alpha^2 tau^2 from a loop over sweeps."""
    n, nu = data.size, DEGREES_OF_FREEDOM
    mu, alpha2, tau2 = 0.0, 1.0, 1.0
    draws = np.empty((num_sweeps, 2))
    for sweep in range(num_sweeps):
        u = (nu * tau2 + (data - mu) ** 2 / alpha2) / rng.chisquare(nu + 1, n)
        variance = 1 / np.sum(1 / (alpha2 * u))
        mu = rng.normal(variance * np.sum(data / (alpha2 * u)), np.sqrt(variance))
        tau2 = rng.gamma(nu * n / 2, 1 / (nu / 2 * np.sum(1 / u)))
        alpha2 = np.sum((data - mu) ** 2 / u) / rng.chisquare(n)
        draws[sweep] = mu, alpha2 * tau2
    return draws


def one_by_one(data: NDArray[np.float64], num_sweeps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the same from a loop that also draws each U_i by a call of its own."""
    n, nu = data.size, DEGREES_OF_FREEDOM
    mu, alpha2, tau2 = 0.0, 1.0, 1.0
    draws, u = np.empty((num_sweeps, 2)), np.empty(n)
    for sweep in range(num_sweeps):
        for i in range(n):
            u[i] = (nu * tau2 + (data[i] - mu) ** 2 / alpha2) / rng.chisquare(nu + 1)
        variance = 1 / np.sum(1 / (alpha2 * u))
        mu = rng.normal(variance * np.sum(data / (alpha2 * u)), np.sqrt(variance))
        tau2 = rng.gamma(nu * n / 2, 1 / (nu / 2 * np.sum(1 / u)))
        alpha2 = np.sum((data - mu) ** 2 / u) / rng.chisquare(n)
        draws[sweep] = mu, alpha2 * tau2
    return draws


@njit(cache=True)
def by_hand(data: Any, num_sweeps: int, rng: Any) -> Any:
    """Return the same from loops over elements, with NumPy's generator."""
    n, nu = data.size, DEGREES_OF_FREEDOM
    mu, alpha2, tau2 = 0.0, 1.0, 1.0
    draws = np.empty((num_sweeps, 2))
    precision = np.empty(n)
    for sweep in range(num_sweeps):
        total = weighted = 0.0
        for i in range(n):
            precision[i] = rng.chisquare(nu + 1) / (nu * tau2 + (data[i] - mu) ** 2 / alpha2)
            total += precision[i]
            weighted += precision[i] * data[i]
        mu = weighted / total + math.sqrt(alpha2 / total) * rng.standard_normal()
        tau2 = rng.gamma(nu * n / 2, 1 / (nu / 2 * total))
        squares = 0.0
        for i in range(n):
            squares += (data[i] - mu) ** 2 * precision[i]
        alpha2 = squares / rng.chisquare(n)
        draws[sweep, 0] = mu
        draws[sweep, 1] = alpha2 * tau2
    return draws


def by_jags(data: NDArray[np.float64], num_sweeps: int) -> Contender:
    """Time the sweeps of JAGS: a run of that many less a run of one."""

    def seconds(sweeps: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            run_jags(data, sweeps, Path(folder))
            start = perf_counter()
            run_jags(data, sweeps, Path(folder))
            return perf_counter() - start

    return lambda: seconds(num_sweeps) - seconds(1)


def run_jags(data: NDArray[np.float64], num_sweeps: int, folder: Path) -> None:
    (folder / "model.bug").write_text(_JAGS_MODEL)
    (folder / "data.R").write_text(
        f"n <- {data.size}\nnu <- {DEGREES_OF_FREEDOM}\nx <- c({', '.join(map(repr, data.tolist()))})\n"
    )
    commands = ["model in model.bug", "data in data.R", "compile", "initialize", "monitor mu"]
    commands += [f"update {num_sweeps}", "coda *", "exit"]
    (folder / "script").write_text("\n".join(commands) + "\n")
    subprocess.run(["jags", "script"], cwd=folder, check=True, capture_output=True)


def first_call() -> None:
    by_model(ppl.compile(declare(DATA), sampler="gibbs"), 2)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    what = "4000 sweeps"
    compiled = ppl.compile(declare(DATA), sampler="gibbs")
    contenders = {
        "rvgraph: samplers.gibbs": timed(by_kernel(DATA, NUM_SWEEPS)),
        "rvgraph: whole call of sample": timed(lambda: by_model(compiled, NUM_SWEEPS)),
        "NumPy, U drawn as a vector": timed(lambda: by_numpy(DATA, NUM_SWEEPS, np.random.default_rng(1))),
        "NumPy, U drawn one by one": timed(lambda: one_by_one(DATA, NUM_SWEEPS // 10, np.random.default_rng(1)), 0.1),
        "hand-written Numba, NumPy's generator": timed(lambda: by_hand(DATA, NUM_SWEEPS, np.random.default_rng(1))),
    }
    if shutil.which("jags"):
        contenders["JAGS"] = by_jags(DATA, NUM_SWEEPS)
    yield from rows_of(what, contenders, repeats, "s", 1.0, REACH)
    if not shutil.which("jags"):
        yield skipped(what, "JAGS", "no program jags is installed")
    yield from compile_rows("scaled_t_gibbs", compile_repeats)
