"""Some chains of a run by themselves: their settings, and what they leave put together again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from samplers.chain.arguments import RunSettings
from samplers.chain.plain_arrays import State
from samplers.chain.result import SweepResult

_CHAIN = re.compile(r"chain_(\d+)_(.*)", re.DOTALL)
_OF_CHAINS = ("num_tuned", "num_kept", "has_stopped")
_OF_ALL = "known_"
"""Begins the names of what is of the whole run: what chains knew when they last met."""


def chains_in_groups(chains: int, number: int) -> list[range]:
    """Return the numbers of chains in so many groups of neighbours, as even as can be; no group is empty.

    Examples
    --------
    >>> chains_in_groups(5, 2)
    [range(0, 3), range(3, 5)]
    """
    return [range(int(part[0]), int(part[-1]) + 1) for part in np.array_split(np.arange(chains), min(number, chains))]


def settings_of_group(settings: RunSettings, group: range) -> RunSettings:
    """Return the settings by which some chains of a run (of ``of_chains``) draw what they draw in it."""
    learnt = None if settings.learnt is None else settings.learnt[group.start : group.stop]
    return replace(settings, learnt=learnt, first_chain=settings.first_chain + group.start)


def state_of_group(state: Mapping[str, NDArray], group: range) -> State:
    """Return the part of the state of a run that is of some of its chains."""
    found: State = {}
    for name, array in state.items():
        match = _CHAIN.fullmatch(name)
        if name.startswith(_OF_ALL):
            continue
        if match is None:
            found[name] = array[group.start : group.stop] if name in _OF_CHAINS else array
        elif int(match[1]) in group:
            found[f"chain_{int(match[1]) - group.start}_{match[2]}"] = array
    return found


def state_of_all(state: Mapping[str, NDArray]) -> State:
    """Return the part of the state of a run that is of none of its chains."""
    return {name: array for name, array in state.items() if name.startswith(_OF_ALL)}


def joined_states(states: Sequence[Mapping[str, NDArray]], groups: Sequence[range], seconds: float) -> State:
    """Return the states of groups of chains, which are a run that has taken so long, as one."""
    if len(states) == 1:
        return {**states[0], **({"seconds": np.array(seconds)} if "seconds" in states[0] else {})}
    found: State = {"seconds": np.array(seconds), "names": states[0]["names"]}
    for state, group in zip(states, groups, strict=True):
        for name, array in state.items():
            if (match := _CHAIN.fullmatch(name)) is not None:
                found[f"chain_{int(match[1]) + group.start}_{match[2]}"] = array
    return found | {name: np.concatenate([state[name] for state in states]) for name in _OF_CHAINS}


def joined_results(results: Sequence[SweepResult]) -> SweepResult:
    """Return the results of groups of chains as one, but for what was drawn and the seconds."""

    def together(name: str) -> NDArray:
        return np.concatenate([getattr(result, name) for result in results])

    num_tuned = [result.num_tuned for result in results if result.num_tuned is not None]
    return replace(
        results[0],
        step_size=together("step_size"),
        inverse_mass_matrix=together("inverse_mass_matrix"),
        num_gradients=sum(result.num_gradients for result in results),
        num_draws=together("num_draws"),
        status=together("status"),
        reasons=tuple(reason for result in results for reason in result.reasons),
        state=together("state"),
        learnt=tuple(known for result in results for known in result.learnt),
        num_tuned=np.concatenate(num_tuned) if len(num_tuned) == len(results) else None,
        num_without_gradient=together("num_without_gradient"),
        without_gradient=together("without_gradient"),
    )
