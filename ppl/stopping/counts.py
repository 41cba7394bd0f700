"""The numbers that a run is asked for, and the other options whatever it is that runs."""

from __future__ import annotations

import numpy as np

from graphs.errors import SamplingError

MOST = 2**53
"""Up to here counts are exact in every number that they are kept in."""


def check_counts(**counts: int | None) -> None:
    """Raise SamplingError for a number of draws, chains, ... that cannot be; ``tune`` may be zero."""
    least = {"tune": 0}
    for name, count in counts.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < least.get(name, 1):
            raise SamplingError(f"{name} is a whole number, at least {least.get(name, 1)}; it was {count!r}.")
        if count > MOST:
            raise SamplingError(f"{name} is {count:,}, more than can be counted: at most {MOST:,}.")


def check_options(target_accept: float, adapt: str) -> None:
    """Raise SamplingError for an acceptance rate that is none, and for an unknown way to adapt."""
    if not isinstance(target_accept, int | float | np.floating) or not 0 < target_accept < 1:
        raise SamplingError(f"target_accept is a probability between 0 and 1, not {target_accept!r}.")
    if adapt not in ("chain", "pooled"):
        raise SamplingError(f"adapt is {adapt!r}; choose 'chain', or 'pooled' for chains that learn together.")


def checked_seed(seed: int | None) -> int:
    """Return a seed; at random if none is given."""
    if seed is None:
        return int(np.random.SeedSequence().entropy) % 2**63  # type: ignore[arg-type]
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise SamplingError(f"seed is a whole number, at least 0; it was {seed!r}.")
    return int(seed)
