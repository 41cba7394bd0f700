"""Centring that is learnt, against variables as declared and variables not centred: ``-m benchmarks.centring``."""

from __future__ import annotations

import sys
import time
from typing import Any

import arviz as az
import numpy as np

import ppl
from benchmarks.centring_models import MODELS

CENTRINGS: dict[str, Any] = {"auto": "auto", "as declared": 1, "not centred": 0}


def measured(name: str, centring: Any, seed: int, draws: int = 1000) -> dict[str, float]:
    """Return what one run of a model is worth: of the worst number, in effective draws, and R-hat."""
    compiled = ppl.compile(MODELS[name](), marginalize=False, sampler="nuts", centring=centring, progress=False)
    start = time.process_time()
    trace = compiled.sample(draws, 1000, 4, 1, seed, progress=False)
    seconds = time.process_time() - start
    posterior = trace.posterior.to_dataset()
    least = {kind: min(float(v.min()) for v in az.ess(posterior, method=kind).values()) for kind in ("bulk", "tail")}
    shares = [np.asarray(v).mean() for n, v in trace["adaptation"].data_vars.items() if n.startswith("centring_")]
    gradients = int(trace.attrs["num_gradients"])
    return {
        "bulk": least["bulk"],
        "tail": least["tail"],
        "rhat": max(float(v.max()) for v in az.rhat(posterior).values()),
        "divergent": int(trace.sample_stats["diverging"].sum()),
        "gradients": gradients,
        "per 1000 gradients": 1000 * min(least.values()) / gradients,
        "per CPU second": min(least.values()) / seconds,
        "CPU seconds": seconds,
        "share": float(shares[0]) if shares else np.nan,
    }


def main(names: list[str], seeds: tuple[int, ...] = (1, 2, 3)) -> None:
    """Print a table; of all models by default."""
    for name in names or MODELS:
        for label, centring in CENTRINGS.items():
            for seed in seeds:
                found = measured(name, centring, seed)
                numbers = "  ".join(f"{key} {value:.4g}" for key, value in found.items())
                print(f"{name:26} {label:12} {seed}  {numbers}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
