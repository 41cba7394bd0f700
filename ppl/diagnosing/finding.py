"""One thing that is wrong with a run, and the words for where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppl.diagnosing.evidence import Evidence

_MOST_CHAINS = 8


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run.

    Parameters
    ----------
    kind : str
        ``stopped``, ``too few``, ``not finite``, ``runaway``, ``stuck``, ``constant``, ``modes``, ``r_hat``,
        ``gradient``, ``divergences``, ``e_bfmi``, ``tree_depth``, ``ess`` or ``approximation``.
    variables : tuple of str
        Where it shows most, worst first; empty where that cannot be said.
    message : str
        What was seen.
    remedy : str
        What helps.
    """

    kind: str
    variables: tuple[str, ...]
    message: str
    remedy: str


def means_by_chain(evidence: Evidence, column: int) -> str:
    """Say what the means of a column are."""
    means = [f"{m:.3g}" for m in evidence.draws[:, :, column].mean(axis=1)]
    more = ", ..." if len(means) > _MOST_CHAINS else ""
    return f"the means of {evidence.labels[column]} by chain are {', '.join(means[:_MOST_CHAINS])}{more}"


def name_chains(evidence: Evidence, positions: NDArray[np.int64]) -> str:
    """Name chains by their numbers."""
    numbers = [str(evidence.chains[i]) for i in positions]
    return f"chain {numbers[0]}" if len(numbers) == 1 else f"chains {', '.join(numbers)}"


def and_others(labels: list[str]) -> str:
    """Say how many there are besides the first."""
    return f" (and {len(labels) - 1} more)" if len(labels) > 1 else ""
