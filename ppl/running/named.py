"""Groups of named values and statistics, from flat draws."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ppl.running.drawing_back import Place, Seed
from ppl.running.expansion import DrawExpansion
from ppl.running.losses import Losses
from ppl.running.wanted import LOGDENSITY


def named_groups(
    expansion: DrawExpansion,
    draws: NDArray[np.float64],
    stats: Mapping[str, NDArray],
    losses: Losses,
    seed: Seed,
    place: Place = (0, 0),
    *,
    in_place: bool = True,
) -> dict[str, Mapping[str, NDArray]]:
    """Return groups of named values and statistics of flat draws, which are overwritten where there is room.

    The log-density is computed where that of a block is not that of the draws. Parameters as of `DrawExpansion`.
    """
    everything = partial(expansion, draws, in_place=in_place, losses=losses, seed=seed, place=place)
    values = losses.attempt("posterior", everything, None)
    if values is None:
        values = expansion.recorded(draws, losses)
    unconstrained, losses.unconstrained = losses.unconstrained, {}
    others = {n: array for n, array in stats.items() if n != "lp" or expansion.is_logdensity_given}
    lp = {"lp": values.pop(LOGDENSITY)} if LOGDENSITY in values else {}
    return {"posterior": values, "sample_stats": {**lp, **others}, "unconstrained_posterior": unconstrained}
