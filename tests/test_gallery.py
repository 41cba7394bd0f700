"""The gallery: many models that people recognise, each with plan, run, picture, and answers that agree with print.

Answers: the figures that its pages quote from print, exact ones that they compute without the library, and what data
were made with. A posterior mean may be off by what chains of a few thousand draws, ours and those in print, err by: 0.3
standard deviations. Of 90% intervals one in ten misses the truth; of the n on a page so many may miss that the binomial
tail is 1e-3.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from tests.page_cells import cells_of, printed_by_cells

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(GALLERY.glob("*.md")) if path.stem != "index"}
MOST_OFF = 0.3
FALSE_ALARM = 1e-3
NUMBER = r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?"


def entries() -> dict[str, tuple[str, str]]:
    """Return the text of each entry, and its page."""
    found = {}
    for page, text in PAGES.items():
        parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        found.update({f"{page}: {title}": (page, body) for title, body in zip(parts[1::2], parts[2::2], strict=True)})
    return found


def test_there_are_sixty_each_with_plan_run_picture_and_answer():
    everything = entries()
    assert len(everything) >= 60
    lacking = []
    for title, (_, body) in everything.items():
        code = "\n".join(cells_of(body))
        has = {
            "plan": "ppl.plan(" in code or "ppl.em(" in code,
            "run": "ppl.sample(" in code or "ppl.em(" in code,
            "picture": "plt." in code or "az.plot" in code,
            "answer": bool(re.search(r"publish|beside|exact|truth|true|literature|print\(|maximum", body)),
        }
        lacking += [f"{title} has no {what}" for what, there in has.items() if not there]
    assert lacking == []


def numbers(text: str) -> np.ndarray:
    return np.array([float(word) for word in re.findall(NUMBER, text)])


def disagreements(printed: str) -> list[str]:
    """Return the lines in which ours is too far from what is published."""
    pattern = rf"^(\S+) +({NUMBER}) \({NUMBER}\) +published +({NUMBER}) \(({NUMBER})\)$"
    lines = re.findall(pattern, printed, flags=re.MULTILINE)
    return [
        f"{name}: {ours}, published {mean}"
        for name, ours, mean, sd in lines
        if abs(float(ours) - float(mean)) > MOST_OFF * float(sd)
    ]


def missed(printed: str) -> tuple[int, int]:
    """Return how many intervals miss the truth, and of how many."""
    intervals = re.findall(r"^\w+: (.+?) to (.+?), truth (.+?)$", re.sub(r"\n +", " ", printed), flags=re.MULTILINE)
    misses = total = 0
    for low, high, truth in intervals:
        a, b, c = numbers(low), numbers(high), numbers(truth)
        misses, total = misses + int(((c < a) | (c > b)).sum()), total + len(c)
    return misses, total


def test_what_is_printed_is_judged():
    assert disagreements("beta[0]   0.50 (0.1)   published 0.51 (0.1)") == []
    assert disagreements("beta[0]   0.60 (0.1)   published 0.51 (0.1)") == ["beta[0]: 0.60, published 0.51"]
    assert missed("b: [ 0.1 -1. ] to [0.2  3.], truth [0.3 0. ]\na: 1 to 2, truth 1.5\n") == (1, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_cells_run_and_answers_agree(page):
    printed = printed_by_cells(PAGES[page], page)
    assert disagreements(printed) == []
    misses, total = missed(printed)
    assert total == 0 or binom.sf(misses - 1, total, 0.1) > FALSE_ALARM, (misses, total)
