"""Likelihoods of data in chunks, reduced to sufficient statistics: what samplers see of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.compression import Compressed
from graphs.compression.in_blocks import NoStatistics, NotSeen, Recipe, Statistics, built, recipe_for
from graphs.errors import DerivationError, ModelError, SamplingError
from graphs.joint.logprob import ModelGraph, logprob
from graphs.supports import Support
from graphs.surgery.pickling import PartsFirst
from graphs.surgery.random_graph import find_random_variables
from graphs.surgery.rebuilding import substitute
from ppl.chunks.passing import Reader, parts_to_read, read_all
from ppl.chunks.source import Source, inputs_in_chunks, source_of
from ppl.chunks.template import at_rows

_ROWS_OF_A_BLOCK = 32_000
"""Arrays of so many rows and ten columns fit into caches, and Python has little to do for each."""
_SAMPLE = 8_000
_MOST_PASSES = 20
_MOST_ROWS_IN_MEMORY = 2**20
"""Of data of other lengths than the rows, such as one number for each group."""


@dataclass(frozen=True, eq=False)
class Reduced(PartsFirst):
    """A model without rows.

    Parameters
    ----------
    graph : ModelGraph
        Likelihoods of data in chunks are potentials, of their statistics.
    compressed : tuple of Compressed
        What became of them.
    """

    graph: ModelGraph
    compressed: tuple[Compressed, ...] = ()


def names_in_chunks(graph: ModelGraph) -> list[str]:
    """Return the names of observed variables and potentials that read data in chunks."""
    observed = [n for n, (rv, value) in graph.observed.items() if inputs_in_chunks([rv, _tensor(value)])]
    return observed + [n for n, term in graph.potentials.items() if inputs_in_chunks([term])]


def reduced_model(graph: ModelGraph) -> Reduced:
    """Return a model whose likelihoods read no chunks, but the statistics of their rows.

    Parameters
    ----------
    graph : ModelGraph
        With inputs that stand for rows.

    Raises
    ------
    DerivationError
        If a likelihood has no statistics; names it, and what to do.
    ModelError
        If data are outside of supports, or lengths differ.
    """
    names = names_in_chunks(graph)
    found = {name: _Likelihood(graph, name).reduced() for name in names}
    observed = {name: pair for name, pair in graph.observed.items() if name not in found}
    potentials = {
        **{n: t for n, t in graph.potentials.items() if n not in found},
        **{n: t for n, (t, _) in found.items()},
    }
    return Reduced(replace(graph, observed=observed, potentials=potentials), tuple(c for _, c in found.values()))


class _Likelihood:
    """One term of a model that reads rows."""

    def __init__(self, graph: ModelGraph, name: str):
        self.graph, self.name = graph, name
        self.is_observed = name in graph.observed
        term = graph.observed[name][0] if self.is_observed else graph.potentials[name]
        value = _tensor(graph.observed[name][1]) if self.is_observed else None
        self.term, self.value = _with_short_data(term, value, name)
        inputs = [v for v in inputs_in_chunks([self.term]) if v is not self.value]
        self.inputs = inputs if self.value is None else [*inputs, self.value]
        self.latent = {n: rv for n, rv in graph.latent.items() if rv in set(ancestors([self.term]))}
        self.values: dict[str, TensorVariable] = {}
        self.supports: dict[Variable, Support] = {}
        shapes = [v.type.shape for v in (*self.latent.values(), *self.inputs)]
        own = [s[1:] for s in shapes[len(self.latent) :]]
        self.taken = {int(n) for shape in (*shapes[: len(self.latent)], *own) for n in (*shape, np.prod(shape)) if n}

    @property
    def readers(self) -> list[Reader]:
        """What rows are read from, and how they are checked."""
        rv = self.term if self.is_observed else None
        return [Reader(str(v.name), _source(v), v.type.dtype, rv if v is self.value else None) for v in self.inputs]

    def reduced(self) -> tuple[TensorVariable, Compressed]:
        """Return the term as a graph of latent variables, and what was kept."""
        readers, parts = self.readers, parts_to_read([_source(v) for v in self.inputs])
        num_rows = parts[-1][1]
        try:
            recipe, statistics = self._pass(readers, parts)
            graph, how = built(recipe, self.derive, self.taken, statistics)
        except NoStatistics as error:
            raise DerivationError(
                f"{self.name} is of {num_rows:,} rows in chunks, and has no sufficient statistics: {error}. Sample it "
                f"from batches of rows, ppl.approximate(model, minibatch=1000), round covariates so that rows "
                "repeat, or take so few rows that they fit into memory.",
                self.name,
            ) from error
        [graph] = substitute([graph], {value: self.latent[n] for n, value in self.values.items()})
        graph.name = self.name
        graph.tag.potential = True
        plural = "blocks" if len(parts) > 1 else "block"
        missing = num_rows - statistics.num_rows
        left_out = f", {missing:,} rows without a value of {self.name} left out" if missing else ""
        words = f"{how}: one pass over {len(parts):,} {plural}{left_out}"
        numbers = sum(v.data.size for v in set(ancestors([graph])) if hasattr(v, "data") and np.size(v.data) > 1)
        return graph, Compressed(self.name, num_rows, int(numbers), words)

    def _pass(self, readers: Sequence[Reader], parts: Sequence[tuple[int, int]]) -> tuple[Recipe, Statistics]:
        """Read all rows, again only where some are unlike any that were seen before."""
        sample = self._sample(readers, parts[-1][1])
        rows = min(_ROWS_OF_A_BLOCK, parts[-1][1])
        for _ in range(_MOST_PASSES):
            recipe = recipe_for(self.derive, rows, self.taken, sample, self.supports)
            found = read_all(recipe, readers, parts, self.name)
            if not isinstance(found, NotSeen):
                return recipe, found
            sample = [np.concatenate(pair) for pair in zip(found.rows, sample, strict=True)]
        raise SamplingError(f"The rows of {self.name} are read in another way each time: a fault of this library.")

    def _sample(self, readers: Sequence[Reader], num_rows: int) -> list[NDArray]:
        """Return the first rows that have all values."""
        for start in range(0, num_rows, _SAMPLE):
            stop = min(start + _SAMPLE, num_rows)
            rows, _ = Reader.rows(readers, start, stop)
            if len(rows[0]):
                return rows
        raise ModelError(f"All data of {self.name} are missing.", self.name)

    def derive(
        self, num_rows: int, ranges: Sequence[Support | None]
    ) -> tuple[TensorVariable, Sequence[TensorVariable]]:
        """Return the log-probability of some number of rows, and the inputs that their data are."""
        [term], new = at_rows([self.term], self.inputs, num_rows)
        expected = (num_rows, *self.term.type.shape[1:])
        if self.is_observed and term.type.shape != expected:
            raise ModelError(
                f"{self.name} has the shape {term.type.shape} for {num_rows} rows of its data: a row each is needed.",
                self.name,
            )
        transforms = {n: t for n, t in self.graph.transforms.items() if n in self.latent}
        observed: dict[str, tuple[TensorVariable, Variable]] = {}
        potentials: dict[str, TensorVariable] = {}
        if self.value is not None:
            observed[self.name] = (term, new[self.value])
        else:
            potentials[self.name] = term
        found = set(find_random_variables([term])) - {term}
        unknown = found - set(self.latent.values()) if self.is_observed else set()
        if any(inputs_in_chunks([v]) or v.name for v in unknown):
            names = ", ".join(str(v.name) for v in unknown)
            raise ModelError(f"{names} would have a value for each row of data in chunks: that cannot be had.", names)
        joint = logprob(ModelGraph(self.latent, observed, potentials, transforms), marginalize=False)
        for name, value in joint.values.items():
            self.values.setdefault(name, value)
            self.supports.setdefault(self.values[name], joint.supports[name])
        own = {value: self.values[name] for name, value in joint.values.items()}
        [graph] = substitute([joint.terms[self.name]], own)
        inputs = [new[v] for v in self.inputs]
        where = {v: support for v, support in zip(inputs, ranges, strict=True) if support is not None}
        return strip_guards(graph, {**self.supports, **where}), inputs


def _with_short_data(
    term: TensorVariable, value: TensorVariable | None, name: str
) -> tuple[TensorVariable, TensorVariable | None]:
    """Return a term in which data of other lengths than the rows, such as those of groups, are in memory."""
    inputs = inputs_in_chunks([term] if value is None else [term, value])
    num_rows = max(_source(v).num_rows for v in inputs) if value is None else int(value.type.shape[0])
    short: dict[Variable, Variable] = {}
    for variable in inputs:
        source = _source(variable)
        if source.num_rows == num_rows:
            continue
        if source.num_rows > _MOST_ROWS_IN_MEMORY:
            raise ModelError(
                f"{variable.name} has {source.num_rows:,} rows in chunks, {name} has {num_rows:,}: as many are needed.",
                str(variable.name),
            )
        data = source.read(0, source.num_rows).astype(variable.type.dtype)
        short[variable] = pt.constant(data, name=variable.name)
    [new] = substitute([term], short) if short else [term]
    return pt.as_tensor(new), value


def _source(variable: Variable) -> Source:
    source = source_of(variable)
    assert source is not None
    return source


def _tensor(variable: Variable) -> TensorVariable:
    assert isinstance(variable, TensorVariable)
    return variable
