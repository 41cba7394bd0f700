"""What is published says the same everywhere.

Answers: of the version, `ppl.__version__` against the other places that state it; of pages, text written by hand.
"""

import re
from datetime import date
from importlib.metadata import version
from pathlib import Path

import ppl
from benchmarks.page import page_of, section, sections_of

ROOT = Path(__file__).parents[1]


def test_there_is_one_version():
    assert version("rvgraph") == ppl.__version__
    [cited] = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == ppl.__version__


def test_a_page_of_benchmarks_keeps_sections_that_did_not_run():
    printed = "warming up\n\n### Gradient\n\n| what | who |\n|---|---|\n| a | ours |\n"
    first = section(printed, "a machine", date(2026, 1, 2))
    assert "warming up" not in first
    assert "2026-01-02" in first
    assert "| a | ours |" in first
    page = page_of({"gradient": first, "another": "\nolder\n\n"})
    assert page.index("## another") < page.index("## gradient")
    assert {name: body.strip() for name, body in sections_of(page).items()} == {
        "another": "older",
        "gradient": first.strip(),
    }
