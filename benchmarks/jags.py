"""JAGS as a peer: models in its language, run by its own program."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike, NDArray


def is_available() -> bool:
    """Return whether the program is installed."""
    return shutil.which("jags") is not None


def sample(
    model: str,
    data: Mapping[str, ArrayLike],
    monitored: Sequence[str],
    *,
    draws: int,
    tune: int = 0,
    modules: Sequence[str] = (),
    inits: Mapping[str, ArrayLike] | None = None,
) -> tuple[dict[str, NDArray[np.float64]], float]:
    """Run one chain; return the draws by name, one per element, and the seconds that the sweeps took.

    Start-up and compilation, measured in a run of one sweep, do not count.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.bug").write_text(model)
        _dump(folder / "data.R", data)
        _dump(folder / "inits.R", {".RNG.name": "base::Mersenne-Twister", ".RNG.seed": 1, **(inits or {})})
        start = _seconds(folder, monitored, 1, 0, modules)
        total = _seconds(folder, monitored, draws, tune, modules)
        return _read(folder), total - start


def _seconds(folder: Path, monitored: Sequence[str], draws: int, tune: int, modules: Sequence[str]) -> float:
    commands = [f"load {module}" for module in modules]
    commands += ["model in model.bug", "data in data.R", "compile, nchains(1)", "parameters in inits.R", "initialize"]
    commands += [f"update {tune}"] if tune else []
    commands += [*(f"monitor {name}" for name in monitored), f"update {draws}", "coda *", "exit"]
    (folder / "script").write_text("\n".join(commands) + "\n")
    start = perf_counter()
    result = subprocess.run(["jags", "script"], cwd=folder, check=True, capture_output=True, text=True)
    seconds = perf_counter() - start
    if not (folder / "CODAindex.txt").exists():
        raise RuntimeError(result.stdout + result.stderr)
    return seconds


def _dump(path: Path, values: Mapping[str, ArrayLike]) -> None:
    """Write arrays in R's language, column by column."""
    lines = []
    for name, value in values.items():
        array = np.asarray(value)
        flat = ", ".join(repr(v) for v in array.ravel(order="F").tolist())
        text = f"c({flat})" if array.ndim else repr(array.item()).replace("'", '"')
        if array.ndim > 1:
            text = f"structure({text}, .Dim = c({', '.join(map(str, array.shape))}))"
        lines.append(f"`{name}` <- {text}")
    path.write_text("\n".join(lines) + "\n")


def _read(folder: Path) -> dict[str, NDArray[np.float64]]:
    values = np.loadtxt(folder / "CODAchain1.txt")[:, 1]
    found = {}
    for line in (folder / "CODAindex.txt").read_text().splitlines():
        name, first, last = line.split()
        found[name] = values[int(first) - 1 : int(last)]
    return found
