"""Gradients of likelihoods that have sufficient statistics, from ten thousand rows to ten million."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

import numpy as np
import pytensor.tensor as pt

import ppl
from benchmarks.evaluation import Repeated, as_program, by_program
from benchmarks.measure import Row, rows_of, timed

TITLE = "Compressed likelihoods: a gradient, one core, by number of rows; and the plan that compresses them"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LARGEST_AS_IT_IS = 1_000_000
ROWS_PER_TIMING = 4_000_000


def regression(num_rows: int) -> ppl.Model:
    """Return a linear regression on ten columns."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((num_rows, 10))
    y = x @ rng.standard_normal(10) + rng.standard_normal(num_rows)
    mean = ppl.Normal("a", 0, 1) + x @ ppl.Normal("b", 0, 1, size=10)
    return ppl.Model({ppl.Normal("y", mean, ppl.HalfNormal("sigma", 1)): y})


def hierarchy(num_rows: int) -> ppl.Model:
    """Return a regression on one column with a thousand intercepts."""
    rng = np.random.default_rng(1)
    group, x = rng.integers(0, 1000, num_rows), rng.standard_normal(num_rows)
    effects = ppl.Normal("a", ppl.Normal("mu", 0, 1), ppl.HalfNormal("tau", 1), size=1000)
    mean = effects[group] + ppl.Normal("b", 0, 1) * x
    return ppl.Model({ppl.Normal("y", mean, ppl.HalfNormal("sigma", 1)): rng.standard_normal(num_rows)})


def repeated_rows(num_rows: int) -> ppl.Model:
    """Return a logistic regression on two covariates of four values each."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, (num_rows, 2)).astype(float)
    logits = ppl.Normal("a", 0, 1) + x @ ppl.Normal("b", 0, 1, size=2)
    return ppl.Model({ppl.Bernoulli("y", logit_p=logits): rng.integers(0, 2, num_rows)})


def gamma(num_rows: int) -> ppl.Model:
    """Return a gamma distribution of unknown shape and rate."""
    y = np.random.default_rng(1).gamma(2.0, 1.0, num_rows)
    return ppl.Model({ppl.Gamma("y", ppl.Exponential("shape", 1), ppl.Exponential("rate", 1)): y})


MODELS: dict[str, Callable[[int], ppl.Model]] = {
    "regression, 10 columns": regression,
    "regression, 1000 groups": hierarchy,
    "logistic regression, repeated rows": repeated_rows,
    "gamma, two parameters": gamma,
}


def gradient(model: ppl.Model, compress: bool) -> tuple[Repeated, float]:
    """Return what evaluates the density that NUTS sees, and the seconds of planning."""
    start = perf_counter()
    plan = ppl.plan(model, sampler="nuts", compress=compress)
    seconds = perf_counter() - start
    density = plan.sweep.blocks[0].logdensity
    inputs = list(density.inputs)
    size = sum(int(np.prod(v.type.shape)) for v in inputs)
    return by_program(as_program(pt.as_tensor(density.total), inputs), np.full(size, 0.1)), seconds


def rows(repeats: int, compile_repeats: int) -> Iterator[Row]:
    """Measure each model at each size, without compression up to a million rows."""
    for name, declare in MODELS.items():
        for num_rows in SIZES:
            model = declare(num_rows)
            what = f"{name}: n={num_rows:,}"
            compressed, seconds = gradient(model, compress=True)
            runs = {"rvgraph": timed(partial(compressed, 10_000), 10_000)}
            if num_rows <= LARGEST_AS_IT_IS:
                as_it_is, _ = gradient(model, compress=False)
                count = max(ROWS_PER_TIMING // num_rows, 1)
                runs["rvgraph, compress=False"] = timed(partial(as_it_is, count), count)
            yield from rows_of(what, runs, repeats, "us", 1e6)
            yield Row(f"{what}, plan", "rvgraph", seconds, "s")
