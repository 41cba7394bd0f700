"""What every test runs under: the CPU, no window, the same examples each time."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

settings.register_profile("rvgraph", derandomize=True, deadline=None, max_examples=30, database=None)
settings.load_profile("rvgraph")
