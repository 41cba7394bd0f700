"""PyTensor's rewrites, looked up once, and without the walks over a graph that have nothing to find there.

PyTensor looks all of its rewrites up, and finds out which of them concern which operation, each time that a mode is
asked for its optimizer: for a small graph that takes longer than to rewrite it. And many passes walk over the whole
graph for the sake of operations, loops and diagonals say, that most graphs do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

from pytensor import config
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Constant
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import (
    EquilibriumGraphRewriter,
    GraphRewriter,
    NodeRewriter,
    SequentialGraphRewriter,
    SequentialNodeRewriter,
    WalkingGraphRewriter,
)
from pytensor.graph.rewriting.db import RewriteDatabase
from pytensor.graph.rewriting.unify import OpPattern
from pytensor.graph.traversal import toposort
from pytensor.tensor.basic import second
from pytensor.tensor.rewriting.basic import topo_constant_folding, topological_second_sink

from graphs.surgery.rewriting.facts import Facts
from graphs.surgery.rewriting.rounds import Rounds


class Passes:
    """Rewrites that can be applied to any number of graphs.

    Parameters
    ----------
    make : callable
        Looks them up, as a sequence. It is called again when more have been registered.
    """

    def __init__(self, make: Callable[[], Any]):
        self._make = make
        self._made: tuple[int, GraphRewriter, list[Any]] | None = None

    def rewrite(self, fgraph: FunctionGraph) -> None:
        """Rewrite a graph; it is changed.

        What fails leaves the graph as it is, and says nothing: PyTensor prints a traceback, of merged slices for one
        with an index of eight bits, with which nobody who samples can do anything. If ``on_opt_error`` is set, it
        decides.
        """
        _, rewriter, trackers = self._known()
        fgraph.attach_feature(Facts())
        said = "ignore" if config.on_opt_error == "warn" else config.on_opt_error
        try:
            with config.change_flags(on_opt_error=said):
                rewriter.rewrite(fgraph)
        finally:
            # They keep every operation that they have seen, and loops hold data.
            for tracker in trackers:
                tracker.get_trackers.cache_clear()

    def _known(self) -> tuple[int, GraphRewriter, list[Any]]:
        made, number = self._made, _num_registered()
        if made is None or made[0] != number:
            rewriter = self._make()
            rewriter.data[:] = map(_shortened, rewriter.data)
            self._made = made = (number, rewriter, list(_trackers(rewriter)))
        return made


class _Part(GraphRewriter):
    """A walk over a graph that is cut short."""

    def __init__(self, walk: WalkingGraphRewriter):
        self.walk = walk
        self.name = getattr(walk, "name", None)

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        self.walk.add_requirements(fgraph)


class _Occasional(_Part):
    """A walk over a graph that is left out where no operation of those that it looks for occurs."""

    def __init__(self, walk: WalkingGraphRewriter, kinds: tuple[Any, ...]):
        super().__init__(walk)
        self._kinds = kinds

    def apply(self, fgraph: FunctionGraph) -> None:
        present = {type(node.op) for node in fgraph.apply_nodes}
        if any(issubclass(kind, self._kinds) for kind in present):
            self.walk.apply(fgraph)


class _Sinking(_Part):
    """The walk that moves the filling of arrays past other operations, left out where no array is filled."""

    def apply(self, fgraph: FunctionGraph) -> None:
        if any(node.op == second for node in fgraph.apply_nodes):
            self.walk.apply(fgraph)


class _Folding(_Part):
    """The walk that evaluates what is made of constants, by way of nothing else."""

    def apply(self, fgraph: FunctionGraph) -> None:
        for node in list(toposort(fgraph.outputs)):
            if node in fgraph.apply_nodes and all(isinstance(i, Constant) for i in node.inputs):
                self.walk.process_node(fgraph, node)


def _shortened(part: Any) -> Any:
    """Return a pass whose walks are left out where they find nothing."""
    if part is topo_constant_folding:
        return _Folding(part)
    if part is topological_second_sink:
        return _Sinking(part)
    if type(part) is WalkingGraphRewriter:
        kinds = _kinds(part.node_rewriter)
        return part if kinds is None else _Occasional(part, tuple(kinds))
    if type(part) is SequentialGraphRewriter:
        short = copy(part)
        short.data = [_shortened(each) for each in part.data]
        return short
    if type(part) is EquilibriumGraphRewriter:
        # Where nothing else looks it up, PyTensor hands out the one that was registered.
        return Rounds(part, *(list(map(_shortened, each)) for each in (part.global_rewriters, part.final_rewriters)))
    return part


def _kinds(rewriter: NodeRewriter) -> list[Any] | None:
    """Return the classes of the operations that a rewrite looks at, None where that may be any."""
    if isinstance(rewriter, SequentialNodeRewriter):
        each = [_kinds(part) for part in rewriter.rewrites]
        return None if any(kinds is None for kinds in each) else [kind for kinds in each for kind in kinds or ()]
    tracked = rewriter.tracks()
    return None if tracked is None else [_kind(t) for t in tracked]


def _kind(tracked: Any) -> Any:
    if isinstance(tracked, OpPattern):
        return tracked.op_type
    return tracked if isinstance(tracked, type) else type(tracked)


def _trackers(part: Any) -> Iterator[Any]:
    """Yield what finds the rewrites that concern an operation."""
    if isinstance(part, _Part):
        yield from _trackers(part.walk)
    elif isinstance(part, SequentialNodeRewriter):
        yield part.tracker
    elif isinstance(part, WalkingGraphRewriter):
        yield from _trackers(part.node_rewriter)
    elif isinstance(part, Rounds):
        yield part.rewriter.node_tracker
        for each in part.global_rewriters:
            yield from _trackers(each)
    elif hasattr(part, "data"):
        for each in part.data:
            yield from _trackers(each)


def _num_registered() -> int:
    """Return how many rewrites are registered, anywhere."""
    number = sum(map(len, _REGISTERED))
    if number != _KNOWN.get("number"):
        # Among what is new may be a collection.
        _REGISTERED[:] = _collections(optdb, set())
        _KNOWN["number"] = number = sum(map(len, _REGISTERED))
    return number


def _collections(database: RewriteDatabase, seen: set[int]) -> Iterator[Mapping[str, Any]]:
    """Yield what is registered in a database, and in those that are registered there."""
    if id(database) in seen:
        return
    seen.add(id(database))
    yield database.__db__
    for found in list(database.__db__.values()):  # another thread may register some
        for part in found:
            inner = getattr(part, "db", part)
            if isinstance(inner, RewriteDatabase):
                yield from _collections(inner, seen)


_REGISTERED: list[Mapping[str, Any]] = []
_KNOWN: dict[str, int] = {}
