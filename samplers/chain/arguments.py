"""The arguments of a run: checked, and seeds for its chains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.workspace import MAX_TREE_DEPTH


def spawn_seeds(seed: Any, num_chains: int) -> list[np.random.SeedSequence]:
    """Return one seed for each chain; that of a chain does not depend on how many there are."""
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning twice from one object gives other seeds.
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size).spawn(
            num_chains
        )
    return np.random.SeedSequence(seed).spawn(num_chains)


def check_arguments(
    init: NDArray[np.float64],
    size: int,
    tune: int,
    draws: int,
    target_accept: float,
    max_tree_depth: int,
    thin: int,
) -> None:
    """Raise SamplingError if an argument of ``CompiledSweep.run`` is out of range."""
    if init.ndim != 2 or init.shape[1] != size or len(init) == 0:
        raise SamplingError(f"init has shape {init.shape}; it must be (chains, {size}), with at least one chain.")
    if not np.isfinite(init).all():
        number, element = np.argwhere(~np.isfinite(init))[0]
        raise SamplingError(
            f"Chain {number} starts at {init[number, element]} (element {element}): not a finite number."
        )
    for name, value, low, high in (
        ("tune", tune, 0, np.inf),
        ("draws", draws, 0, np.inf),
        ("thin", thin, 1, np.inf),
        ("max_tree_depth", max_tree_depth, 1, MAX_TREE_DEPTH),
    ):
        if not low <= value <= high:
            raise SamplingError(
                f"{name} is {value}; it must be at least {low}" + (f", at most {high}." if high < np.inf else ".")
            )
    if not 0.0 < target_accept < 1.0:
        raise SamplingError(f"target_accept is {target_accept}; it must lie between 0 and 1.")


def start_words(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return the state of the sampler's own generator, drawn from NumPy's, which advances."""
    return rng.integers(0, 2**64, size=4, dtype=np.uint64)
