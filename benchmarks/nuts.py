"""NUTS against its peers: effective samples per second, per gradient, gradients per second, and compile times."""

from __future__ import annotations

import math
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.measure import Row, is_installed, print_table, rounded
from benchmarks.nuts_models import MIXTURE, models
from benchmarks.nuts_tools import OURS, tools
from benchmarks.nuts_worker import Outcome, Worker
from benchmarks.processes import caches_in

TITLE = "NUTS: least bulk ESS over all parameters, 4 chains of 1000 + 1000 on 2 cores, warm-up included, compiling not"
COMPILED = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhsiq",
    MIXTURE,
    "bball_drive_event_1-hmm_drive_1",
)
"""Where compile times are measured, from empty and filled caches."""
DIAMONDS = "diamonds-diamonds"
HEAD = (
    "who",
    "ESS/s",
    "/ ours",
    "ESS per 1000 gradients",
    "us per gradient",
    "gradients/s",
    "of it in the loop",
    "divergent",
    "runs",
)
WIDTHS = (22, 10, 8, 22, 15, 12, 17, 9, 20)
REACHES = {"rvgraph": 1.5, "compress": 3.0}
WORST = 0.9


@dataclass(frozen=True)
class Result:
    """Medians of the runs of one tool with one model.

    Parameters
    ----------
    rate : float
        Effective samples per second; 0 where no run finished.
    per_gradient, microseconds : float
        Effective samples per gradient, microseconds per gradient (wall time over all chains); NaN where there are none.
    in_loop : float
        Share of the time that the compiled loop takes, where the tool tells; else NaN.
    divergences : float
        After warm-up.
    note : str
        Number of runs, or why there is none.
    """

    rate: float
    per_gradient: float
    microseconds: float
    in_loop: float
    divergences: float
    note: str


def summed_up(outcomes: Sequence[Outcome], failure: str) -> Result:
    """Return medians, without the first run, which warms up; of those before the time was over, where it was."""
    nan, counted = math.nan, outcomes[1:] or outcomes
    if not outcomes:
        return Result(0.0, nan, nan, nan, nan, failure)
    columns = zip(
        *(
            (
                o.ess / o.seconds,
                o.ess / o.num_gradients,
                1e6 * o.seconds / o.num_gradients,
                o.loop_seconds / o.seconds,
                o.divergences,
            )
            for o in counted
        ),
        strict=True,
    )
    note = f"{len(counted)}, then {failure}" if failure else str(len(counted))
    return Result(*map(statistics.median, columns), note)


def outcomes_in_turn(
    model: str, chosen: Iterable[str], repeats: int, limit: float
) -> dict[str, tuple[list[Outcome], str]]:
    """Compile a model with each tool, and run all of them in turn; return what they achieved, and why no more.

    The first runs warm up, and are among these.
    """
    with ExitStack() as stack:
        workers = {tool: stack.enter_context(Worker(model, tool, limit)) for tool in chosen}
        outcomes: dict[str, list[Outcome]] = {tool: [] for tool in workers}
        for seed in range(repeats + 1):
            for tool, worker in workers.items():
                found = worker.run(seed)
                outcomes[tool] += [found] if found is not None else []
        return {tool: (outcomes[tool], worker.failure) for tool, worker in workers.items()}


def measured(model: str, chosen: Iterable[str], repeats: int, limit: float) -> dict[str, Result]:
    """Compile a model with each tool, and run all of them in turn."""
    found = outcomes_in_turn(model, chosen, repeats, limit)
    return {tool: summed_up(outcomes, failure) for tool, (outcomes, failure) in found.items()}


def _line(cells: Iterable[str], widths: Sequence[int] = WIDTHS) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _rule(widths: Sequence[int]) -> str:
    return "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def _number(value: float, scale: float = 1.0) -> str:
    return "" if math.isnan(value) else rounded(value * scale)


def _print_model(model: str, results: Mapping[str, Result]) -> None:
    print(f"\n#### {model}\n\n{_line(HEAD)}\n{_rule(WIDTHS)}")
    first = next(iter(results))
    for tool, r in results.items():
        is_other = tool != first and results[first].rate > 0
        cells = [
            tools()[tool].label,
            _number(r.rate) if r.rate else "",
            _number(r.rate / results[first].rate) if is_other and r.rate else "",
            _number(r.per_gradient, 1e3),
            _number(r.microseconds),
            _number(1 / r.microseconds, 1e6),
            "" if math.isnan(r.in_loop) else f"{r.in_loop:.0%}",
            _number(r.divergences),
            r.note,
        ]
        print(_line(cells), flush=True)


def ratios(results: Mapping[str, Mapping[str, Result]], ours: str) -> dict[str, float]:
    """Return, model by model, our effective samples per second divided by those of the best peer that finished."""
    found = {}
    for model, by_tool in results.items():
        best = max((r.rate for tool, r in by_tool.items() if tool not in OURS), default=0.0)
        if best > 0 and ours in by_tool:
            found[model] = by_tool[ours].rate / best
    return found


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean; 0 where one is."""
    listed = list(values)
    return 0.0 if min(listed) <= 0 else statistics.geometric_mean(listed)


def summary_rows(results: Mapping[str, Mapping[str, Result]]) -> Iterator[tuple[str, ...]]:
    """Yield what is asked, the number, where it is, and the reach, for each of our rows."""
    for ours in OURS:
        label = tools()[ours].label if ours in tools() else ""
        # The reach is for the reference posteriors.
        found = {model: ratio for model, ratio in ratios(results, ours).items() if model != MIXTURE}
        if found:
            mean, worst = geometric_mean(found.values()), min(found, key=found.__getitem__)
            where = f"{len(found)} reference posteriors"
            yield label, "/ best peer, geometric mean", rounded(mean), where, _verdict(mean, REACHES.get(ours))
            reach = WORST if ours in REACHES else None
            yield label, "/ best peer, worst", rounded(found[worst]), worst, _verdict(found[worst], reach)
        for model, row, least in ((MIXTURE, "rvgraph", 1000.0), (DIAMONDS, "compress", 100.0)):
            if ours in results.get(model, {}):
                rate = results[model][ours].rate
                yield label, "ESS/s", rounded(rate), model, _verdict(rate, least if row == ours else None)


def _verdict(value: float, reach: float | None) -> str:
    return "" if reach is None else f">= {reach:g}: {'yes' if value >= reach else 'NO'}"


def _print_summary(results: Mapping[str, Mapping[str, Result]]) -> None:
    widths = (22, 28, 8, 44, 12)
    print(f"\n#### All models\n\n{_line(('who', 'what', 'figure', 'where', 'reach'), widths)}\n{_rule(widths)}")
    for cells in summary_rows(results):
        print(_line(cells, widths), flush=True)


def compile_rows(chosen: Sequence[str], tool_names: Sequence[str], repeats: int, limit: float) -> Iterator[Row]:
    """Measure how long each tool takes until it can run, imports not counted: from empty caches, and again."""
    for model in (m for m in COMPILED if m in chosen):
        times: dict[tuple[str, str], list[float]] = {}
        for tool in (t for t in tool_names if t not in OURS[1:]):
            for _ in range(repeats):
                with tempfile.TemporaryDirectory() as folder:
                    for caches in ("empty", "filled"):
                        with Worker(model, tool, limit, caches_in(folder)) as worker:
                            seconds = math.nan if worker.compile_seconds is None else worker.compile_seconds
                            times.setdefault((caches, tool), []).append(seconds)
        for (caches, tool), seconds_of in sorted(times.items(), key=lambda item: item[0][0]):
            value = statistics.median(seconds_of)
            note = "did not finish" if math.isnan(value) else ""
            yield Row(f"{model.split('-')[-1]}, {caches} caches", tools()[tool].label, value, "s", note=note)


def select(names: Sequence[str], known: Iterable[str], what: str) -> list[str]:
    """Return the known names that contain one of the given ones, or all."""
    everything = list(known)
    for name in names:
        if not any(name in one for one in everything):
            raise SystemExit(f"no {what} {name}; there are {', '.join(everything)}")
    return [one for one in everything if not names or any(name in one for name in names)]


def report(
    repeats: int, compile_repeats: int, model_names: Sequence[str], peer_names: Sequence[str] | None, limit: float
) -> None:
    """Print a table for each model, the summary and the compile times.

    Parameters
    ----------
    repeats, compile_repeats : int
        How often everything is run, and compiled (0: not measured).
    model_names : sequence of str
        Parts of names; all if empty.
    peer_names : sequence of str, optional
        All by default; none if empty.
    limit : float
        Seconds for each tool with each model.
    """
    # Who ends this process ends those that it started, by way of their context managers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = select(model_names, models(), "model")
    ours = [tool for tool in OURS if tool in tools()]
    known = [tool for tool in tools() if tool not in OURS]
    peers = known if peer_names is None else select(peer_names, known, "peer") if peer_names else []
    present = [*ours, *(tool for tool in peers if is_installed(tools()[tool].package))]
    print(f"\n### {TITLE}", flush=True)
    for tool in peers:
        if tool not in present:
            print(f"\nSkipped: {tools()[tool].package} is not installed.", flush=True)
    results = {}
    for model in chosen:
        results[model] = measured(model, present, repeats, limit)
        _print_model(model, results[model])
    _print_summary(results)
    if compile_repeats:
        title = "Until a model can run: seconds, imports not counted"
        print_table(title, compile_rows(chosen, present, compile_repeats, limit))
