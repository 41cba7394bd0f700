"""Build the sweep that a plan decides on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytensor.graph.basic import Variable

from graphs.augmentation import Group
from graphs.conditional import Law
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import unused_name
from graphs.surgery.rebuilding import substitute
from ppl.planning.plans import Assignment
from samplers.blocks import Block, DrawBlock, Sweep
from samplers.builders import BlockBuilder, SweepTarget
from samplers.conditionals.discrete import block_by_groups
from samplers.conditionals.gibbs import gibbs_block


def build_sweep(
    summed: LogProb,
    mixed: LogProb,
    sampled: LogProb,
    assignments: Mapping[str, Assignment],
    laws: Mapping[str, Law],
    groups: Sequence[Group],
) -> Sweep:
    """Return the blocks that move the variables of a joint log-probability.

    Parameters
    ----------
    summed : LogProb
        In natural space.
    mixed : LogProb
        The same with what NUTS and RMH move on the real line.
    sampled : LogProb
        The same with data compressed: one number per term may be left.
    assignments : mapping of str to Assignment
        How each variable is dealt with.
    laws : mapping of str to Law
        The full conditionals.
    groups : sequence of Group
        What is drawn given auxiliary variables, after the laws.
    """
    stepped = _in_order(assignments.values())
    first, last = ([b for b in stepped if b.has_metric is has_metric] for has_metric in (True, False))
    order = [*first, None, *last]
    variables = [mixed.values[n] for b in order for n, a in assignments.items() if a.builder is b and n in mixed.values]
    # What has no elements has nowhere to go.
    moving = {n: a for n, a in assignments.items() if n in mixed.values and 0 not in mixed.values[n].type.shape}
    taken = {str(v.name) for v in variables}
    target = SweepTarget(
        sampled.logdensity,
        tuple(sampled.terms.values()),
        tuple(mixed.terms.values()),
        mixed.values,
        lambda name: unused_name(name, taken),
    )
    blocks: list[Block] = []
    for builder in order:
        names = [n for n, a in moving.items() if a.builder is builder]
        if builder is None:
            blocks += _by_laws(summed, mixed, names, laws, groups)
        elif names:
            blocks += builder.blocks(target, names)
    tuned = [v for block in blocks for v in block.tuned]
    return Sweep((*variables, *tuned), tuple(blocks))


def _in_order(assignments: Iterable[Assignment]) -> list[BlockBuilder]:
    """Return what steps: what moves variables one by one first, by name."""
    builders = {id(a.builder): a.builder for a in assignments if a.builder is not None}
    return sorted(builders.values(), key=lambda builder: (builder.is_joint, builder.name))


def _by_laws(
    summed: LogProb, mixed: LogProb, names: Sequence[str], laws: Mapping[str, Law], groups: Sequence[Group]
) -> list[Block]:
    """Return the blocks of what is drawn: from laws all at once, then from tables, a variable each."""
    blocks: list[Block] = []
    if laws or groups:
        drawn = list(dict.fromkeys(laws[n] for n in names if n in laws))
        sequence = [*drawn, *(law for group in groups for law in group.sequence)]
        temporary = [v for group in groups for v in group.temporary]
        moved: dict[Variable, Variable] = {
            summed.values[n]: mixed.natural[n] for n in summed.values if mixed.values[n] is not summed.values[n]
        }
        blocks.append(_in_space(gibbs_block(sequence, temporary), moved))
    with_laws = {*laws, *(name for group in groups for name in group.laws)}
    for name in names:
        block = None if name in with_laws else block_by_groups(mixed, name)
        assert name in with_laws or block is not None
        blocks += [] if block is None else [block]
    return blocks


def _in_space(block: DrawBlock, moved: Mapping[Variable, Variable]) -> DrawBlock:
    """Let a Gibbs draw read the values of other variables where they are: on the real line."""
    *draws, next_rng = substitute([*block.draws, block.next_rng], moved)
    return DrawBlock(block.kind, block.variables, block.rng, next_rng, tuple(draws))
