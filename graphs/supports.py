"""Where a value may lie: the support of a variable."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["interval", "integers", "simplex", "positive_definite", "other"]

SUM_TOLERANCE = 1e-5
"""Of probabilities: PyMC's own, in the log-probability of a categorical variable."""


@dataclass(frozen=True)
class Support:
    """The set in which a variable, or each element of an array of them, takes its values.

    Parameters
    ----------
    kind : {"interval", "integers", "simplex", "positive_definite", "other"}
        ``interval``: the reals of ``(lower, upper)``; ``integers``: the integers of ``[lower, upper]``;
        ``simplex``: non-negative vectors on the last axis that sum to one; ``positive_definite``: symmetric positive
        definite matrices on the last two axes; ``other``: a set that this class does not describe (correlation
        matrices, ordered vectors, ...).
    lower, upper : float
        Bounds; infinite where there is none.

    Examples
    --------
    >>> POSITIVE.is_positive, REAL.is_positive
    (True, False)
    >>> integers(0, 3).is_finite
    True
    """

    kind: Kind = "interval"
    lower: float = -inf
    upper: float = inf

    @property
    def is_discrete(self) -> bool:
        """Whether the values are integers."""
        return self.kind == "integers"

    @property
    def is_finite(self) -> bool:
        """Whether there are finitely many values."""
        return self.is_discrete and self.upper - self.lower < inf

    @property
    def is_positive(self) -> bool:
        """Whether every value is greater than zero."""
        return self.kind == "interval" and self.lower >= 0

    def holds(self, values: NDArray) -> bool:
        """Whether values lie inside; true of what this class does not describe.

        Parameters
        ----------
        values : array
            Of vectors or matrices the last axes are those of one of them.
        """
        if self.kind == "interval":
            return bool(np.all((self.lower < values) & (values < self.upper)))
        if self.kind == "integers":
            return bool(np.all((self.lower <= values) & (values <= self.upper)))
        if self.kind == "simplex":
            return bool(np.all(values > 0) and np.allclose(np.sum(values, axis=-1), 1.0, rtol=0.0, atol=SUM_TOLERANCE))
        if self.kind == "positive_definite":
            is_symmetric = np.allclose(values, np.swapaxes(values, -1, -2))
            return bool(is_symmetric and np.all(np.linalg.eigvalsh(values) > 0))
        return True

    def __str__(self) -> str:
        if self.kind == "interval":
            return {
                (-inf, inf): "real",
                (0.0, inf): "positive",
                (0.0, 1.0): "unit",
            }.get((self.lower, self.upper), f"({self.lower:g}, {self.upper:g})")
        if self.kind == "positive_definite":
            return "positive definite"
        if self.kind == "integers":
            return f"integers [{self.lower:g}, {self.upper:g}]"
        return self.kind


REAL = Support()
POSITIVE = Support(lower=0.0)
UNIT = Support(lower=0.0, upper=1.0)
SIMPLEX = Support("simplex", 0.0, 1.0)
POSITIVE_DEFINITE = Support("positive_definite")
OTHER = Support("other")


def interval(lower: float, upper: float) -> Support:
    """Return the open interval from ``lower`` to ``upper``."""
    return Support("interval", float(lower), float(upper))


def integers(lower: float = -inf, upper: float = inf) -> Support:
    """Return the integers from ``lower`` to ``upper``, both included."""
    return Support("integers", float(lower), float(upper))


def as_support(support: Support | str | tuple[float, float]) -> Support:
    """Read a support from its name, ``(lower, upper)`` bounds, or itself.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if isinstance(support, Support):
        return support
    if isinstance(support, tuple):
        return interval(*support)
    named = {
        "real": REAL,
        "positive": POSITIVE,
        "unit": UNIT,
        "simplex": SIMPLEX,
        "positive_definite": POSITIVE_DEFINITE,
        "integers": integers(),
    }
    if support not in named:
        raise ValueError(f"Unknown support {support!r}; choose from {', '.join(named)} or give (lower, upper).")
    return named[support]
