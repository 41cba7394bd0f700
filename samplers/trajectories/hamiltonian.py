"""The Hamiltonian system that NUTS follows: log-density, leapfrog steps, and the U-turn criterion.

The loops over elements are compiled functions wherever they are called from; everything above them is ordinary Python
that Numba also compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from samplers.chain.programs import evaluate_density

type Vector = NDArray[np.float64]
type LogDensityFunction = Callable[[Vector, Vector, Vector], float]


@njit(cache=True, inline="always", error_model="numpy")
def kick_and_drift(
    step_size: float, inverse_mass_matrix: Vector, gradient: Vector, momentum: Vector, position: Vector
) -> None:
    """Move the momentum half a step and the position a whole one, in place."""
    for i in range(position.size):
        momentum[i] += 0.5 * step_size * gradient[i]
        position[i] += step_size * inverse_mass_matrix[i] * momentum[i]


@njit(cache=True, inline="always", error_model="numpy")
def kick(step_size: float, inverse_mass_matrix: Vector, gradient: Vector, momentum: Vector) -> float:
    """Move the momentum half a step in place, and return the kinetic energy."""
    kinetic_energy = 0.0
    for i in range(momentum.size):
        momentum[i] += 0.5 * step_size * gradient[i]
        kinetic_energy += inverse_mass_matrix[i] * momentum[i] * momentum[i]
    return 0.5 * kinetic_energy


@njit(cache=True, inline="always", error_model="numpy")
def scale_momentum(inverse_mass_matrix: Vector, momentum: Vector) -> float:
    """Turn standard normal draws into a momentum, in place, and return its kinetic energy."""
    kinetic_energy = 0.0
    for i in range(momentum.size):
        kinetic_energy += momentum[i] * momentum[i]
        momentum[i] /= np.sqrt(inverse_mass_matrix[i])
    return 0.5 * kinetic_energy


@inlined
def leapfrog(
    logdensity: Any,
    context: Vector,
    step_size: float,
    inverse_mass_matrix: Vector,
    position: Vector,
    momentum: Vector,
    gradient: Vector,
) -> tuple[float, float]:
    """Take one leapfrog step in place; backwards in time if ``step_size`` is negative.

    Returns
    -------
    tuple of float
        The log-density and the kinetic energy at the new point.
    """
    kick_and_drift(step_size, inverse_mass_matrix, gradient, momentum, position)
    value = evaluate_density(logdensity, position, context, gradient)
    return value, kick(step_size, inverse_mass_matrix, gradient, momentum)


@njit(cache=True, inline="always", error_model="numpy")
def is_turning(
    inverse_mass_matrix: Vector,
    momentum: Vector,
    rows: NDArray[np.float64],
    first: int,
    last: int,
    total: int,
    next_first: int,
    next_total: int,
) -> bool:
    """Return whether a trajectory made of two neighbours turns back on itself.

    With the sums of momenta ``rho = rho_1 + rho_2`` of the two parts, the velocities at both ends must have a positive
    product with ``rho``. The same must hold across the join, for the first part extended by one point of the second,
    and the reverse: without it, trajectories of independent normals close unseen. The criterion is the same when
    the trajectory is read backwards.

    Parameters
    ----------
    inverse_mass_matrix : array, shape (d,), float64
        Diagonal.
    momentum : array, shape (d,), float64
        At the last point of the second part.
    rows : array, shape (num_rows, d), float64
        Momenta, and sums of momenta.
    first, last, total : int
        Rows of the first part: momentum at its two ends, and the sum over it.
    next_first, next_total : int
        Rows of the second part.

    Returns
    -------
    bool
        True, also, if any of the products is NaN.

    References
    ----------
    Betancourt (2017), A conceptual introduction to Hamiltonian Monte Carlo, arXiv:1701.02434, appendix A.4.2;
    the extra checks are those of Stan 2.21.
    """
    at_start = at_end = first_start = first_end = second_start = second_end = 0.0
    for i in range(momentum.size):
        inverse_mass = inverse_mass_matrix[i]
        start = inverse_mass * rows[first, i]
        end = inverse_mass * momentum[i]
        both = rows[total, i] + rows[next_total, i]
        at_start += start * both
        at_end += end * both
        extended = rows[total, i] + rows[next_first, i]
        first_start += start * extended
        first_end += inverse_mass * rows[next_first, i] * extended
        extended = rows[next_total, i] + rows[last, i]
        second_start += inverse_mass * rows[last, i] * extended
        second_end += end * extended
    return not (
        at_start > 0.0
        and at_end > 0.0
        and first_start > 0.0
        and first_end > 0.0
        and second_start > 0.0
        and second_end > 0.0
    )
