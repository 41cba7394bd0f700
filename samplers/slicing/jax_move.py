"""Slice sampling as a pure JAX function of one chain's flat state; the steps are those of `samplers.slicing.move`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.traversal import explicit_graph_inputs

from graphs.backends.jax.lowering import jax_callable
from graphs.layout import Layout
from samplers.chain.jax_density import unpack
from samplers.chain.result import STATUS_DONE, STATUS_NOT_FINITE_LOGDENSITY, STATUS_STRIDE
from samplers.loop.jax.block import JaxBlock, Stats
from samplers.slicing.move import MOST_SHRINKS, MOST_STEPS, SLICE_DECAY, SLICE_GAIN
from samplers.tuning.jax_adaptation import Phase

if TYPE_CHECKING:
    from samplers.slicing.block import SliceBlock

LogProbs = Callable[[jax.Array], jax.Array]


def jax_slice_block(block: SliceBlock, layout: Layout) -> JaxBlock:
    """Return the functions of a slice block.

    Parameters
    ----------
    block : SliceBlock
        The block.
    layout : Layout
        How the joint state is laid out.
    """
    inputs = [v for v in explicit_graph_inputs([block.logprobs]) if v.name in layout.names]
    evaluate = jax_callable(inputs, [block.logprobs])
    where = layout.slice_of(str(block.variable.name))
    at = layout.slice_of(str(block.scale.name)).start
    size = where.stop - where.start
    is_member = np.zeros((len(block.groups), size), bool)
    for row, group in zip(is_member, block.groups, strict=True):
        row[group] = True

    def init(x: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def step(
        key: jax.Array, x: jax.Array, count: jax.Array, phase: Phase, target_accept: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, Stats]:
        def logprobs(position: jax.Array) -> jax.Array:
            position = jnp.floor(position) if block.is_integer else position
            values = unpack(x.at[where].set(position), layout)
            [found] = evaluate(*(values[v.name] for v in inputs))
            return jnp.broadcast_to(jnp.where(jnp.isnan(found), -jnp.inf, found), (size,))

        width = x[at]

        def move(group: int, state: Any) -> Any:
            position, is_finite, interval, evaluations = state
            members = jnp.asarray(is_member)[group]
            found = _move(jax.random.fold_in(key, group), logprobs, members, block.is_integer, width, position)
            return found[0], is_finite & found[1], interval + found[2], evaluations + found[3]

        start = (x[where], jnp.asarray(True), jnp.asarray(0.0), jnp.asarray(0))
        position, is_finite, interval, evaluations = jax.lax.fori_loop(0, len(is_member), move, start)
        gain = jnp.minimum(1.0, SLICE_GAIN * (count + 1) ** -SLICE_DECAY)
        adapted = width * (0.5 * interval / size / width) ** gain
        x = x.at[where].set(position).at[at].set(jnp.where(phase.is_tuning, adapted, width))
        status = jnp.where(is_finite, STATUS_DONE, STATUS_NOT_FINITE_LOGDENSITY + STATUS_STRIDE * where.start)
        return x, count + 1, status, {"n_evaluations": evaluations, "scale": width}

    return JaxBlock(init, step)


def _move(
    key: jax.Array, logprobs: LogProbs, members: jax.Array, is_integer: bool, width: jax.Array, position: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Move the members of a group; return also whether all was finite, the sum of the intervals, and evaluations."""
    keys = jax.random.split(key, 5)
    shape = position.shape
    level = logprobs(position) - jax.random.exponential(keys[0], shape)
    is_finite = jnp.isfinite(jnp.where(members, level, 0.0)).all()
    here = position + jax.random.uniform(keys[1], shape) if is_integer else position
    start = here - width * jax.random.uniform(keys[2], shape)
    before = jnp.floor(MOST_STEPS * jax.random.uniform(keys[3], shape))
    after = MOST_STEPS - 1 - before
    left, low_count = _step_out(logprobs, members, here, level, start, -width, before)
    right, high_count = _step_out(logprobs, members, here, level, start + width, width, after)
    total = jnp.where(members, right - left, 0.0).sum()

    def is_waiting(state: Any) -> jax.Array:
        return (state[4].any()) & (state[5] < MOST_SHRINKS)

    def shrink(state: Any) -> Any:
        key, value, low, high, waits, count = state
        key, now = jax.random.split(key)
        candidate = low + jax.random.uniform(now, shape) * (high - low)
        found = logprobs(jnp.where(waits, candidate, value))
        is_accepted = waits & (found > level)
        value = jnp.where(is_accepted, candidate, value)
        waits = waits & ~is_accepted
        low = jnp.where(waits & (candidate < here), candidate, low)
        high = jnp.where(waits & ~(candidate < here), candidate, high)
        return key, value, low, high, waits, count + 1

    state = (keys[4], here, left, right, members, jnp.asarray(0))
    _, value, _, _, _, count = jax.lax.while_loop(is_waiting, shrink, state)
    value = jnp.floor(value) if is_integer else value
    return jnp.where(members, value, position), is_finite, total, 1 + low_count + high_count + count


def _step_out(
    logprobs: LogProbs,
    members: jax.Array,
    here: jax.Array,
    level: jax.Array,
    edge: jax.Array,
    step: jax.Array,
    steps: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Move the edges of intervals out of the slices, at most so many steps each; return the number of evaluations."""

    def is_waiting(state: Any) -> jax.Array:
        return (state[1] >= 1.0).any()

    def advance(state: Any) -> Any:
        edge, steps, count = state
        waits = steps >= 1.0
        is_inside = waits & (logprobs(jnp.where(waits, edge, here)) > level)
        return jnp.where(is_inside, edge + step, edge), jnp.where(is_inside, steps - 1.0, 0.0), count + 1

    start = (edge, jnp.where(members, steps, 0.0), jnp.asarray(0))
    edge, _, count = jax.lax.while_loop(is_waiting, advance, start)
    return edge, count
