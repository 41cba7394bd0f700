"""Fits: rounds of steps, each of a smaller size, whose averages are compared until the bound gains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.backends.numba.library.rng import seed_states
from graphs.errors import SamplingError
from samplers.approximations.compiling import compiled_loop
from samplers.approximations.families.base import Base
from samplers.approximations.families.family import FittedFamily
from samplers.approximations.loop import INDEPENDENT, LEFT_OUT, DrawnRows
from samplers.approximations.memory import drawn_rows, new_ascent
from samplers.approximations.segments import Segments, is_level
from samplers.approximations.target import Target

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

STEP_SIZES = tuple(0.05 * 0.3**k for k in range(6))
FIRST_SEGMENT = 50
FEW_PAIRS, MOST_PAIRS = 128, 4096
"""Pairs of draws by which two distributions are compared."""
MOST_HALVINGS = 30
_MOST_OF_ALL = 3
SETTLED, LEVEL, MOVING = 2, 1, 0
"""How a round ended: the parameters came to rest, the bound did, or neither. Where parameters go on moving, a round may
gain nothing because its average is of different places: two in a row have to."""


class Candidate(NamedTuple):
    """A distribution of positions."""

    parameters: Vector  # (p,)
    base: Base


@dataclass(frozen=True, eq=False)
class Fit:
    """A distribution that was fitted.

    Parameters
    ----------
    family : FittedFamily
        Of its coordinates.
    parameters : array, shape (p,), float64
        Which member.
    base : Base
        The coordinates.
    elbo, elbo_error : float
        The evidence lower bound, and the standard error of its estimate.
    gain : float
        By how much the bound is more than where the fit began, on the same draws.
    trace : array, shape (n,), float64
        Estimates of the bound before each step, one draw or a few each; NaN for steps that were left out.
    num_gradients : int
        Evaluations of the density.
    is_converged : bool
        Whether the last round gained nothing that could be seen.
    """

    family: FittedFamily
    parameters: Vector
    base: Base
    elbo: float
    elbo_error: float
    gain: float
    trace: Vector
    num_gradients: int
    is_converged: bool

    def draw(self, number: int, rng: np.random.Generator) -> tuple[Matrix, Vector]:
        """Return positions (number, d), and the log-density of each."""
        y, values = self.family.draw(self.parameters, number, rng)
        return self.base.positions(y), values - self.base.log_determinant


def approximate_loop(
    family: FittedFamily,
    target: Target,
    base: Base,
    *,
    seed: int,
    start: Vector | None = None,
    draws: int = 2,
    tolerance: float = 0.01,
    max_steps: int = 100_000,
    progress: Callable[[int, float], None] | None = None,
) -> Fit:
    """Maximise the evidence lower bound of a family by Adam's steps along gradients of draws.

    A round has one step size, and goes on until the averages of the parameters over stretches of its later half agree
    (R-hat below 1.1) and are exact enough, or until the bound is known to be level; the next begins at the average, in
    coordinates in which the distribution has scale one, with three tenths of the step size. The fit ends when a round
    gains no more than the tolerance, or no more than can be told from none: both distributions are compared on the
    same draws and rows.

    Parameters
    ----------
    family : FittedFamily
        What is fitted.
    target : Target
        The log-density.
    base : Base
        Where it begins.
    seed : int
        Of all draws.
    start : array, shape (p,), float64, optional
        Parameters in that base; `FittedFamily.standard` by default.
    draws : int
        Draws a step, in opposite pairs; 1 where a draw costs more than rows.
    tolerance : float
        In units of the bound.
    max_steps : int
        Steps at most, of all rounds.
    progress : callable, optional
        Told the number of steps, and the mean estimate of the bound in the last stretch.

    Raises
    ------
    SamplingError
        If the density is not finite at the draws, however narrow they are.

    References
    ----------
    .. [1] Dhaka et al. (2020). Robust, accurate stochastic optimization for variational inference. NeurIPS 33.
    .. [2] Welandawe et al. (2022). A framework for improving the reliability of black-box variational inference.
       arXiv:2203.15945.
    """
    fitter = _Fitter(family, target, seed, draws, tolerance, max_steps, progress)
    first = fitter.possible(Candidate(family.standard() if start is None else start.copy(), base))
    best, total_gain, idle = first, 0.0, 0
    for step_size in STEP_SIZES:
        found, rest = fitter.round(best, step_size)
        gain, error = fitter.gain(found, best)
        if gain > 0:
            best, total_gain = found, total_gain + gain
        idle = idle + rest if abs(gain) <= max(tolerance, 2.0 * error) else 0
        if idle >= SETTLED or fitter.is_exhausted:
            break
    values = fitter.final(best)
    return Fit(
        family,
        *best,
        elbo=float(values.mean()),
        elbo_error=float(values.std(ddof=1) / len(values) ** 0.5) if np.isfinite(values).all() else np.inf,
        gain=total_gain,
        trace=np.concatenate(fitter.trace),
        num_gradients=fitter.num_gradients,
        is_converged=idle >= SETTLED,
    )


class _Fitter:
    """What all rounds of a fit share."""

    def __init__(
        self,
        family: FittedFamily,
        target: Target,
        seed: int,
        draws: int,
        tolerance: float,
        max_steps: int,
        progress: Callable[[int, float], None] | None,
    ):
        self._family, self._target = family, target
        self._draws, self._tolerance, self._max_steps = draws, tolerance, max_steps
        self._progress = progress
        self._loop = compiled_loop(type(family), isinstance(target.density, np.ndarray))
        self._rng, self._seed = seed_states([seed, 30], 1)[0], seed
        self._fit, self._rows = new_ascent(family, target), drawn_rows(target)
        self.trace: list[Vector] = []
        self.num_gradients = 0
        self._steps = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether no steps are left."""
        return self._steps >= self._max_steps

    def possible(self, first: Candidate) -> Candidate:
        """Return a start of whose draws nine in ten are possible: narrower than what was asked for, if that is not."""
        base = first.base
        for _ in range(MOST_HALVINGS):
            found = Candidate(first.parameters, base)
            if np.isfinite(self.estimates(found, FEW_PAIRS)).mean() > 0.9:
                return found
            base = Base(base.centre, 0.5 * base.factor)
        raise SamplingError(
            "The log-density is not finite around the point where the approximation begins: give values with "
            "init={...}."
        )

    def round(self, start: Candidate, step_size: float) -> tuple[Candidate, int]:
        """Return where steps of a size lead, the average, and how the round ended."""
        fit = self._fit
        for moment in (fit.first, fit.second, fit.products, fit.squares):
            moment[:] = 0.0
        fit.counters[:] = 0
        fit.parameters[:] = start.parameters
        segments, base, rest = Segments(FIRST_SEGMENT), start.base, MOVING
        last = min(self._max_steps, self._steps + self._max_steps // _MOST_OF_ALL)
        begin = len(self.trace)
        while not rest and self._steps < last:
            bounds = np.empty(segments.length)
            arrays = self._target.density, base.centre, base.factor, fit, self._rows, self._rng
            with np.errstate(all="ignore"):
                self._loop.ascend(*arrays, self._draws, step_size, bounds)
            self._count(len(bounds) * self._draws)
            self._steps += len(bounds)
            self.trace.append(bounds + base.log_determinant)
            if self._progress is not None:
                self._progress(self._steps, float(np.nanmean(self.trace[-1])))
            if not np.isfinite(fit.parameters).all() or fit.counters[LEFT_OUT] == fit.counters.sum():
                return start, MOVING
            segments.add(fit.total, fit.total_squares)
            if segments.has_settled(self._tolerance):
                rest = SETTLED
            elif is_level(self.trace[begin:], 10.0 * self._tolerance):
                rest = LEVEL
        if not segments.is_ready:
            return start, MOVING
        return Candidate(*self._family.rebased(segments.average, base)), rest

    def gain(self, found: Candidate, other: Candidate) -> tuple[float, float]:
        """Return by how much the bound of one is more than that of another, and the standard error."""
        number = FEW_PAIRS
        while True:
            difference = self.estimates(found, number) - self.estimates(other, number)
            if np.isinf(difference).any() or np.isnan(difference).any():
                return self._gain_of_possible(found, other, number)
            gain, error = float(difference.mean()), float(difference.std(ddof=1) / number**0.5)
            if number >= MOST_PAIRS or 2.0 * error < max(self._tolerance, 0.5 * abs(gain)):
                return gain, error
            number *= 4

    def _gain_of_possible(self, found: Candidate, other: Candidate, number: int) -> tuple[float, float]:
        """Return 1 if fewer draws of the first are impossible, else -1: bounds are then minus infinity."""
        impossible = [(~np.isfinite(self.estimates(each, number))).sum() for each in (found, other)]
        return (1.0 if impossible[0] < impossible[1] else -1.0), 0.0

    def final(self, best: Candidate) -> Vector:
        """Return as many estimates as it takes to know the bound to the tolerance, or as there are at most.

        Where the density is no number it is taken for zero.
        """
        number = FEW_PAIRS
        while True:
            values = self.estimates(best, number)
            if not np.isfinite(values).all():
                return np.where(np.isfinite(values), values, -np.inf)
            if number >= MOST_PAIRS or values.std() / number**0.5 < 0.5 * self._tolerance:
                return values
            number *= 2

    def estimates(self, candidate: Candidate, number: int) -> Vector:
        """Return estimates of the bound, each of a pair of draws: the same noise, and rows, for all candidates."""
        fit, bounds = self._fit, np.empty(number)
        fit.parameters[:] = candidate.parameters
        rows = DrawnRows(self._rows.table.copy(), self._rows.order[:0])
        rows.table[:, 2] = np.minimum(rows.table[:, 2], INDEPENDENT)
        rng, base = seed_states([self._seed, 31], 1)[0], candidate.base
        with np.errstate(all="ignore"):
            self._loop.estimate(self._target.density, base.centre, base.factor, fit, rows, rng, bounds)
        self._count(2 * number)
        return bounds + base.log_determinant

    def _count(self, number: int) -> None:
        self._target.reraise()
        self.num_gradients += number
