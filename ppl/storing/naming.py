"""What rows of chains become in a store, by names: in this process, or in one that this was sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ppl.keeping.keeper import BLOCK
from ppl.planning.plans import Plan
from ppl.running.drawing_back import Seed
from ppl.running.expansion import DrawExpansion
from ppl.running.losses import Losses
from ppl.running.named import named_groups
from samplers.chain.going import Taken
from samplers.chain.result import statistic_dtypes


class RowNaming:
    """Names the rows of one chain at a time.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    backend : str
        What computes.
    var_names : sequence of str, optional
        What is kept.
    seed : int
        Of the run.
    expansion : DrawExpansion, optional
        Of these, where it is compiled already.
    """

    def __init__(
        self,
        plan: Plan,
        backend: str,
        var_names: Sequence[str] | None,
        seed: int,
        expansion: DrawExpansion | None = None,
    ):
        self._plan, self._backend, self._var_names, self._seed = plan, backend, var_names, seed
        known = DrawExpansion.of(plan, backend, var_names) if expansion is None else expansion
        self._expansion = replace(known, num_threads=1)
        self._dtypes = statistic_dtypes(plan.sweep)

    def __reduce__(self) -> tuple[type[RowNaming], tuple[Plan, str, Sequence[str] | None, int]]:
        # Machine code belongs to a process.
        return RowNaming, (self._plan, self._backend, self._var_names, self._seed)

    @property
    def in_blocks(self) -> bool:
        """Whether rows become what they are together with those before them.

        Draws of what was integrated out come from one generator after the other for each block of rows; XLA may round
        otherwise for another number of rows.
        """
        return self._expansion.drawing_back is not None or self._backend == "jax"

    def with_losses(self, taken: Taken) -> tuple[dict[str, Mapping[str, NDArray]], dict[str, str]]:
        """Return the named values of rows, and what could not be computed of them."""
        losses = Losses()
        return self(taken, losses), losses.found

    def __call__(self, taken: Taken, losses: Losses) -> dict[str, Mapping[str, NDArray]]:
        """Return the named values of rows."""
        draws, number = taken.draws, len(taken.draws)
        if self._backend == "jax" and self.in_blocks:
            draws = np.concatenate([draws, np.repeat(draws[:1], BLOCK - number, axis=0)])
        seed: Seed = (self._seed, int(taken.is_tuning))
        # Rows that count are whole: nobody would compute later what Ctrl-C had left out of them.
        own = Losses()
        stats = self.statistics(taken)
        # What is kept of a block for the next rows must not be overwritten.
        rows = draws[None].copy() if self.in_blocks else draws[None]
        groups = named_groups(self._expansion, rows, stats, own, seed, (taken.chain, taken.first))
        losses.found |= own.found
        found: dict[str, Mapping[str, NDArray]] = {}
        for group in ("posterior", "sample_stats"):
            found[group] = {
                n: a if n in stats and group == "sample_stats" else a[:, :number] for n, a in groups[group].items()
            }
        return found

    def statistics(self, taken: Taken) -> dict[str, NDArray]:
        """Return statistics of rows by name, (1, n)."""
        columns = zip(taken.names, taken.statistics.T, strict=True)
        return {name: column[None].astype(self._dtypes.get(name, "float64")) for name, column in columns}
