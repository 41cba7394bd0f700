"""Lowering of the forward recursion to JAX: a scan on processors, an associative scan on accelerators.

The associative form multiplies matrices in the semiring of logarithms, which takes A * C times the arithmetic and a
logarithmic number of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from graphs.recursion import ForwardRecursion, RecursionGradient, Traceback

Form = Literal["scan", "associative"]


def default_form() -> Form:
    """Return the form that suits the device."""
    return "scan" if jax.default_backend() == "cpu" else "associative"


def _combine(log_values: jax.Array, axis: int, mode: str) -> jax.Array:
    if mode == "max":
        return jnp.max(log_values, axis=axis)
    # The shift cancels; where all are impossible the gradient is zero.
    top = jax.lax.stop_gradient(jnp.max(log_values, axis=axis, keepdims=True))
    is_impossible = top == -jnp.inf
    shift = jnp.where(jnp.isinf(top), 0.0, top)
    total = jnp.sum(jnp.exp(log_values - shift), axis=axis, keepdims=True)
    result = jnp.where(is_impossible, -jnp.inf, jnp.log(jnp.where(is_impossible, 1.0, total)) + shift)
    # Plus infinity is no log-potential.
    result = jnp.where(top == jnp.inf, jnp.nan, result)
    return jnp.squeeze(result, axis=axis)


def forward(
    log_initial: jax.Array,
    log_transition: jax.Array,
    log_emission: jax.Array,
    num_steps: int,
    mode: str,
    form: Form,
) -> tuple[jax.Array, jax.Array]:
    """Return totals and states; the arguments are those of `graphs.recursion.forward_recursion`."""
    series = log_initial.shape[0]
    if num_steps == 0:
        return _combine(log_initial, 1, mode), _relative(log_initial[None])[0]
    run = _by_scan if form == "scan" else _by_associative_scan
    total, states = run(log_initial, log_transition, log_emission, num_steps, mode)
    everything = jnp.concatenate([log_initial[None], states.reshape(num_steps, series, -1)])
    return total, _relative(everything)[0]


def _relative(states: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return log-potentials relative to the largest one, so that long chains lose no digits, and that."""
    top = jax.lax.stop_gradient(jnp.max(states, axis=-1, keepdims=True))
    shift = jnp.where(jnp.isinf(top), 0.0, top)
    return states - shift, shift[..., 0]


def _by_scan(
    log_initial: jax.Array, log_transition: jax.Array, log_emission: jax.Array, num_steps: int, mode: str
) -> tuple[jax.Array, jax.Array]:
    series = log_initial.shape[0]
    _, _, size_a, size_c, size_n = log_transition.shape
    varying = {
        name: value
        for name, value in (("transition", log_transition), ("emission", log_emission))
        if value.shape[0] > 1 or num_steps == 1
    }

    def step(carried: tuple[jax.Array, jax.Array], at: dict[str, jax.Array]) -> tuple[Any, jax.Array]:
        old, offset = carried
        ties = at.get("transition", log_transition[0])
        added = at.get("emission", log_emission[0])
        joint = old.reshape(series, size_a, size_c, 1) + ties
        new = (_combine(joint, 1, mode) + added[:, None, :]).reshape(series, size_c * size_n)
        new, shift = _relative(new)
        return (new, offset + shift), new

    (last, offset), states = jax.lax.scan(step, _relative(log_initial), varying, length=num_steps)
    return offset + _combine(last, 1, mode), states


def _by_associative_scan(
    log_initial: jax.Array, log_transition: jax.Array, log_emission: jax.Array, num_steps: int, mode: str
) -> tuple[jax.Array, jax.Array]:
    series = log_initial.shape[0]
    _, _, size_a, size_c, size_n = log_transition.shape
    num_states = size_a * size_c
    steps = log_transition + log_emission[:, :, None, None, :]
    steps = jnp.broadcast_to(steps, (num_steps, series, size_a, size_c, size_n))
    # From the joint state (a, c) to (c', n): impossible unless c' = c.
    same = jnp.where(jnp.eye(size_c, dtype=bool)[:, :, None], 0.0, -jnp.inf)
    matrices = (steps[:, :, :, :, None, :] + same).reshape(num_steps, series, num_states, size_c * size_n)

    def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
        return _combine(left[..., :, :, None] + right[..., None, :, :], -2, mode)

    products = jax.lax.associative_scan(multiply, matrices)
    states = _combine(log_initial[None, :, :, None] + products, 2, mode)
    return _combine(states[-1], 1, mode), states


@jax_funcify.register(ForwardRecursion)
def _funcify_forward(op: ForwardRecursion, **kwargs: Any) -> Callable[..., Any]:
    def forward_recursion(log_initial: Any, log_transition: Any, log_emission: Any) -> Any:
        return forward(log_initial, log_transition, log_emission, op.num_steps, op.mode, default_form())

    return forward_recursion


@jax_funcify.register(RecursionGradient)
def _funcify_gradient(op: RecursionGradient, **kwargs: Any) -> Callable[..., Any]:
    def recursion_gradient(initial: Any, transition: Any, emission: Any, total: Any, states: Any, outer: Any) -> Any:
        def totals(*inputs: Any) -> Any:
            initial, transition, emission = inputs
            return forward(initial, transition, emission, op.num_steps, "sum", default_form())[0]

        return jax.vjp(totals, initial, transition, emission)[1](outer)

    return recursion_gradient


@jax_funcify.register(Traceback)
def _funcify_traceback(op: Traceback, **kwargs: Any) -> Callable[..., Any]:
    def traceback(log_transition: Any, log_states: Any, uniform: Any) -> Any:
        return trace_back(log_transition, log_states, uniform, op.width, op.mode)

    return traceback


def _choose(logits: jax.Array, uniform: jax.Array, mode: str) -> jax.Array:
    """Return an index along the last axis."""
    if mode == "max":
        return jnp.argmax(logits, axis=-1)
    top = jnp.max(logits, axis=-1, keepdims=True)
    cumulated = jnp.cumsum(jnp.exp(logits - jnp.where(jnp.isinf(top), 0.0, top)), axis=-1)
    chosen = jnp.sum(cumulated <= uniform[..., None] * cumulated[..., -1:], axis=-1)
    return jnp.minimum(chosen, logits.shape[-1] - 1)


def trace_back(
    log_transition: jax.Array, log_states: jax.Array, uniform: jax.Array, width: int, mode: str
) -> jax.Array:
    """Return the path; the arguments are those of `graphs.recursion.traceback`."""
    num_steps, series = log_states.shape[0] - 1, log_states.shape[1]
    _, _, size_a, size_c, size_n = log_transition.shape
    joint = _choose(log_states[-1], uniform[-1], mode)
    digits = [joint // size_a ** (width - 1 - i) % size_a for i in range(width)]
    last = jnp.stack(digits)
    if num_steps == 0:
        return last.astype("int64")
    ties = jnp.broadcast_to(log_transition, (num_steps, series, size_a, size_c, size_n))
    rows = jnp.arange(series)

    def step(joint: jax.Array, at: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        old, tie, u = at
        c, n = joint // size_n, joint % size_n
        logits = old.reshape(series, size_a, size_c)[rows, :, c] + tie[rows, :, c, n]
        a = _choose(logits, u, mode)
        return a * size_c + c, a

    _, earlier = jax.lax.scan(step, joint, (log_states[:-1], ties, uniform[:-1]), reverse=True)
    return jnp.concatenate([earlier, last]).astype("int64")
