"""PyTensor's own Numba functions of the recursion: what ``.eval()`` and ``pytensor.function`` run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from pytensor.graph.basic import Apply
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from graphs.backends.numba.recursion_kernels import forward, gradient, trace_back
from graphs.recursion import ForwardRecursion, RecursionGradient, Traceback


@njit
def _strides(steps: int, series: int, size: int) -> tuple[int, int]:
    return (series * size if steps > 1 else 0, size if series > 1 else 0)


@njit
def _flat(array: Any) -> Any:
    return np.ascontiguousarray(array).reshape(-1)


@register_funcify_default_op_cache_key(ForwardRecursion)
def _funcify_forward(op: ForwardRecursion, node: Apply, **kwargs: Any) -> Any:
    num_steps, is_max = op.num_steps, op.mode == "max"

    @njit
    def forward_recursion(initial: Any, transition: Any, emission: Any) -> Any:
        steps, series, a, c, n = transition.shape
        step_t, step_b = _strides(steps, series, a * c * n)
        emission_t, emission_b = _strides(emission.shape[0], emission.shape[1], n)
        count = initial.shape[0]
        total = np.empty(count)
        states = np.empty((num_steps + 1, count, a * c))
        work = np.empty(a * c * (n + 1))
        forward(
            _flat(initial), _flat(transition), _flat(emission), total, states.reshape(-1), work,
            num_steps, count, a, c, n, step_t, step_b, emission_t, emission_b, is_max,
        )  # fmt: skip
        return total, states

    return forward_recursion


@register_funcify_default_op_cache_key(RecursionGradient)
def _funcify_gradient(op: RecursionGradient, node: Apply, **kwargs: Any) -> Any:
    num_steps = op.num_steps

    @njit
    def recursion_gradient(initial: Any, transition: Any, emission: Any, total: Any, states: Any, outer: Any) -> Any:
        steps, series, a, c, n = transition.shape
        step_t, step_b = _strides(steps, series, a * c * n)
        emission_t, emission_b = _strides(emission.shape[0], emission.shape[1], n)
        to_initial, to_transition, to_emission = (
            np.empty(initial.shape), np.empty(transition.shape), np.empty(emission.shape),
        )  # fmt: skip
        work = np.empty(a * c * (n + 3))
        gradient(
            _flat(transition), _flat(states), _flat(total), _flat(outer),
            to_initial.reshape(-1), to_transition.reshape(-1), to_emission.reshape(-1), work,
            num_steps, initial.shape[0], a, c, n, step_t, step_b, emission_t, emission_b,
            transition.size, emission.size,
        )  # fmt: skip
        return to_initial, to_transition, to_emission

    return recursion_gradient


@register_funcify_default_op_cache_key(Traceback)
def _funcify_traceback(op: Traceback, node: Apply, **kwargs: Any) -> Any:
    width, is_max = op.width, op.mode == "max"

    @njit
    def traceback(transition: Any, states: Any, uniform: Any) -> Any:
        steps, series, a, c, n = transition.shape
        step_t, step_b = _strides(steps, series, a * c * n)
        num_steps, count = states.shape[0] - 1, states.shape[1]
        path = np.empty((num_steps + width, count), dtype=np.int64)
        trace_back(
            _flat(transition), _flat(states), _flat(uniform), path.reshape(-1), np.empty(a * c),
            num_steps, count, a, c, n, step_t, step_b, width, is_max,
        )  # fmt: skip
        return path

    return traceback
