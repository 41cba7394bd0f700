"""The log-likelihood of every observation at every posterior draw, for model comparison and checks."""

from __future__ import annotations

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.errors import ModelError
from graphs.joint.joint_logprob import finite_of, strip
from graphs.joint.logprob import logprob
from graphs.marginal.elimination.factoring import CannotSumError
from graphs.marginal.elimination.pointwise import Entry, pointwise
from graphs.marginal.finite import finite_states
from graphs.marginal.lifting import MOST_STATES
from graphs.variables.simulators import is_simulator
from ppl.modelling.model import Model
from ppl.predicting.missing_draws import over_draws
from ppl.predicting.posterior import check_trace, flat_draws, labelled_alike, posterior_of
from ppl.running.results import to_datatree


def log_likelihood(model: Model, trace: DataTree, *, backend: str = "numba", max_states: int = MOST_STATES) -> DataTree:
    """Return the trace with a group ``log_likelihood``: one number per independent part of the data and draw.

    Discrete variables of finitely many states are summed out here, whether they were drawn or not. Rows that share none
    have one number each. Rows that do are not independent given the continuous variables: a Markov chain has one number
    per series, an index shared by a group one per group, a site one for all its visits. Several observed variables that
    depend on the same discrete elements have a joint entry, named by all of them: ``"y+x"``.

    Parameters
    ----------
    model : Model
        The model that was sampled.
    trace : DataTree
        The result of `ppl.sample`; it is not changed.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    max_states : int
        As in `ppl.plan`.

    Returns
    -------
    DataTree
        As ArviZ's ``loo`` and ``compare`` take it; NaN of draws that are missing.

    Raises
    ------
    ModelError
        If the trace is not one of this model.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> k = ppl.Bernoulli("k", 0.3, size=3)
    >>> y = ppl.Normal("y", ppl.Normal("mu", 0, 1) * k, 1)
    >>> model = ppl.Model({y: np.array([0.3, 1.5, -0.2])})
    >>> trace = ppl.sample(model, draws=50, tune=50, chains=2, seed=1, progress=False)
    >>> ppl.log_likelihood(model, trace).log_likelihood["y"].shape
    (2, 50, 3)
    """
    posterior = posterior_of(trace)
    if not model.observed:
        raise ModelError("The model has no data, so that there is no likelihood.")
    kept, entries = _entries(model, max_states)
    check_trace(kept, posterior, model)
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    graphs = {name: entry.graph for name, entry in entries.items()}
    arrays = over_draws(graphs, flat_draws(posterior, kept), shape[0] * shape[1], backend)
    values = {n: a.reshape(shape + a.shape[1:]) for n, a in arrays.items()}
    dims = {n: d for n, entry in entries.items() if (d := _dims(model, n, entry)) is not None}
    new = to_datatree(model, {"log_likelihood": values}, {}, dims)
    tree = trace.copy()
    tree["log_likelihood"] = DataTree(labelled_alike(new["log_likelihood"].to_dataset(), posterior))
    return tree


def _entries(model: Model, max_states: int) -> tuple[dict[str, TensorVariable], dict[str, Entry]]:
    """Return the variables that the log-likelihood is conditional on, and its entries."""
    for name, rv in model.observed.items():
        if is_simulator(rv):
            raise ModelError(f"{name} is simulated: its density is not known, so that it has no log-likelihood.", name)
    joint = logprob(model, marginalize=False)
    finite = [name for name, rv in model.latent.items() if finite_states(rv) is not None]
    # There is nothing to sum over in what has no elements.
    empty = {n: v for n in finite if 0 in (v := joint.values[n]).type.shape}
    joint = joint.replace({v: pt.zeros(v.type.shape, v.type.dtype) for v in empty.values()})
    finite = [name for name in finite if name not in empty]
    while True:
        stripped = strip(joint, finite)
        observed = [term for term, members in joint.members.items() if set(members) <= set(model.observed)]
        priors = [term for term, members in joint.members.items() if set(members) <= set(finite)]
        variables = [finite_of(joint, name) for name in finite]
        try:
            entries = pointwise(stripped.terms, observed, variables, priors, max_states)
        except CannotSumError as error:
            # What cannot be summed was drawn.
            finite = [name for name in finite if name not in error.names]
            continue
        gone = {*finite, *empty}
        return {name: value for name, value in joint.values.items() if name not in gone}, entries


def _dims(model: Model, name: str, entry: Entry) -> tuple[str, ...] | None:
    dims: Sequence[str] | None = None if entry.source is None else model.dims.get(entry.source)
    if dims is None:
        # Other axes than those of the variable of this name get their own names.
        return tuple(f"{name}_dim_{i}" for i in range(entry.graph.type.ndim)) if name in model.dims else None
    return tuple(dims[axis] for axis in entry.axes)
