"""What every block of a sweep is in JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

Stats = dict[str, jax.Array]


@dataclass(frozen=True)
class JaxBlock:
    """One block for one chain.

    Parameters
    ----------
    init : callable
        ``x -> memory``, where ``x`` is the flat joint state and ``memory`` what the block carries along.
    step : callable
        ``(key, x, memory, phase, target_accept) -> (x, memory, status, stats)``, the status as in ``SweepResult``.
    num_refreshing_gradients : int
        Gradients evaluated in each step besides those that its statistics count.
    """

    init: Callable[[jax.Array], Any]
    step: Callable[..., tuple[jax.Array, Any, jax.Array, Stats]]
    num_refreshing_gradients: int = 0
