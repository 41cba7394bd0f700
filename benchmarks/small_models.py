"""Effective samples per second on three small models: bulk, the least over all parameters."""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

import ppl
from benchmarks.measure import Contender, Row, is_installed, medians, missing_rows
from benchmarks.mixture_density import data as mixture_data
from benchmarks.mixture_density import declare as declare_mixture
from benchmarks.mixture_density import marginalised
from benchmarks.processes import compile_rows

TITLE = "Small models: least bulk ESS per second, 4 chains of 1000 + 1000, tuning included, compiling not"
CHAINS, TUNE, DRAWS = 4, 1000, 1000
EFFECTS, ERRORS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
WAITING = mixture_data(272, 2)
PEERS = {"nutpie": "nutpie", "numpyro": "NumPyro, all under one jit, one core"}


def simulate_scores() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 434 made-up children: predictors (mother's school, her IQ) and scores."""
    rng = np.random.default_rng(1)
    school, iq = rng.random(434) < 0.79, rng.normal(100, 15, 434)
    return np.column_stack([school, iq]), 26 + 6 * school + 0.56 * iq + 18 * rng.standard_normal(434)


PREDICTORS, SCORES = simulate_scores()


def eight_schools(d: Any, size: str) -> tuple[Any, Any]:
    mu, tau = d.Normal("mu", 0, 5), d.HalfCauchy("tau", 5)
    z = d.Normal("z", 0, 1, **{size: 8})
    return mu + tau * z, ERRORS


def regression(d: Any, size: str) -> tuple[Any, Any]:
    beta, sigma = d.Normal("beta", 0, 50, **{size: 3}), d.HalfCauchy("sigma", 2.5)
    return beta[0] + beta[1] * PREDICTORS[:, 0] + beta[2] * PREDICTORS[:, 1], sigma


def declared(part: Callable[..., tuple[Any, Any]], outcome: NDArray[np.float64]) -> ppl.Model:
    return ppl.Model({ppl.Normal("y", *part(ppl, "size")): outcome})


def in_pymc(part: Callable[..., tuple[Any, Any]], outcome: NDArray[np.float64]) -> pm.Model:
    with pm.Model() as model:
        pm.Normal("y", *part(pm, "shape"), observed=outcome)
    return model


def in_numpyro(name: str) -> Callable[[], None]:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def schools() -> None:
        mu, tau = numpyro.sample("mu", dist.Normal(0, 5)), numpyro.sample("tau", dist.HalfCauchy(5))
        z = numpyro.sample("z", dist.Normal(0, 1).expand([8]).to_event(1))
        numpyro.sample("y", dist.Normal(mu + tau * z, ERRORS), obs=EFFECTS)

    def mixture() -> None:
        weights = numpyro.sample("w", dist.Dirichlet(jnp.ones(2)))
        mu = numpyro.sample("mu", dist.Normal(70, 20).expand([2]).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfNormal(10).expand([2]).to_event(1))
        mixed = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(mu, sigma))
        numpyro.sample("y", mixed, obs=WAITING)

    def scores() -> None:
        beta = numpyro.sample("beta", dist.Normal(0, 50).expand([3]).to_event(1))
        mean = beta[0] + beta[1] * PREDICTORS[:, 0] + beta[2] * PREDICTORS[:, 1]
        numpyro.sample("y", dist.Normal(mean, numpyro.sample("sigma", dist.HalfCauchy(2.5))), obs=SCORES)

    return {"eight schools": schools, "mixture": mixture, "regression": scores}[name]


MODELS: Mapping[str, tuple[Callable[[], ppl.Model], Callable[[], pm.Model], dict[str, NDArray[np.float64]]]] = {
    "eight schools": (lambda: declared(eight_schools, EFFECTS), lambda: in_pymc(eight_schools, EFFECTS), {}),
    "mixture": (
        lambda: declare_mixture(WAITING, 2),
        lambda: marginalised(WAITING, 2),
        # Both labellings are right; one start keeps all chains and all tools in the same one.
        {"mu": np.array([55.0, 80.0]), "sigma": np.array([6.0, 6.0]), "w": np.array([0.5, 0.5])},
    ),
    "regression": (lambda: declared(regression, SCORES), lambda: in_pymc(regression, SCORES), {}),
}


def least_ess(draws: Mapping[str, NDArray[np.float64]], names: tuple[str, ...]) -> float:
    """Return the least bulk effective sample size of arrays (chains, draws, ...)."""
    from arviz_stats.base import array_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = [np.reshape(draws[n], (*np.shape(draws[n])[:2], -1)) for n in names]
        return min(
            float(array_stats.ess(a[:, :, i], chain_axis=0, draw_axis=1)) for a in flat for i in range(a.shape[2])
        )


def ess_per_second(run: Callable[[int], tuple[Mapping[str, Any], float]], names: tuple[str, ...]) -> Contender:
    """Return a contender; ``run(seed)`` gives draws and seconds."""
    seeds = itertools.count(1)

    def rate() -> float:
        draws, seconds = run(next(seeds))
        return least_ess({n: np.asarray(draws[n]) for n in names}, names) / seconds

    return rate


def by_rvgraph(name: str, whole_call: bool) -> Callable[[int], tuple[Mapping[str, Any], float]]:
    declare, _, start_at = MODELS[name]
    compiled = ppl.compile(declare(), sampler="nuts")

    def run(seed: int) -> tuple[Mapping[str, Any], float]:
        start = perf_counter()
        trace = compiled.sample(DRAWS, TUNE, CHAINS, seed=seed, init=start_at or None, progress=False)
        seconds = perf_counter() - start
        if not whole_call:
            seconds = trace.attrs["tuning_seconds"] + trace.attrs["sampling_seconds"]
        return trace.posterior, seconds

    return run


def by_nutpie(name: str) -> Callable[[int], tuple[Mapping[str, Any], float]]:
    import nutpie

    _, build, start_at = MODELS[name]
    model = build()
    if start_at:
        for rv in model.free_RVs:
            model.rvs_to_initial_values[rv] = start_at[rv.name]
    compiled = nutpie.compile_pymc_model(model)

    def run(seed: int) -> tuple[Mapping[str, Any], float]:
        start = perf_counter()
        trace = nutpie.sample(
            compiled, draws=DRAWS, tune=TUNE, chains=CHAINS, cores=os.cpu_count(), seed=seed, progress_bar=False
        )
        return trace.posterior, perf_counter() - start

    return run


def by_numpyro(name: str) -> Callable[[int], tuple[Mapping[str, Any], float]]:
    """Return a function that runs all of NumPyro under one jit, many times faster than ``MCMC.run`` alone.

    One chain after the other: in step, as ``chain_method="vectorized"`` runs them, all wait for the longest trajectory.
    """
    import jax
    import numpyro

    start_at = MODELS[name][2]
    strategy = numpyro.infer.init_to_value(values=start_at) if start_at else numpyro.infer.init_to_uniform
    sampler = numpyro.infer.MCMC(
        numpyro.infer.NUTS(in_numpyro(name), init_strategy=strategy),
        num_warmup=TUNE,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="sequential",
        progress_bar=False,
    )

    @jax.jit
    def sample(key: Any) -> Any:
        sampler.run(key)
        return sampler.get_samples(group_by_chain=True)

    def run(seed: int) -> tuple[Mapping[str, Any], float]:
        start = perf_counter()
        draws = jax.block_until_ready(sample(jax.random.key(seed)))
        return draws, perf_counter() - start

    return run


def first_call() -> None:
    ppl.compile(MODELS["eight schools"][0]()).sample(1, 1, CHAINS, seed=1, progress=False)


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    # A few divergences of eight schools, said at every run.
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    for name in MODELS:
        names = tuple(n for n in MODELS[name][0]().latent if n != "k")
        contenders = {
            "rvgraph: whole call of sample": ess_per_second(by_rvgraph(name, True), names),
            "rvgraph: tuning and sampling": ess_per_second(by_rvgraph(name, False), names),
        }
        for package, by_peer in (("nutpie", by_nutpie), ("numpyro", by_numpyro)):
            if is_installed(package):
                contenders[PEERS[package]] = ess_per_second(by_peer(name), names)
        for who, rate in medians(contenders, repeats).items():
            yield Row(name, who, rate, "ESS/s")
        yield from missing_rows(name, PEERS)
    yield from compile_rows("small_models", compile_repeats)
