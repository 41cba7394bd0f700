"""Recursions along sequences: what elements below say of one, and elements from those before."""

from __future__ import annotations

from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable


def from_below(
    share: TensorVariable,
    floor: TensorVariable,
    pull: TensorVariable,
    location: TensorVariable,
    scale: TensorVariable,
    ratio: TensorVariable,
) -> tuple[TensorVariable, TensorVariable]:
    """Return share and pull of each element with what is observed of those after it, as information filters have it.

    Parameters
    ----------
    share, floor, pull : TensorVariable
        Shape (n,): what is observed of each element, as in `graphs.centring.partial`.
    location, scale, ratio : TensorVariable
        Shape (n,): of its distribution given the element before.
    """

    def step(share: Any, floor: Any, pull: Any, *known: Any) -> list[Any]:
        """Take what is known of the next element up to one."""
        location, variance, below, ratio, next_share, next_pull = known
        square = below + next_share * variance
        return [
            share + floor * ratio**2 * next_share / square,
            pull + floor * ratio * (next_pull - next_share * location) / square,
        ]

    parts = [share[:-1], floor[:-1], pull[:-1], location[1:], scale[1:] ** 2, floor[1:], ratio[1:]]
    shares, pulls = pytensor.scan(
        step, [part[::-1] for part in parts], [share[-1], pull[-1]], strict=True, return_updates=False
    )
    joined = [pt.concatenate([found[::-1], last[-1:]]) for found, last in ((shares, share), (pulls, pull))]
    return joined[0], joined[1]


def recursion(factors: TensorVariable, terms: TensorVariable) -> TensorVariable:
    """Return the sequence of which each element is a factor times the one before plus a term; the first is its term."""
    following = pytensor.scan(
        lambda factor, term, last: factor * last + term, [factors[1:], terms[1:]], [terms[0]], return_updates=False
    )
    return pt.concatenate([terms[:1], following])
