"""What a call of ``sample`` takes besides its chains, stage by stage, and drawing back ten thousand variables.

``python -m benchmarks.after_chains [MODEL ...]`` prints milliseconds of processor time of all threads, the least of
thirty calls of four chains of 1000 draws after 1000 of warm-up on two cores; of drawing back, of five.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time
from typing import Any

import numpy as np
import pymc as pm

import ppl
from benchmarks.integrated_models import PAIRS
from benchmarks.measure import machine
from ppl.diagnosing import diagnosis
from ppl.running import compiled as running
from ppl.running.drawing import Drawing

CALLS, CALLS_OF_LARGE = 30, 5
LARGE = 10_000
STAGES: tuple[tuple[Any, str, str], ...] = (
    (running, "room_of_run", "memory"),
    (running.CompiledModel, "_start", "start"),
    (Drawing, "__call__", "chains"),
    (running.DrawExpansion, "_drawn_back", "drawn back"),
    (running.DrawExpansion, "__call__", "values, with what is drawn back"),
    (running, "to_datatree", "tree"),
    (diagnosis, "gather", "reading the trace"),
    (diagnosis, "convergence", "R-hat and effective sizes"),
    (diagnosis, "find_faults", "faults"),
)


def ordinary() -> ppl.Model:
    """Return five parameters and two deterministics."""
    a, b, c, d = ppl.Normal("a", 0, 1), ppl.Normal("b", 0, 1), ppl.HalfNormal("c", 1), ppl.Normal("d", 0, 2)
    e = ppl.HalfNormal("e", 1)
    x = np.linspace(-1, 1, 30)
    data = {
        ppl.Normal("y", a + b * x, c): 1 + 0.5 * x + 0.1 * np.sin(9 * x),
        ppl.Normal("z", d, e): np.array([0.2, 0.5, 0.1, -1.0, 2.0]),
    }
    return ppl.Model(data, ppl.Deterministic("sum", a + b), ppl.Deterministic("ratio", d / e))


def element_by_element() -> ppl.Model:
    """Return effects each of which is normal given the rest."""
    effects = ppl.Normal("effects", ppl.Normal("mu", 0, 5), ppl.HalfNormal("tau", 1), size=LARGE)
    return ppl.Model({ppl.Normal("y", effects, 1.0): 1.5 * np.random.default_rng(1).normal(size=LARGE)})


def beside_a_border() -> ppl.Model:
    """Return effects of groups that hang together by two coefficients only."""
    rng, group = np.random.default_rng(1), np.repeat(np.arange(LARGE), 3)
    coefficients, effects = (
        ppl.Normal("b", 0, 5, size=2),
        ppl.Normal("effects", 0, ppl.HalfNormal("tau", 1), size=LARGE),
    )
    mean = effects[group] + (coefficients * rng.normal(size=(3 * LARGE, 2))).sum(axis=1)
    y = rng.normal(size=3 * LARGE) + rng.normal(size=LARGE)[group]
    return ppl.Model({ppl.Normal("y", mean, ppl.HalfNormal("s", 1)): y})


def walk() -> ppl.Model:
    """Return a random walk that is observed with noise: a banded precision."""
    rng = np.random.default_rng(1)
    with pm.Model() as model:
        step, noise = pm.HalfNormal("step", 1), pm.HalfNormal("noise", 1)
        values = pm.GaussianRandomWalk("walk", 0.0, step, init_dist=pm.Normal.dist(0, 1), steps=LARGE - 1)
        y = np.cumsum(0.3 * rng.normal(size=LARGE)) + rng.normal(size=LARGE)
        pm.Normal("y", values, noise, observed=y)
    return ppl.from_pymc(model)


MODELS: dict[str, Callable[[], ppl.Model]] = {
    "eight_schools": lambda: ppl.from_pymc(PAIRS["eight_schools"].declare()),
    "radon": lambda: ppl.from_pymc(PAIRS["radon"].declare()),
    "ordinary": ordinary,
    "element_by_element": element_by_element,
    "beside_a_border": beside_a_border,
    "walk": walk,
}
LARGE_ONES = ("element_by_element", "beside_a_border", "walk")


@contextmanager
def _timed(found: dict[str, list[float]]) -> Iterator[None]:
    """Note the processor time of each stage."""
    originals = [getattr(owner, name) for owner, name, _ in STAGES]

    def measured(function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = process_time()
            try:
                return function(*arguments, **options)
            finally:
                found.setdefault(label, []).append(process_time() - start)

        return call

    for (owner, name, label), original in zip(STAGES, originals, strict=True):
        setattr(owner, name, measured(original, label))
    try:
        yield
    finally:
        for (owner, name, _), original in zip(STAGES, originals, strict=True):
            setattr(owner, name, original)


def stages(model: ppl.Model, calls: int, draws: int = 1000, tune: int = 1000) -> dict[str, float]:
    """Return the least seconds of processor time of each stage, and of the whole call."""
    sampler: Any = ppl.compile(model, progress=False)
    sampler.sample(draws, tune, seed=0, cores=2, progress=False)
    found: dict[str, list[float]] = {}
    with _timed(found):
        for seed in range(calls):
            start = process_time()
            sampler.sample(draws, tune, seed=seed, cores=2, progress=False)
            found.setdefault("whole call", []).append(process_time() - start)
    return {label: min(seconds) for label, seconds in found.items()}


def main(names: list[str]) -> None:
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    print(machine())
    for name in names or list(MODELS):
        print(f"\n{name}")
        for label, seconds in stages(MODELS[name](), CALLS_OF_LARGE if name in LARGE_ONES else CALLS).items():
            print(f"  {label:32} {1e3 * seconds:8.2f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
