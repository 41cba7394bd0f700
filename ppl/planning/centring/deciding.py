"""Which variables NUTS moves in partially centred coordinates, and what the plan says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphs.centring import partial_centring, why_as_declared
from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb
from graphs.optional import optional
from ppl.planning.centring.asked import CentringChoice
from ppl.planning.plans import BY_GRADIENT, Assignment
from samplers import NUTSBlock
from samplers.blocks import Sweep
from samplers.trajectories.block import CentredDensity


def with_centring(
    sweep: Sweep, natural: LogProb, sampled: LogProb, assignments: dict[str, Assignment], choice: CentringChoice
) -> Sweep:
    """Return the sweep whose trajectories run in partially centred coordinates; the reasons of assignments say so.

    Parameters
    ----------
    sweep : Sweep
        The blocks.
    natural : LogProb
        In natural space.
    sampled : LogProb
        What NUTS sees.
    assignments : dict of str to Assignment
        How each variable is dealt with; updated.
    choice : CentringChoice
        What was asked for.
    """
    blocks = [b for b in sweep.blocks if type(b) is NUTSBlock]
    names = [n for n, a in assignments.items() if a.method == BY_GRADIENT and n in sampled.values]
    refused = [n for n in choice.named if assignments[n].method != BY_GRADIENT]
    if refused:
        raise ModelError(
            f"centring names {refused[0]}, which NUTS does not move: {assignments[refused[0]].label}. Leave it out, or "
            f"give sampler={{{refused[0]!r}: 'nuts'}}.",
            refused[0],
        )
    if len(blocks) != 1:
        return sweep
    centred = _centred(natural, sampled, names, choice)
    for name in names if not choice.note else []:
        covered = centred is not None and name in centred.density.names
        if not covered and (why := _why_as_declared(natural, sampled, name)):
            told = assignments[name]
            assignments[name] = replace(told, reason=f"{told.reason}; centring as declared: {why}")
    if centred is None:
        return sweep
    for name in centred.density.names:
        told = assignments[name]
        assignments[name] = replace(told, reason=f"{told.reason}; {_told(centred, name, choice)}")
    if choice.note:
        return sweep
    return replace(sweep, blocks=tuple(replace(b, centring=centred) if b is blocks[0] else b for b in sweep.blocks))


@optional("why there is no partial centring", otherwise=lambda *_: "")
def _why_as_declared(natural: LogProb, sampled: LogProb, name: str) -> str:
    return why_as_declared(sampled, name, natural.values)


@optional("partial centring", otherwise=lambda *_: None)
def _centred(natural: LogProb, sampled: LogProb, names: Sequence[str], choice: CentringChoice) -> CentredDensity | None:
    """Return the coordinates of what can be centred and is not to stay as it is declared."""
    shares = {name: choice.named.get(name, np.asarray(choice.share)) for name in names}
    wanted = [name for name in names if choice.note or not (shares[name] == 1.0).all()]
    density = partial_centring(sampled, wanted, names, always=choice.named, natural=natural.values)
    if density is None:
        return None
    start = [
        np.broadcast_to(shares[n], v.type.shape).ravel()[order]
        for n, v, order in zip(density.names, density.values, density.orders, strict=True)
    ]
    return CentredDensity(density, np.concatenate(start))


def _told(centred: CentredDensity, name: str, choice: CentringChoice) -> str:
    if choice.note:
        return choice.note
    shares = choice.named.get(name, np.asarray(choice.share))
    if np.isnan(shares).any():
        return "centring learnt"
    return f"centring {shares:g}" if shares.ndim == 0 else "centring as given"
