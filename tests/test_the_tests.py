"""Where tests are, and what they say of their answers.

Answers: ARCHITECTURE.md and CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import re

from tests.test_architecture import ROOT, table_of_rooms


def places_of_tests() -> dict[str, str]:
    """Of each room whose tests are not in the folder of its name, from ARCHITECTURE.md: where they are."""
    section = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("| room | its tests are in |")[1]
    return dict(re.findall(r"^\| `([\w/]+)/` \| `([\w/.]+)`", section.split("\n\n")[0], flags=re.MULTILINE))


def test_the_tests_of_a_room_are_in_the_folder_of_its_name():
    without = {room for room in table_of_rooms() if not [*(ROOT / "tests" / room).glob("test_*.py")]}
    assert places_of_tests().keys() == without
    for place in places_of_tests().values():
        assert [*(ROOT / place).glob("test_*.py")] or (ROOT / place).is_file(), place


def test_what_pages_say_of_tests_is_there():
    """Files and folders of tests that ARCHITECTURE.md and CONTRIBUTING.md name."""
    named = {
        name
        for page in ("ARCHITECTURE.md", "CONTRIBUTING.md")
        for name in re.findall(r"`(tests/[\w/.]+)`", (ROOT / page).read_text(encoding="utf-8"))
    }
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_law_is_in_use_and_on_the_page():
    laws = [*(ROOT / "tests" / "laws").glob("*.py")]
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [
        path.stem for path in laws if not re.search(rf"tests\.laws(\.{path.stem} import| import {path.stem})\b", tests)
    ] == []
    kinds = {path.stem for path in laws} - {"enumeration"}  # which laws of sums stand on
    assert [stem for stem in kinds if f"`tests/laws/{stem}.py`" not in page] == []


def test_every_file_says_where_its_answers_are_from():
    """From outside what is tested: a closed form, an enumeration, quadrature, another package, a law, or print."""
    docstrings = {
        path.relative_to(ROOT).as_posix(): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    assert [name for name, text in docstrings.items() if not re.search(r"^Answers: \w", text, re.MULTILINE)] == []
