"""Draws on the real line, with the densities that are evaluated there: what moments are matched in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from xarray import DataArray, Dataset

from graphs.backends import get_backend
from graphs.errors import ModelError
from graphs.joint.logprob import logprob
from graphs.surgery.rebuilding import substitute
from graphs.variables.transforms import transforms_of
from ppl.modelling.model import Model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.posterior import check_trace

type Matrix = NDArray[np.float64]
DIMS = ("chain", "draw", "number")


class UnconstrainedDraws:
    """The draws of a trace on the real line, the log-density there, and the log-likelihood of one row.

    Parameters
    ----------
    model : Model
        The model; its discrete variables are summed out.
    posterior : Dataset
        The draws.
    likelihood : TensorVariable
        The log-likelihood of all rows.
    values : mapping of str to TensorVariable
        The values in natural space that it is a graph of.
    backend : str
        What makes machine code.

    Raises
    ------
    ModelError
        If a discrete variable is left: moments of it cannot be matched.
    """

    def __init__(self, model: Model, posterior: Dataset, likelihood: Any, values: dict[str, Any], backend: str):
        moved = logprob(model, space="unconstrained")
        for name, support in moved.supports.items():
            if support.is_discrete:
                raise ModelError(f"{name} is discrete, and not summed out: its moments cannot be matched.", name)
        self.shape = (posterior.sizes["chain"], posterior.sizes["draw"])
        plain = logprob(model)
        check_trace(plain.values, posterior, model)
        rows = FlatDraws.of(posterior, {name: plain.values[name] for name in moved.values})
        natural = rows.read(0, rows.count)
        on_line = _on_the_real_line(plain, list(moved.values))
        made = get_backend(backend)
        inputs = list(natural)
        arrays = made.map(inputs, list(on_line.values()))(*(natural[v].astype(v.type.dtype) for v in inputs))
        self._variables = [moved.values[name] for name in on_line]
        self.draws = np.concatenate([np.asarray(a, np.float64).reshape(len(a), -1) for a in arrays], axis=1)
        self._sizes = [int(np.prod(v.type.shape)) for v in self._variables]
        self._total = made.map(self._variables, [moved.total])
        row = pt.dscalar("row")
        at = substitute([likelihood], {values[n]: moved.natural[n] for n in values if n in moved.natural})[0]
        self._row = made.map([*self._variables, row], [at.flatten()[row.astype("int64")]])

    def array(self) -> DataArray:
        """Return the draws, ``(chain, draw, number)``."""
        return DataArray(self.draws.reshape(*self.shape, -1), dims=DIMS)

    def log_density(self, draws: DataArray) -> DataArray:
        """Return the log-density on the real line, ``(chain, draw)``."""
        return self._named(self._total(*self._split(draws))[0])

    def log_likelihood_of_row(self, draws: DataArray, row: int) -> DataArray:
        """Return the log-likelihood of one row, counted over all axes, ``(chain, draw)``."""
        parts = self._split(draws)
        return self._named(self._row(*parts, np.full(len(parts[0]), float(row)))[0])

    def _split(self, draws: DataArray) -> list[Matrix]:
        flat = draws.transpose(*DIMS).to_numpy().reshape(-1, sum(self._sizes))
        ends = np.cumsum(self._sizes)[:-1]
        parts = np.split(flat, ends, axis=1)
        return [
            np.ascontiguousarray(p).reshape(len(p), *v.type.shape) for p, v in zip(parts, self._variables, strict=True)
        ]

    def _named(self, values: NDArray) -> DataArray:
        return DataArray(np.asarray(values, np.float64).reshape(self.shape), dims=DIMS[:2])


def _on_the_real_line(plain: Any, names: list[str]) -> dict[str, Any]:
    """Return graphs that take values in natural space to the real line."""
    graph = plain.graph
    wanted = {name: graph.latent[name] for name in names}
    transforms = transforms_of(wanted, graph.transforms)
    stand_ins = {rv: plain.values[name] for name, rv in graph.latent.items() if name in plain.values}
    stand_ins |= dict(graph.observed.values())
    found = {}
    for name in names:
        value = plain.values[name]
        if name in transforms:
            inputs = substitute(wanted[name].owner.inputs, stand_ins)
            value = transforms[name].forward(value, *inputs)
        found[name] = value
    return found
