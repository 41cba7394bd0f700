"""What a sampler learns while tuning: step size, inverse mass matrix, proposal scale.

Everything is kept in arrays that are updated in place. The functions are ordinary Python that Numba also compiles;
the loops over elements are compiled wherever they are called from.
"""

from __future__ import annotations

from math import copysign, exp, isfinite, log, sqrt

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.machine_code.inlined import inlined
from graphs.backends.numba.machine_code.kept import njit
from samplers.tuning.few_slow import has_few_slow

type Vector = NDArray[np.float64]

# Fields of a block's tuning record.
LOG_STEP_SIZE = 0
LOG_STEP_SIZE_AVERAGE = 1
_ERROR_AVERAGE = 2
_NUM_UPDATES = 3
_LOG_STEP_SIZE_ANCHOR = 4
_NUM_FOREGROUND = 5
_NUM_BACKGROUND = 6
IS_FACTOR = 7  # whether trajectories run in coordinates of their own, see `samplers.tuning.preconditioning`
IS_ADAPTING = 8  # whether the loop learns the diagonal while tuning
IS_NEW = 9  # whether a step size has to be found before the next step
IS_BY_VARIANCE = 10  # whether the diagonal is learnt from variances of draws alone
LOG_MISS = 11  # logarithm of what the share of proposals to be refused is multiplied by
NUM_TUNING_FIELDS = 12

# Hoffman and Gelman (2014), section 3.2; as in Stan.
_SHRINKAGE = 0.05
_STABILISATION = 10.0
_FORGETTING = 0.75
_MAX_LOG_STEP_SIZE = 200.0

# A window is the number of draws after which those seen before it are forgotten.
EARLY_FRACTION = 0.3
EARLY_WINDOW = 10
WINDOW = 80
FINAL_FRACTION = 0.15
MIN_DRAWS = 3.0

EARLY_TREE_DEPTH = 7
"""While the metric is a guess, steps are as short as the direction that it gets most wrong wants: of a curve through 80
points the first hundred trajectories took three quarters of the gradients of a run, of a plate of 10^6 elements the
first alone took 1023. They need not turn round to learn a metric from."""

# Rows of a block's moments: mean and squared deviations of draws, then of gradients; foreground, then background.
_DRAWS = 0
_GRADIENTS = 2
_BACKGROUND = 4
NUM_MOMENTS = 8

MIN_VARIANCE, MAX_VARIANCE = 1e-20, 1e20
_MIN_RATIO, _MAX_RATIO = 1e-40, 1e40  # their squares: powers of whole numbers are functions of their own to Numba

DIVERGENT_SHRINKAGE = 0.15
LEAST_LOG_MISS = -1.4
SETTLED_UPDATES = 50.0
"""Each divergent trajectory of a step size that has settled makes the share of proposals that are to be refused smaller
by so much, down to a quarter: an acceptance rate of 0.8 becomes 0.95. Where none diverges nothing is paid."""

SCALAR_ACCEPTANCE = 0.44
VECTOR_ACCEPTANCE = 0.234
SCALE_GAIN = 2.0
SCALE_DECAY = 0.6


@inlined
def start_averaging(tuning: Vector, step_size: float) -> None:
    """Begin dual averaging at a step size.

    Parameters
    ----------
    tuning : array, shape (12,), float64
        The block's tuning record.
    step_size : float
        A first guess; ten times as much is what the averages are drawn towards.
    """
    tuning[LOG_STEP_SIZE] = log(step_size)
    tuning[LOG_STEP_SIZE_AVERAGE] = log(step_size)
    tuning[_LOG_STEP_SIZE_ANCHOR] = log(10.0 * step_size)
    tuning[_ERROR_AVERAGE] = 0.0
    tuning[_NUM_UPDATES] = 0.0


@inlined
def update_averaging(tuning: Vector, acceptance_rate: float, target: float) -> None:
    """Move the step size towards the target acceptance rate by dual averaging.

    Parameters
    ----------
    tuning : array, shape (12,), float64
        The block's tuning record.
    acceptance_rate : float
        Of the last transition.
    target : float
        What the acceptance rate should be where nothing has diverged; in (0, 1).

    References
    ----------
    Nesterov (2009), Primal-dual subgradient methods, Mathematical Programming 120.
    Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15, equation 6.
    """
    count = tuning[_NUM_UPDATES] + 1.0
    tuning[_NUM_UPDATES] = count
    share = 1.0 / (count + _STABILISATION)
    aim = 1.0 - (1.0 - target) * exp(tuning[LOG_MISS])
    error = (1.0 - share) * tuning[_ERROR_AVERAGE] + share * (aim - acceptance_rate)
    tuning[_ERROR_AVERAGE] = error
    log_step_size = tuning[_LOG_STEP_SIZE_ANCHOR] - sqrt(count) / _SHRINKAGE * error
    if abs(log_step_size) > _MAX_LOG_STEP_SIZE:
        log_step_size = copysign(_MAX_LOG_STEP_SIZE, log_step_size)
    tuning[LOG_STEP_SIZE] = log_step_size
    weight = count**-_FORGETTING
    tuning[LOG_STEP_SIZE_AVERAGE] = weight * log_step_size + (1.0 - weight) * tuning[LOG_STEP_SIZE_AVERAGE]


@inlined
def notice_divergence(tuning: Vector) -> None:
    """Aim at a larger acceptance rate after a divergent trajectory; not while the step size is still being found."""
    if tuning[_NUM_UPDATES] >= SETTLED_UPDATES:
        tuning[LOG_MISS] = max(tuning[LOG_MISS] - DIVERGENT_SHRINKAGE, LEAST_LOG_MISS)


@inlined
def finish_averaging(tuning: Vector) -> None:
    """Settle on the averaged step size."""
    tuning[LOG_STEP_SIZE] = tuning[LOG_STEP_SIZE_AVERAGE]


@njit(cache=True, inline="always", error_model="numpy")
def start_inverse_mass_matrix(gradient: Vector, inverse_mass_matrix: Vector) -> None:
    """Guess the inverse mass matrix from one gradient: its scale is that of one over a standard deviation."""
    for i in range(gradient.size):
        guess = 1.0 / abs(gradient[i])
        inverse_mass_matrix[i] = guess if MIN_VARIANCE < guess < MAX_VARIANCE else 1.0


@njit(cache=True, inline="always", error_model="numpy")
def _add(num_draws: float, values: Vector, row: int, moments: NDArray[np.float64]) -> None:
    """Add a vector to a mean, in ``row``, and to a sum of squared deviations, in the next (Welford)."""
    for i in range(values.size):
        deviation = values[i] - moments[row, i]
        moments[row, i] += deviation / num_draws
        moments[row + 1, i] += deviation * (values[i] - moments[row, i])


@njit(cache=True, inline="always")
def _forget_foreground(moments: NDArray[np.float64]) -> None:
    """Let the background become the foreground, and empty the background."""
    for row in range(_BACKGROUND):
        for i in range(moments.shape[1]):
            moments[row, i] = moments[_BACKGROUND + row, i]
            moments[_BACKGROUND + row, i] = 0.0


@njit(cache=True, inline="always", error_model="numpy")
def _estimate(
    num_draws: float, is_by_variance: bool, moments: NDArray[np.float64], inverse_mass_matrix: Vector
) -> None:
    """Set the inverse mass matrix where draws and gradients have varied; leave it elsewhere."""
    for i in range(inverse_mass_matrix.size):
        ratio = moments[_DRAWS + 1, i] / moments[_GRADIENTS + 1, i]
        if _MIN_RATIO < ratio < _MAX_RATIO:
            inverse_mass_matrix[i] = moments[_DRAWS + 1, i] / num_draws if is_by_variance else np.sqrt(ratio)


def start_moments(tuning: Vector, moments: NDArray[np.float64], draws: NDArray[np.float64]) -> None:
    """Let the foreground window hold draws, and the background none.

    Parameters
    ----------
    tuning : array, shape (10,), float64
        The block's tuning record.
    moments : array, shape (8, d), float64
        Both windows.
    draws : array, shape (n, 2, d), float64
        Positions and gradients.
    """
    moments[:] = 0.0
    for row, values in ((_DRAWS, draws[:, 0]), (_GRADIENTS, draws[:, 1])):
        moments[row] = values.mean(axis=0)
        moments[row + 1] = ((values - moments[row]) ** 2).sum(axis=0)
    tuning[_NUM_FOREGROUND], tuning[_NUM_BACKGROUND] = len(draws), 0.0


@inlined
def update_inverse_mass_matrix(
    tuning: Vector,
    iteration: int,
    tune: int,
    position: Vector,
    gradient: Vector,
    moments: NDArray[np.float64],
    inverse_mass_matrix: Vector,
) -> bool:
    r"""Learn a diagonal inverse mass matrix from draws and gradients.

    The estimate is :math:`\sqrt{\mathrm{var}(x_i) / \mathrm{var}(\partial_i \log p)}`, exact after a few draws if the
    density is normal. It comes from a foreground window; a background window is filled meanwhile, and takes its
    place when it is long enough: after 10 draws in the first 30% of tuning, after 80 later. In the last 15% only
    the step size is still learnt. An element that has not varied keeps its value.

    Where few elements are much slower than the others (`has_few_slow`), seen whenever a window of 80 draws is full, the
    estimate is :math:`\mathrm{var}(x_i)` until the next one is.

    Parameters
    ----------
    tuning : array, shape (12,), float64
        The block's tuning record.
    iteration, tune : int
        Number of this tuning iteration, from zero, and of all.
    position, gradient : array, shape (d,), float64
        The draw and the gradient there.
    moments : array, shape (8, d), float64
        Both windows.
    inverse_mass_matrix : array, shape (d,), float64
        Updated in place.

    Returns
    -------
    bool
        Whether this was the first estimate, or the first of its kind: the step size then has to be found anew.

    References
    ----------
    Seyboldt, Carlson and Carpenter (2026), Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence.
    """
    last = tune - np.int64(FINAL_FRACTION * tune)
    if iteration >= last:
        return False
    window = EARLY_WINDOW if iteration < EARLY_FRACTION * tune else WINDOW
    tuning[_NUM_FOREGROUND] += 1.0
    tuning[_NUM_BACKGROUND] += 1.0
    _add(tuning[_NUM_FOREGROUND], position, _DRAWS, moments)
    _add(tuning[_NUM_FOREGROUND], gradient, _GRADIENTS, moments)
    _add(tuning[_NUM_BACKGROUND], position, _BACKGROUND + _DRAWS, moments)
    _add(tuning[_NUM_BACKGROUND], gradient, _BACKGROUND + _GRADIENTS, moments)
    is_new = iteration + 1 == MIN_DRAWS
    # A window that could not be filled before the end would only lose draws.
    if tuning[_NUM_BACKGROUND] >= window and iteration + window < last:
        _forget_foreground(moments)
        tuning[_NUM_FOREGROUND] = tuning[_NUM_BACKGROUND]
        tuning[_NUM_BACKGROUND] = 0.0
        if window == WINDOW:
            before = tuning[IS_BY_VARIANCE]
            tuning[IS_BY_VARIANCE] = has_few_slow(moments[_DRAWS + 1], moments[_GRADIENTS + 1])
            is_new = tuning[IS_BY_VARIANCE] != before
    if tuning[_NUM_FOREGROUND] >= MIN_DRAWS:
        _estimate(tuning[_NUM_FOREGROUND], tuning[IS_BY_VARIANCE] != 0.0, moments, inverse_mass_matrix)
    return is_new


@inlined
def adapt_scale(scale: float, acceptance_rate: float, target: float, count: int) -> float:
    """Return the proposal scale moved towards the best acceptance rate (Robbins and Monro, on the log scale).

    Parameters
    ----------
    scale : float
        Of the proposal that was tried.
    acceptance_rate : float
        With which it was accepted.
    target : float
        With which it should be accepted: by a random walk 0.44 if of one element, 0.234 if of more.
    count : int
        Number of proposals tried so far, this one included.

    Returns
    -------
    float
        The scale to try next.

    References
    ----------
    Roberts and Rosenthal (2001), Optimal scaling for various Metropolis-Hastings algorithms, Stat. Science 16(4).
    """
    error = (acceptance_rate if isfinite(acceptance_rate) else 0.0) - target
    return scale * exp(SCALE_GAIN * float(count) ** -SCALE_DECAY * error)
