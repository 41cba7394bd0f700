"""Ordinary hard models at the defaults: does a run pass the gates?

``python -m benchmarks.gates [name ...] [--seeds 1 2 3]`` samples each model with default arguments and prints a line
for each run. A run passes when every parameter of the published Stan program has R-hat at most 1.01 and bulk and tail
effective sample sizes of at least 400, and no draw diverged. The data lie beside the checkout, or above it.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

import ppl
from benchmarks import gate_hierarchies  # noqa: F401  (its models are put among the others)
from benchmarks.gate_models import MODELS

ABOVE = Path(__file__).resolve().parents[2:]
FOLDER = next((f for f in (a / "shared" / "gates" for a in ABOVE) if f.is_dir()), ABOVE[0] / "shared" / "gates")
MOST_R_HAT, LEAST_ESS = 1.01, 400.0
TAILS = (0.05, 0.95)
LIMIT = 150
"""Seconds for a model, all its seeds, planning and compiling included."""
DATA = {
    "2pl_latent_reg_irt": "fims_Aus_Jpn_irt",
    "GLMM1_model": "GLMM_data",
    "accel_splines": "mcycle_splines",
    "bym2_offset_only": "traffic_accident_nyc",
    "eight_schools_centered": "eight_schools",
    "eight_schools_noncentered": "eight_schools",
    "grsm_latent_reg_irt": "science_irt",
    "hierarchical_gp": "state_wide_presidential_votes",
    "kronecker_gp": "synthetic_grid_RBF_kernels",
    "ldaK2": "three_docs1200",
    "logistic_regression_rhs": "ovarian",
    "losscurve_sislob": "loss_curves",
    "normal_mixture": "normal_2",
    "radon_county": "radon_mod",
    "radon_hierarchical_intercept_centered": "radon_all",
    "radon_hierarchical_intercept_noncentered": "radon_all",
    "radon_variable_slope_centered": "radon_all",
    "radon_variable_slope_noncentered": "radon_all",
    "seeds_centered_model": "seeds_data",
    "sesame_one_pred_a": "sesame_data",
    "soil_incubation": "soil_carbon",
    "state_space_stochastic_level_stochastic_seasonal": "uk_drivers",
    **{f"wells_{which}_model": "wells_data" for which in ("daae_c", "dist100", "interaction")},
}
"""The file of data where it is not called as the model is."""
EXCHANGED = ("normal_mixture", "low_dim_gauss_mix_collapse", "ldaK2")
"""Labels are exchanged freely: the verdict that says so is the right result."""
HEADER = ("model", "seed", "passes", "R-hat", "bulk", "tail", "worst", "diverging", "gradients", "plan s", "CPU s")


def declare(name: str) -> ppl.Model:
    """Return a model with its data."""
    stem = DATA.get(name, name.removesuffix("_model") + "_data" if name.endswith("_model") else name)
    path = next(p for p in (FOLDER / f"{s}.json" for s in (stem, f"{name}_data")) if p.is_file())
    return MODELS[name](json.loads(path.read_text()))


def judged(trace: Any, model: ppl.Model) -> tuple[float, float, float, str]:
    """Return the largest R-hat, the least effective sample sizes, bulk and tail, and the parameter of the worst."""
    found = []
    for name in model.latent:
        if name not in trace.posterior or trace.posterior[name].dtype.kind in "biu":
            continue
        draws = trace.posterior[name].to_numpy()
        for at in np.ndindex(draws.shape[2:]):
            one = draws[(slice(None), slice(None), *at)]
            if np.ptp(one) == 0:
                # The upper triangle of a factor, the diagonal of a correlation matrix.
                continue
            numbers = [float(array_stats.rhat(one, chain_axis=0, draw_axis=1))]
            numbers += [float(array_stats.ess(one, 0, 1, method="bulk"))]
            numbers += [float(array_stats.ess(one, 0, 1, method="tail", prob=TAILS))]
            found.append((*numbers, f"{name}{list(at) if at else ''}"))
    worst = min(found, key=lambda each: min(each[1], each[2]) if each[0] <= MOST_R_HAT else -each[0])
    return max(f[0] for f in found), min(f[1] for f in found), min(f[2] for f in found), worst[3]


def passes(r_hat: float, bulk: float, tail: float, diverging: int) -> bool:
    """Return whether a run passes; numbers that are none do not."""
    return bool(r_hat <= MOST_R_HAT and min(bulk, tail) >= LEAST_ESS and not diverging)


def rows(name: str, seeds: Sequence[int], options: dict[str, Any]) -> None:
    """Print a line for each run, and what the verdict says of one that does not pass."""
    model = declare(name)
    start = perf_counter()
    compiled = ppl.compile(model, progress=False)
    planned = perf_counter() - start
    for seed in seeds:
        before = process_time()
        trace = compiled.sample(seed=seed, progress=False, **options)
        seconds = process_time() - before
        r_hat, bulk, tail, worst = judged(trace, model)
        has = "diverging" in trace["sample_stats"]
        diverging = int(trace["sample_stats"]["diverging"].sum()) if has else 0
        is_right = passes(r_hat, bulk, tail, diverging)
        said = "" if is_right else str(ppl.diagnose(trace))
        is_said = name in EXCHANGED and "exchange" in said
        verdict = "yes" if is_right else "says so" if is_said else "no"
        gradients = trace.attrs["num_gradients"]
        cells = (name, seed, verdict, f"{r_hat:.3f}", f"{bulk:.0f}", f"{tail:.0f}", worst, diverging, gradients)
        print("|", " | ".join(map(str, (*cells, f"{planned:.1f}", f"{seconds:.1f}"))), "|", flush=True)
        if said:
            print(f"  {said}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; each model is sampled in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="model", help="a part of a name; without any, all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds for a model (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="in this process: one model, by its whole name")
    options = parser.parse_args(arguments)
    if options.alone:
        warnings.filterwarnings("ignore")
        logging.getLogger("rvgraph").setLevel(logging.ERROR)
        rows(options.names[0], options.seeds, {})
        return 0
    if not FOLDER.is_dir():
        print("The data of the gates are not beside the checkout.", file=sys.stderr)
        return 1
    print("| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER), flush=True)
    for name in sorted(MODELS, key=str.lower):
        if options.names and not any(part in name for part in options.names):
            continue
        command = [sys.executable, "-m", "benchmarks.gates", name, "--alone", "--seeds", *map(str, options.seeds)]
        try:
            failed = subprocess.run(command, check=False, timeout=options.limit).returncode
        except subprocess.TimeoutExpired:
            failed = 1
            print(f"| {name} | did not finish in {options.limit} s |", flush=True)
        else:
            if failed:
                print(f"| {name} | failed |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
