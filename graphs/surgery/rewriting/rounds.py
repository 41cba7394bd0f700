"""Rewriting to a fixed point, in rounds of which the later ones look only at what may have changed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import Feature
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import EquilibriumGraphRewriter, GraphRewriter
from pytensor.graph.traversal import toposort


class Rounds(GraphRewriter):
    """What PyTensor does round by round until nothing changes, in the same order and with the same result.

    PyTensor tries in each round all rewrites on all nodes, in the last one for nothing, and notes for each of its
    hundreds of rewrites how long it took. Here a node is looked at again where something has changed that a rewrite may
    see: what it is computed from, and what is computed from that or from it, two steps down.

    Parameters
    ----------
    rewriter : EquilibriumGraphRewriter
        PyTensor's.
    global_rewriters, final_rewriters : sequence of GraphRewriter
        In the place of its own.
    """

    def __init__(
        self,
        rewriter: EquilibriumGraphRewriter,
        global_rewriters: Sequence[GraphRewriter],
        final_rewriters: Sequence[GraphRewriter],
    ):
        self.rewriter = rewriter
        self.global_rewriters = global_rewriters
        self.final_rewriters = final_rewriters
        self.name = getattr(rewriter, "name", None)
        self._required = [r for r in rewriter.get_node_rewriters() if getattr(r, "requirements", True)]

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach what the rewrites need."""
        GraphRewriter.add_requirements(self, fgraph)
        for each in (*self._required, *self.global_rewriters, *self.final_rewriters, *self.rewriter.cleanup_rewriters):
            each.add_requirements(fgraph)

    def apply(self, fgraph: FunctionGraph) -> None:
        """Rewrite a graph."""
        log = _Log()
        fgraph.attach_feature(log)
        used: Counter[Any] = Counter()
        size, is_first = len(fgraph.apply_nodes), True
        try:
            while self._round(fgraph, log, used, is_first):
                size, is_first = max(size, log.size), False
                if used and max(used.values()) > size * self.rewriter.max_use_ratio:
                    # PyTensor stops here, too: some rewrites undo what others do.
                    break
        finally:
            fgraph.remove_feature(log)

    def _round(self, fgraph: FunctionGraph, log: _Log, used: Counter[Any], is_first: bool) -> bool:
        """Try all rewrites once; whether one has changed something."""
        is_changed = self._apply_all(self.global_rewriters, fgraph, log, used)
        is_changed |= self._apply_all(self.rewriter.cleanup_rewriters, fgraph, log, used)
        nodes = list(toposort(fgraph.outputs))
        log.size = len(nodes)
        again = None if is_first else log.seen_from(nodes)
        log.changed.clear()
        is_changed |= self._apply_to_nodes(nodes, again, fgraph, log, used)
        is_changed |= self._apply_all(self.final_rewriters, fgraph, log, used)
        return is_changed | self._apply_all(self.rewriter.cleanup_rewriters, fgraph, log, used)

    def _apply_all(
        self, rewriters: Sequence[GraphRewriter], fgraph: FunctionGraph, log: _Log, used: Counter[Any]
    ) -> bool:
        is_changed = False
        for each in rewriters:
            log.is_changed = False
            each.apply(fgraph)
            if log.is_changed:
                used[each] += 1
                is_changed = True
        return is_changed

    def _apply_to_nodes(
        self,
        nodes: Sequence[Apply],
        again: Collection[Apply] | None,
        fgraph: FunctionGraph,
        log: _Log,
        used: Counter[Any],
    ) -> bool:
        """Try the rewrites of each node, the last node first, and those of new nodes, where that is wanted."""
        is_changed, queue = False, deque(nodes)
        log.queue = None if self.rewriter.ignore_newtrees else queue
        cleanup = self.rewriter.cleanup_rewriters
        while queue:
            node = queue.pop()
            if node not in fgraph.apply_nodes or (again is not None and node not in again and node not in log.changed):
                continue
            log.current = node
            for each in self.rewriter.node_tracker.get_trackers(node.op):
                if not self._has_changed(fgraph, node, each):
                    continue
                used[each] += 1
                is_changed = True
                self._apply_all(cleanup, fgraph, log, used)
                if node not in fgraph.apply_nodes:
                    break
        log.queue = None
        return is_changed

    def _has_changed(self, fgraph: FunctionGraph, node: Apply, rewriter: Any) -> bool:
        try:
            found = rewriter.transform(fgraph, node, enforce_tracks=False)
        except Exception:  # whatever a rewrite raises: it raises it once more where PyTensor deals with it
            return bool(self.rewriter.process_node(fgraph, node, rewriter, enforce_tracks=False))
        if found is None or found is False:
            return False
        return bool(self.rewriter.process_node(fgraph, node, _Found(found), enforce_tracks=False))


class _Found:
    """What a rewrite has found, as a rewrite: PyTensor puts it into the graph."""

    def __init__(self, found: Any):
        self._found = found

    def transform(self, fgraph: FunctionGraph, node: Apply, enforce_tracks: bool = True) -> Any:
        """Return it."""
        return self._found


class _Log(Feature):
    """Notes of what changes in a graph, and from where that may be seen at once.

    Attributes
    ----------
    is_changed : bool
        Whether something has changed, since that was last set to False.
    changed : set of Apply
        What has changed, and what looks at it from close by.
    queue : deque of Apply or None
        Where new nodes are put; nowhere by default.
    current : Apply or None
        A node that is not put there.
    size : int
        Number of nodes of the graph, when they were last counted.
    """

    def __init__(self) -> None:
        self.is_changed = False
        self.changed: set[Apply] = set()
        self.queue: deque[Apply] | None = None
        self.current: Apply | None = None
        self.size = 0

    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Note a node that is new."""
        self.is_changed = True
        self._note(node)
        if self.queue is not None and node is not self.current:
            self.queue.append(node)

    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Note a node that is gone."""
        self._note(node)

    def on_change_input(
        self, fgraph: FunctionGraph, node: Apply, i: int, old: Variable, new: Variable, reason: Any = None
    ) -> None:
        """Note a node, and all that reads what it has read or reads."""
        self.is_changed = True
        self._note(node)
        for variable in (old, new):
            if variable.owner is not None:
                self._note(variable.owner)
            self.changed.update(client for client, _ in fgraph.clients.get(variable, ()))

    def _note(self, node: Apply) -> None:
        """Note a node, and those two steps up from it: they may look at their clients, and at those of these."""
        self.changed.add(node)
        for parent in node.inputs:
            if parent.owner is not None:
                self.changed.add(parent.owner)
                self.changed.update(above.owner for above in parent.owner.inputs if above.owner is not None)

    def seen_from(self, nodes: Sequence[Apply]) -> set[Apply]:
        """Return those of sorted nodes that depend on something that has changed."""
        found: set[Apply] = set()
        for node in nodes:
            if node in self.changed or any(i.owner in found for i in node.inputs):
                found.add(node)
        return found
