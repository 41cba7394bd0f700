"""What tells a model from another: its variables, and its data in chunks.

Answers: models and data that were changed, or were not.
"""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import ppl
from graphs.errors import SamplingError
from ppl.modelling import fingerprint as fingerprints
from ppl.modelling.fingerprint import fingerprint
from ppl.storing.same_model import check_same

X = np.random.default_rng(1).normal(size=1000)


def declared(x: np.ndarray, y: np.ndarray) -> ppl.Model:
    rows = ppl.Data("x", da.from_array(x, chunks=300))
    outcome = ppl.Normal("y", ppl.Normal("b", 0, 1) * rows, 1)
    return ppl.Model({outcome: da.from_array(y, chunks=300)})


def test_other_data_in_chunks_are_another_model() -> None:
    before = fingerprint(declared(X, 2 * X), "plan")
    check_same(before, fingerprint(declared(X.copy(), 2 * X), "plan"), "store")
    for x, y, name in [(X, 3 * X, "y"), (X[::-1].copy(), 2 * X, "x"), (X[:900], 2 * X[:900], "x")]:
        with pytest.raises(SamplingError, match=f"the data in chunks of {name} differs"):
            check_same(before, fingerprint(declared(x, y), "plan"), "store")


def smoothed(number: int, weight: float = 0.5, last: float = 1.0) -> ppl.Model:
    """Each step is computed from all before it, which have no names."""
    level, scale, steps = ppl.Normal("start", 0, 1), ppl.HalfNormal("scale", 1), {}
    for step in range(number):
        level = weight * level + 0.1 * step
        steps[ppl.Normal(f"y{step}", level if step < number - 1 else last * level, scale)] = float(step)
    return ppl.Model(steps)


def test_what_differs_is_named() -> None:
    before = fingerprint(smoothed(4), "plan")
    check_same(before, fingerprint(smoothed(4), "plan"), "store")
    other = fingerprint(smoothed(4, last=2.0), "plan")
    assert [name for name in before["variables"] if before["variables"][name] != other["variables"][name]] == ["y3"]
    with pytest.raises(SamplingError, match="y3 differs"):
        check_same(before, other, "store")
    other = fingerprint(smoothed(4, weight=0.7), "plan")
    same = [name for name in before["variables"] if before["variables"][name] == other["variables"][name]]
    assert same == ["start", "scale"]


def test_each_operation_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, number = fingerprints._digest, 0

    def counted(text: str) -> str:
        nonlocal number
        number += 1
        return plain(text)

    monkeypatch.setattr(fingerprints, "_digest", counted)
    counts = []
    for steps in (40, 80, 160):
        number = 0
        fingerprint(smoothed(steps), "plan")
        counts.append(number)
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])
