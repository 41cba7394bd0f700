"""Data larger than memory: normal regression, 10 columns, 1000 groups, from Parquet files to 4 x 1000 draws.

``python -m benchmarks.billion_rows 100000000`` writes the files into a temporary folder, 96 bytes a row, and deletes
them after. A process of its own reads and samples, so that its peak is of nothing else.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = 2_000_000
COLUMNS, GROUPS = 10, 1000
ROWS_OF_A_GROUP = 2**19
NOISE = 0.8
MOST_SECONDS, MOST_GIGABYTES = 600.0, 2.0
"""Reach, for 10^8 rows on two cores."""


def slopes() -> np.ndarray:
    return np.linspace(-1.0, 1.0, COLUMNS)


def write(folder: Path, rows: int) -> None:
    """Write a file of some row groups each; the seed of a group is its number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    effects = np.random.default_rng(0).normal(0.0, 0.5, GROUPS)
    for number, start in enumerate(range(0, rows, ROWS_OF_A_GROUP)):
        size, rng = min(ROWS_OF_A_GROUP, rows - start), np.random.default_rng(number + 1)
        group, x = rng.integers(0, GROUPS, size), rng.normal(size=(size, COLUMNS))
        y = effects[group] + x @ slopes() + rng.normal(0.0, NOISE, size)
        arrays = {"group": group, "y": y, **{f"x{i}": x[:, i] for i in range(COLUMNS)}}
        table = pa.table(arrays)
        pq.write_table(table, folder / f"part_{number:05}.parquet", compression="none", use_dictionary=False)


def read_and_sample(folder: str) -> None:
    """Print what it took, and how far the slopes are from those of the data, in standard deviations."""
    import ppl

    table = ppl.parquet(folder)
    group, x = ppl.Data("group", table["group"]), ppl.Data("x", table[[f"x{i}" for i in range(COLUMNS)]])
    effect = ppl.Normal("effect", 0.0, ppl.HalfNormal("spread", 1.0), size=GROUPS)
    beta, noise = ppl.Normal("beta", 0.0, 1.0, size=COLUMNS), ppl.HalfNormal("noise", 1.0)
    model = ppl.Model({ppl.Normal("y", effect[group] + x @ beta, noise): table["y"]})
    wall, start = time.perf_counter(), time.process_time()
    _ = model.graph
    read, read_wall = time.process_time() - start, time.perf_counter() - wall
    trace = ppl.sample(model, seed=1, progress=False)
    draws = trace.posterior["beta"].to_numpy().reshape((-1, COLUMNS))
    found = {
        "seconds to read": read_wall,
        "processor seconds to read": read,
        "seconds in all": time.perf_counter() - wall,
        "processor seconds in all": time.process_time() - start,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
        "error": float((np.abs(draws.mean(axis=0) - slopes()) / draws.std(axis=0)).max()),
        "how": model.reduced.compressed[0].how,
    }
    print(json.dumps(found))


def measured(rows: int) -> dict[str, float]:
    """Return what a run took."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows)
        command = [sys.executable, "-m", "benchmarks.billion_rows", "--read", folder]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()
    found: dict[str, float] = json.loads(lines[-1])
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read_and_sample(sys.argv[2])
    else:
        print(json.dumps(measured(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS), indent=1))
