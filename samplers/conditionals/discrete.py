"""How a discrete variable can be drawn given all others: from one law, or its elements in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Law, find_conditional
from graphs.conditional.enumeration import MOST_VALUES
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.marginal.elimination.factor_tables import Integers
from samplers.blocks import DrawBlock
from samplers.conditionals.coloured import coloured_block, find_groups
from samplers.conditionals.windows import WINDOW, window_block


@dataclass(frozen=True, eq=False)
class InGroups:
    """Elements of a discrete variable, of which those of a group are independent given all others.

    Parameters
    ----------
    groups : list of int64 array
        Positions in the flattened variable.
    states : (K,) int64 array or None
        All states; None where they are too many to evaluate a log-density at each: drawn within windows.
    """

    groups: list[Integers]
    states: NDArray[np.int64] | None


def find_discrete(logprob: LogProb, name: str) -> tuple[Law | InGroups | None, str]:
    """Return what a discrete variable can be drawn from, and why there is no law where there is none.

    Parameters
    ----------
    logprob : LogProb
        Whose variable it is.
    name : str
        The variable.
    """
    law, reason = find_conditional(logprob.logdensity, logprob.values[name], support=logprob.supports[name])
    return law if law is not None else independent_groups(logprob, name), reason


def independent_groups(logprob: LogProb, name: str) -> InGroups | None:
    """Return groups of elements that are independent given the others; None where too many depend on each other.

    Parameters
    ----------
    logprob, name
        As in `find_discrete`.
    """
    found = states_of(logprob, name)
    states = None if found is None or len(found) > MOST_VALUES else found
    evaluated = np.arange(WINDOW) if states is None else states
    groups = find_groups(list(logprob.terms.values()), logprob.values[name], evaluated)
    return None if groups is None else InGroups(groups, states)


def block_by_groups(logprob: LogProb, name: str, terms: Sequence[TensorVariable] | None = None) -> DrawBlock | None:
    """Return the block that draws a discrete variable without a law, groups of its elements in turn.

    Parameters
    ----------
    logprob, name
        As in `find_discrete`.
    terms : sequence of TensorVariable, optional
        In the place of the terms of the log-density.

    Returns
    -------
    DrawBlock or None
        None where too many elements depend on each other.
    """
    found, value, support = independent_groups(logprob, name), logprob.values[name], logprob.supports[name]
    if found is None:
        return None
    terms = list(logprob.terms.values()) if terms is None else terms
    if found.states is None:
        return window_block(terms, value, found.groups, support.lower, support.upper)
    return coloured_block(terms, value, found.states, found.groups)
