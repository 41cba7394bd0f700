"""What data do not tell apart: elements of a variable that exchange places, and numbers that move along a ridge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppl.diagnosing.convergence import BAD_R_HAT, Convergence, convergence
from ppl.diagnosing.evidence import Evidence

RIDGE = 0.9
_FAR_APART = 1.2
"""R-hat of elements that exchange places, the largest: chains that are nearer have not been long enough, and the
elements of a field are in order sooner than one by one, too."""
_MOST_NAMED = 6
_SAME_SUM = 1e-6


def exchanged(evidence: Evidence, found: Convergence, column: int) -> tuple[str, ...]:
    """Return the elements of a variable that exchange places, by label; empty where they do not.

    Between chains two of them at least differ, and none does once the elements are in order. Of one alone that differs,
    as the largest of many with heavy tails may, nothing takes the place.

    Parameters
    ----------
    evidence : Evidence
        The run.
    found : Convergence
        Of its draws.
    column : int
        One of the elements.
    """
    own = [i for i, v in enumerate(evidence.variables) if v == evidence.variables[column]]
    apart = [i for i in own if found.r_hat[i] > BAD_R_HAT]
    if len(apart) < 2 or not np.nanmax(found.r_hat[apart]) > _FAR_APART:
        return ()
    for together in (own, apart):
        in_order = convergence(np.sort(evidence.draws[:, :, together], axis=2)).r_hat
        if not np.nanmax(in_order) < BAD_R_HAT:
            return ()
    return tuple(evidence.labels[i] for i in apart)


def order_remedy(evidence: Evidence, labels: tuple[str, ...], column: int) -> str:
    """Say which elements exchange places, and what helps; those with a fixed sum cannot be put in order themselves."""
    named = ", ".join(labels[:_MOST_NAMED]) + (", ..." if len(labels) > _MOST_NAMED else "")
    own = [i for i, v in enumerate(evidence.variables) if v == evidence.variables[column]]
    sums = evidence.draws[:, :, own].sum(axis=2)
    if np.ptp(sums) <= _SAME_SUM * max(1.0, float(np.abs(sums).max())):
        return (
            f"its elements exchange places ({named}): put what else belongs to them in order, such as the means of "
            'groups, by transform="ordered" there'
        )
    return f'its elements exchange places ({named}): order them, e.g. by transform="ordered"'


def ridge(evidence: Evidence, column: int) -> tuple[str, float] | None:
    """Return what moves along with a column in all chains, and the correlation; None where nothing does.

    The correlation is that of draws about the means of their chains, and has to be of the same sign in every chain and
    above 0.9 in absolute value: the data tell one combination of both, and the draws wander along the other.

    Parameters
    ----------
    evidence : Evidence
        The run.
    column : int
        A number whose chains do not agree, or that has few effective draws.
    """
    correlations = np.stack([_correlations(chain, column) for chain in evidence.draws])
    is_one = (np.sign(correlations) == np.sign(correlations[0])).all(axis=0)
    least = np.where(is_one, np.abs(correlations).min(axis=0), 0.0)
    least[column] = 0.0
    other = int(least.argmax())
    if not least[other] > RIDGE:
        return None
    return evidence.labels[other], float(correlations[:, other].mean())


def _correlations(draws: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    """Return the correlation of each column with one, of draws of shape (n, size); 0 where one does not vary."""
    with np.errstate(all="ignore"):
        deviations = draws - draws.mean(axis=0)
        deviations = deviations / np.sqrt((deviations**2).sum(axis=0))
        return np.nan_to_num(deviations.T @ deviations[:, column])


def ridge_remedy(label: str, other: tuple[str, float]) -> str:
    """Say what is not known of two numbers, and what helps."""
    name, correlation = other
    return (
        f"{label} and {name} lie along a ridge (correlation {correlation:.2f}), along which the data tell little: give "
        "one of them a stronger prior or leave it out, or write the model in what is known of both "
        f"({'their sum' if correlation < 0 else 'their difference'}, suitably scaled) and one of them"
    )
