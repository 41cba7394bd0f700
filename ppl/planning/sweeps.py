"""Build the sweep that a plan decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.augmentation import Group
from graphs.conditional import Law
from graphs.density import LogDensity
from graphs.joint.joint_logprob import LogProb
from graphs.supports import REAL
from graphs.surgery.random_graph import depends_on, named_input, unused_name
from graphs.surgery.rebuilding import substitute
from graphs.variables.simulators import NoiseRV
from ppl.planning.plans import Assignment
from samplers.blocks import Block, DrawBlock, Sweep
from samplers.conditionals.discrete import block_by_groups
from samplers.conditionals.gibbs import gibbs_block
from samplers.move import Move, move_block
from samplers.random_walk.move import RandomWalk
from samplers.renewal import Renewal
from samplers.slicing.block import slice_block
from samplers.trajectories.block import NUTSBlock


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
    moves = {id(a.move): a.move for a in assignments.values() if a.move is not None}
    methods = dict.fromkeys(("nuts", "gibbs", "rmh", "slice", *(move.name for move in moves.values())))
    variables = [mixed.values[n] for m in methods for n, a in assignments.items() if a.method == m]
    # What has no elements has nowhere to go.
    moving = {n: a for n, a in assignments.items() if n in mixed.values and 0 not in mixed.values[n].type.shape}
    by_method = {m: [n for n, a in moving.items() if a.method == m and a.move is None] for m in methods}
    noise = [n for n in by_method["rmh"] if isinstance(mixed.graph.latent[n].owner.op, NoiseRV)]
    walking = [n for n in by_method["rmh"] if n not in noise]
    taken = {str(v.name) for v in variables}
    scales = {n: named_input(unused_name(f"{n}_scale__", taken)) for n in by_method["slice"]}
    density, terms = sampled.logdensity, list(mixed.terms.values())

    def moved_by(move: Move, names: Sequence[str], density: LogDensity) -> DrawBlock:
        return move_block(move, density, {n: mixed.values[n] for n in names}, lambda name: unused_name(name, taken))

    blocks: list[Block] = []
    if by_method["nuts"]:
        blocks.append(NUTSBlock(tuple(mixed.values[n] for n in by_method["nuts"]), _needed(density)))
    moved: dict[Variable, Variable] = {
        summed.values[n]: mixed.natural[n] for n in summed.values if mixed.values[n] is not summed.values[n]
    }
    if laws or groups:
        drawn = list(dict.fromkeys(laws[n] for n in by_method["gibbs"] if n in laws))
        sequence = [*drawn, *(law for group in groups for law in group.sequence)]
        temporary = [v for group in groups for v in group.temporary]
        blocks.append(_in_space(gibbs_block(sequence, temporary), moved))
    with_laws = {*laws, *(name for group in groups for name in group.laws)}
    for name in by_method["gibbs"]:
        block = None if name in with_laws else block_by_groups(mixed, name)
        assert name in with_laws or block is not None
        blocks += [] if block is None else [block]
    blocks += [moved_by(RandomWalk(), [n], density) for n in walking]
    blocks += [moved_by(Renewal(), [n], _of_own_terms(sampled, mixed.values[n])) for n in noise]
    for name in by_method["slice"]:
        # Continuous variables have been taken to the real line.
        support = mixed.supports[name] if mixed.supports[name].is_discrete else REAL
        blocks.append(slice_block(terms, mixed.values[name], scales[name], support))
    for move in moves.values():
        together = [n for n, a in moving.items() if a.move is move]
        blocks += [moved_by(move, together, density)] if together else []
    tuned = [v for block in blocks for v in block.tuned]
    return Sweep((*variables, *tuned), tuple(blocks))


def _of_own_terms(sampled: LogProb, seed: TensorVariable) -> LogDensity:
    """Return the density of the noise of a simulator, whose step evaluates nothing but its own terms."""
    own = [t.sum() for t in sampled.terms.values() if depends_on(t, [seed])]
    return replace(sampled.logdensity, total=pt.add(np.float64(0.0), *own))


def _needed(density: LogDensity) -> LogDensity:
    inputs = tuple(v for v in density.inputs if depends_on(density.total, [v]))
    return LogDensity(density.total, inputs or density.inputs, density.supports)


def _in_space(block: DrawBlock, moved: Mapping[Variable, Variable]) -> DrawBlock:
    """Let a Gibbs draw read the values of other variables where they are: on the real line."""
    *draws, next_rng = substitute([*block.draws, block.next_rng], moved)
    return DrawBlock(block.kind, block.variables, block.rng, next_rng, tuple(draws))
