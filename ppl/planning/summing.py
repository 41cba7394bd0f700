"""Which discrete variables of a model are summed out, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from graphs.conditional import find_conditional
from graphs.conditional.enumeration import MOST_VALUES
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb, states_of
from graphs.joint.logprob import Marginalize
from graphs.marginal.elimination.costs import Cost, costs_of
from graphs.marginal.summing_out import sum_out_all
from graphs.surgery.random_graph import depends_on
from ppl.planning.work import work_of
from samplers.conditionals.discrete import find_discrete

MOST_TOGETHER = 50
"""So many joint states of the others may stand in a table with one of a variable, whatever it costs."""
MOST_DEARER, LEAST_WORK = 30.0, 5e4
"""Sums over more may take so many times as long as the log-density with all variables in it, or so many nanoseconds."""
MOST_OPERATIONS = 4_000_000
"""Of an elimination, where variables can be drawn instead: the 2^20 of the labels of 16 nodes that all depend on each
other take a millisecond a gradient and two minutes a run, which is right where labels drawn one by one get stuck."""
_WIDTH_OF_CHAIN = 2
LEAST_WORK_OF_PAIRS = 5e6
"""Sums over pairs of places, of more than two states each, may take more nanoseconds: given the other one, and what
lies between them, a place hardly moves. Of two change points in 120 rows, 3,080 pairs, drawn one by one, a chain or
more of four stayed in a mode of a hundred-thousandth of the mass, in four runs of four; summed, a run takes 30 CPU
seconds."""


def marginalized(
    joint: LogProb, marginalize: Marginalize, named: Collection[str], max_states: int, *, leaves_dear: bool = False
) -> tuple[LogProb, dict[str, str]]:
    """Sum out what can be, children first; return why, or why not.

    With ``leaves_dear`` sums over many joint states at once are left where they would take long beside all else,
    and the variables can be drawn.
    """
    finite = [name for name in joint.values if states_of(joint, name) is not None]
    if isinstance(marginalize, str | bool):
        if isinstance(marginalize, str) and marginalize not in ("auto", "require"):
            raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
        chosen = [n for n in finite if n not in named] if marginalize else []
        is_required = marginalize in ("require", True)
    elif not isinstance(marginalize, Iterable):
        raise ModelError(f"marginalize is 'auto', 'require', True, False or a list of names, not {marginalize!r}.")
    else:
        chosen, is_required = list(marginalize), True
        for name in chosen:
            if name not in joint.values:
                raise ModelError(
                    f"marginalize names {name!r}; the latent variables are {', '.join(joint.values) or 'none'}.", name
                )
    summed, errors = _sum(joint, [n for n in finite if n in chosen], max_states, is_required=is_required)
    if errors and is_required:
        raise next(iter(errors.values()))
    dear: dict[str, DerivationError] = {}
    while leaves_dear and marginalize == "auto" and (more := _dear(joint, summed, dear)):
        dear |= more
        left = [n for n in finite if n in chosen and n not in dear]
        summed, others = _sum(joint, left, max_states, is_required=False)
        errors = {**others, **dear}
    reasons = {name: str(error.__cause__ or error) for name, error in errors.items()}
    reasons |= {cost.name: _reason(cost) for s in summed.sums for cost in costs_of(s)}
    return summed, reasons


def _sum(
    joint: LogProb, names: Sequence[str], max_states: int, *, is_required: bool
) -> tuple[LogProb, dict[str, DerivationError]]:
    summed, errors = sum_out_all(joint, names, max_states)
    released = _released(joint, summed, errors) if errors and not is_required else {}
    if not released:
        return summed, errors
    left = [n for n in names if n not in released and n not in errors]
    summed, others = sum_out_all(joint, left, max_states)
    return summed, {**errors, **released, **others}


def _released(joint: LogProb, summed: LogProb, errors: Mapping[str, DerivationError]) -> dict[str, DerivationError]:
    """Return sums over many states that cost others their laws: of binomial in binomial counts all can be drawn."""
    large = [n for n in summed.summed if _num_states(joint, n) > MOST_VALUES]
    tied = [n for n in large if any(_share_a_term(joint, n, m) for m in errors)]
    together = [*errors, *tied]
    if not tied or not all(_has_law(joint, name) for name in together):
        return {}
    return {
        n: DerivationError(f"{n} takes many values, and {', '.join(errors)} would have no law without it", n)
        for n in tied
    }


def _dear(joint: LogProb, summed: LogProb, left: Collection[str]) -> dict[str, DerivationError]:
    """Return sums over joint states of several elements at once that take far longer than all else, and why not.

    Where some were left already, sums over others that the same terms depend on would be evaluated for each of their
    states.
    """
    everything = [cost for summation in summed.sums for cost in costs_of(summation)]
    # Along a chain each step has one state beside its own, however many there are of these.
    costs = [cost for cost in everything if not cost.is_recursion or cost.width > _WIDTH_OF_CHAIN]
    tied = {n for n in summed.summed if any(_share_a_term(joint, n, other) for other in left)}
    wide = [c for c in costs if c.states ** (c.width - (c.name not in tied)) > MOST_TOGETHER]
    if not wide or any(_found_none(joint, cost.name) for cost in wide):
        return {}
    before, after = (work_of(list(each.terms.values())) for each in (joint, summed))
    is_long = sum(cost.operations for cost in everything) > MOST_OPERATIONS
    are_pairs = all(c.width == 2 and c.states > 2 for c in wide)
    if not left and not is_long and after < max(MOST_DEARER * before, LEAST_WORK_OF_PAIRS if are_pairs else LEAST_WORK):
        return {}
    found = {}
    for cost in wide:
        at_once = f", up to {cost.width} elements at once," if cost.width > 1 else ""
        times = f"{after / before:,.0f} times as long as the log-density without it"
        takes = f"{cost.operations:,} operations" if is_long else times
        why = f"the sum over {cost.states} states{at_once} would take {takes}"
        found[cost.name] = DerivationError(why, cost.name)
    return found


def _share_a_term(joint: LogProb, name: str, other: str) -> bool:
    a, b = ([joint.values[n]] for n in (name, other))
    return any(depends_on(t, a) and depends_on(t, b) for t in joint.terms.values())


def _found_none(joint: LogProb, name: str) -> bool:
    return find_discrete(joint, name)[0] is None


def _num_states(joint: LogProb, name: str) -> int:
    states = states_of(joint, name)
    return 0 if states is None else len(states)


def _has_law(joint: LogProb, name: str) -> bool:
    return find_conditional(joint.logdensity, joint.values[name], support=joint.supports[name])[0] is not None


def _reason(cost: Cost) -> str:
    elements = f", {cost.elements} elements" if cost.elements > 1 else ""
    return (
        f"{cost.states} states{elements} {cost.how}"
        if cost.width == 1
        else f"{cost.states} states{elements}: {cost.how}"
    )
