"""What a scan computes from step to step without drawing it, given everything that is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.rebuilding import substitute


@dataclass(frozen=True, eq=False)
class CarriedState:
    """A state of a scan that follows from earlier states.

    Parameters
    ----------
    out : Variable
        What a step makes of it, in the inner graph.
    taps : mapping of Variable to int
        The inner variables that are earlier values of it, and how many steps earlier.
    num_initial : int
        Number of values before the first step.
    """

    out: Variable
    taps: Mapping[Variable, int]
    num_initial: int

    def info(self, initial: Variable) -> Any:
        """Return what ``pytensor.scan`` takes for ``outputs_info``, given the values before the first step."""
        if self.num_initial == 1:
            return initial[0]
        return {"initial": initial, "taps": [-lag for lag in self.lags]}

    @property
    def lags(self) -> list[int]:
        """Return the lags that are read, the longest first."""
        return sorted(set(self.taps.values()), reverse=True)

    def past(self, values: Sequence[Variable]) -> dict[Variable, Variable]:
        """Return the values of the inner variables, given the value at each lag."""
        return {tap: values[self.lags.index(lag)] for tap, lag in self.taps.items()}


def carry(
    states: Sequence[CarriedState],
    initial: Sequence[Variable],
    rows: Mapping[Variable, Variable],
    fixed: Mapping[Variable, Variable],
    num_steps: int,
) -> list[TensorVariable]:
    """Return all steps of some states, each of shape (T, ...).

    Parameters
    ----------
    states : sequence of CarriedState
        The states; none of them depends on another one that is not among them.
    initial : sequence of Variable
        For each the values before the first step, shape (num_initial, ...).
    rows, fixed : mapping of Variable to Variable
        What the inner graph depends on besides: with a row for each step, and the same in all steps.
    num_steps : int
        Number of steps.
    """

    def one(*arguments: Variable) -> list[Variable]:
        given = list(arguments)
        known: dict[Variable, Variable] = {inner: given.pop(0) for inner in rows}
        for state in states:
            known |= state.past([given.pop(0) for _ in state.lags])
        known |= dict(zip(fixed, given, strict=True))
        outs = substitute([state.out for state in states], known)
        return [pt.cast(out, state.out.type.dtype) for out, state in zip(outs, states, strict=True)]

    found = pytensor.scan(
        one,
        sequences=[sequence[:num_steps] for sequence in rows.values()],
        outputs_info=[s.info(pt.cast(before, s.out.type.dtype)) for s, before in zip(states, initial, strict=True)],
        non_sequences=list(fixed.values()),
        n_steps=num_steps,
        return_updates=False,
    )
    return list(found) if isinstance(found, list | tuple) else [found]


def lagged(whole: Variable, num_initial: int, lag: int, num_steps: int) -> Variable:
    """Return for every step the value some steps earlier, of a sequence with the values before the first step."""
    return whole[num_initial - lag : num_initial - lag + num_steps]
