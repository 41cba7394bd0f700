"""What every block of a sweep is in JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from samplers.tuning.jax_adaptation import Adaptation

Stats = dict[str, jax.Array]


@dataclass(frozen=True)
class JaxOptions:
    """What blocks have to know of a run before they are compiled.

    Parameters
    ----------
    is_alone : bool
        Whether no other block moves what the block depends on: only then may it carry what it evaluated from draw to
        draw. With stale values a chain has the wrong distribution.
    max_tree_depth : int
        Largest number of doublings of a trajectory.
    precision : {"float64", "float32"}
        In which log-densities with gradients are computed.
    has_factor : bool
        Whether trajectories run in coordinates of their own, those of a metric that is learnt in Python.
    """

    is_alone: bool = True
    max_tree_depth: int = 10
    precision: str = "float64"
    has_factor: bool = False


class MetricMemory(NamedTuple):
    """What a block that has a metric carries from draw to draw."""

    logdensity: jax.Array  # () float64, at the position after the last draw
    gradient: jax.Array  # (d,) float64
    adaptation: Adaptation
    factor: jax.Array  # (d, d) float64: the trajectory's coordinates, see `samplers.tuning.preconditioning`; or (0, 0)
    is_adapting: jax.Array  # () bool: whether the chain learns the diagonal itself
    num_without_gradient: jax.Array  # () int64: as in `SweepResult`
    without_gradient: jax.Array  # (size,) float64: as in `SweepResult`


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
    logdensity : callable, optional
        ``(position, x) -> log-density`` of a block that has a metric, x holding the rest.
    """

    init: Callable[[jax.Array], Any]
    step: Callable[..., tuple[jax.Array, Any, jax.Array, Stats]]
    num_refreshing_gradients: int = 0
    logdensity: Callable[[jax.Array, jax.Array], jax.Array] | None = None
