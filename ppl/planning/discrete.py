"""How discrete variables are drawn that are not summed out."""

from __future__ import annotations

from graphs.conditional import Finite, Law
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.variables.markov_chain import MarkovChainRV
from graphs.variables.sequence.sequence_rv import SequenceRV
from graphs.variables.simulators import NoiseRV
from ppl.planning.plans import WITHOUT_LAW, Choice, How, builder_of
from samplers.conditionals.discrete import find_discrete
from samplers.renewal import Renewal


def choose_discrete(summed: LogProb, name: str, choice: Choice, failed_sum: str | None) -> tuple[How, str, Law | None]:
    """Return how a discrete variable that is not summed out is moved, why, and its law where it is drawn from one.

    Parameters
    ----------
    summed, name, choice, failed_sum
        As in `choosing.choose`; ``choice`` is that of the variable by name.
    """
    op = summed.graph.latent[name].owner.op
    if isinstance(op, NoiseRV):
        return Renewal(), "noise of a simulator: always drawn anew, and accepted or not (pseudo-marginal)", None
    builder = builder_of(choice)
    if builder is not None and builder.needs_gradient:
        raise ModelError(
            f"{name} is discrete and {builder.label} needs a gradient; let it be drawn by 'gibbs' or {WITHOUT_LAW!r}, "
            "or summed out.",
            name,
        )
    if getattr(op, "ndim_supp", 0) and not isinstance(op, MarkovChainRV | SequenceRV):
        raise DerivationError(
            f"{name} was not summed out ({failed_sum or 'as asked for'}), and no step can move one of its elements "
            "alone: they have to add up. Raise max_states, declare the outcomes that it counts as Categorical, or "
            "observe it.",
            name,
        )
    if choice is not None and builder is not None:
        return choice, "as asked for", None
    kept = f"not summed out ({failed_sum})" if failed_sum else "not summed out"
    if states_of(summed, name) is None:
        return _choose_unbounded(summed, name, choice)
    found, reason = find_discrete(summed, name)
    if isinstance(found, Law):
        how = "full conditional by enumeration" if isinstance(found, Finite) else f"{found.family} full conditional"
        return "gibbs", f"{kept}; {how}", found
    if found is not None:
        if found.states is None:
            return "gibbs", f"{kept}; full conditional within windows at random places", None
        count = len(found.groups)
        number = "its elements in turn" if count > 2 else f"{count} groups of elements in turn"
        return "gibbs", f"{kept}; full conditionals by enumeration, {number}", None
    if choice == "gibbs":
        raise DerivationError(f"There is no Gibbs step for {name}: {reason}.", name, summed.values[name])
    return WITHOUT_LAW, f"{kept}; no full conditional: {reason}", None


def _choose_unbounded(summed: LogProb, name: str, choice: Choice) -> tuple[How, str, Law | None]:
    found, _ = find_discrete(summed, name)
    if isinstance(found, Law):
        return "gibbs", f"{found.family} full conditional", found
    if found is not None:
        return "gibbs", "discrete without bounds; full conditional within windows at random places", None
    if choice == "gibbs":
        raise DerivationError(
            f"There is no Gibbs step for {name}: it has infinitely many states, and too many of its elements "
            "depend on each other.",
            name,
        )
    return WITHOUT_LAW, "discrete without bounds", None
