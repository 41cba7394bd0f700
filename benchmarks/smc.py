"""Tempered sequential Monte Carlo with evidence: ours, PyMC's and BlackJAX's, 2000 particles.

``python -m benchmarks.smc [--models schools mixture] [--peers pymc blackjax] [--seeds 5] [--particles 2000]`` prints,
for each tool, medians over seeds of wall and CPU seconds of a run, what compiling took, apart, and the mean and
standard deviation of the log evidence; of eight schools beside that by quadrature. BlackJAX moves by Hamiltonian
trajectories of ten steps, three for each particle and stage, whose metric is given the variances of the posterior
itself; each stage has the same effective size as ours. PyMC compiles anew in every ``sample_smc``, as its users see.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import integrate, stats

import ppl
from ppl.tempering.compiled import TemperedModel

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
POINTS = np.random.default_rng(3).normal(np.repeat([-6.0, -2.0, 2.0, 6.0], 50), 1.0)


@dataclass(frozen=True)
class Run:
    """What one run took and found."""

    wall: float
    cpu: float
    evidence: float


def schools() -> ppl.Model:
    """Eight schools, not centred."""
    mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
    z = ppl.Normal("z", 0, 1, size=8)
    return ppl.Model({ppl.Normal("y", mu + tau * z, SIGMA): Y})


def mixture() -> ppl.Model:
    """Four components, whose indicators are summed out."""
    w, mu = ppl.Dirichlet("w", np.ones(4)), ppl.Normal("mu", 0, 10, size=4)
    s = ppl.HalfNormal("s", 2, size=4)
    z = ppl.Categorical("z", w, size=len(POINTS))
    return ppl.Model({ppl.Normal("y", mu[z], s[z]): POINTS})


def exact_schools() -> float:
    """The log evidence of eight schools by quadrature: effects are normal given the others."""

    def inner(t: float) -> float:
        tau = t / (1.0 - t)
        variance = SIGMA**2 + tau**2
        values = stats.multivariate_normal(np.zeros(8), np.diag(variance) + 25.0).pdf(Y)
        return float(values * stats.halfcauchy(scale=5).pdf(tau) / (1.0 - t) ** 2)

    return float(np.log(integrate.quad(inner, 0, 1, epsabs=0, epsrel=1e-10)[0]))


def timed(run: Callable[[int], float], seed: int) -> Run:
    """Run once."""
    wall, cpu = time.perf_counter(), time.process_time()
    evidence = run(seed)
    return Run(time.perf_counter() - wall, time.process_time() - cpu, evidence)


def ours(model: ppl.Model, particles: int) -> Callable[[int], float]:
    """Return a function that runs ours."""
    compiled = TemperedModel(model, progress=False)
    return lambda seed: float(compiled.sample(particles, seed=seed, progress=False).attrs["log_marginal_likelihood"])


def in_pymc(name: str) -> Any:
    """Return the same model in PyMC."""
    import pymc as pm

    with pm.Model() as model:
        if name == "schools":
            mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
            z = pm.Normal("z", 0, 1, size=8)
            pm.Normal("y", mu + tau * z, SIGMA, observed=Y)
        else:
            w, mu = pm.Dirichlet("w", np.ones(4)), pm.Normal("mu", 0, 10, size=4)
            pm.NormalMixture("y", w, mu, pm.HalfNormal("s", 2, size=4), observed=POINTS)
    return model


def pymc(name: str, particles: int) -> Callable[[int], float]:
    """Return a function that runs PyMC's in one process."""
    import pymc as pm

    model = in_pymc(name)

    def run(seed: int) -> float:
        with model:
            trace = pm.sample_smc(particles, chains=1, cores=1, random_seed=seed, progressbar=False)
        found = np.array(trace["sample_stats"]["log_marginal_likelihood"].values.tolist(), float).ravel()
        return float(found[np.isfinite(found)][-1])

    return run


def blackjax(name: str, model: ppl.Model, particles: int) -> Callable[[int], float]:
    """Return a function that runs BlackJAX's."""
    import blackjax as bj
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    prior, likelihood, draw, unconstrained = _in_jax(name)
    known = ppl.smc(model, particles, seed=99, progress=False).posterior
    variances = jnp.asarray(np.var(unconstrained(known), axis=0))
    parameters = {
        "step_size": jnp.array([0.5]),
        "inverse_mass_matrix": variances[None],
        "num_integration_steps": jnp.array([10]),
    }
    algorithm = bj.adaptive_tempered_smc(
        prior,
        likelihood,
        bj.hmc.build_kernel(),
        bj.hmc.init,
        parameters,
        bj.smc.resampling.systematic,
        0.5,
        num_mcmc_steps=3,
    )

    @jax.jit
    def loop(key: Any, positions: Any) -> Any:
        def step(carry: Any) -> Any:
            key, state, evidence = carry
            key, own = jax.random.split(key)
            state, info = algorithm.step(own, state)
            return key, state, evidence + info.log_likelihood_increment

        start = (key, algorithm.init(positions), 0.0)
        return jax.lax.while_loop(lambda carry: carry[1].tempering_param < 1.0, step, start)[2]

    def run(seed: int) -> float:
        first, second = jax.random.split(jax.random.key(seed))
        return float(loop(second, draw(first, particles)).block_until_ready())

    return run


def _in_jax(name: str) -> tuple[Any, Any, Any, Any]:
    """Return log prior and log likelihood of a vector, draws, and what takes a trace to vectors."""
    import jax
    import jax.numpy as jnp
    from jax.scipy import stats as js
    from jax.scipy.special import logsumexp

    def flat(posterior: Any, name: str) -> np.ndarray:
        values = posterior[name].to_numpy()
        return values.reshape(values.shape[0] * values.shape[1], -1)

    if name == "schools":

        def prior(x: Any) -> Any:
            half_cauchy = jnp.log(2.0) + js.cauchy.logpdf(jnp.exp(x[1]), 0, 5) + x[1]
            return js.norm.logpdf(x[0], 0, 5) + half_cauchy + js.norm.logpdf(x[2:]).sum()

        def likelihood(x: Any) -> Any:
            return js.norm.logpdf(Y, x[0] + jnp.exp(x[1]) * x[2:], SIGMA).sum()

        def draw(key: Any, number: int) -> Any:
            one, two, three = jax.random.split(key, 3)
            tau = jnp.abs(5.0 * jax.random.cauchy(two, (number, 1)))
            mu = 5.0 * jax.random.normal(one, (number, 1))
            return jnp.concatenate([mu, jnp.log(tau), jax.random.normal(three, (number, 8))], axis=1)

        return prior, likelihood, draw, lambda p: np.hstack([flat(p, "mu"), np.log(flat(p, "tau")), flat(p, "z")])

    # Gamma numbers, whose shares are the weights: on the real line their logarithms.
    def prior(x: Any) -> Any:
        g, s = jnp.exp(x[:4]), jnp.exp(x[8:])
        half = jnp.log(2.0) + js.norm.logpdf(s, 0, 2) + x[8:]
        return (x[:4] - g).sum() + js.norm.logpdf(x[4:8], 0, 10).sum() + half.sum()

    def likelihood(x: Any) -> Any:
        log_w = x[:4] - logsumexp(x[:4])
        return logsumexp(log_w + js.norm.logpdf(POINTS[:, None], x[4:8], jnp.exp(x[8:])), axis=1).sum()

    def draw(key: Any, number: int) -> Any:
        one, two, three = jax.random.split(key, 3)
        g = jnp.log(jax.random.gamma(one, 1.0, (number, 4)))
        mu = 10.0 * jax.random.normal(two, (number, 4))
        return jnp.concatenate([g, mu, jnp.log(jnp.abs(2.0 * jax.random.normal(three, (number, 4))))], axis=1)

    return prior, likelihood, draw, lambda p: np.hstack([flat(p, "w") * 0.5 + 0.5, flat(p, "mu"), np.log(flat(p, "s"))])


def table_of(name: str, peers: Sequence[str], particles: int, seeds: int) -> Iterator[str]:
    """Yield a row for each tool."""
    model = {"schools": schools, "mixture": mixture}[name]()
    tools: dict[str, Callable[[], Callable[[int], float]]] = {
        "rvgraph": lambda: ours(model, particles),
        "PyMC": lambda: pymc(name, particles),
        "BlackJAX": lambda: blackjax(name, model, particles),
    }
    for tool, make in tools.items():
        if tool != "rvgraph" and tool.lower() not in peers:
            continue
        begin = time.perf_counter()
        run = make()
        made = time.perf_counter() - begin
        first = timed(run, 0)
        runs = [timed(run, seed) for seed in range(1, seeds + 1)]
        wall, cpu = (float(np.median([getattr(r, what) for r in runs])) for what in ("wall", "cpu"))
        evidence = [r.evidence for r in runs]
        cells = (name, tool, f"{wall:.3f}", f"{cpu:.3f}", f"{made + max(first.wall - wall, 0.0):.1f}")
        yield "| " + " | ".join(cells) + f" | {np.mean(evidence):.3f} | {np.std(evidence):.3f} |"
    if name == "schools":
        yield f"| schools | quadrature | | | | {exact_schools():.3f} | |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smc", description=__doc__)
    parser.add_argument("--models", nargs="*", default=["schools", "mixture"])
    parser.add_argument("--peers", nargs="*", default=["pymc", "blackjax"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--particles", type=int, default=2000)
    options = parser.parse_args(arguments)
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    print("| model | tool | wall, s | CPU, s | compiling, s | log evidence | sd |\n|" + "---|" * 7, flush=True)
    for name in options.models:
        for line in table_of(name, options.peers, options.particles, options.seeds):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
