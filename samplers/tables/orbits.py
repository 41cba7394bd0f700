"""Proposals in sets that balance each other, and chains that go through them.

Of sixteen proposals the first is drawn from the table, independently of where the chain is; the others are its images
under maps that leave the table's distribution unchanged and are their own inverses: they turn binary digits of the
uniform numbers that a point is made of. A chain moves from a point to its image with the probability of Metropolis and
Hastings, whose ratio is that of the weights. The digits that are turned are those of Sobol's sequence, so that a set is
a net, shifted at random (Owen 2013, "Monte Carlo theory, methods and examples", chapters 15 and 17), one half of it
being the mirror image of the other within its sixteenths. With one proposal in twenty refused, wherever it is, averages
of a normal variable, its square, its lower twentieth and the product of two have the error that 6, 1.5, 2.2 and 2 times
as many independent draws leave, or more, in one to three dimensions; ever larger sets lose that where a proposal is
refused, as points are missed and others come twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samplers.tables.splits import BELOW_ONE
from samplers.tables.table import MadeOf
from samplers.tables.tiling import Vector

NUM_IMAGES = 16
_DIRECTIONS = np.array([[13, 11, 13], [6, 6, 10], [8, 8, 8], [1, 15, 9]])
"""Sums, digit by digit, of the first four digits that the first four numbers of Sobol's sequence have in three
dimensions, which are (8, 8, 8), (4, 12, 12), (2, 10, 6) and (1, 15, 9): of the first, second and fourth; of the second
and third; the first; the fourth. First axis: which digit of the number of a proposal. The set is the same whichever
sums are taken. By these, proposals that follow each other differ so much that effective numbers, which are estimated by
autocorrelations up to where these turn, are 2.9 times the number of draws for normal variables along any axis and
between two, no proposal being refused; in the order of Sobol's sequence 0.9 to 3. With one in twenty refused, averages
have the error of 6 times as many independent draws or more, which were 5, those of the product of two of 2, which were
2.7."""
_MIRRORED = 2
"""The digit of the number of a proposal with which what is left of the uniform numbers is mirrored."""


def turned_digits(num_axes: int) -> NDArray[np.int64]:
    """Return which of the first four digits are turned, as a number, of each proposal and axis; (16, num_axes)."""
    numbers = np.arange(NUM_IMAGES)
    found = np.zeros((NUM_IMAGES, num_axes), np.int64)
    for digit, turned in enumerate(_DIRECTIONS[:, :num_axes]):
        found ^= np.where((numbers >> digit & 1)[:, None] == 1, turned, 0)
    return found


def in_sets(number: int) -> int:
    """Return a number of proposals rounded up to whole sets."""
    return -(-number // NUM_IMAGES) * NUM_IMAGES


def images(made_of: MadeOf) -> MadeOf:
    """Return points in sets of sixteen: each point as it is, then its images."""
    num_axes = made_of.uniform.shape[1]
    scaled = NUM_IMAGES * made_of.uniform[:, None, :]
    digits = np.minimum(scaled.astype(np.int64), NUM_IMAGES - 1)
    left = scaled - digits
    is_mirrored = (np.arange(NUM_IMAGES) & _MIRRORED)[:, None] > 0
    left = np.where(is_mirrored, 1.0 - left, left)
    # The largest number below one: one itself is outside.
    uniform = np.minimum(((digits ^ turned_digits(num_axes)) + left) / NUM_IMAGES, BELOW_ONE)
    signs = 1.0 - 2.0 * (np.arange(NUM_IMAGES) & 1)
    wide = made_of.wide[:, None, :] * signs[:, None]
    flat = -1, num_axes
    return MadeOf(uniform.reshape(flat), np.repeat(made_of.is_wide, NUM_IMAGES), wide.reshape(flat))


def accepted(logs: Vector, uniform: Vector, num_before: int = 0) -> tuple[NDArray[np.int64], Vector]:
    """Return the proposal that a chain is at after each, and with what probability each was accepted.

    Parameters
    ----------
    logs : array, shape (n,), float64
        Logarithms of the weights of proposals, whole sets one after the other.
    uniform : array, shape (n,), float64
        Logarithms of uniform numbers.
    num_before : int
        So many are where the chain has been, the last of them where it is; by default it begins at the first.
    """
    at = np.arange(len(logs))
    proposed = at.copy()
    # Each against the one before: where that one was accepted, too, as nearly all are, nothing has to be done.
    with np.errstate(invalid="ignore"):
        begin = max(num_before, 1)
        refused = np.flatnonzero(~(uniform[begin:] < logs[begin:] - logs[begin - 1 : -1])) + begin
    done = 0
    for first in refused.tolist():
        if first < done:
            continue
        here, done = first - 1, first
        while done < len(logs):
            image = done % NUM_IMAGES
            # From where the chain is, the same map as from the proposal before to this one.
            then = here ^ image ^ (image - 1) if image else done
            proposed[done] = then
            if logs[here] + uniform[done] < logs[then]:
                here = then
            at[done] = here
            done += 1
            if here == done - 1:
                break
    before = np.concatenate([[0], at[:-1]])
    with np.errstate(invalid="ignore"):
        rates = np.exp(np.minimum(logs[proposed] - logs[before], 0.0))
    return at, np.where(np.isnan(rates), 0.0, rates)
