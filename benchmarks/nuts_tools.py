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
        From the call to draws in natural space: starting points, warm-up, sampling, and the tree where the tool makes one.
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
    summed = {a.name for a in compiled.plan.assignments if a.method == "marginalize"}
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


def by_nutpie(model: BenchmarkModel) -> Sampler:
    import nutpie

    in_pymc = model.built_in_pymc()
    compiled = nutpie.compile_pymc_model(in_pymc, backend="numba")
    sample = partial(nutpie.sample, compiled, chains=CHAINS, cores=CORES, progress_bar=False)
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
    import pymc.sampling.jax  # noqa: F401

    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


type Loop = Callable[[Callable[[Any], Any], Any, Any], tuple[Any, Any, Any]]
"""Of a log-density, a generator's key and a starting point: draws, numbers of gradients and divergences of one chain."""


def by_jax(loop: Loop, is_uniform: bool, model: BenchmarkModel) -> Sampler:
    """Run a whole chain as one compiled program, chain after chain on each of two devices.

    In step, as ``chain_method="vectorized"`` runs them, all chains wait for the longest trajectory.
    """
    jax = _jax_on(CORES)
    from pymc.sampling.jax import get_jaxified_graph

    in_pymc = model.built_in_pymc()
    logdensity_of = get_jaxified_graph(in_pymc.value_vars, [in_pymc.logp()])
    natural_of = get_jaxified_graph(in_pymc.value_vars, list(in_pymc.free_RVs and in_pymc.unobserved_value_vars))
    names = [v.name for v in in_pymc.unobserved_value_vars]
    kept = {rv.name for rv in in_pymc.free_RVs}

    def logdensity(x: Any) -> Any:
        return logdensity_of(*x)[0]

    def chain(key: Any, start: Any) -> Any:
        draws, num_gradients, is_divergent = loop(logdensity, key, start)
        natural = jax.vmap(lambda x: natural_of(*x))(draws)
        found = {name: array for name, array in zip(names, natural, strict=True) if name in kept}
        return found, num_gradients.sum(), is_divergent.sum()

    def group(keys: Any, starts: Any) -> Any:
        return jax.lax.map(lambda pair: chain(*pair), (keys, starts))

    centre = in_pymc.initial_point()
    points = [np.asarray(centre[v.name], float) for v in in_pymc.value_vars]
    is_finite = jax.jit(lambda x: jax.tree.reduce(lambda a, b: a & b.all(), jax.tree.map(jax.numpy.isfinite, jax.value_and_grad(logdensity)(x)), True))
    reach = 2.0 if is_uniform and not model.start_at else 1.0

    def start_of(rng: np.random.Generator) -> list[NDArray[np.float64]]:
        """NumPyro starts at uniform numbers between -2 and 2; else PyMC's points, displaced by one at most."""
        for _ in range(100):
            base = [np.zeros_like(p) for p in points] if reach == 2.0 else points
            x = [p + rng.uniform(-reach, reach, p.shape) for p in base]
            if is_finite(x):
                return x
        raise RuntimeError("no starting point with a finite log-density was found")

    program = jax.pmap(group)

    def inputs(seed: int) -> Any:
        rng = np.random.default_rng(seed)
        starts = [start_of(rng) for _ in range(CHAINS)]
        per_device = CHAINS // CORES
        stacked = [np.stack(arrays).reshape(CORES, per_device, *np.shape(arrays[0])) for arrays in zip(*starts, strict=True)]
        return jax.random.split(jax.random.key(seed), (CORES, per_device)), stacked

    compiled = program.lower(*inputs(0)).compile()

    def run(seed: int) -> Run:
        start = perf_counter()
        draws, num_gradients, divergences = jax.block_until_ready(compiled(*inputs(seed)))
        arrays = {n: np.asarray(a).reshape(CHAINS, *a.shape[2:]) for n, a in draws.items()}
        return Run(arrays, perf_counter() - start, float(num_gradients.sum()), int(divergences.sum()))

    return run


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
