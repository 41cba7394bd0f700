"""How discrete variables are drawn that are not summed out: decided here, and built as it was decided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import Finite, Law, find_conditional
from graphs.conditional.enumeration import MOST_VALUES
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.variables.markov_chain import MarkovChainRV
from graphs.variables.sequence.sequence_rv import SequenceRV
from graphs.variables.simulators import NoiseRV
from ppl.planning.plans import Choice, Method, name_of_step, needs_gradient, who
from samplers.blocks import DrawBlock
from samplers.conditionals.coloured import coloured_block, find_groups
from samplers.conditionals.windows import WINDOW, window_block


def choose_discrete(
    summed: LogProb, name: str, choice: Choice, failed_sum: str | None
) -> tuple[Method, str, Law | None]:
    """Return how a discrete variable that is not summed out is moved, why, and its law where it is drawn from one.

    Parameters
    ----------
    summed, name, choice, failed_sum
        As in `choosing.choose`; ``choice`` is that of the variable by name.
    """
    op = summed.graph.latent[name].owner.op
    if isinstance(op, NoiseRV):
        return "rmh", "noise of a simulator: always drawn anew, and accepted or not (pseudo-marginal)", None
    step = name_of_step(choice)
    if needs_gradient(choice):
        raise ModelError(
            f"{name} is discrete and {who(choice)} needs a gradient; let it be drawn by 'gibbs' or 'rmh', or summed "
            "out.",
            name,
        )
    if getattr(op, "ndim_supp", 0) and not isinstance(op, MarkovChainRV | SequenceRV):
        raise DerivationError(
            f"{name} was not summed out ({failed_sum or 'as asked for'}), and no step can move one of its elements "
            "alone: they have to add up. Raise max_states, declare the outcomes that it counts as Categorical, or "
            "observe it.",
            name,
        )
    if step is not None:
        return step, "as asked for", None
    kept = f"not summed out ({failed_sum})" if failed_sum else "not summed out"
    if states_of(summed, name) is None:
        return _choose_unbounded(summed, name, choice)
    law, reason = find_conditional(summed.logdensity, summed.values[name], support=summed.supports[name])
    if law is not None:
        how = "full conditional by enumeration" if isinstance(law, Finite) else f"{law.family} full conditional"
        return "gibbs", f"{kept}; {how}", law
    groups = groups_of(summed, name)
    if groups is not None:
        if enumerated_states(summed, name) is None:
            return "gibbs", f"{kept}; full conditional within windows at random places", None
        number = "its elements in turn" if len(groups) > 2 else f"{len(groups)} groups of elements in turn"
        return "gibbs", f"{kept}; full conditionals by enumeration, {number}", None
    if choice == "gibbs":
        raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name, summed.values[name])
    return "rmh", f"{kept}; no full conditional: {reason}", None


def _choose_unbounded(summed: LogProb, name: str, choice: Choice) -> tuple[Method, str, Law | None]:
    law, _ = find_conditional(summed.logdensity, summed.values[name], support=summed.supports[name])
    if law is not None:
        return "gibbs", f"{law.family} full conditional", law
    if groups_of(summed, name) is not None:
        return "gibbs", "discrete without bounds; full conditional within windows at random places", None
    if choice == "gibbs":
        raise DerivationError(
            f"There is no Gibbs step for {name}: it has infinitely many states, and too many of its elements "
            "depend on each other.",
            name,
        )
    return "rmh", "discrete without bounds", None


def enumerated_states(logprob: LogProb, name: str) -> NDArray[np.int64] | None:
    """Return the states of a discrete variable; None where they are too many to evaluate a log-density at each."""
    states = states_of(logprob, name)
    return None if states is None or len(states) > MOST_VALUES else states


def groups_of(logprob: LogProb, name: str) -> list[NDArray[np.int64]] | None:
    """Return groups of elements of a discrete variable, independent given the others; None where there are many."""
    states = enumerated_states(logprob, name)
    if states is None:
        states = np.arange(WINDOW)
    return find_groups(list(logprob.terms.values()), logprob.values[name], states)


def block_by_groups(logprob: LogProb, name: str, terms: Sequence[TensorVariable] | None = None) -> DrawBlock | None:
    """Return the block that draws a discrete variable without a law, groups of its elements in turn.

    Parameters
    ----------
    logprob : LogProb
        Whose variable it is.
    name : str
        The variable.
    terms : sequence of TensorVariable, optional
        In the place of the terms of the log-density.

    Returns
    -------
    DrawBlock or None
        None where too many elements depend on each other.
    """
    groups, states, support = groups_of(logprob, name), enumerated_states(logprob, name), logprob.supports[name]
    if groups is None:
        return None
    terms, value = list(logprob.terms.values()) if terms is None else terms, logprob.values[name]
    if states is None:
        return window_block(terms, value, groups, support.lower, support.upper)
    return coloured_block(terms, value, states, groups)
