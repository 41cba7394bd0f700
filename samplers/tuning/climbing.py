"""The mode that lies above a point, by limited memory, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.kept import njit
from graphs.errors import SamplingError
from samplers.chain.programs import evaluate_density

type Vector = NDArray[np.float64]

HISTORY = 8
MOST_EVALUATIONS = 200
CONVERGED = 1e-6
"""What another step seems to gain, in units of the log-density: with few pairs that is too little by some factor."""

# Rows of the memory; from the last on, pairs of a step and what the gradient lost by it.
_POSITION, _GRADIENT, _DIRECTION, _TRIAL, _SLOPE, _PAIRS = range(6)


class Summit(NamedTuple):
    """Where a climb ended.

    Attributes
    ----------
    position : array, shape (d,), float64
        The highest point.
    value : float
        Its log-density.
    is_mode : bool
        Whether nothing is left to be gained.
    num_evaluations : int
        Of the log-density and its gradient.
    """

    position: Vector
    value: float
    is_mode: bool
    num_evaluations: int


def summit_above(program: Any, start: Vector, context: Vector) -> Summit:
    """Climb from a point by L-BFGS with backtracking.

    SciPy's takes longer for 20 steps of 1 us each than four chains for half of their draws: this one is compiled.

    Parameters
    ----------
    program : array, shape (4,), int64
        What ``samplers.chain.programs.evaluate_density`` takes.
    start : array, shape (d,), float64
        Where the log-density is finite.
    context : array, float64
        The joint state.

    References
    ----------
    Nocedal (1980), Updating quasi-Newton matrices with limited storage, Mathematics of Computation 35(151).
    """
    memory = np.zeros((_PAIRS + 2 * HISTORY, start.size))
    memory[_POSITION] = start
    curvature, weight = np.zeros(HISTORY), np.zeros(HISTORY)
    value, is_mode, number = _climb(program, context, memory, curvature, weight)
    return Summit(memory[_POSITION].copy(), float(value), bool(is_mode), int(number))


def climber(sweep: Any) -> Callable[[Vector], Summit] | None:
    """Return ``joint state -> Summit``; None unless NUTS moves everything, compiled by Numba.

    Parameters
    ----------
    sweep : CompiledSweep or JaxSweep
        The compiled sweep.
    """
    if getattr(sweep, "new_logdensity", None) is None:
        return None
    programs = sweep.bind(np.random.SeedSequence(0))
    [block] = [number for number, block in enumerate(sweep.sweep.blocks) if block.has_metric]

    def climb(start: Vector) -> Summit:
        summit = summit_above(programs.callables[block], start, start)
        try:
            programs.reraise()
        except SamplingError:
            # Python code that the model calls has no value there: chains need not go there.
            return summit._replace(is_mode=False)
        return summit

    return climb


@njit(nogil=True, cache=True, error_model="numpy")
def _climb(
    program: Any, context: Vector, memory: NDArray[np.float64], curvature: Vector, weight: Vector
) -> tuple[float, bool, int]:
    size = memory.shape[1]
    value, number, num_pairs = evaluate_density(program, memory[_POSITION], context, memory[_GRADIENT]), 1, 0
    while number < MOST_EVALUATIONS:
        _choose_direction(memory, curvature, weight, num_pairs)
        gain = _product(memory, _GRADIENT, _DIRECTION)
        if not gain > CONVERGED:
            return value, gain == gain, number
        length, is_higher, new_value = 1.0, False, value
        while not is_higher and length > 1e-10 and number < MOST_EVALUATIONS:
            for i in range(size):
                memory[_TRIAL, i] = memory[_POSITION, i] + length * memory[_DIRECTION, i]
            new_value = evaluate_density(program, memory[_TRIAL], context, memory[_SLOPE])
            number += 1
            # Written so that NaN is lower; plus infinity is no density either.
            is_higher = value + 1e-4 * length * gain <= new_value < np.inf
            length *= 0.5
        if not is_higher:
            return value, False, number
        value = new_value
        pair = num_pairs % HISTORY
        step = _PAIRS + 2 * pair
        for i in range(size):
            memory[step, i] = memory[_TRIAL, i] - memory[_POSITION, i]
            memory[step + 1, i] = memory[_GRADIENT, i] - memory[_SLOPE, i]
            memory[_POSITION, i] = memory[_TRIAL, i]
            memory[_GRADIENT, i] = memory[_SLOPE, i]
        curvature[pair] = _product(memory, step, step + 1)
        if curvature[pair] > 1e-10 * _product(memory, step + 1, step + 1):
            num_pairs += 1
    return value, False, number


@njit(cache=True, error_model="numpy")
def _choose_direction(memory: NDArray[np.float64], curvature: Vector, weight: Vector, num_pairs: int) -> None:
    """Multiply the gradient by the inverse Hessian of the pairs; without any, give it length one."""
    first = max(0, num_pairs - HISTORY)
    for i in range(memory.shape[1]):
        memory[_DIRECTION, i] = memory[_GRADIENT, i]
    scale = 1.0 / max(np.sqrt(_product(memory, _GRADIENT, _GRADIENT)), 1e-300)
    for number in range(num_pairs - first):
        pair = (num_pairs - 1 - number) % HISTORY
        step = _PAIRS + 2 * pair
        weight[pair] = _product(memory, step, _DIRECTION) / curvature[pair]
        if number == 0:
            scale = curvature[pair] / _product(memory, step + 1, step + 1)
        _add(memory, -weight[pair], step + 1)
    for i in range(memory.shape[1]):
        memory[_DIRECTION, i] *= scale
    for number in range(first, num_pairs):
        pair = number % HISTORY
        step = _PAIRS + 2 * pair
        _add(memory, weight[pair] - _product(memory, step + 1, _DIRECTION) / curvature[pair], step)


@njit(cache=True, error_model="numpy")
def _product(memory: NDArray[np.float64], a: int, b: int) -> float:
    total = 0.0
    for i in range(memory.shape[1]):
        total += memory[a, i] * memory[b, i]
    return total


@njit(cache=True, error_model="numpy")
def _add(memory: NDArray[np.float64], factor: float, row: int) -> None:
    """Add a multiple of a row to the direction."""
    for i in range(memory.shape[1]):
        memory[_DIRECTION, i] += factor * memory[row, i]
