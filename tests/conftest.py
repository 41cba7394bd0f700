"""What every test runs under: the CPU, no window, the same examples each time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import settings

from graphs.optional import FAILURES

settings.register_profile("rvgraph", derandomize=True, deadline=None, max_examples=30, database=None)
settings.load_profile("rvgraph")


@pytest.fixture
def unforeseen() -> Counter[str]:
    """Derivations that failed during a test, for tests in which they are made to."""
    return FAILURES


@pytest.fixture(autouse=True)
def _no_unforeseen_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    before = FAILURES.copy()
    yield
    if "unforeseen" not in request.fixturenames:
        failed = FAILURES - before
        assert not failed, f"{dict(failed)} failed; --log-level=DEBUG shows where"
    FAILURES.clear()
