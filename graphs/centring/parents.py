"""Which variables are located by which: parents first, and no circles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import Located
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import depends_on


def is_located_by(one: Located, variables: Sequence[TensorVariable]) -> bool:
    """Whether location, scale or ratio depend on some of the variables."""
    return any(depends_on(graph, variables) for graph in one.graphs)


def without_circles(found: Mapping[str, Located], logprob: LogProb) -> dict[str, Located]:
    """Leave variables out that are located by others which are located by them, as two series that drive each other."""
    kept: dict[str, Located] = {}
    above: dict[str, set[str]] = {}
    for name, one in found.items():
        direct = {n for n in kept if is_located_by(one, [logprob.values[n]])}
        own = direct.union(*(above[n] for n in direct)) if direct else direct
        below = {n for n in kept if is_located_by(kept[n], [logprob.values[name]])}
        below |= {n for n in kept if above[n] & below}
        if own & below:
            continue
        kept[name], above[name] = one, own
        for n in below:
            above[n] |= own | {name}
    return kept


def levels_of(found: Mapping[str, Located], logprob: LogProb) -> dict[str, int]:
    """Return how many of the variables are above each, one above the other."""
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            above = [n for n in found if n != name and is_located_by(found[name], [logprob.values[n]])]
            levels[name] = 1 + max(map(level, above), default=-1)
        return levels[name]

    for name in found:
        level(name)
    return levels
