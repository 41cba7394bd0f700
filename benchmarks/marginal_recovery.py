"""Seconds until discrete variables that were summed out are drawn back, for every posterior draw of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from arviz_base import from_dict
from numba import njit
from numpy.typing import NDArray

import ppl
from benchmarks.marginal_models import Case, hmm_case, mixture_case, transitions
from benchmarks.measure import Row, is_installed, rows_of, skipped, timed

CHAINS, DRAWS, NUM_LATENT = 4, 1000, 10_000
OURS = "rvgraph: recover, compiled anew"
EXTRAS, NUMPYRO = "pymc-extras conditional, compiled anew", "NumPyro Predictive, infer_discrete, jitted"


def posterior(case: Case, chains: int, draws: int) -> dict[str, NDArray[np.float64]]:
    """Return made-up draws of the other variables: what is timed does not depend on where they come from."""
    rng, k = np.random.default_rng(1), case.num_states
    mu = case.at["mu"] + 0.01 * rng.standard_normal((chains, draws, k))
    if case.kind == "mixture":
        sigma = np.exp(case.at["sigma"] + 0.01 * rng.standard_normal((chains, draws, k)))
        return {"w": rng.dirichlet(np.full(k, 1000.0), (chains, draws)), "mu": mu, "sigma": sigma}
    moves = np.stack([rng.dirichlet(1000 * row, (chains, draws)) for row in transitions(k)], axis=2)
    return {"P": moves, "mu": mu, "sigma": np.exp(0.01 * rng.standard_normal((chains, draws)))}


@njit
def _mixture_by_hand(y: Any, w: Any, mu: Any, sigma: Any, rng: Any) -> Any:
    found = np.empty((w.shape[0], y.size), np.int64)
    heights = np.empty(w.shape[1])
    for i in range(w.shape[0]):
        for t in range(y.size):
            total = 0.0
            for k in range(heights.size):
                total += w[i, k] / sigma[i, k] * np.exp(-0.5 * ((y[t] - mu[i, k]) / sigma[i, k]) ** 2)
                heights[k] = total
            found[i, t] = np.searchsorted(heights, rng.random() * total)
    return found


@njit
def _hmm_by_hand(y: Any, moves: Any, mu: Any, sigma: Any, rng: Any) -> Any:
    """Forward filtering, backward sampling with probabilities that are normalised at each step."""
    num_draws, k = mu.shape
    found, forward, heights = np.empty((num_draws, y.size), np.int64), np.empty((y.size, k)), np.empty(k)
    for i in range(num_draws):
        for t in range(y.size):
            total = 0.0
            for new in range(k):
                predicted = 1.0 / k
                if t > 0:
                    predicted = 0.0
                    for old in range(k):
                        predicted += forward[t - 1, old] * moves[i, old, new]
                forward[t, new] = predicted * np.exp(-0.5 * ((y[t] - mu[i, new]) / sigma[i]) ** 2)
                total += forward[t, new]
            forward[t] /= total
        for t in range(y.size - 1, -1, -1):
            total = 0.0
            for state in range(k):
                total += forward[t, state] * (moves[i, state, found[i, t + 1]] if t + 1 < y.size else 1.0)
                heights[state] = total
            found[i, t] = np.searchsorted(heights, rng.random() * total)
    return found


def by_rvgraph(case: Case, draws: dict[str, Any]) -> Callable[[], Any]:
    model, trace = case.declare(), from_dict({"posterior": draws})
    return lambda: ppl.recover(model, trace, probs=False, seed=1)["posterior"][case.latent].to_numpy()


def by_hand(case: Case, draws: dict[str, Any]) -> Callable[[], Any]:
    """Return the same written for Numba, with NumPy's generator."""
    flat = [a.reshape(-1, *a.shape[2:]) for a in draws.values()]
    loop = _mixture_by_hand if case.kind == "mixture" else _hmm_by_hand
    rng = np.random.default_rng(1)
    return lambda: loop(case.data["y"], *flat, rng)


def by_pymc_extras(case: Case, draws: dict[str, Any]) -> Callable[[], Any]:
    import pymc as pm
    from pymc_extras.marginal import conditional, marginalize

    model = conditional(marginalize(case.automatic(), [case.latent]))
    trace = from_dict({"posterior": draws})

    def run() -> Any:
        sampled = pm.sample_posterior_predictive(
            trace, model=model, var_names=[case.latent], sample_vars=[case.latent], progressbar=False, random_seed=1
        )
        return sampled["posterior_predictive"][case.latent].to_numpy()

    return run


def by_numpyro(case: Case, draws: dict[str, Any]) -> Callable[[], Any]:
    import jax
    from numpyro.infer import Predictive

    from benchmarks.marginal_jax import in_numpyro

    samples = {name: jax.numpy.asarray(a) for name, a in draws.items()}
    predictive = Predictive(in_numpyro(case), samples, infer_discrete=True, batch_ndims=2, return_sites=[case.latent])
    run = jax.jit(lambda key: predictive(key)[case.latent])
    return lambda: np.asarray(run(jax.random.key(1)))


def reasons(case: Case) -> dict[str, str | None]:
    """Return why a peer cannot be measured."""
    missing = {p: None if is_installed(p) else f"{p} is not installed" for p in ("pymc_extras", "numpyro", "funsor")}
    unable = "it does not draw back through scan" if case.kind == "hmm" else None
    return {EXTRAS: missing["pymc_extras"], NUMPYRO: missing["numpyro"] or missing["funsor"] or unable}


def rows(chains: int = CHAINS, draws: int = DRAWS, num_latent: int = NUM_LATENT) -> Iterator[Row]:
    for case in (mixture_case(num_latent, 4), hmm_case(num_latent, 4)):
        what = f"{chains * draws} draws, {case.name}"
        made_up, why_not = posterior(case, chains, draws), reasons(case)
        contenders = {OURS: by_rvgraph(case, made_up), "hand-written Numba, NumPy's generator": by_hand(case, made_up)}
        for who, build in ((EXTRAS, by_pymc_extras), (NUMPYRO, by_numpyro)):
            if why_not[who] is None:
                contenders[who] = build(case, made_up)
        # Seconds each: once is enough after one to warm up.
        yield from rows_of(what, {who: timed(run) for who, run in contenders.items()}, 1, "s", 1.0)
        yield from (skipped(what, who, reason) for who, reason in why_not.items() if reason is not None)
