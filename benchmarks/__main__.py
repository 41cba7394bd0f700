"""Run benchmarks by name, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module

NAMES = (
    "nuts_overhead",
    "scaled_t_gibbs",
    "conjugate",
    "bivariate_gibbs",
    "rmh_mixture",
    "first_draw",
    "mixture_density",
    "marginalization",
    "em_gaussian_mixture",
    "small_models",
)
ON_ALL_CORES = ("first_draw", "small_models")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5 runs; compile times once")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if len(options.names) == 1:
        run_here(options.names[0], options.quick)
        return 0
    from benchmarks.measure import machine

    print(machine(), flush=True)
    flags = ["--quick"] if options.quick else []
    commands = [[sys.executable, "-m", "benchmarks", name, *flags] for name in options.names or NAMES]
    return max(subprocess.run(command, check=False).returncode for command in commands)


def run_here(name: str, quick: bool) -> None:
    """Run one benchmark in this process."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    if name not in ON_ALL_CORES and hasattr(os, "sched_setaffinity"):
        # Before NumPy and JAX count the processors.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from benchmarks.measure import print_table

    benchmark = import_module(f"benchmarks.{name}")
    print_table(benchmark.TITLE, benchmark.rows(3 if quick else 5, 1 if quick else 3))


if __name__ == "__main__":
    sys.exit(main())
