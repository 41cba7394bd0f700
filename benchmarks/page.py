"""A page of the site with the tables of benchmarks: each with its machine, versions and date.

``python -m benchmarks.page mixture_density compression`` runs these, each in a process of its own, and writes what they
print into ``docs/explanation/measurements.md``; sections of benchmarks that are not named stay as they are.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from benchmarks.__main__ import NAMES
from benchmarks.measure import machine

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "measurements.md"
HEAD = """# Measurements

What benchmarks printed, as they printed it: `python -m benchmarks.page NAME` runs one and renews its section. How each
is measured is said in `benchmarks/README.md` of the source. "/ ours" is a row divided by the first of its group.
"""
_SECTION = re.compile(r"^## (?P<name>\S+)\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
# A progress bar or a warning is no measurement.
_TABLE = re.compile(r"^(\||###|[A-Za-z].*: .*\d)")


def main() -> int:
    """Parse the command line, run, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="name", help="a benchmark, or a module of `benchmarks`")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5 runs, where there are such")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    sections = sections_of(options.page.read_text()) if options.page.exists() else {}
    failed = False
    for name in options.names:
        done = subprocess.run([sys.executable, "-m", *command_of(name, options.quick)], capture_output=True, text=True)
        sys.stderr.write(done.stderr)
        if done.returncode:
            print(f"{name} ended with {done.returncode}; its section stays as it was", file=sys.stderr)
            failed = True
            continue
        sections[name] = section(done.stdout, machine(), date.today(), options.quick)
        options.page.write_text(page_of(sections))
    return int(failed)


def command_of(name: str, quick: bool) -> list[str]:
    """Return the arguments of Python that run a benchmark."""
    if name in NAMES:
        return ["benchmarks", name, *(["--quick"] if quick else [])]
    if find_spec(f"benchmarks.{name}") is None:
        raise SystemExit(f"no benchmark {name}; there are {', '.join(NAMES)}, and modules of `benchmarks`")
    return [f"benchmarks.{name}"]


def section(printed: str, machine: str, day: date, quick: bool = False) -> str:
    """Return the text below the heading of a benchmark: when and where it ran, and its tables."""
    how = "medians of 3" if quick else "as `benchmarks/README.md` says"
    lines = [line.rstrip() for line in printed.splitlines()]
    kept = "\n".join(line for line in lines if not line or _TABLE.match(line)).strip()
    return f"\n{day.isoformat()}, {how}; {machine}\n\n{kept}\n\n"


def sections_of(page: str) -> dict[str, str]:
    """Return the sections of a page by benchmark."""
    return {found["name"]: found["body"] for found in _SECTION.finditer(page)}


def page_of(sections: dict[str, str]) -> str:
    """Return a page of sections, in the order of their names."""
    return (HEAD + "\n" + "".join(f"## {name}\n{body}" for name, body in sorted(sections.items()))).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
