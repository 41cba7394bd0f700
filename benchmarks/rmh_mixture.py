"""Random-walk Metropolis-Hastings on a four-component mixture, 1000 chains at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba import njit
from numpy.typing import NDArray

import graphs
import ppl
from benchmarks.measure import Row, missing_rows, rows_of, timed
from benchmarks.processes import compile_rows
from samplers.random_walk.kernel import rmh

TITLE = "RMH on a mixture: per step of a chain, 1000 chains x 10^4 steps, one core"
REACH = 80.0
WEIGHTS, LOCATIONS, SCALES = np.array([0.2, 0.3, 0.1, 0.4]), np.array([-2, 0, 3.2, 2.5]), np.array([1.2, 1, 5, 2.8])
CONSTANTS = np.log(WEIGHTS / SCALES) - 0.5 * math.log(2 * math.pi)
STEP = 3.0
NUM_CHAINS, NUM_STEPS = 1000, 10_000


def by_kernel(num_chains: int, num_steps: int) -> Callable[[], NDArray[np.float64]]:
    """Return a function that runs the step function of the declared mixture; it gives the last positions."""
    index = ppl.Categorical("index", WEIGHTS)
    components = ppl.Normal("components", LOCATIONS, SCALES)
    y = pt.dscalar("y")
    total = graphs.logprob({components[index]: y}).total
    kernel = rmh((total, [y]), scale=STEP, chains=num_chains)
    step = graphs.compile(kernel)
    state = kernel.init({"y": 0.0})
    return lambda: step.run(np.random.default_rng(1), state, num_steps, num_steps)[0].position["y"]


def by_numpy(num_chains: int, num_steps: int) -> NDArray[np.float64]:
    """Return the last positions of a loop over steps, vectorised over chains."""
    rng = np.random.default_rng(1)

    def logdensity(y: NDArray[np.float64]) -> NDArray[np.float64]:
        terms = CONSTANTS - 0.5 * ((y[:, None] - LOCATIONS) / SCALES) ** 2
        highest = terms.max(axis=1)
        return highest + np.log(np.exp(terms - highest[:, None]).sum(axis=1))

    position = np.zeros(num_chains)
    value = logdensity(position)
    for _ in range(num_steps):
        proposal = position + STEP * rng.standard_normal(num_chains)
        proposed = logdensity(proposal)
        is_accepted = np.log(rng.random(num_chains)) < proposed - value
        position = np.where(is_accepted, proposal, position)
        value = np.where(is_accepted, proposed, value)
    return position


@njit(cache=True)
def _logdensity(y: float) -> float:
    total = 0.0
    for k in range(4):
        total += math.exp(CONSTANTS[k] - 0.5 * ((y - LOCATIONS[k]) / SCALES[k]) ** 2)
    return math.log(total)


@njit(cache=True)
def by_hand(num_chains: int, num_steps: int, rng: Any) -> Any:
    """Return the same, one chain after the other; the sum of exponentials is not guarded against underflow."""
    positions = np.zeros(num_chains)
    for chain in range(num_chains):
        position = 0.0
        value = _logdensity(position)
        for _ in range(num_steps):
            proposal = position + STEP * rng.standard_normal()
            proposed = _logdensity(proposal)
            if math.log(rng.random()) < proposed - value:
                position, value = proposal, proposed
        positions[chain] = position
    return positions


def by_jax(num_chains: int, num_steps: int) -> Callable[[], NDArray[np.float64]]:
    """Return a function that runs a jitted scan over steps, vectorised over chains."""
    import jax
    import jax.numpy as jnp

    def logdensity(y: Any) -> Any:
        terms = CONSTANTS - 0.5 * ((y[:, None] - LOCATIONS) / SCALES) ** 2
        return jax.nn.logsumexp(terms, axis=1)

    def step(state: Any, key: Any) -> tuple[Any, None]:
        position, value = state
        for_step, for_acceptance = jax.random.split(key)
        proposal = position + STEP * jax.random.normal(for_step, (num_chains,))
        proposed = logdensity(proposal)
        is_accepted = jnp.log(jax.random.uniform(for_acceptance, (num_chains,))) < proposed - value
        return (jnp.where(is_accepted, proposal, position), jnp.where(is_accepted, proposed, value)), None

    @jax.jit
    def run(key: Any) -> Any:
        position = jnp.zeros(num_chains)
        return jax.lax.scan(step, (position, logdensity(position)), jax.random.split(key, num_steps))[0][0]

    return lambda: np.asarray(run(jax.random.key(1)))


def first_call() -> None:
    by_kernel(NUM_CHAINS, 1)()


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    what, count = "one step of one chain", NUM_CHAINS * NUM_STEPS
    contenders = {
        "rvgraph: samplers.rmh, chains=1000": timed(by_kernel(NUM_CHAINS, NUM_STEPS), count),
        "NumPy, vectorised": timed(lambda: by_numpy(NUM_CHAINS, NUM_STEPS), count),
        "hand-written Numba, NumPy's generator": timed(
            lambda: by_hand(NUM_CHAINS, NUM_STEPS, np.random.default_rng(1)), count
        ),
    }
    missing = missing_rows(what, {"jax": "JAX, jitted scan"})
    if not missing:
        contenders["JAX, jitted scan"] = timed(by_jax(NUM_CHAINS, NUM_STEPS), count)
    yield from rows_of(what, contenders, repeats, "ns", 1e9, REACH)
    yield from missing
    yield from compile_rows("rmh_mixture", compile_repeats)
