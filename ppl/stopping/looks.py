"""When draws are looked at: ever more rarely, and what two looks in succession say."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from ppl.stopping.until import Until

LEAST_LOOKED_AT = 100
"""Draws of each chain: R-hat and effective sizes of fewer say little."""
GROWTH = 1.25
"""From one look to the next. A look reads all draws so far: R-hat and effective sizes are of ranks and quantiles, which
every further draw moves, so that nothing of the last look can be used. All looks together read five times what the last
one does; were they rarer, runs would draw more than they need."""
LOOKS_IN_SUCCESSION = 2
"""Of independent and of correlated draws of one number, up to one run in eight stops with less than nine tenths of the
effective draws that were asked for if one look suffices; none of 2700 does with two in succession, for a quarter more
draws (``python -m benchmarks.stopping``)."""


def looks(until: Until, chains: int, most_draws: int) -> Iterator[int]:
    """Give the numbers of draws of each chain at which they are looked at; the last is the most that may be drawn.

    Parameters
    ----------
    until : Until
        What is asked.
    chains : int
        Number of chains.
    most_draws : int
        Of each chain.

    Examples
    --------
    >>> list(looks(Until(ess=400), 4, 200))
    [100, 125, 157, 197, 200]
    """
    number = max(LEAST_LOOKED_AT, ceil((until.ess or 0) / chains))
    while number < most_draws:
        yield number
        number = ceil(GROWTH * number)
    yield most_draws
