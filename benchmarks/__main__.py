"""Run benchmarks by name, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module

LIMIT = 240.0
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
    "memory",
    "compression",
    "nuts",
)
ON_ALL_CORES = ("first_draw", "memory", "nuts")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5 runs; compile times once")
    of_nuts = parser.add_argument_group("of nuts alone")
    of_nuts.add_argument("--models", nargs="+", default=[], metavar="part", help="those whose names contain it")
    of_nuts.add_argument(
        "--peers", nargs="*", metavar="peer", help="nutpie, nutpie-low-rank, pymc, numpyro, blackjax; none: ours"
    )
    of_nuts.add_argument("--limit", type=float, default=LIMIT, help="seconds for a tool with a model (%(default)g)")
    of_nuts.add_argument("--once", action="store_true", help="one run instead of medians, compile times not measured")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.names == ["nuts"]:
        run_nuts(options)
        return 0
    if options.models or options.peers is not None or options.once:
        parser.error("--models, --peers, --once are options of nuts alone: python -m benchmarks nuts ...")
    if len(options.names) == 1:
        run_here(options.names[0], options.quick)
        return 0
    from benchmarks.measure import machine

    print(machine(), flush=True)
    flags = ["--quick"] if options.quick else []
    commands = [[sys.executable, "-m", "benchmarks", name, *flags] for name in options.names or NAMES]
    return max(subprocess.run(command, check=False).returncode for command in commands)


def on_cpu() -> None:
    """Let JAX use the processor, in double precision."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_ENABLE_X64", "1")


def run_nuts(options: argparse.Namespace) -> None:
    """Run the benchmark that starts a process for each tool."""
    on_cpu()
    from benchmarks import nuts

    repeats = 1 if options.once else 3 if options.quick else 5
    compile_repeats = 0 if options.once else 1 if options.quick else 3
    nuts.report(repeats, compile_repeats, options.models, options.peers, options.limit)


def run_here(name: str, quick: bool) -> None:
    """Run one benchmark in this process."""
    on_cpu()
    if name not in ON_ALL_CORES and hasattr(os, "sched_setaffinity"):
        # Before NumPy and JAX count the processors.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from benchmarks.measure import print_table

    benchmark = import_module(f"benchmarks.{name}")
    print_table(benchmark.TITLE, benchmark.rows(3 if quick else 5, 1 if quick else 3))


if __name__ == "__main__":
    sys.exit(main())
