"""Whether there is memory for what is asked: told before hours of sampling, with what would take less."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np
from pytensor.tensor.variable import TensorVariable

from graphs.errors import SamplingError
from ppl.stopping.counts import MOST
from samplers.blocks import Sweep
from samplers.chain.arguments import RunSettings
from samplers.loop.memory import bytes_of_chains, bytes_of_draws

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def available_bytes() -> int | None:
    """Return how much memory this process may still take; None where the system does not tell."""
    found = [*_of_machine(), *_of_process()]
    found += _of_groups(min(found, default=2**63))
    return max(min(found), 0) if found else None


def _of_machine() -> Iterable[int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        fields = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return [1024 * fields["MemAvailable"]]
    except (OSError, KeyError, ValueError, IndexError):
        pass
    try:
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, OSError, ValueError):
        return []


def _of_groups(most: int) -> Iterable[int]:
    """Yield what the control groups leave, which containers and batch systems set, where that may be less than given.

    There are two versions of control groups.
    """
    try:
        entries = Path("/proc/self/cgroup").read_text()
    except OSError:
        return
    for limit, used, statistics, cached in _files_of_groups(entries):
        try:
            left = int(_read(limit)) - int(_read(used))
            if left < most:
                # What can be freed comes to it; to say how much takes the system longest.
                freed = dict(line.split() for line in _read(statistics).splitlines())
                yield left + int(freed.get(cached, 0))
        except (OSError, ValueError):  # no limit ("max"), or the group is gone
            continue


@lru_cache(maxsize=1)
def _files_of_groups(entries: str) -> list[tuple[str, str, str, str]]:
    """Return the files that hold limit, usage and statistics of each group, and what is called there what can be freed.

    Which files there are does not change while a process stays in its groups; what they hold does.
    """
    found = []
    for _, controllers, path in (line.split(":", 2) for line in entries.splitlines()):
        if controllers not in ("", "memory"):
            continue
        root = Path("/sys/fs/cgroup") / controllers
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        cached = "total_inactive_file" if controllers else "inactive_file"
        # Inside a container the path may be that of the host, and the group be the root.
        group = root / path.lstrip("/")
        for folder in {group, *group.parents[: len(group.parts) - len(root.parts)], root}:
            limit, used, statistics = (folder / name for name in (*names, "memory.stat"))
            if limit.exists() and used.exists() and statistics.exists():
                found.append((str(limit), str(used), str(statistics), cached))
    return found


def _read(file: str) -> str:
    with open(file) as opened:
        return opened.read()


def _of_process() -> Iterable[int]:
    """Yield what a limit of the process leaves (``ulimit -v``)."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            yield limit - used
    except (ImportError, OSError, ValueError):
        return


def bytes_of_draw(graphs: Mapping[str, TensorVariable]) -> dict[str, int]:
    """Return the bytes that one draw of each graph takes; axes of unknown length count as one element."""
    return {
        name: prod(n or 1 for n in graph.type.shape) * np.dtype(graph.type.dtype).itemsize
        for name, graph in graphs.items()
        if all(n != 0 for n in graph.type.shape)
    }


def check_memory_of_draws(graphs: Mapping[str, TensorVariable], count: int, remedy: str = "") -> None:
    """Raise if there is no memory for the values of graphs in many draws.

    Parameters
    ----------
    graphs : mapping of str to TensorVariable
        What is computed of each draw.
    count : int
        Number of draws.
    remedy : str
        What else takes less than fewer draws.
    """
    # Backends return their results one by one, from one array.
    parts = {name: 2 * count * size for name, size in bytes_of_draw(graphs).items()}
    thinned = "take fewer draws (of a trace every tenth: trace.isel(draw=slice(None, None, 10)))"
    check_memory(parts, f"What is computed of {count:,} draws", thinned + remedy)


def check_memory_of_run(rows: int, chains: int, learning: int, kept: int, new_bytes: Mapping[str, int]) -> None:
    """Raise if there is no memory for a run.

    Parameters
    ----------
    rows, chains : int
        Draws to be kept of each chain, those of tuning too; number of chains.
    learning, kept : int
        Bytes that the chains take, and their draws as they are recorded.
    new_bytes : mapping of str to int
        Bytes of what is computed of each draw.
    """
    parts = {"the chains themselves": learning, "the draws as they are recorded": kept}
    parts |= {name or "lp": rows * chains * size for name, size in new_bytes.items()}
    # Results have two groups, in which draws are numbered.
    parts["the numbers of draws"] = 2 * 8 * rows
    task = f"Keeping {rows:,} draws of each of {chains:,} chains" if chains > 1 else f"Keeping {rows:,} draws"
    check_memory(parts, task, "ask for fewer draws or chains, keep one in thin=..., or only var_names=[...]")


def most_draws(chains: int, learning: int, of_draw: int, new_bytes: Mapping[str, int]) -> int:
    """Return how many draws of each chain a run may make that has to make room for them as it goes, at least one.

    Parameters
    ----------
    chains, learning, new_bytes
        As in `check_memory_of_run`.
    of_draw : int
        Bytes that a draw of all chains takes as it is recorded.
    """
    available = available_bytes()
    if available is None:
        return MOST
    # When there is more room, what was drawn is copied there; and what is judged is a copy.
    each = 3 * of_draw + 2 * chains * sum(new_bytes.values()) + 16
    return max((available // 2 - learning) // each, 1)


def room_of_run(
    sweep: Sweep, chains: int, settings: RunSettings, kept: int | None, new_bytes: Mapping[str, int], is_open: bool
) -> int:
    """Return how many draws of each chain a run may make; raise if there is no memory for those that are asked.

    Parameters
    ----------
    sweep, chains, settings
        What is run.
    kept : int or None
        Elements of the joint state that are recorded; None where draws are not kept in memory.
    new_bytes : mapping of str to int
        Bytes of what is computed of each draw.
    is_open : bool
        Whether it is found while the run lasts how many draws there are.
    """
    learning = bytes_of_chains(sweep, chains, settings)
    of_draw = bytes_of_draws(sweep, kept or 0, 1, chains)
    warm_up = settings.most_tune * settings.keep_tuning
    rows = 0 if kept is None else warm_up + (1 if is_open else settings.draws)
    check_memory_of_run(rows, chains, learning, rows * of_draw, new_bytes)
    return max(most_draws(chains, learning, of_draw, new_bytes) - warm_up, 1) if is_open else settings.draws


def check_memory(parts: Mapping[str, int], task: str, remedy: str) -> None:
    """Raise if there is no memory for what is asked.

    Parameters
    ----------
    parts : mapping of str to int
        Bytes by what takes them.
    task : str
        What is asked, as a subject of a sentence.
    remedy : str
        What takes less, as an imperative.

    Raises
    ------
    SamplingError
        With the figures, the largest part and the remedy.
    """
    needed, available = sum(parts.values()), available_bytes()
    if available is None or needed <= available:
        return
    largest = max(parts, key=lambda name: parts[name])
    share = f", {in_words(parts[largest])} of it for {largest}" if len(parts) > 1 else ""
    raise SamplingError(
        f"{task} would take {in_words(needed)} of memory{share}; {in_words(available)} are available: {remedy}."
    )


def in_words(size: int) -> str:
    """Return a number of bytes as people read it."""
    unit = 0
    value = float(size)
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"
