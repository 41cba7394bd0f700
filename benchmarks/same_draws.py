"""Digests of draws of 40 runs, to show that a change of how things are laid out or compiled changes no draw.

``python -m benchmarks.same_draws [--write FILE | --against FILE]`` prints a line for each, and exits with 1 where one
is not that of the file. They hold on one machine with the same versions of all packages: others round otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# It is read when JAX is imported.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

DRAWS, TUNE, CHAINS = 60, 60, 2
LENGTH = 16
"""Hexadecimal digits of a digest."""
FAILED = "failed:"
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    **{sampler: {"sampler": sampler} for sampler in ("nuts", "gibbs", "rmh", "slice")},
    "drawn": {"marginalize": False},
    "uncompressed": {"sampler": "nuts", "compress": False},
    "dense": {"sampler": "nuts", "metric": "dense"},
    "pooled": {"sampler": "nuts", "adapt": "pooled"},
}
"""What `ppl.sample` is asked for; "drawn": discrete variables are not summed out."""


class Run(NamedTuple):
    """What is drawn; ``how`` is a key of OPTIONS, "hmc" or "em"."""

    how: str
    model: str
    seed: int = 1
    backend: str = "numba"

    def __str__(self) -> str:
        """Write it as files have it."""
        return f"{self.how} {self.backend} {self.seed} {self.model}"


RUNS = (
    # Hierarchies and regressions: the choice of a sampler, compressed likelihoods, laws of every kind.
    Run("default", "hierarchies.schools_non_centred"),
    Run("default", "hierarchies.rats"),
    Run("default", "regressions.spline", 2),
    Run("default", "structures.covariance"),
    Run("default", "structures.changed_data"),
    Run("default", "choice.shares_of_12_tables", 2),
    Run("default", "planning.missing_data_in_three_chained_normals"),
    # Discrete variables summed out and drawn back, or drawn.
    Run("default", "discrete.latent_categories"),
    Run("default", "discrete.coal_mining"),
    Run("default", "discrete.unseen_counts", 2),
    Run("default", "discrete.missing_counts"),
    Run("default", "planning.cormack_jolly_seber_in_a_loop"),
    Run("drawn", "discrete.latent_index", 2),
    # Series: recursions, scans, loops that are found.
    Run("default", "series.epidemic_by_scan"),
    Run("default", "choice.local_level_of_200"),
    Run("default", "planning.exponential_smoothing_in_a_loop"),
    # Each sampler by name; Polya-gamma, truncated normal and other auxiliary variables.
    Run("gibbs", "choice.logistic_regression_of_40_groups"),
    Run("gibbs", "choice.probit_regression_of_400", 2),
    Run("gibbs", "choice.lasso_regression_on_20"),
    Run("gibbs", "choice.outliers_by_student_t"),
    Run("gibbs", "choice.two_way_layout_with_half_cauchy_scales"),
    Run("nuts", "choice.growth_curves_of_30"),
    Run("dense", "regressions.spline"),
    Run("pooled", "choice.one_way_layout_of_50_groups"),
    Run("uncompressed", "regressions.linear"),
    Run("rmh", "regressions.poisson"),
    Run("slice", "regressions.gamma_and_beta"),
    Run("hmc", "regressions.logistic"),
    Run("em", "discrete.latent_index"),
    # Each in C and in JAX.
    Run("default", "regressions.linear", backend="c"),
    Run("nuts", "hierarchies.schools_centred", backend="c"),
    Run("default", "discrete.latent_categories", backend="c"),
    Run("gibbs", "choice.failures_of_60_pumps", 2, backend="c"),
    Run("rmh", "discrete.coal_mining", backend="c"),
    Run("slice", "regressions.negative_binomial", backend="c"),
    Run("nuts", "hierarchies.schools_non_centred", backend="jax"),
    Run("default", "discrete.normal_mixture", backend="jax"),
    Run("gibbs", "choice.meta_analysis_of_25", 2, backend="jax"),
    Run("slice", "regressions.binomial", backend="jax"),
    Run("drawn", "discrete.latent_index", backend="jax"),
)


def makers() -> dict[str, Callable[[], Any]]:
    """Return PyMC models by name."""
    from benchmarks import choice_models, planning_models
    from tests.corpus.models import CORPUS

    return {**CORPUS, **choice_models.MODELS, **planning_models.MODELS}


def digest(arrays: Mapping[str, NDArray]) -> str:
    """Return a digest of arrays and their names, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()[:LENGTH]


def by_sampler(run: Run, model: Any) -> dict[str, NDArray]:
    """Return the draws of a posterior, those of what was summed out included."""
    import ppl

    options = OPTIONS[run.how]
    trace = ppl.sample(model, DRAWS, TUNE, CHAINS, seed=run.seed, backend=run.backend, progress=False, **options)
    if not set(model.latent) <= set(trace.posterior.data_vars):
        trace = ppl.recover(model, trace, seed=run.seed, backend=run.backend)
    return {str(name): np.asarray(draws) for name, draws in trace.posterior.data_vars.items()}


def by_hmc(run: Run, model: Any) -> dict[str, NDArray]:
    """Return the states of a kernel from zero on; all variables lie on the real line."""
    import graphs
    from samplers import hmc

    joint = graphs.logprob(model)
    kernel = hmc(joint, step_size=0.1)
    start = kernel.init({name: np.zeros(value.type.shape) for name, value in joint.values.items()})
    return kernel.compile(run.backend).run(np.random.default_rng(run.seed), start, DRAWS)[1]


def by_em(run: Run, model: Any) -> dict[str, NDArray]:
    """Return where expectation-maximisation ends, and how it got there."""
    from samplers import em

    found = em(model, seed=run.seed, backend=run.backend, max_iterations=DRAWS)
    arrays = {**found.point, "trace": found.trace}
    return arrays | {f"{name} given the data": each for name, each in found.responsibilities.items()}


def digest_of_run(run: Run) -> str:
    """Return the digest of a run, or the name of the error that it ends with."""
    import ppl

    draw = {"hmc": by_hmc, "em": by_em}.get(run.how, by_sampler)
    try:
        return digest(draw(run, ppl.from_pymc(makers()[run.model]())))
    except Exception as error:  # whatever it is, the other runs are to be seen as well
        return FAILED + type(error).__name__


def report(parts: list[str], expected: Mapping[str, str] | None) -> dict[str, str]:
    """Print and return digests by run; say which are not those that are expected, where any are."""
    found = {}
    for run in RUNS:
        if parts and not any(part in str(run) for part in parts):
            continue
        found[str(run)] = digest_of_run(run)
        old = found[str(run)] if expected is None else expected.get(str(run), "none")
        verdict = "" if old == found[str(run)] else f"  differs: {old} in the file"
        print(f"{found[str(run)]:{LENGTH}} {run}{verdict}", flush=True)
    return found


def read(file: Path) -> dict[str, str]:
    """Return the digests of a file by run."""
    lines = (line.split(maxsplit=1) for line in file.read_text(encoding="utf-8").splitlines())
    return {run: found for found, run in lines}


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_draws", description=__doc__)
    parser.add_argument("--runs", nargs="+", default=[], metavar="part", help="those whose lines contain it")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--write", type=Path, metavar="FILE", help="where to keep the digests")
    files.add_argument("--against", type=Path, metavar="FILE", help="digests to compare with")
    options = parser.parse_args()
    expected = None if options.against is None else read(options.against)
    found = report(options.runs, expected)
    compared = found if expected is None else expected
    if options.write:
        options.write.write_text("".join(f"{each:{LENGTH}} {run}\n" for run, each in found.items()), encoding="utf-8")
    failed = sum(each.startswith(FAILED) or compared.get(run) != each for run, each in found.items())
    print(f"{len(found)} runs, {failed} failed or different")
    return 1 if failed else 0


if __name__ == "__main__":
    # So few draws are far from enough, which is said of each run.
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    sys.exit(main())
