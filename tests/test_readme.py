"""Every snippet of the README runs, in order and in one namespace, and prints what it shows; it is short.

Answers: what the README shows.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import ppl

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_LINES = 150
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
EXAMPLE, *OTHERS = SNIPPETS
[OUTPUT] = re.findall(rf"{re.escape(EXAMPLE)}```\n```\n(.*?)```", README, re.DOTALL)


def summary_of(lines):
    """Return mean and Monte Carlo error of each variable of a printed summary."""
    rows = (re.match(r"(\w+\[\d\]) (.*)", line) for line in lines)
    numbers = {row[1]: [float(n) for n in row[2].split()] for row in rows if row}
    return {name: (columns[0], columns[7]) for name, columns in numbers.items()}


@pytest.fixture(scope="module")
def example():
    """The names that the example leaves to the snippets after it, and what it printed."""
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(EXAMPLE, names)
    return names, printed.getvalue().splitlines()


def test_the_example_prints_what_it_shows(example):
    printed, shown = example[1], OUTPUT.splitlines()
    plan = [line for line in shown if not re.match(r"\w+\[\d\] | +mean", line)]
    assert len(plan) == 10  # the plan, what the sum costs, who draws
    # The progress bar goes to the same stream: only the lines of the output are looked for.
    assert [line for line in plan if line.rstrip() not in map(str.rstrip, printed)] == []
    found, expected = summary_of(printed), summary_of(shown)
    assert found.keys() == expected.keys()
    assert len(found) == 6
    # Draws may differ from one platform to the next: the means agree within 5 Monte Carlo errors, and a last digit.
    for name, (mean, error) in found.items():
        digit = 10.0 ** -min(2, len(f"{expected[name][0]}".partition(".")[2]))
        assert abs(mean - expected[name][0]) <= 5 * np.hypot(error, expected[name][1]) + digit, name


def test_the_plan_with_integrals_is_what_it_shows():
    [(snippet, shown)] = re.findall(
        r"```python\n((?:(?!```).)*?ppl\.HalfCauchy.*?)```\n```\n(.*?)```", README, re.DOTALL
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(snippet, {"ppl": ppl, "np": np})
    # How many times as long a gradient takes depends on how many numbers the processor takes at once.
    found, expected = (re.sub(r"about [\d.]+ times", "about n times", text) for text in (printed.getvalue(), shown))
    assert [line.rstrip() for line in found.splitlines()] == expected.splitlines()


def test_snippets_run(example, monkeypatch):
    """In one test, as each takes its names from those before it; with few draws."""
    sample = ppl.sample
    few = {"draws": 40, "tune": 60, "progress": False}
    monkeypatch.setattr(ppl, "sample", lambda model, **options: sample(model, **{**options, **few}))
    names = dict(example[0])
    for number, snippet in enumerate(OTHERS, 2):
        exec(compile(snippet, f"README.md, snippet {number}", "exec"), names)


def test_all_snippets_are_found():
    assert len(SNIPPETS) == README.count("```python")
    assert len(OTHERS) >= 2


def test_it_is_short():
    assert len(README.splitlines()) <= MOST_LINES


def test_what_it_points_to_is_there():
    linked = {link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in link}
    assert [link for link in sorted(linked) if not (ROOT / link).is_file()] == []
