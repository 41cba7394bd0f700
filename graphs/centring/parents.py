"""Which variables are located by which: parents first, and no circles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.centring.families import Located
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.random_graph import depends_on


def is_located_by(one: Located, variables: Sequence[TensorVariable]) -> bool:
    """Whether location, scale or ratio depend on some of the variables."""
    return any(depends_on(graph, variables) for graph in one.graphs)


def without_circles(found: Mapping[str, Located], logprob: LogProb) -> dict[str, Located]:
    """Leave variables out that are located by others which are located by them, as two series that drive each other."""
    parents = _parents(found, logprob)
    kept: dict[str, Located] = {}
    for name, one in found.items():
        waiting, above = [*parents[name] & kept.keys()], set[str]()
        while waiting:
            parent = waiting.pop()
            if parent not in above:
                above.add(parent)
                waiting += parents[parent] & {*kept, name}
        if name not in above:
            kept[name] = one
    return kept


def levels_of(found: Mapping[str, Located], logprob: LogProb) -> dict[str, int]:
    """Return how many of the variables are above each, one above the other."""
    parents = _parents(found, logprob)
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            levels[name] = 1 + max(map(level, parents[name]), default=-1)
        return levels[name]

    for name in found:
        level(name)
    return levels


def _parents(found: Mapping[str, Located], logprob: LogProb) -> dict[str, set[str]]:
    """Return by which others each variable is located."""
    names = {logprob.values[name]: name for name in found}
    return {
        name: {names[v] for v in ancestors(one.graphs) if v in names and names[v] != name}
        for name, one in found.items()
    }
