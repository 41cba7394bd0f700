"""Adaptation of the No-U-Turn sampler in JAX: the rules of ``samplers.tuning.adaptation`` as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import DualAveragingAdaptationState, dual_averaging_adaptation

from samplers.tuning.adaptation import (
    DIVERGENT_SHRINKAGE,
    EARLY_FRACTION,
    EARLY_WINDOW,
    LEAST_LOG_MISS,
    MAX_VARIANCE,
    MIN_DRAWS,
    MIN_VARIANCE,
    SCALE_DECAY,
    SCALE_GAIN,
    SETTLED_UPDATES,
    WINDOW,
)
from samplers.tuning.agreement import decided_after
from samplers.tuning.few_slow import LARGE_PRODUCT, MANY, MOST_LARGE, SLOW_PRODUCT


class Moments(NamedTuple):
    """Moments of draws and gradients in two windows: the foreground, in use, and the background, being filled."""

    count: jax.Array  # (2,) float64: of each window
    mean: jax.Array  # (2, 2, d) float64: window, then position or gradient
    squares: jax.Array  # (2, 2, d) float64: sums of squared deviations from the mean


class Adaptation(NamedTuple):
    """What warm-up has learnt so far."""

    averaging: DualAveragingAdaptationState  # () float64 each
    inverse_mass_matrix: jax.Array  # (d,) float64
    moments: Moments
    is_by_variance: jax.Array  # () bool: the mass matrix is learnt from variances of draws alone
    log_miss: jax.Array  # () float64: of what the share of proposals to be refused is multiplied by
    num_updates: jax.Array  # () float64: of the step size


class Phase(NamedTuple):
    """What one sweep adapts; the same for all chains."""

    is_tuning: jax.Array  # () bool: the step size is learnt
    is_learning: jax.Array  # () bool: the mass matrix too
    is_searching: jax.Array  # () bool: the step size is found anew before it, because the mass matrix is new
    is_switching: jax.Array  # () bool: the background window takes the place of the foreground after it
    is_early: jax.Array  # () bool: trajectories have `EARLY_TREE_DEPTH` doublings at most
    is_looking: jax.Array  # () bool: after it, whether few elements are much slower than others is seen


def tuning_phases(lengths: Sequence[int], num_early: int) -> Phase:
    """Return the phases of a warm-up; each field of shape (sweeps,), bool.

    Parameters
    ----------
    lengths : sequence of int
        How many sweeps it has; before that those that were planned and found to be too few, after all but the last
        15% of them.
    num_early : int
        In so many sweeps trajectories are short.
    """
    iterations = np.arange(lengths[-1])
    is_switching, is_looking = np.zeros((2, lengths[-1]), dtype=bool)
    num_background = first = 0
    for tune in lengths:
        last = decided_after(tune)
        for iteration in range(first, last):
            window = EARLY_WINDOW if iteration < EARLY_FRACTION * tune else WINDOW
            num_background += 1
            # A window that could not be filled before the end would only lose draws.
            if num_background >= window and iteration + window < last:
                is_switching[iteration] = True
                is_looking[iteration] = window == WINDOW
                num_background = 0
        first = last
    is_learning = iterations < first
    is_searching = (iterations == 0) | (is_learning & (iterations == MIN_DRAWS))
    is_early = iterations < num_early
    return Phase(np.ones(lengths[-1], dtype=bool), is_learning, is_searching, is_switching, is_early, is_looking)


def drawing_phases(draws: int, *, is_start: bool) -> Phase:
    """Return the phases of ``draws`` sweeps that adapt nothing, but find a step size if they are the chain's first."""
    phases = Phase(*np.zeros((6, draws), dtype=bool))
    phases.is_searching[:1] = is_start
    return phases


def start_inverse_mass_matrix(gradient: jax.Array) -> jax.Array:
    """Guess the inverse mass matrix from one gradient: its scale is that of one over a standard deviation."""
    guess = 1 / jnp.abs(gradient)
    return jnp.where((guess > MIN_VARIANCE) & (guess < MAX_VARIANCE), guess, 1.0)


def start_adaptation(inverse_mass_matrix: jax.Array) -> Adaptation:
    """Begin with no draws; the step size is to be searched for."""
    shape = (2, 2, inverse_mass_matrix.size)
    moments = Moments(jnp.zeros(2), jnp.zeros(shape), jnp.zeros(shape))
    nothing = jnp.zeros(())
    return Adaptation(
        start_averaging(jnp.ones(())), inverse_mass_matrix, moments, jnp.zeros((), bool), nothing, nothing
    )


def start_averaging(step_size: jax.Array) -> DualAveragingAdaptationState:
    """Begin dual averaging; its average is the start itself, for runs without tuning."""
    init, _, _ = dual_averaging_adaptation(0.8)
    return _as_float64(init(step_size)._replace(log_step_size_avg=jnp.log(step_size)))


def present_step_size(adaptation: Adaptation, is_tuning: jax.Array) -> jax.Array:
    """Return the step size being tried while tuning, and the averaged one after it."""
    tried, averaged = adaptation.averaging.log_step_size, adaptation.averaging.log_step_size_avg
    return jnp.exp(jnp.where(is_tuning, tried, averaged))


def adapt(
    adaptation: Adaptation,
    phase: Phase,
    position: jax.Array,
    gradient: jax.Array,
    acceptance_rate: jax.Array,
    is_divergent: jax.Array,
    target_accept: jax.Array,
) -> Adaptation:
    """Learn from one draw.

    The step size follows dual averaging, towards a larger acceptance rate where trajectories diverge; the inverse mass
    matrix is ``sqrt(var(position) / var(gradient))``, or ``var(position)``: all as in ``samplers.tuning.adaptation``.
    """

    def learn(adaptation: Adaptation) -> Adaptation:
        is_noticed = is_divergent & ~phase.is_early & (adaptation.num_updates >= SETTLED_UPDATES)
        log_miss = jnp.maximum(adaptation.log_miss - DIVERGENT_SHRINKAGE * is_noticed, LEAST_LOG_MISS)
        aim = 1.0 - (1.0 - target_accept) * jnp.exp(log_miss)
        _, update_averaging, _ = dual_averaging_adaptation(aim)
        averaging = _as_float64(update_averaging(adaptation.averaging, jnp.nan_to_num(acceptance_rate)))
        return adaptation._replace(averaging=averaging, log_miss=log_miss, num_updates=adaptation.num_updates + 1.0)

    def learn_metric(adaptation: Adaptation) -> Adaptation:
        moments = _add(adaptation.moments, jnp.stack([position, gradient]))
        moments = jax.lax.cond(phase.is_switching, _switch_windows, lambda m: m, moments)
        is_by_variance = jnp.where(phase.is_looking, _has_few_slow(moments), adaptation.is_by_variance)
        inverse_mass_matrix = _estimate(moments, is_by_variance, adaptation.inverse_mass_matrix)
        return adaptation._replace(
            inverse_mass_matrix=inverse_mass_matrix, moments=moments, is_by_variance=is_by_variance
        )

    # The conditions are the same for all chains, so that JAX does not turn them into selections under vmap.
    adaptation = jax.lax.cond(phase.is_tuning, learn, lambda a: a, adaptation)
    return jax.lax.cond(phase.is_learning, learn_metric, lambda a: a, adaptation)


def _as_float64(state: DualAveragingAdaptationState) -> DualAveragingAdaptationState:
    return DualAveragingAdaptationState(*(jnp.asarray(field, "float64") for field in state))


def _add(moments: Moments, values: jax.Array) -> Moments:
    """Add a position and its gradient to both windows (Welford)."""
    count = moments.count + 1
    deviation = values - moments.mean
    mean = moments.mean + deviation / count[:, None, None]
    return Moments(count, mean, moments.squares + deviation * (values - mean))


def _switch_windows(moments: Moments) -> Moments:
    """Put the background in the place of the foreground, and an empty window in its own."""
    return Moments(*(jnp.stack([field[1], jnp.zeros_like(field[1])]) for field in moments))


def _has_few_slow(moments: Moments) -> jax.Array:
    """Return what ``samplers.tuning.few_slow.has_few_slow`` does."""
    products = moments.squares[0, 0] * moments.squares[0, 1]
    is_known = (products > 0) & jnp.isfinite(products)
    num_known = is_known.sum()
    typical = jnp.exp(jnp.where(is_known, jnp.log(products), 0.0).sum() / jnp.maximum(num_known, 1))
    largest = jnp.where(is_known, products, 0.0).max()
    num_large = (products > LARGE_PRODUCT * typical).sum()
    return (num_known >= MANY) & (largest > SLOW_PRODUCT * typical) & (num_large <= MOST_LARGE * num_known)


def _estimate(moments: Moments, is_by_variance: jax.Array, previous: jax.Array) -> jax.Array:
    """Return the inverse mass matrix where draws and gradients have varied, the previous one elsewhere."""
    ratio = moments.squares[0, 0] / moments.squares[0, 1]
    is_known = (moments.count[0] >= MIN_DRAWS) & (ratio > MIN_VARIANCE**2) & (ratio < MAX_VARIANCE**2)
    learnt = jnp.where(is_by_variance, moments.squares[0, 0] / moments.count[0], jnp.sqrt(ratio))
    return jnp.where(is_known, learnt, previous)


def adapt_scale(scale: jax.Array, acceptance_rate: jax.Array, target: float, count: jax.Array) -> jax.Array:
    """Return the proposal scale moved towards the best acceptance rate.

    As ``samplers.tuning.adaptation.adapt_scale``.
    """
    return scale * jnp.exp(SCALE_GAIN * count**-SCALE_DECAY * (jnp.nan_to_num(acceptance_rate) - target))
