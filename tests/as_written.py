"""Graphs evaluated node by node in Python, as they are written: not rewritten, not compiled."""

from __future__ import annotations

from pytensor.compile.mode import Mode
from pytensor.graph.rewriting.basic import SequentialGraphRewriter

from graphs.surgery.interpreting import OpeningRewriter

AS_WRITTEN = Mode(linker="py", optimizer=SequentialGraphRewriter(OpeningRewriter()))
"""What nodes hold is evaluated in the same way: PyTensor would let gcc compile it, for half a second each."""
