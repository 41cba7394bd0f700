"""NUTS by each tool: what compiles a model, and what then runs it with any seed."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ppl
from benchmarks.nuts_models import BenchmarkModel

CHAINS, CORES, TUNE, DRAWS = 4, 2, 1000, 1000


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Parameters
    ----------
    draws : mapping of str to array (chains, draws, ...)
        The parameters in natural space.
    seconds : float
        From the call to draws in natural space: starting points, warm-up, sampling, and the tree if the tool makes one.
    num_gradients : float
        Of all chains, warm-up included; NaN where there are none.
    divergences : int
        After warm-up.
    loop_seconds : float
        Of the compiled loop alone, where the tool says so; else NaN.
    """

    draws: Mapping[str, NDArray[np.float64]]
    seconds: float
    num_gradients: float
    divergences: int
    loop_seconds: float = float("nan")


type Sampler = Callable[[int], Run]
"""Runs with a seed."""


def can_compress() -> bool:
    """Return whether likelihoods can be compressed to sufficient statistics."""
    return "compress" in inspect.signature(ppl.compile).parameters


def by_rvgraph(model: BenchmarkModel, **options: Any) -> Sampler:
    compiled = ppl.compile(model.declare(), **options)
    summed = {a.name for a in compiled.plan.declared if a.method == "marginalize"}
    names = [name for name in compiled.plan.model.latent if name not in summed]
    compiled.sample(1, 1, CHAINS, CORES, seed=0, init=model.start_at or None, progress=False)

    def run(seed: int) -> Run:
        start = perf_counter()
        trace = compiled.sample(DRAWS, TUNE, CHAINS, CORES, seed, init=model.start_at or None, progress=False)
        seconds = perf_counter() - start
        return Run(
            {name: trace.posterior[name].to_numpy() for name in names},
            seconds,
            trace.attrs["num_gradients"] or float("nan"),
            int(trace.sample_stats["diverging"].sum()) if "diverging" in trace.sample_stats else 0,
            trace.attrs["tuning_seconds"] + trace.attrs["sampling_seconds"],
        )

    return run


def _from_tree(trace: Any, model: Any, seconds: float) -> Run:
    """Return the run of a tool that gives an ArviZ tree with the warm-up in it."""
    steps = [trace[group]["n_steps"].to_numpy().sum() for group in ("warmup_sample_stats", "sample_stats")]
    return Run(
        {rv.name: trace.posterior[rv.name].to_numpy() for rv in model.free_RVs},
        seconds,
        float(sum(steps)),
        int(trace.sample_stats["diverging"].sum()),
    )


def by_nutpie(model: BenchmarkModel, adaptation: str = "diag") -> Sampler:
    import nutpie

    in_pymc = model.built_in_pymc()
    compiled = nutpie.compile_pymc_model(in_pymc, backend="numba")
    sample = partial(nutpie.sample, compiled, chains=CHAINS, cores=CORES, adaptation=adaptation, progress_bar=False)
    sample(draws=1, tune=1, seed=0)

    def run(seed: int) -> Run:
        start = perf_counter()
        trace = sample(draws=DRAWS, tune=TUNE, seed=seed)
        return _from_tree(trace, in_pymc, perf_counter() - start)

    return run


def by_pymc(model: BenchmarkModel) -> Sampler:
    """Return PyMC's own NUTS, which compiles at each run: that time, by its own account, does not count."""
    import pymc as pm

    in_pymc = model.built_in_pymc()
    sample = partial(
        pm.sample,
        chains=CHAINS,
        cores=CORES,
        nuts_sampler="pymc",
        discard_tuned_samples=False,
        compute_convergence_checks=False,
        progressbar=False,
        model=in_pymc,
    )
    sample(1, tune=1, random_seed=0)

    def run(seed: int) -> Run:
        trace = sample(DRAWS, tune=TUNE, random_seed=seed)
        return _from_tree(trace, in_pymc, trace.posterior.attrs["sampling_time"])

    return run


def _jax_on(devices: int) -> Any:
    """Import JAX in double precision on so many devices; importing PyMC's part for JAX asks for a hundred of them."""
    import pymc.sampling.jax  # noqa: F401  (before the flag below, which it would overwrite)

    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


type Loop = Callable[[Callable[[Any], Any], Any, Any], tuple[Any, Any, Any]]
"""Of a log-density, a generator's key and a starting point: draws, numbers of gradients, and which diverged."""


def by_jax(loop: Loop, is_uniform: bool, model: BenchmarkModel) -> Sampler:
    """Run a whole chain as one compiled program, chain after chain on each of two devices.

    In step, as ``chain_method="vectorized"`` runs them, all chains wait for the longest trajectory.
    """
    jax = _jax_on(CORES)
    from pymc.sampling.jax import get_jaxified_graph

    in_pymc = model.built_in_pymc()
    logdensity_of = get_jaxified_graph(in_pymc.value_vars, [in_pymc.logp()])
    names = [v.name for v in in_pymc.free_RVs]
    natural = {v.name: v for v in in_pymc.unobserved_value_vars}
    natural_of = get_jaxified_graph(in_pymc.value_vars, [natural[name] for name in names])

    def logdensity(x: Any) -> Any:
        return logdensity_of(*x)[0]

    def chain(seed: Any, start: Any) -> Any:
        draws, num_gradients, is_divergent = loop(logdensity, jax.random.key(seed), start)
        return jax.vmap(lambda x: natural_of(*x))(draws), num_gradients.sum(), is_divergent.sum()

    starts_of = _starting_points(model, in_pymc, logdensity, is_uniform)

    def inputs(seed: int) -> Any:
        seeds = np.arange(CHAINS, dtype=np.uint32) + CHAINS * seed
        arrays = (seeds, starts_of(seed))
        return jax.tree.map(lambda a: a.reshape(CORES, CHAINS // CORES, *a.shape[1:]), arrays)

    program = jax.pmap(lambda seeds, starts: jax.lax.map(lambda pair: chain(*pair), (seeds, starts)))
    compiled = program.lower(*inputs(0)).compile()

    def run(seed: int) -> Run:
        start = perf_counter()
        draws, num_gradients, divergences = jax.block_until_ready(compiled(*inputs(seed)))
        arrays = {n: np.asarray(a).reshape(CHAINS, *a.shape[2:]) for n, a in zip(names, draws, strict=True)}
        return Run(arrays, perf_counter() - start, float(num_gradients.sum()), int(divergences.sum()))

    return run


def _starting_points(
    model: BenchmarkModel, in_pymc: Any, logdensity: Callable[[Any], Any], is_uniform: bool
) -> Callable[[int], list[NDArray[np.float64]]]:
    """Start as NumPyro does, at uniform numbers between -2 and 2, or as PyMC, not more than 1 from its points."""
    import jax

    centre = in_pymc.initial_point()
    points = [np.asarray(centre[v.name], float) for v in in_pymc.value_vars]
    reach = 1.0
    if is_uniform and not model.start_at:
        points, reach = [np.zeros_like(p) for p in points], 2.0

    def is_finite(x: Any) -> Any:
        value, gradient = jax.value_and_grad(logdensity)(x)
        return jax.numpy.isfinite(value + sum(g.sum() for g in gradient))

    are_finite = jax.jit(jax.vmap(is_finite))

    def starts_of(seed: int) -> list[NDArray[np.float64]]:
        rng = np.random.default_rng(seed)
        for _ in range(1000):
            starts = [p + rng.uniform(-reach, reach, (CHAINS, *p.shape)) for p in points]
            if are_finite(starts).all():
                return starts
        raise RuntimeError("no starting points with a finite log-density were found")

    return starts_of


def _numpyro_loop(logdensity: Any, key: Any, start: Any) -> Any:
    import jax
    from numpyro.infer import NUTS

    kernel = NUTS(potential_fn=lambda x: -logdensity(x), target_accept_prob=0.8)

    def step(state: Any, _: None) -> Any:
        state = kernel.sample(state, (), {})
        return state, (state.z, state.num_steps, state.diverging)

    state = kernel.init(key, TUNE, start, (), {})
    state, (_, tuning_steps, _) = jax.lax.scan(step, state, None, length=TUNE)
    _, (draws, steps, is_divergent) = jax.lax.scan(step, state, None, length=DRAWS)
    return draws, jax.numpy.concatenate([tuning_steps, steps]), is_divergent


def _blackjax_loop(logdensity: Any, key: Any, start: Any) -> Any:
    import blackjax
    import jax

    tuning_key, key = jax.random.split(key)
    tuning = blackjax.window_adaptation(blackjax.nuts, logdensity, target_acceptance_rate=0.8)
    (state, parameters), tuned = tuning.run(tuning_key, start, TUNE)
    kernel = blackjax.nuts(logdensity, **parameters)

    def step(state: Any, key: Any) -> Any:
        state, info = kernel.step(key, state)
        return state, (state.position, info.num_integration_steps, info.is_divergent)

    _, (draws, steps, is_divergent) = jax.lax.scan(step, state, jax.random.split(key, DRAWS))
    return draws, jax.numpy.concatenate([tuned.info.num_integration_steps, steps]), is_divergent


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Parameters
    ----------
    label : str
        What the table calls it.
    compile : callable
        Compiles a model, once.
    package : str
        What it needs besides us.
    """

    label: str
    compile: Callable[[BenchmarkModel], Sampler]
    package: str = "ppl"


def tools() -> dict[str, Tool]:
    """Return our rows and the peers by name, ours first."""
    by_nuts = partial(by_rvgraph, sampler="nuts")
    compressed = {"compress": Tool("rvgraph, compressed", partial(by_nuts, compress=True))} if can_compress() else {}
    return {
        "rvgraph": Tool("rvgraph, NUTS", partial(by_nuts, compress=False) if compressed else by_nuts),
        **compressed,
        "default": Tool("rvgraph, default plan", by_rvgraph),
        "nutpie": Tool("nutpie", by_nutpie, "nutpie"),
        "nutpie-low-rank": Tool("nutpie, low rank", partial(by_nutpie, adaptation="low_rank"), "nutpie"),
        "pymc": Tool("PyMC", by_pymc, "pymc"),
        "numpyro": Tool("NumPyro", partial(by_jax, _numpyro_loop, True), "numpyro"),
        "blackjax": Tool("BlackJAX", partial(by_jax, _blackjax_loop, False), "blackjax"),
    }


OURS = ("rvgraph", "compress", "default")


def least_ess(draws: Mapping[str, NDArray[np.float64]]) -> float:
    """Return the least bulk effective sample size of arrays (chains, draws, ...); 0 where one does not move."""
    from arviz_stats.base import array_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = [np.reshape(array, (*np.shape(array)[:2], -1)) for array in draws.values()]
        found = [float(array_stats.ess(a[:, :, i], chain_axis=0, draw_axis=1)) for a in flat for i in range(a.shape[2])]
    return float(np.nan_to_num(min(found))) if np.isfinite(found).all() else 0.0


def quiet() -> None:
    """Let no tool speak between the rows."""
    warnings.filterwarnings("ignore")
    for name in ("rvgraph", "pymc", "pymc.sampling.mcmc"):
        logging.getLogger(name).setLevel(logging.ERROR)
