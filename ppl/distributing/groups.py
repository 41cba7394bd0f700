"""The chains of a run in groups: where each is, and where all of them meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppl.distributing.pieces import Gathering
from samplers.chain.arguments import RunSettings
from samplers.chain.groups import (
    chains_in_groups,
    joined_results,
    joined_states,
    settings_of_group,
    state_of_all,
    state_of_group,
)
from samplers.chain.plain_arrays import State
from samplers.chain.result import SweepResult

FIRST_SECONDS = 1.0
"""Of the first piece: soon something is seen."""


@dataclass(eq=False)
class ChainGroup:
    """Some chains, and where they are.

    Parameters
    ----------
    number : int
        Of the group.
    chains : range
        Their numbers.
    start, settings
        Where they start, and how they run.
    state : mapping, optional
        Where they are; at their start if it is left out.
    result : SweepResult, optional
        What is known of them.
    is_whole, is_waiting : bool
        Whether they have what they are to have, or rest until all chains meet.
    seconds : float
        How long their next piece takes.
    num_rows : int
        How many sweeps are recorded.
    progress : list of dict
        How far they are.
    """

    number: int
    chains: range
    start: NDArray[np.float64]
    settings: RunSettings
    state: State | None = None
    result: SweepResult | None = None
    is_whole: bool = False
    is_waiting: bool = False
    seconds: float = field(default_factory=lambda: FIRST_SECONDS)
    num_rows: int = 0
    progress: list[dict[str, Any]] = field(default_factory=list)


class ChainGroups:
    """All groups of a run.

    Parameters
    ----------
    sweep : CompiledSweep
        What the chains run, compiled here.
    start : array, shape (chains, size), float64
        Where they start.
    settings : RunSettings
        How they run.
    number : int
        How many groups there are at most.
    """

    def __init__(self, sweep: Any, start: NDArray[np.float64], settings: RunSettings, number: int):
        self._sweep = sweep
        self._start = start
        own = replace(settings, callback=None, of_chains=len(start))
        self._settings = own
        self._all = [
            ChainGroup(i, chains, start[chains.start : chains.stop], settings_of_group(own, chains))
            for i, chains in enumerate(chains_in_groups(len(start), number))
        ]
        self._of_all: State = {}
        if own.is_pooled and len(self._all) > 1:
            # Chains that learn together may begin in coordinates that the starts of all tell.
            self._spread(self._everybody())

    def __iter__(self) -> Iterator[ChainGroup]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def _begun(self, group: ChainGroup) -> Any:
        """Return the run of a group here, where it is."""
        run = self._sweep.begin(group.start, group.settings, Gathering(1))
        if group.state is not None:
            run.restore(group.state)
        return run

    def _everybody(self) -> Any:
        """Return the run of all chains here, which has not begun."""
        return self._sweep.begin(self._start, self._settings, Gathering(1))

    def _spread(self, run: Any) -> None:
        """Let each group be where its chains are in a run of all."""
        state = run.state()
        self._of_all = state_of_all(state)
        for group in self._all:
            group.state = state_of_group(state, group.chains) if len(self._all) > 1 else state
            group.result = self._begun(group).result()

    def meet(self) -> None:
        """Let all chains, which rest or have ended, learn or decide what they do together."""
        run = self._everybody()
        run.restore(self.state(0.0))
        run.meet()
        self._spread(run)
        for group in self._all:
            group.is_waiting = False

    def result(self) -> SweepResult:
        """Return what is known of all chains, without draws."""
        for group in self._all:
            if group.result is None:
                group.result = self._begun(group).result()
        return joined_results([group.result for group in self._all if group.result is not None])

    def state(self, seconds: float) -> State:
        """Return all that the next sweep needs, of a run that has taken so long."""
        states = [self._begun(g).state() if g.state is None else g.state for g in self._all]
        return joined_states(states, [group.chains for group in self._all], seconds) | self._of_all

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state."""
        self._of_all = state_of_all(state) if len(self._all) > 1 else {}
        for group in self._all:
            group.state = state_of_group(state, group.chains) if len(self._all) > 1 else dict(state)
            group.result = self._begun(group).result()
