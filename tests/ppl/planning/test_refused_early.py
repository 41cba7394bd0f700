"""What is refused before its law is derived, by what its factor takes, would not pay once it is derived either.

Answers: the decision that comes of deriving all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphs
import ppl
from graphs.conditional import Obstacle, ObstacleKind
from graphs.integral import blocks, find_step, law_of
from graphs.integral.checking import has_changing_factor
from graphs.remembering import remembering
from ppl.planning.integrating import collapse

rng = np.random.default_rng(1)
ROWS, COLUMNS = rng.integers(0, 90, 2400), rng.integers(0, 60, 2400)
DATA = rng.normal(size=2400)


def crossed(scale: Any) -> ppl.Model:
    a, b = ppl.Normal("a", 0, scale, size=90), ppl.Normal("b", 0, scale, size=60)
    return ppl.Model({ppl.Normal("y", a[ROWS] + b[COLUMNS], 1.0, size=2400): DATA})


def times_a_number() -> ppl.Model:
    s = ppl.HalfNormal("s", 1.0)
    a, b = ppl.Normal("a", 0, s, size=90), ppl.Normal("b", 0, s, size=60)
    return ppl.Model({ppl.Normal("y", a[ROWS] + b[COLUMNS], s, size=2400): DATA})


CHANGING: dict[str, tuple[Callable[[], ppl.Model], bool]] = {
    "precisions of data and a scale": (lambda: crossed(ppl.HalfNormal("s", 1.0)), True),
    "precisions of data alone": (lambda: crossed(0.7), False),
    "one scale of all": (times_a_number, False),
}


@pytest.mark.parametrize("case", list(CHANGING))
def test_factors_that_change_are_told(case: str) -> None:
    """Precision Z'Z + 1 / s^2, Z'Z + 1 / 0.7^2 and (Z'Z + 1) / s^2."""
    make, expected = CHANGING[case]
    joint = graphs.logprob(make(), marginalize=False)
    assert has_changing_factor(joint.logdensity, [joint.values["a"], joint.values["b"]]) is expected


def test_what_is_refused_early_does_not_pay_later(monkeypatch) -> None:
    """What is integrated out does not depend on when that is seen."""
    joint, names = graphs.logprob(crossed(ppl.HalfNormal("s", 1.0)), marginalize=False), ["s", "a", "b"]
    early = collapse(joint, names, True, is_asked=False, is_required=False)
    seen: list[str] = []

    def unseen(*_: Any) -> bool:
        seen.append("refused")
        return False

    monkeypatch.setattr(blocks, "has_changing_factor", unseen)
    late = collapse(joint, names, True, is_asked=False, is_required=False)
    assert seen
    assert list(early.joint.values) == list(late.joint.values)


def test_kinds_of_laws_are_refused_unchecked() -> None:
    """A half-normal scale of normal data has no law whose normaliser is cheap."""
    joint = graphs.logprob(crossed(ppl.HalfNormal("s", 1.0)), marginalize=False)
    step = find_step(joint, ("s",), lambda law: law.family)
    assert isinstance(step, Obstacle)
    assert step.kind is ObstacleKind.REFUSED
    assert step.reason == "GIG^(1/2)"
    done = collapse(joint, ["s"], True, is_asked=False, is_required=False)
    assert "takes longer than it saves" in done.reasons["s"]


def test_laws_are_derived_once_while_a_plan_is_made() -> None:
    joint = graphs.logprob(crossed(1.0), marginalize=False)
    with remembering():
        assert law_of(joint, "a") is law_of(joint, "a")
    assert law_of(joint, "a") is not law_of(joint, "a")
