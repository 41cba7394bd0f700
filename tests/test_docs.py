"""The site: its pages are linked and complete, its code is Python, cells run, and it builds without a warning.

Answers: the files of `docs/`, the public names as Python has them, and what the built pages hold.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import ppl
from tests.page_cells import cells_of, printed_by_cells

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NOT_PAGES = {"build", "generated", "_templates", "_static"}
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*"))
    if path.suffix in {".md", ".rst"} and not NOT_PAGES & set(path.relative_to(DOCS).parts)
}
PACKAGES = ("ppl", "graphs", "samplers")
QUICK = {
    "tutorials/first_model.md": "",
    "tutorials/mixtures.md": "",
    "how-to/discrete_variables.md": "occupied, though nothing was seen",
    "how-to/read_full_conditionals.md": "a | rest ~ Gamma(shape=6, rate=7)",  # 2 + (1 + 0 + 3), 4 + 3
}
"""Pages whose cells run in the quick tests, and what they print."""
MOST_BYTES = 1_000_000
MOST_RULES = 60


def snippets_of(text: str) -> list[str]:
    """Return the Python of a page that is shown and not executed."""
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def listed_names() -> dict[str, list[str]]:
    """Of each package, the names in the tables of the reference."""
    names: dict[str, list[str]] = {package: [] for package in PACKAGES}
    for page, text in PAGES.items():
        if page.startswith("reference/") and page.endswith(".rst"):
            for package, table in re.findall(
                r"currentmodule:: (\w+)\n\n\.\. autosummary::\n   :toctree: generated\n\n((?:   .+\n)+)", text
            ):
                names[package] += table.split()
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_has_every_public_name_once(package):
    names = listed_names()
    assert sorted(set(names[package])) == sorted(names[package])
    module, ours = import_module(package), import_module("ppl")
    # What `ppl` shows of another package is described there: the errors.
    shown = {name for name in module.__all__ if package != "ppl" and getattr(ours, name, None) is getattr(module, name)}
    modules = {"datasets"}  # described by what they hold
    expected = set(module.__all__) - shown - modules | ({"datasets.faithful"} if package == "ppl" else set())
    assert set(names[package]) | shown == expected | shown


def test_no_two_pages_of_the_reference_differ_in_case_alone():
    namespace: dict = {}
    source = (DOCS / "conf.py").read_text(encoding="utf-8")
    [assigned] = re.findall(r"^autosummary_filename_map = (\{.*?^\})", source, flags=re.MULTILINE | re.DOTALL)
    exec(f"renamed = {assigned}", namespace)
    names = [f"{package}.{name}" for package, found in listed_names().items() for name in found]
    files = [namespace["renamed"].get(name, name).lower() for name in names]
    assert [file for file in set(files) if files.count(file) > 1] == []


def test_every_page_is_in_a_toctree():
    listed = {"index"}
    for page, text in PAGES.items():
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
            entries = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(Path(page).parent / entry).as_posix() for entry in entries}
    assert {str(Path(page).with_suffix("")) for page in PAGES} == listed


def test_links_lead_somewhere():
    broken = []
    for page, text in PAGES.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        places = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]
        broken += [
            f"{page}: {place}" for place in places if place and not (DOCS / page).parent.joinpath(place).is_file()
        ]
    assert broken == []


def test_code_is_python_and_names_what_exists():
    faults = []
    for page, text in PAGES.items():
        for code in [*cells_of(text), *snippets_of(text)]:
            try:
                ast.parse(code)
            except SyntaxError as error:
                faults.append(f"{page}: {error}")
        named = {name for name in re.findall(r"\bppl\.(?!rst|html)([A-Za-z]\w*)", text) if not hasattr(ppl, name)}
        faults += [f"{page}: there is no ppl.{name}" for name in named]
    assert faults == []


def test_cells_are_executed_and_pages_say_so():
    """A page with cells is a notebook by its head, or Sphinx would print its cells and not run them."""
    assert [
        page for page, text in PAGES.items() if cells_of(text) and not text.startswith("---\nfile_format: mystnb\n")
    ] == []


def test_files_are_small_and_none_is_built():
    tracked = subprocess.run(["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in tracked.stdout.split()]
    assert [str(file) for file in files if file.is_file() and file.stat().st_size > MOST_BYTES] == []
    assert [str(file) for file in files if NOT_PAGES - {"_templates", "_static"} & set(file.parts)] == []


@pytest.fixture
def few_draws(monkeypatch):
    """Runs of few draws; the whole site is built with as many as its pages ask for."""
    sample = ppl.sample
    few = {"draws": 100, "tune": 100, "progress": False}
    monkeypatch.setattr(ppl, "sample", lambda model, **options: sample(model, **{**options, **few}))


@pytest.mark.parametrize("page", QUICK)
def test_cells_run(page, few_draws):
    assert QUICK[page] in printed_by_cells(PAGES[page], page)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    if any(find_spec(name) is None for name in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme")):
        pytest.skip("Sphinx is not installed: pip install -c constraints.txt -e '.[docs]'")
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(built)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    return built


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_site_builds_and_can_be_read(site):
    """What a browser would show: search finds words, pictures are there, pages fit a phone, and there is a dark one."""
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    found = json.loads(index[index.index("{") : index.rindex("}") + 1])
    # Browsers look for the stem of what is typed, as the index holds stems.
    for word in ("marginalize", "funnel", "mixture"):
        assert import_module("snowballstemmer").stemmer("english").stemWord(word) in found["terms"], word
    for page, text in PAGES.items():
        html = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        assert 'name="viewport"' in html, page
        assert 'data-mode="auto"' in html, page
        assert "theme-switch" in html, page
        for picture in re.findall(r'<img [^>]*src="([^"]+)"', html):
            assert (site / page).parent.joinpath(picture).is_file(), (page, picture)
        if "az.plot" in text or "plt." in text:
            assert re.search(r'<img [^>]*src="[^"]*_images/', html), page
        assert str(ROOT) not in html, page
    assert (site / "llms.txt").read_text(encoding="utf-8")


def test_rules_for_programs_are_short_and_their_program_runs(few_draws):
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert 20 <= len(text.splitlines()) <= MOST_RULES
    [program] = re.findall(r"## A complete program\n\n((?:    .*\n)+)", text)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(re.sub("^    ", "", program, flags=re.MULTILINE), {})
    assert "effect[a]" in printed.getvalue()
    assert [name for name in re.findall(r"\bppl\.(?!html)(\w+)", text) if not hasattr(ppl, name)] == []
