r"""Partial centring learnt from draws and gradients.

Coordinates of `graphs.centring` take the precision :math:`I` and the value :math:`y` of one normal observation that
says of a variable what everything below it does. For any density the product of its gradient with a function of the
variable has the expectation of minus the derivative of that function [1]_, so that averages of gradients are
curvatures: of the gradient :math:`g`, and of what is left of it, :math:`l`, without the derivative of the variable's
own term,

.. math:: I = \mathrm{E}[f l g] / \mathrm{E}[f], \qquad y = \mathrm{E}[f (x + l / I)] / \mathrm{E}[f],

with any weights :math:`f` that depend on the scale; they are the scale. It is the normal distribution whose gradient is
nearest to :math:`l`, that is of the least Fisher divergence, as metrics are. Both are averages of what changes fast
from draw to draw, however slowly location and scale move, and without data below there is exactly nothing left.

References
----------
.. [1] Hyvaerinen (2005), Estimation of non-normalized statistical models by score matching, JMLR 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers.chain.metric import Centring
from samplers.tuning.learning import Trail

type Vector = NDArray[np.float64]
type Matrix = NDArray[np.float64]

LEAST_DRAWS = 7
"""From which coordinates are learnt."""
_FIRST_UPDATE = 15
_MOST_BYTES = 2**26
_LAST_SHARE = 0.6
_LEAST_CHANGE = 0.05
_STEP = 0.05  # of differences of gradients, in scales
_LEAST_SCALE = 1e-100
_FARTHEST = 3.0
_MOST_EVALUATED_AGAIN = 60
"""Draws of which gradients are evaluated again in new coordinates: those of a few trajectories."""


def centring_times(tune: int, num_window: int) -> list[int]:
    """Return the numbers of sweeps after which coordinates are learnt, from the latter half of those before.

    Parameters
    ----------
    tune : int
        Number of tuning sweeps: metric and step size have the last ones for themselves.
    num_window : int
        Of how many positions and gradients are kept.
    """
    times, time, last = [], _FIRST_UPDATE, min(int(_LAST_SHARE * tune), num_window)
    while time <= last:
        times.append(time)
        time *= 2
    return times


def rows_of_window(tune: int, size: int) -> int:
    """Return of how many tuning sweeps positions and gradients are kept to learn coordinates from.

    Parameters
    ----------
    tune : int
        Number of tuning sweeps.
    size : int
        Number of elements of the joint state; of very many few are kept.
    """
    # One more than are learnt from: a run that is kept as arrays keeps them until the window is full.
    return min(int(_LAST_SHARE * tune) + 1, _MOST_BYTES // (16 * max(size, 1)))


def learn_centring(known: Matrix, positions: Matrix, gradients: Matrix, previous: Centring) -> Centring:
    """Return what draws tell; where they tell nothing, what was used.

    Parameters
    ----------
    known : array, shape (n, 4 * k), float64
        Locations, scales, scores and ratios of the elements, at each draw.
    positions, gradients : array, shape (n, k), float64
        Of the elements, and of the log-density with respect to them.
    previous : Centring
        What was used.
    """
    _, scales, scores, _ = np.split(known, 4, axis=1)
    with np.errstate(all="ignore"):
        weights = scales / scales.max(axis=0)
        weights /= weights.sum(axis=0)
        left = gradients - scores
        precision = (weights * left * gradients).sum(axis=0)
        middle, slope = (weights * positions).sum(axis=0), (weights * left).sum(axis=0)
        unit = np.exp(np.log(scales).mean(axis=0))
    return _centring(unit, precision, middle, slope, previous)


def gradients_of_positions(known: Matrix, gradients: Matrix, centring: Centring) -> Matrix:
    """Return gradients with respect to positions, of those with respect to coordinates.

    Parameters
    ----------
    known : array, shape (n, 4 * k), float64
        As in `learn_centring`.
    gradients : array, shape (n, k), float64
        With respect to coordinates.
    centring : Centring
        Which these are.
    """
    _, scales, _, ratios = np.split(known, 4, axis=1)
    share, floor = np.broadcast_to(centring.share, scales.shape), centring.floor
    with np.errstate(all="ignore"):
        if not ratios.any():
            return gradients * np.sqrt(floor + share * scales**2) / scales
        squares, own = np.empty_like(scales), share.copy()
        for j in reversed(range(scales.shape[1])):
            squares[:, j] = floor[j] + own[:, j] * scales[:, j] ** 2
            if j:
                own[:, j - 1] += floor[j - 1] * ratios[:, j] ** 2 * own[:, j] / squares[:, j]
        found = gradients * np.sqrt(squares) / scales
        # An element is a part of the next one that its location does not tell.
        found[:, :-1] -= ratios[:, 1:] * floor[1:] / squares[:, 1:] * found[:, 1:].copy()
    return found


def _centring(unit: Vector, precision: Vector, middle: Vector, slope: Vector, previous: Centring) -> Centring:
    """Return the centring of observations: their precision, and what is left of the gradient at a place."""
    with np.errstate(all="ignore"):
        precision = np.maximum(precision, 0.0)
        share = precision * unit**2 / (1.0 + precision * unit**2)
        # The distance of the observation, of as many of its standard deviations as are likely.
        most = _FARTHEST * unit * np.sqrt(share)
        pull = share * middle + np.clip((1.0 - share) * unit**2 * slope, -most, most)
    is_known = np.isfinite(share) & np.isfinite(pull) & (unit > _LEAST_SCALE) & (unit < 1.0 / _LEAST_SCALE)
    new = Centring(share, unit, pull)
    return Centring(*(np.where(is_known, a, b) for a, b in zip(new, previous, strict=True)))


def first_centring(coordinates: Any, position: Vector, state: Vector) -> Centring:
    """Return the centring that the curvature at a position tells, by differences of gradients.

    Parameters
    ----------
    coordinates : CentredProgram or CentredFunction
        In which coordinates are positions.
    position : array, shape (d,), float64
        Where the chain starts.
    state : array, float64
        The joint state there.
    """
    elements = coordinates.where.elements
    there, here, ahead = position.copy(), np.empty(position.size), np.empty(position.size)
    _, scale, score, _ = np.split(coordinates.parameters(position, state), 4)
    # Signs at random: what elements have with each other cancels.
    step = np.random.default_rng(0).choice([-_STEP, _STEP], elements.size) * scale
    with np.errstate(all="ignore"):
        there[elements] += step
        coordinates.evaluate(position, state, here)
        coordinates.evaluate(there, state, ahead)
        before = here[elements] - score
        after = ahead[elements] - np.split(coordinates.parameters(there, state), 4)[2]
        precision = (before - after) / step
    return _centring(scale, precision, position[elements], before, coordinates.where.declared)


def as_asked(centring: Centring, start: Vector) -> Centring:
    """Return the centring with the shares that were asked for; those are NaN where there are none."""
    is_given = ~np.isnan(start)
    share = np.where(is_given, start, centring.share)
    with np.errstate(all="ignore"):
        pull = np.where(is_given & (share != centring.share), 0.0, centring.pull)
    return Centring(share, centring.scale, pull)


def is_worth_changing(now: Centring, new: Centring) -> bool:
    """Return whether coordinates differ by so much that all that was learnt in the old ones is to be learnt again."""
    with np.errstate(all="ignore"):
        share = np.abs(now.share - new.share)
        # Where variables are not centred the scale is one that metrics learn, and where they are it does not matter.
        scale = new.share * (1.0 - new.share) * np.abs(np.log(now.scale / new.scale))
        pull = np.abs(now.pull - new.pull) / new.scale
    return bool(np.max(np.stack([share, scale, pull]), initial=0.0) > _LEAST_CHANGE)


class CentredTrail(Trail):
    """Where a block of one chain has been that moves in coordinates of its own: positions, and gradients in these.

    Parameters
    ----------
    window : array, shape (num_rows, 2, d), float64
        As `Trail` has it.
    located : callable
        Returns the coordinates of positions, shape (n, d).
    """

    def __init__(self, window: NDArray[np.float64], located: Callable[[Vector], Vector]):
        super().__init__(window)
        self._located = located

    def positions(self, num_done: int, num_made: int) -> NDArray[np.float64]:
        """Return what `draws` does, but positions."""
        return super().draws(num_done, num_made)

    def draws(self, num_done: int, num_made: int) -> NDArray[np.float64]:
        """Return coordinates and gradients of the latter half of so many sweeps; see `Trail.draws`."""
        rows = super().draws(num_done, num_made).copy()
        rows[:, 0] = self._located(rows[:, 0])
        return rows

    def evaluated_again(
        self, num_done: int, num_made: int, evaluate: Callable[[Vector], tuple[float, Vector]]
    ) -> NDArray[np.float64]:
        """Return coordinates and gradients of some of these draws in new coordinates, and forget all others.

        Parameters
        ----------
        num_done, num_made : int
            As in `Trail.draws`.
        evaluate : callable
            Returns the log-density at coordinates, and its gradient.
        """
        rows = self.positions(num_done, num_made)
        self.factor = None
        self.window[:num_done, 1] = np.nan
        chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), min(_MOST_EVALUATED_AGAIN, len(rows))).astype(int))
        found = np.empty((len(chosen), *rows.shape[1:]))
        found[:, 0] = self._located(rows[chosen, 0])
        for draw, i in zip(found, chosen, strict=True):
            draw[1] = rows[i, 1] = evaluate(draw[0])[1]
        return found[np.isfinite(found).all(axis=(1, 2))]
