"""The No-U-Turn sampler written by hand for Numba and for one density: what the general kernel is compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

MAX_DEPTH = 10
_LEFT, _RIGHT = 0, 1


@njit(nogil=True, cache=True)
def standard_normal(position: Any, gradient: Any) -> float:
    """The log-density of independent standard normals."""
    value = 0.0
    for i in range(position.size):
        gradient[i] = -position[i]
        value -= 0.5 * position[i] * position[i]
    return value


@njit(nogil=True, cache=True)
def _is_turning(inverse_mass: Any, first: Any, last: Any, total: Any) -> bool:
    left = right = 0.0
    for i in range(inverse_mass.size):
        velocity = inverse_mass[i] * (total[i] - 0.5 * (first[i] + last[i]))
        left += first[i] * velocity
        right += last[i] * velocity
    return left <= 0.0 or right <= 0.0


@njit(nogil=True, cache=True)
def _log_add(a: float, b: float) -> float:
    if a == -np.inf:
        return b
    high, low = (a, b) if a > b else (b, a)
    return high + math.log1p(math.exp(low - high))


@njit(nogil=True, cache=True)
def _has_turned(inverse_mass: Any, leaf: int, momentum: Any, total: Any, kept: Any, spare: Any) -> bool:
    """Compare an odd leaf with the first leaves of all subtrees that it ends; keep an even one for later."""
    slot = 0
    rest = leaf >> 1
    while rest:
        slot += rest & 1
        rest >>= 1
    if leaf & 1 == 0:
        kept[0, slot] = momentum
        kept[1, slot] = total
        return False
    rest = leaf
    while rest & 1:
        for i in range(spare.size):
            spare[i] = total[i] - kept[1, slot, i] + kept[0, slot, i]
        if _is_turning(inverse_mass, kept[0, slot], momentum, spare):
            return True
        slot -= 1
        rest >>= 1
    return False


@njit(nogil=True, cache=True)
def _leapfrog(step: float, inverse_mass: Any, now: Any) -> tuple[float, float]:
    """Move ``now`` (position, momentum, gradient); return the log-density and the kinetic energy."""
    position, momentum, gradient = now[0], now[1], now[2]
    for i in range(inverse_mass.size):
        momentum[i] += 0.5 * step * gradient[i]
        position[i] += step * inverse_mass[i] * momentum[i]
    value = standard_normal(position, gradient)
    kinetic = 0.0
    for i in range(inverse_mass.size):
        momentum[i] += 0.5 * step * gradient[i]
        kinetic += 0.5 * inverse_mass[i] * momentum[i] * momentum[i]
    return value, kinetic


@njit(nogil=True, cache=True)
def _extend(
    step: float, inverse_mass: Any, depth: int, start: float, rng: Any, now: Any, work: Any, kept: Any
) -> tuple[float, float, int]:
    """Make ``2**depth`` steps; return their log-weight, minus infinity if they failed, the value drawn, the number."""
    drawn, total, spare = work[0:2], work[2], work[3]
    log_weight, drawn_value = -np.inf, 0.0
    total[:] = 0.0
    for leaf in range(1 << depth):
        value, kinetic = _leapfrog(step, inverse_mass, now)
        log_ratio = value - kinetic - start
        if not log_ratio > -1000.0:
            return -np.inf, value, leaf + 1
        log_weight = _log_add(log_weight, log_ratio)
        if leaf == 0 or math.log(rng.random()) < log_ratio - log_weight:
            drawn[0], drawn[1], drawn_value = now[0], now[2], value
        for i in range(inverse_mass.size):
            total[i] += now[1, i]
        if _has_turned(inverse_mass, leaf, now[1], total, kept, spare):
            return -np.inf, value, leaf + 1
    return log_weight, drawn_value, 1 << depth


@njit(nogil=True, cache=True)
def _transition(
    point: Any, value: float, step_size: float, inverse_mass: Any, rng: Any, work: Any, kept: Any
) -> tuple[float, int]:
    """Move ``point`` (position, gradient); return its log-density and the number of gradients."""
    size = inverse_mass.size
    ends, now, total, rest = work[:6].reshape((2, 3, size)), work[6:9], work[9], work[10:]
    drawn, subtotal = rest[0:2], rest[2]
    start = value
    for i in range(size):
        total[i] = rng.standard_normal() / math.sqrt(inverse_mass[i])
        start -= 0.5 * inverse_mass[i] * total[i] ** 2
    for end in (_LEFT, _RIGHT):
        ends[end, 0], ends[end, 1], ends[end, 2] = point[0], total, point[1]
    log_weight, num_gradients = 0.0, 0
    for depth in range(MAX_DEPTH):
        end = _RIGHT if rng.random() < 0.5 else _LEFT
        now[:] = ends[end]
        step = step_size if end == _RIGHT else -step_size
        added, new_value, count = _extend(step, inverse_mass, depth, start, rng, now, rest, kept)
        num_gradients += count
        if added == -np.inf:
            break
        ends[end] = now
        if math.log(rng.random()) < added - log_weight:
            point[:], value = drawn, new_value
        log_weight = _log_add(log_weight, added)
        for i in range(size):
            total[i] += subtotal[i]
        if _is_turning(inverse_mass, ends[_LEFT, 1], ends[_RIGHT, 1], total):
            break
    return value, num_gradients


@njit(nogil=True, cache=True)
def sample(position: Any, step_size: float, inverse_mass: Any, num_draws: int, rng: Any) -> tuple[Any, int]:
    """Return draws, shape (num_draws, size), and the number of gradients."""
    size = position.size
    point = np.empty((2, size))
    point[0] = position
    value = standard_normal(point[0], point[1])
    work, kept = np.empty((14, size)), np.empty((2, MAX_DEPTH, size))
    draws, num_gradients = np.empty((num_draws, size)), 0
    for draw in range(num_draws):
        value, count = _transition(point, value, step_size, inverse_mass, rng, work, kept)
        num_gradients += count
        draws[draw] = point[0]
    return draws, num_gradients
