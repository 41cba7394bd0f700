"""Densities of some rows of the data, as fits move by them; and what is said where they gain nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from graphs.density import LogDensity
from graphs.errors import ModelError
from graphs.minibatch import minibatched
from ppl.approximating.density import ModelDensity
from ppl.chunks.source import inputs_in_chunks
from ppl.modelling.changing import with_rows_in_memory
from ppl.modelling.model import Model
from ppl.running.memory import check_memory
from samplers.approximations.target import BatchOfRows, Target, compile_target

logger = logging.getLogger("rvgraph")
STEPPING = ("meanfield", "fullrank", "lowrank")
_LONGEST_WEIGHED = 5.0
"""Seconds that the log-density of all rows is evaluated at draws, if not at a hundred of them."""
_FEWEST_WEIGHED = 100


_COPIES = 3
"""Of data in chunks: as they are read, in a random order, and what is made of them."""


def with_rows(model: Model) -> Model:
    """Return a model whose data in chunks are in memory, from which batches are drawn.

    Raises
    ------
    ModelError
        If a row has missing values.
    SamplingError
        If they do not fit.
    """
    if not model.in_chunks:
        return model
    graph = model.declared_graph
    pairs = graph.observed.values()
    inputs = inputs_in_chunks([*(rv for rv, _ in pairs), *(v for _, v in pairs), *graph.potentials.values()])
    sizes = {str(v.name): _COPIES * 8 * int(np.prod(v.type.shape)) for v in inputs}
    check_memory(sizes, "To draw batches of rows", "make the model of some of the rows, drawn at random")
    return Model.from_parts(with_rows_in_memory(model.parts))


def batch_target(density: ModelDensity, method: str, minibatch: int | Mapping[str, int], seed: int) -> Target:
    """Compile the log-density of some rows of the data; warn where sufficient statistics make that needless.

    Raises
    ------
    ModelError
        If the method needs all rows in each step, or there are no such rows.
    DerivationError
        If a term does not factor over its rows: names it, and why.
    """
    if method not in STEPPING:
        raise ModelError(f"method {method!r} looks at all rows in every step: for a minibatch use {STEPPING[1]!r}.")
    found = minibatched(density.plan.mixed, minibatch, seed)
    of_rows = {name for batch in found.batches for name in batch.terms}
    for each in density.plan.compression:
        if each.name in of_rows:
            logger.warning(
                "The likelihood of %s has sufficient statistics (%s): its %d rows are %d numbers, and a step without a "
                "minibatch is exact and takes %s. Leave minibatch out, or use ppl.sample.",
                each.name,
                each.how,
                each.rows,
                each.numbers,
                _duration(density),
            )
    batches = [BatchOfRows(b.rows, b.number, is_shuffled=b.is_shuffled) for b in found.batches]
    return compile_target(LogDensity(found.density.total, density.logdensity.inputs), batches, density.backend)


def _duration(density: ModelDensity) -> str:
    return f"{1e6 * _seconds_of_a_gradient(density):.0f} microseconds"


def _seconds_of_a_gradient(density: ModelDensity) -> float:
    evaluate = density.target.evaluator()
    evaluate(np.zeros(density.layout.size))
    begin = perf_counter()
    evaluate(np.zeros(density.layout.size))
    return perf_counter() - begin


def num_weighed(density: ModelDensity, number: int) -> int:
    """Return at how many draws the log-density of all rows is evaluated, where steps take some of these."""
    affordable = int(_LONGEST_WEIGHED / max(_seconds_of_a_gradient(density), 1e-9))
    return min(number, max(_FEWEST_WEIGHED, affordable))


def with_nothing_behind(values: Any, number: int) -> Any:
    """Return values of some draws, with NaN for the others."""
    return np.concatenate([values, np.full(number - len(values), np.nan)])
