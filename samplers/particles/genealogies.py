r"""The variance of an estimate of a normalising constant, from who descends from whom in the run that made it.

The estimate is :math:`Z^N = \prod_t \frac1N \sum_i g_t(x_t^i)`. With multinomial resampling

.. math:: V^N = 1 - \Bigl(\frac{N}{N-1}\Bigr)^{n+1} \Bigl(1 - \sum_e W_e^2\Bigr)

is an unbiased estimate of its variance, relative to :math:`Z^2` [1]_, where :math:`W_e` is the share of the final
weights that descends from the particle ``e`` of the first generation: two particles are as good as independent while
they have no ancestor in common. The power makes up for pairs that multinomial resampling itself lets coincide, with
probability :math:`1/N` at each of ``n`` times. In systematic resampling families that stand side by side are rounded
as if each were one particle: that of ``e`` has :math:`N W_e` descendants, rounded up or down, with the variance
:math:`f_e (1 - f_e)` of the fraction. The factor of that time is then

.. math:: \frac{1}{1 - \frac{\sum_e f_e (1 - f_e)}{N^2 (1 - \sum_e W_e^2)}},

which is :math:`N / (N - 1)` for the multinomial variances :math:`N W_e (1 - W_e)`: pairs of different families are
taken with probabilities that make up for what is taken twice of one. That each pair does so in proportion is an
approximation.

:math:`V^N` is relative to the square of the very estimate that it comes with, and :math:`Z^2 V^N` is right on average:
of a log-normal estimate it is :math:`1 - e^{-\tau^2}`, where :math:`\tau` is the standard deviation of the logarithm.

References
----------
.. [1] Lee and Whiteley (2018). Variance estimation in the particle filter. Biometrika 105, equation (2.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Vector = NDArray[np.float64]


def error_of_logarithm(relative_variance: float, num_founders: int, number: int) -> float:
    """Return the standard error of the logarithm of an estimate.

    Few founders tell little of how much they differ, as few numbers do of their variance: the error is larger by the
    square root of (F + 1) / (F - 1). Of narrow modes in 1, 2 and 8 dimensions with 50 to 400 particles and 3 to 17
    founders, 100 seeds each, scores had a root mean square of 0.90 to 1.15, where that of the relative variance
    alone was 1.1 to 1.9; with 4 founders in 20 dimensions it was 1.9 in the place of 2.7.

    Parameters
    ----------
    relative_variance : float
        Of the estimate, over its square.
    num_founders : int
        Of how many of the first particles there are descendants.
    number : int
        Of particles.
    """
    known = min(relative_variance, 1.0 - 1.0 / (1 + number))
    return float(np.sqrt(-np.log1p(-known) * (num_founders + 1.0) / max(num_founders - 1.0, 1.0)))


class Genealogy:
    """Who of the first generation each particle descends from, and what that says of the variance.

    Parameters
    ----------
    number : int
        Of particles.

    Attributes
    ----------
    founders : array, shape (number,), int64
        Of each particle, the one of the first generation that it descends from.
    """

    def __init__(self, number: int):
        self.founders = np.arange(number, dtype=np.int64)
        self._shares = np.full(number, 1.0 / number)
        self._factor = number / (number - 1.0) if number > 1 else 1.0
        self._from_weights = 0.0

    def add(self, weights: Vector, ancestors: NDArray[np.int64] | None) -> None:
        """Note the weights of a generation, and who becomes an ancestor of the next one.

        Parameters
        ----------
        weights : array, shape (number,), float64
            They sum to one.
        ancestors : array, shape (number,), int64, optional
            Of each new particle; nothing for the last generation, which keeps its weights.
        """
        number = weights.size
        self._shares = np.bincount(self.founders, weights, number)
        self._from_weights += float((weights**2).sum()) - 1.0 / number
        if ancestors is None:
            return
        apart = 1.0 - float((self._shares**2).sum())
        fractions = np.mod(number * self._shares, 1.0)
        added = float((fractions * (1.0 - fractions)).sum()) / number**2
        if added < apart:
            self._factor /= 1.0 - added / apart
        self.founders = self.founders[ancestors]

    @property
    def num_founders(self) -> int:
        """How many particles of the first generation have descendants."""
        return int(np.unique(self.founders).size)

    @property
    def relative_variance(self) -> float:
        """The variance of the estimate, relative to its square.

        At least what it would be if the moves left nothing of where particles come from: the variances of the weights
        themselves, over their number, added up.
        """
        by_descent = 1.0 - self._factor * (1.0 - float((self._shares**2).sum()))
        return max(by_descent, self._from_weights, 0.0)
