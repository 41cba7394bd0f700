"""Steps up a noisy bound: ordinary Python, which Numba compiles as one function for each family."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.rng import fill_normal, random_uniform
from samplers.approximations.families.base import from_slope, write_position
from samplers.chain.programs import evaluate_density

FIRST_MOMENT, SECOND_MOMENT, LEAST = 0.9, 0.999, 1e-8
"""Adam's own (Kingma and Ba, 2015, algorithm 1)."""
MEMORY, UNTIL_LEARNT = 0.98, 100
"""Of what the weights of control variates are learnt from: some fifty steps; and before how many steps they are 1."""
STEPS, LEFT_OUT = 0, 1
INDEPENDENT, CONSECUTIVE = -1, -2
"""In the place of the beginning of an order, of rows that have none."""


class Ascent(NamedTuple):
    """The arrays of a fit; those of p numbers are of parameters, those of d of positions."""

    parameters: NDArray[np.float64]  # (p,)
    first: NDArray[np.float64]  # (p,): Adam's first moment
    second: NDArray[np.float64]  # (p,): its second
    products: NDArray[np.float64]  # (p,): of gradients and control variates
    squares: NDArray[np.float64]  # (p,): of control variates
    total: NDArray[np.float64]  # (p,): sum of the parameters of a call
    total_squares: NDArray[np.float64]  # (p,)
    gradient: NDArray[np.float64]  # (p,)
    control: NDArray[np.float64]  # (p,)
    entropy_gradient: NDArray[np.float64]  # (p,)
    pulled: NDArray[np.float64]  # (p,)
    noise: NDArray[np.float64]  # (noise_size,)
    y: NDArray[np.float64]  # (d,)
    position: NDArray[np.float64]  # (d,)
    slope: NDArray[np.float64]  # (d,)
    own: NDArray[np.float64]  # (d,)
    work: NDArray[np.float64]  # (work_size,)
    context: NDArray[np.float64]  # (context_size,): numbers of rows
    counters: NDArray[np.int64]  # (2,): steps since the moments were zero, and steps that were left out


class DrawnRows(NamedTuple):
    """Batches as numbers."""

    table: NDArray[np.int64]  # (num_batches, 4): rows, rows of a batch, where its order begins (or -1), place in it
    order: NDArray[np.int64]  # all rows of each batch that is not drawn independently, in the order in which they come


def draw_rows(rows: DrawnRows, rng: NDArray[np.uint64], context: NDArray[np.float64]) -> None:
    """Write the numbers of the rows of every batch."""
    done = 0
    for b in range(rows.table.shape[0]):
        number, size, begin = rows.table[b, 0], rows.table[b, 1], rows.table[b, 2]
        first = int(random_uniform(rng) * number) if begin == CONSECUTIVE else 0
        for i in range(size):
            if begin == CONSECUTIVE:
                row = first + i
                context[done + i] = row if row < number else row - number
                continue
            if begin < 0:
                context[done + i] = int(random_uniform(rng) * number)
                continue
            # Shuffled as it is used (Fisher and Yates): place k takes one of those that were not yet used.
            k = rows.table[b, 3]
            other = k + int(random_uniform(rng) * (number - k))
            row = rows.order[begin + other]
            rows.order[begin + other] = rows.order[begin + k]
            rows.order[begin + k] = row
            rows.table[b, 3] = k + 1 if k + 1 < number else 0
            context[done + i] = row
        done += size


def _of_family(*arguments: Any) -> Any:
    """Stand for a function of the family, with which the loop is compiled."""
    raise NotImplementedError  # compiled loops have the family's in its place


entropy = place = score = pull = _of_family


def begin_step(fit: Ascent, rows: DrawnRows, rng: NDArray[np.uint64]) -> None:
    """Draw rows, and forget gradients."""
    draw_rows(rows, rng, fit.context)
    entropy(fit.parameters, fit.entropy_gradient, fit.work)
    fit.gradient[:] = 0.0
    fit.control[:] = 0.0


def propose(fit: Ascent, centre: Any, factor: Any, rng: NDArray[np.uint64], is_opposite: bool) -> float:
    """Draw a position, or the one opposite to the last; return the log-density of the family in its coordinates."""
    if is_opposite:
        for i in range(fit.noise.size):
            fit.noise[i] = -fit.noise[i]
    else:
        fill_normal(rng, fit.noise)
    place(fit.parameters, fit.noise, fit.y, fit.work)
    write_position(centre, factor, fit.y, fit.position)
    return score(fit.parameters, fit.noise, fit.own, fit.work)


def absorb(fit: Ascent, factor: Any, share: float) -> bool:
    """Add a share of the gradients at the position; return whether they are finite."""
    from_slope(factor, fit.slope, fit.y)
    is_finite = True
    for i in range(fit.y.size):
        is_finite = is_finite and isfinite(fit.y[i])
    pull(fit.parameters, fit.noise, fit.y, fit.pulled, fit.work)
    for i in range(fit.pulled.size):
        fit.gradient[i] += share * fit.pulled[i]
    pull(fit.parameters, fit.noise, fit.own, fit.pulled, fit.work)
    for i in range(fit.pulled.size):
        fit.control[i] -= share * fit.pulled[i]
    return is_finite


def update(fit: Ascent, step_size: float) -> None:
    """Make a step of Adam along the gradient with its control variate."""
    fit.counters[STEPS] += 1
    count = fit.counters[STEPS]
    first, second = 1.0 - FIRST_MOMENT**count, 1.0 - SECOND_MOMENT**count
    for i in range(fit.parameters.size):
        gradient = fit.gradient[i] + fit.entropy_gradient[i]
        control = fit.control[i] - fit.entropy_gradient[i]
        weight = 1.0
        if count > UNTIL_LEARNT and fit.squares[i] > 1e-200:
            weight = min(max(-fit.products[i] / fit.squares[i], 0.0), 1.0)
        fit.products[i] = MEMORY * fit.products[i] + gradient * control
        fit.squares[i] = MEMORY * fit.squares[i] + control * control
        gradient += weight * control
        fit.first[i] = FIRST_MOMENT * fit.first[i] + (1.0 - FIRST_MOMENT) * gradient
        fit.second[i] = SECOND_MOMENT * fit.second[i] + (1.0 - SECOND_MOMENT) * gradient * gradient
        fit.parameters[i] += step_size * fit.first[i] / first / (sqrt(fit.second[i] / second) + LEAST)


def ascend(
    density: Any, centre: Any, factor: Any, fit: Any, rows: Any, rng: Any, draws: int, step_size: float, bounds: Any
) -> None:
    """Take a step for each element of an array, into which the estimates of the bound before it are written.

    The gradient of the bound is that of the log-density along the draw, plus that of the entropy, which is known; to it
    is added a control variate, by which it becomes the one that sticks to the landing (Roeder, Wu and Duvenaud, 2017):
    the gradient of the entropy taken along the same draw, minus the exact one. Its mean is zero. With weight 1 the sum
    has no variance at all where the family holds the density; elsewhere less is better. The weight of each parameter is
    learnt from the steps before, so that it leaves the mean as it is (Geffner and Domke, 2020).

    Parameters
    ----------
    density : array, shape (4,), int64, or callable
        What `evaluate_density` takes.
    centre, factor : array
        Of a `Base`.
    fit : Ascent
        Overwritten.
    rows : DrawnRows
        Batches.
    rng : array, shape (4,), uint64
        Generator, updated in place.
    draws : int
        Of each step, on the same rows, in opposite pairs: what is odd in the noise cancels.
    step_size : float
        Of Adam.
    bounds : array, shape (num_steps,), float64
        Overwritten with estimates, in coordinates; NaN for steps without one, which are not taken.
    """
    fit.total[:] = 0.0
    fit.total_squares[:] = 0.0
    for step in range(bounds.size):
        begin_step(fit, rows, rng)
        bound, is_finite = 0.0, True
        for draw in range(draws):
            log_density = propose(fit, centre, factor, rng, draw % 2 == 1)
            value = evaluate_density(density, fit.position, fit.context, fit.slope)
            is_finite = absorb(fit, factor, 1.0 / draws) and is_finite and isfinite(value)
            bound += (value - log_density) / draws
        if is_finite:
            update(fit, step_size)
        else:
            fit.counters[LEFT_OUT] += 1
        bounds[step] = bound if is_finite else np.nan
        for i in range(fit.parameters.size):
            fit.total[i] += fit.parameters[i]
            fit.total_squares[i] += fit.parameters[i] * fit.parameters[i]


def estimate(density: Any, centre: Any, factor: Any, fit: Any, rows: Any, rng: Any, bounds: Any) -> None:
    """Write an estimate of the bound, the mean of an opposite pair of draws, for each element of an array."""
    for k in range(bounds.size):
        begin_step(fit, rows, rng)
        total = 0.0
        for draw in range(2):
            log_density = propose(fit, centre, factor, rng, draw == 1)
            total += evaluate_density(density, fit.position, fit.context, fit.slope) - log_density
        bounds[k] = 0.5 * total
