"""Lowering of the forward recursion to JAX: a scan on processors, an associative scan on accelerators.

The associative form multiplies matrices in the semiring of logarithms, which takes A * C times the arithmetic and a
logarithmic number of steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from graphs.recursion.op import ForwardRecursion, RecursionGradient, Traceback

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
    """Return totals and states; the arguments are those of `graphs.recursion.paths.forward_recursion`."""
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
    matrices = _matrices(log_transition, log_emission, num_steps, log_initial.shape[0])
    products = jax.lax.associative_scan(functools.partial(_multiply, mode=mode), matrices)
    states = _combine(log_initial[None, :, :, None] + products, 2, mode)
    return _combine(states[-1], 1, mode), states


def _matrices(log_transition: jax.Array, log_emission: jax.Array, num_steps: int, series: int) -> jax.Array:
    """Return what each step adds, from one joint state to the next."""
    _, _, size_a, size_c, size_n = log_transition.shape
    steps = log_transition + log_emission[:, :, None, None, :]
    steps = jnp.broadcast_to(steps, (num_steps, series, size_a, size_c, size_n))
    # From the joint state (a, c) to (c', n): impossible unless c' = c.
    same = jnp.where(jnp.eye(size_c, dtype=bool)[:, :, None], 0.0, -jnp.inf)
    return (steps[:, :, :, :, None, :] + same).reshape(num_steps, series, size_a * size_c, size_c * size_n)


def _multiply(left: jax.Array, right: jax.Array, mode: str) -> jax.Array:
    return _combine(left[..., :, :, None] + right[..., None, :, :], -2, mode)


def gradient(
    log_transition: jax.Array,
    log_emission: jax.Array,
    log_states: jax.Array,
    outer: jax.Array,
    num_steps: int,
    form: Form,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return gradients with respect to initial, transition and emission potentials.

    Reverse-mode differentiation of the recursion would keep all its triples of states at all steps.
    """
    if num_steps == 0:
        return _shares(log_states[0], outer, 1), jnp.zeros_like(log_transition), jnp.zeros_like(log_emission)
    run = _back_by_scan if form == "scan" else _back_by_associative_scan
    return run(log_transition, log_emission, log_states, outer, num_steps)


def _shares(log_values: jax.Array, amount: jax.Array, num_axes: int) -> jax.Array:
    """Share an amount out over the last axes in proportion to exponentials; zero where nothing is possible."""
    axes = tuple(range(-num_axes, 0))
    top = jnp.max(log_values, axis=axes, keepdims=True)
    weights = jnp.exp(log_values - jnp.where(top == -jnp.inf, 0.0, top))
    total = jnp.sum(weights, axis=axes, keepdims=True)
    return weights * jnp.where(total == 0.0, 0.0, jnp.expand_dims(amount, axes) / jnp.where(total == 0.0, 1.0, total))


def _back_by_scan(
    log_transition: jax.Array, log_emission: jax.Array, log_states: jax.Array, outer: jax.Array, num_steps: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Share the adjoint of each new state out among the old ones, from the last step to the first."""
    series = log_states.shape[1]
    _, _, size_a, size_c, size_n = log_transition.shape
    ties_vary, emissions_vary = log_transition.shape[0] > 1, log_emission.shape[0] > 1
    varying = {"states": log_states[:-1]} | ({"ties": log_transition} if ties_vary else {})

    def step(carried: tuple[jax.Array, ...], at: dict[str, jax.Array]) -> tuple[Any, tuple[Any, Any]]:
        adjoint, to_ties, to_emission = carried
        ties = at["ties"] if ties_vary else log_transition[0]
        joint = at["states"].reshape(series, size_a, size_c, 1) + ties
        new = adjoint.reshape(series, size_c, size_n)
        # The axis of the oldest state is put last, and back.
        shares = jnp.moveaxis(_shares(jnp.moveaxis(joint, 1, -1), new, 1), -1, 1)
        slope, added = _summed(shares, log_transition.shape[1]), _summed(new.sum(axis=1), log_emission.shape[1])
        to_ties = to_ties if ties_vary else to_ties + slope
        to_emission = to_emission if emissions_vary else to_emission + added
        kept = slope if ties_vary else None, added if emissions_vary else None
        return (shares.sum(axis=3).reshape(series, -1), to_ties, to_emission), kept

    start = _shares(log_states[-1], outer, 1), jnp.zeros_like(log_transition[0]), jnp.zeros_like(log_emission[0])
    (adjoint, to_ties, to_emission), kept = jax.lax.scan(step, start, varying, length=num_steps, reverse=True)
    return (
        adjoint,
        kept[0] if ties_vary else to_ties[None],
        kept[1] if emissions_vary else to_emission[None],
    )


def _summed(values: jax.Array, num_series: int) -> jax.Array:
    """Sum over series if there is one for all."""
    return values.sum(axis=0, keepdims=True) if num_series == 1 else values


def _back_by_associative_scan(
    log_transition: jax.Array, log_emission: jax.Array, log_states: jax.Array, outer: jax.Array, num_steps: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Weigh each triple of states by what comes before and after it."""
    series = log_states.shape[1]
    _, _, size_a, size_c, size_n = log_transition.shape
    matrices = _matrices(log_transition, log_emission, num_steps, series)

    def after(later: jax.Array, earlier: jax.Array) -> jax.Array:
        return _multiply(earlier, later, "sum")

    later = _combine(jax.lax.associative_scan(after, matrices, reverse=True), 3, "sum")
    later = jnp.concatenate([later, jnp.zeros_like(later[:1])])
    joint = log_states[:-1].reshape(num_steps, series, size_a, size_c, 1) + log_transition
    joint = joint + log_emission[:, :, None, None, :] + later[1:].reshape(num_steps, series, 1, size_c, size_n)
    shares = _shares(joint, jnp.broadcast_to(outer, (num_steps, series)), 3)
    totals = [shares, shares.sum(axis=(2, 3))]
    for i, variable in enumerate((log_transition, log_emission)):
        axes = tuple(axis for axis in (0, 1) if variable.shape[axis] == 1)
        totals[i] = totals[i].sum(axis=axes, keepdims=True)
    return _shares(log_states[0] + later[0], outer, 1), totals[0], totals[1]


@jax_funcify.register(ForwardRecursion)
def _funcify_forward(op: ForwardRecursion, **kwargs: Any) -> Callable[..., Any]:
    def forward_recursion(log_initial: Any, log_transition: Any, log_emission: Any) -> Any:
        return forward(log_initial, log_transition, log_emission, op.num_steps, op.mode, default_form())

    return forward_recursion


@jax_funcify.register(RecursionGradient)
def _funcify_gradient(op: RecursionGradient, **kwargs: Any) -> Callable[..., Any]:
    def recursion_gradient(transition: Any, emission: Any, states: Any, outer: Any) -> Any:
        return gradient(transition, emission, states, outer, op.num_steps, default_form())

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
    """Return the path; the arguments are those of `graphs.recursion.paths.traceback`."""
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
