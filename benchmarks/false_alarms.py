"""How often `ppl.diagnose` finds a fault in exact independent draws, by size and by the shape of their distribution.

``python -m benchmarks.false_alarms`` prints the table: of 200 traces of a shape no finding may occur in two.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from xarray import Dataset, DataTree

import ppl

SIZES = ((4, 1000), (2, 300))
TRACES = 200
"""Of each shape and size."""
MOST_ALARMS = 0.005
Draw = Callable[[Generator, tuple[int, int]], NDArray]


def _atoms(share: float, atom: float) -> Draw:
    """Return draws that are an atom in a share of the cases, standard normal otherwise."""
    return lambda rng, shape: np.where(rng.uniform(size=shape) < share, atom, rng.normal(size=shape))


def _log_of_counts(rng: Generator, shape: tuple[int, int]) -> NDArray:
    with np.errstate(divide="ignore"):
        logs: NDArray = np.log(rng.poisson(2.0, shape))
    return logs


def _padded(rng: Generator, shape: tuple[int, int]) -> NDArray:
    """Return elements that are never numbers beside one that is: a triangle of a matrix, bounds of cut points."""
    whole = np.full((*shape, 3), (np.nan, 0.0, np.inf))
    whole[..., 1] = rng.normal(size=shape)
    return whole


SHAPES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "100 normals": lambda rng, shape: rng.normal(size=(*shape, 100)),
    "t of 3": lambda rng, shape: rng.standard_t(3.0, shape),
    "t of 2": lambda rng, shape: rng.standard_t(2.0, shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "lognormal": lambda rng, shape: rng.lognormal(0.0, 3.0, shape),
    "lognormal, 60 magnitudes": lambda rng, shape: rng.lognormal(0.0, 50.0, shape),
    "Gamma(0.01)": lambda rng, shape: rng.gamma(0.01, 100.0, shape),
    "inverse Gamma(0.1)": lambda rng, shape: 1.0 / rng.gamma(0.1, 1.0, shape).clip(1e-300),
    "Pareto(0.2)": lambda rng, shape: rng.pareto(0.2, shape),
    "Beta(0.5, 0.5)": lambda rng, shape: rng.beta(0.5, 0.5, shape),
    "stick-breaking weights": lambda rng, shape: np.cumprod(1 - rng.beta(1.0, 0.5, (*shape, 30)), axis=-1),
    "Dirichlet(0.05)": lambda rng, shape: rng.dirichlet(np.full(8, 0.05), shape),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "far modes": lambda rng, shape: rng.normal(size=shape) + 1e4 * rng.integers(-1, 2, shape),
    "fair coin": lambda rng, shape: rng.integers(0, 2, shape),
    "fair coin, bool": lambda rng, shape: rng.uniform(size=shape) < 0.5,
    "60 fair coins": lambda rng, shape: rng.integers(0, 2, (*shape, 60)),
    "rare event, 1%": lambda rng, shape: (rng.uniform(size=shape) < 0.01).astype(int),
    "rare events, 20 of 2%": lambda rng, shape: (rng.uniform(size=(*shape, 20)) < 0.02).astype(int),
    "Poisson(0.3)": lambda rng, shape: rng.poisson(0.3, shape),
    "Poisson(1e6)": lambda rng, shape: rng.poisson(1e6, shape),
    "negative binomial(0.05)": lambda rng, shape: rng.negative_binomial(0.05, 1e-4, shape),
    "categorical": lambda rng, shape: rng.choice(4, p=(0.45, 0.5, 0.04, 0.01), size=shape),
    "multinomial": lambda rng, shape: rng.multinomial(5, (0.7, 0.2, 0.1), shape),
    "atom 2%": _atoms(0.02, 0.0),
    "atom 50%": _atoms(0.5, 0.0),
    "atom 98%": _atoms(0.98, 0.0),
    "atom 99%, not whole": _atoms(0.99, 0.3),
    "1e8 + noise": lambda rng, shape: 1e8 + rng.normal(size=shape),
    "1e8 + noise of few digits": lambda rng, shape: 1e8 + 3e-8 * rng.normal(size=shape),
    "scale 1e-12": lambda rng, shape: 1e-12 * rng.normal(size=shape),
    "scale 1e-200": lambda rng, shape: 1e-200 * rng.normal(size=shape),
    "scale 1e13": lambda rng, shape: 1e13 * rng.normal(size=shape),
    "scale 1e25": lambda rng, shape: 1e25 * rng.normal(size=shape),
    "log of counts, -inf of zero": _log_of_counts,
    "padded with NaN and inf": _padded,
}


def trace_of(**variables: NDArray) -> DataTree:
    """Return a trace of arrays (chains, draws, ...), without statistics of a sampler."""
    arrays = {
        name: (["chain", "draw", *(f"{name}_dim_{i}" for i in range(draws.ndim - 2))], draws)
        for name, draws in variables.items()
    }
    return DataTree.from_dict({"posterior": Dataset(arrays)})


def alarms(shape: str, size: tuple[int, int], seeds: range) -> Counter[str]:
    """Count the traces of a shape in which each kind of fault is found.

    Parameters
    ----------
    shape : str
        Of `SHAPES`.
    size : tuple of int
        Chains and draws.
    seeds : range
        One for each trace.
    """
    found: Counter[str] = Counter()
    for seed in seeds:
        draws = SHAPES[shape](np.random.default_rng([seed, *size]), size)
        found.update(f.kind for f in ppl.diagnose(trace_of(x=draws)).findings)
    return found


def main() -> int:
    """Print in what share of the traces each kind of fault is found; the exit status says whether it is too often."""
    print("| size | shape | found |\n|---|---|---|")
    is_good = True
    for size in SIZES:
        for shape in SHAPES:
            found = alarms(shape, size, range(TRACES))
            shares = ", ".join(f"{kind} {count / TRACES:.1%}" for kind, count in found.items())
            print(f"| {size[0]} x {size[1]} | {shape} | {shares or 'nothing'} |", flush=True)
            is_good &= max(found.values(), default=0) <= MOST_ALARMS * TRACES
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
