"""What is published, checked as strangers get it: the wheel in empty environments, the tests from the source archive.

``make package`` runs it. For each Python of 3.12, 3.13 and 3.14 that is found it makes an empty environment, installs
the wheel, without JAX and with it, and runs a model in an empty folder. What is not found is said, and is no failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.12", "3.13", "3.14")
FROM_SOURCE = ("tests/test_names.py", "tests/ppl/reporting", "tests/samplers/random_walk", "ppl/declaring")

USE = """
import sys
import numpy as np
import ppl
from graphs.errors import BackendError

assert sys.prefix in ppl.__file__, ppl.__file__
assert ppl.__version__ == {version!r}, ppl.__version__
mu, scale = ppl.Normal("mu", 0, 10), ppl.HalfNormal("scale", 2)
z = ppl.Bernoulli("z", 0.3, size=5)
model = ppl.Model({{ppl.Normal("y", mu + 3.0 * z, scale): np.array([0.1, -0.2, 3.2, 2.9, 0.4])}})
for backend in {backends!r}:
    trace = ppl.sample(model, draws=200, tune=200, chains=2, seed=1, backend=backend, progress=False)
    assert trace.posterior["mu"].shape == (2, 200)
    assert ppl.recover(model, trace, seed=1).posterior["z"].shape == (2, 200, 5)
if "jax" not in {backends!r}:
    try:
        ppl.sample(model, backend="jax")
    except BackendError as error:
        assert "rvgraph[jax]" in str(error)
    else:
        raise SystemExit("JAX is here, and should not be")
assert len(ppl.datasets.faithful()["waiting_minutes"]) == 272
"""


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command without what this shell says about imports; stop if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([str(part) for part in command], check=True, cwd=cwd, env=environment)


def found(version: str) -> str | None:
    """Return a Python of a version, if there is one that makes environments."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in (*sorted(home.glob(f"{version}.*/bin/python3"), reverse=True), shutil.which(f"python{version}")):
        if python and subprocess.run([str(python), "-c", "import ensurepip"], capture_output=True).returncode == 0:
            return str(python)
    return None


def built(folder: Path) -> tuple[Path, Path]:
    """Build both archives, the wheel from the source archive; return wheel and source archive."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    [wheel], [source] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def missing(wheel: Path, source: Path) -> Iterator[str]:
    """Yield what has to be in the archives and is not, and what must not."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    needed = {"ppl/py.typed", "graphs/py.typed", "samplers/py.typed", "ppl/distributions.pyi"}
    yield from (f"{name} is not in the wheel" for name in sorted(needed - inside))
    if not any(name.startswith("ppl/datasets/") and name.endswith(".csv") for name in inside):
        yield "no data set is in the wheel"
    packages = ("graphs/", "ppl/", "samplers/")
    yield from (f"{n} is in the wheel" for n in sorted(inside) if not n.startswith(packages) and ".dist-info/" not in n)
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    wanted = {name for name in tracked.stdout.split("\n") if name and not name.startswith(".git")}
    yield from (f"{name} is not in the source archive" for name in sorted(wanted - names))


def try_wheel(wheel: Path, python: str, extra: str, version: str, folder: Path) -> None:
    """Install the wheel in an empty environment, and use it in an empty folder."""
    run(python, "-m", "venv", folder / "environment")
    inside = folder / "environment" / "bin" / "python"
    run(inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}{extra}")
    (folder / "empty").mkdir()
    backends = ("numba", "c", "jax") if extra else ("numba", "c")
    (folder / "use.py").write_text(USE.format(version=version, backends=backends))
    run(inside, "-I", folder / "use.py", cwd=folder / "empty")


def try_source(source: Path, folder: Path, everything: bool) -> None:
    """Run tests in the source archive, with the Python that runs this."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    [unpacked] = folder.iterdir()
    run(sys.executable, "-m", "pytest", "-q", *(() if everything else FROM_SOURCE), cwd=unpacked)


def main() -> int:
    """Build, look inside, install, run."""
    parser = argparse.ArgumentParser(prog="python -m tests.package", description=__doc__)
    parser.add_argument("--all-tests", action="store_true", help="run all quick tests from the source archive")
    parser.add_argument("--pythons", nargs="*", default=PYTHONS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        wheel, source = built(home / "dist")
        version = wheel.name.split("-")[1]
        if faults := list(missing(wheel, source)):
            print("\n".join(faults), file=sys.stderr)
            return 1
        (home / "source").mkdir()
        try_source(source, home / "source", options.all_tests)
        for number in options.pythons:
            python = found(number)
            for extra in ("", "[jax]"):
                if python is None:
                    print(f"Python {number}: not found, not tried")
                    break
                with tempfile.TemporaryDirectory() as folder:
                    try_wheel(wheel, python, extra, version, Path(folder))
                print(f"Python {number}{' with jax' if extra else ''}: the wheel works", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
