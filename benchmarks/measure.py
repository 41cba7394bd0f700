"""Medians of interleaved runs, and the table that they are printed in."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from time import perf_counter

type Contender = Callable[[], float]
"""Runs once and returns what it cost, or achieved."""

PACKAGES = ("numpy", "numba", "pytensor", "pymc", "jax", "blackjax", "numpyro", "nutpie", "pymc-extras")
WIDTHS = (38, 44, 16, 10, 18)


@dataclass(frozen=True)
class Row:
    """One line of the table; the first of several with the same ``what`` is ours."""

    what: str
    who: str
    value: float
    unit: str
    reach: float | None = None
    note: str = ""


def timed(run: Callable[[], object], count: float = 1.0) -> Contender:
    """Return a contender that costs the seconds of a call, divided by what it did ``count`` times."""

    def cost() -> float:
        start = perf_counter()
        run()
        return (perf_counter() - start) / count

    return cost


def medians(contenders: Mapping[str, Contender], repeats: int) -> dict[str, float]:
    """Run each once to warm up and then all in turn, so that other load on the machine hits them alike."""
    for run in contenders.values():
        run()
    costs: dict[str, list[float]] = {who: [] for who in contenders}
    for _ in range(repeats):
        for who, run in contenders.items():
            costs[who].append(run())
    return {who: statistics.median(values) for who, values in costs.items()}


def rows_of(
    what: str, contenders: Mapping[str, Contender], repeats: int, unit: str, scale: float, reach: float | None = None
) -> list[Row]:
    """Return a row for each contender; the reach belongs to the first, which is ours."""
    measured = medians(contenders, repeats)
    ours = next(iter(measured))
    return [Row(what, who, value * scale, unit, reach if who == ours else None) for who, value in measured.items()]


def skipped(what: str, who: str, reason: str) -> Row:
    """Return the row of a peer that could not run."""
    return Row(what, who, math.nan, "", note=f"skipped: {reason}")


def is_installed(package: str) -> bool:
    """Return whether a peer can be imported."""
    return find_spec(package) is not None


def missing_rows(what: str, peers: Mapping[str, str]) -> list[Row]:
    """Return a row for each peer, by package, that is not installed."""
    return [
        skipped(what, who, f"{package} is not installed") for package, who in peers.items() if not is_installed(package)
    ]


def _cells(row: Row, ours: float | None) -> tuple[str, ...]:
    if math.isnan(row.value):
        return row.what, row.who, row.note, "", ""
    reach = ""
    if row.reach is not None:
        reach = f"<= {row.reach:g}: {'yes' if row.value <= row.reach else 'NO'}"
    ratio = "" if ours is None else f"{row.value / ours:.3g}"
    return row.what, row.who, f"{rounded(row.value)} {row.unit}", ratio, reach


def rounded(value: float) -> str:
    """Return three digits, without an exponent for large numbers."""
    return f"{float(f'{value:.3g}'):.0f}" if value >= 1000 else f"{value:.3g}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)) + " |"


def print_table(title: str, rows: Iterable[Row]) -> None:
    """Print a Markdown table line by line, as the rows come."""
    print(f"\n### {title}\n", flush=True)
    print(_line(("what", "who", "median", "/ ours", "reach")))
    print("|" + "|".join("-" * (width + 2) for width in WIDTHS) + "|", flush=True)
    first: dict[str, float] = {}
    for row in rows:
        is_first = row.what not in first
        ours = None if is_first else first[row.what]
        first.setdefault(row.what, row.value)
        print(_line(_cells(row, ours)), flush=True)


def machine() -> str:
    """Return processor, load and versions in a few words."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {os.cpu_count()} CPUs, load {load:.1f} at the start; Python {platform.python_version()}, "
        f"{', '.join(found)}"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
