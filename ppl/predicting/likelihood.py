"""The log-likelihood of every observation at every posterior draw, for model comparison and checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError
from graphs.integral import (
    GroupLikelihood,
    log_likelihood_of_groups,
    may_be_integrated,
    separable,
    why_barred,
)
from graphs.joint.joint_logprob import LogProb, finite_of, strip
from graphs.joint.logprob import logprob
from graphs.marginal.elimination.entries import Entry
from graphs.marginal.elimination.factoring import CannotSumError
from graphs.marginal.elimination.pointwise import pointwise
from graphs.marginal.finite import finite_states
from graphs.marginal.lifting import MOST_STATES
from graphs.variables.simulators import is_simulator
from ppl.chunks.rows_of_model import refuse_chunks
from ppl.modelling.model import Model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.missing_draws import over_draws
from ppl.predicting.posterior import check_trace, labelled_alike, posterior_of
from ppl.running.results import to_datatree


def log_likelihood(
    model: Model,
    trace: DataTree,
    *,
    backend: BackendName = "numba",
    max_states: int = MOST_STATES,
    integrated: bool | Iterable[str] = False,
) -> DataTree:
    """Return the trace with a group ``log_likelihood``: one number per independent part of the data and draw.

    Discrete variables of finitely many states are summed out here, whether they were drawn or not. Rows that share none
    have one number each. Rows that do are not independent given the continuous variables: a Markov chain has one number
    per series, an index shared by a group one per group, a site one for all its visits. Several observed variables that
    depend on the same discrete elements have a joint entry, named by all of them: ``"y+x"``.

    With ``integrated=True`` the effects of groups are integrated out by their laws as well: each group of rows that
    share some has one number, ``log p(y_group | what is left of the draw)``, as leaving out whole groups takes it. What
    all groups share, such as the mean of the effects, stays as it was drawn. Effects of the most groups go first;
    others that would join these groups stay as they were drawn, too, and so does what has no law: of persons that
    answer the same items those of persons are integrated out, of persons in schools those of persons. Names decide
    otherwise.

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
    integrated : bool or iterable of str
        Which continuous variables, or counts without a bound, are integrated out, whether they were drawn or not: none
        by default; all that have laws and fall apart into groups; or those named.

    Returns
    -------
    DataTree
        As ArviZ's ``loo`` and ``compare`` take it; NaN of draws that are missing. Of a large trace that is read from
        a store, more than 64 MiB are computed when they are used, part by part, and not kept.

    Raises
    ------
    ModelError
        If the trace is not one of this model; if a variable that is to be integrated out is unknown, or all data share
        what is integrated out, so that there are no groups.
    DerivationError
        If a variable that is named has no law.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> k = ppl.Bernoulli("k", 0.3, size=3)
    >>> y = ppl.Normal("y", ppl.Normal("mu", 0, 1) * k, 1)
    >>> model = ppl.Model({y: np.array([0.3, 1.5, -0.2])})
    >>> trace = ppl.sample(model, draws=50, tune=50, chains=2, seed=1, progress=False)
    >>> ppl.log_likelihood(model, trace).log_likelihood["y"].shape
    (2, 50, 3)
    >>> u = ppl.Normal("u", ppl.Normal("mean", 0, 1), 1, size=2)
    >>> z = ppl.Normal("z", u[np.array([0, 0, 1, 1, 1])], 1)
    >>> model = ppl.Model({z: np.array([0.3, 1.5, -0.2, 0.1, 0.8])})
    >>> trace = ppl.sample(model, draws=50, tune=50, chains=2, seed=1, progress=False)
    >>> ppl.log_likelihood(model, trace, integrated=True).log_likelihood["z"].shape
    (2, 50, 2)
    """
    posterior = posterior_of(trace)
    if not model.observed:
        raise ModelError("The model has no data, so that there is no likelihood.")
    refuse_chunks(model.in_chunks, "The log-likelihood")
    kept, entries = _entries(model, max_states, integrated)
    check_trace(kept, posterior, model)
    graphs = {name: entry.graph for name, entry in entries.items()}
    values = over_draws(graphs, FlatDraws.of(posterior, kept), backend)
    dims = {n: d for n, entry in entries.items() if (d := _dims(model, n, entry)) is not None}
    new = to_datatree(model, {"log_likelihood": values}, {}, dims)
    tree = trace.copy()
    tree["log_likelihood"] = DataTree(labelled_alike(new["log_likelihood"].to_dataset(), posterior))
    return tree


def _entries(
    model: Model, max_states: int, integrated: bool | Iterable[str]
) -> tuple[dict[str, TensorVariable], dict[str, Entry]]:
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
    data = [term for term, members in joint.members.items() if set(members) <= set(model.observed)]
    groups = _integrated(joint, finite, data, integrated)
    while True:
        stripped = strip(joint, finite)
        observed = [term for term in data if term not in groups.terms]
        priors = [term for term, members in joint.members.items() if set(members) <= set(finite)]
        variables = [finite_of(joint, name) for name in finite]
        try:
            entries = pointwise(stripped.terms, observed, variables, priors, max_states)
        except CannotSumError as error:
            # What cannot be summed was drawn.
            finite = [name for name in finite if name not in error.names]
            continue
        gone = {*finite, *empty, *groups.names}
        return {name: value for name, value in joint.values.items() if name not in gone}, {**entries, **groups.entries}


def _integrated(
    joint: LogProb, finite: Sequence[str], data: Sequence[str], integrated: bool | Iterable[str]
) -> GroupLikelihood:
    """Return the entries of groups whose effects are integrated out."""
    if integrated is False:
        return GroupLikelihood((), (), {})
    if isinstance(integrated, str):
        raise ModelError(f"integrated is True, False or a list of names, not {integrated!r}: write [{integrated!r}].")
    sums = [joint.values[name] for name in finite]
    names = separable(joint, data, sums) if integrated is True else _named(joint, list(dict.fromkeys(integrated)), sums)
    if not names:
        raise ModelError(
            "There is nothing to integrate out group by group: no variable with a law falls apart into groups of rows "
            "that share its elements. Use integrated=False, which has a number for each row."
        )
    found = log_likelihood_of_groups(joint, names, data)
    for name, entry in found.entries.items():
        if entry.graph.type.shape in ((), (1,)):
            raise ModelError(
                f"All of {name} share what is integrated out ({', '.join(names)}), so that there are no groups to tell "
                "apart. Leave what they share, such as a mean of effects, out of integrated: it stays as it was drawn.",
                name,
            )
    return found


def _named(joint: LogProb, names: list[str], sums: Sequence[TensorVariable]) -> list[str]:
    """Return what was asked for by name, checked."""
    for name in names:
        if name not in joint.values or not may_be_integrated(joint, name):
            known = ", ".join(n for n in joint.values if may_be_integrated(joint, n)) or "none"
            raise ModelError(f"{name!r} cannot be integrated out: what can be asked for is {known}.", name)
        if why := why_barred(joint, name, sums):
            raise ModelError(f"{name} cannot be integrated out: {why}. Leave it out of integrated.", name)
    return names


def _dims(model: Model, name: str, entry: Entry) -> tuple[str, ...] | None:
    dims: Sequence[str] | None = None if entry.source is None else model.dims.get(entry.source)
    if dims is None:
        # Other axes than those of the variable of this name get their own names.
        return tuple(f"{name}_dim_{i}" for i in range(entry.graph.type.ndim)) if name in model.dims else None
    return tuple(dims[axis] for axis in entry.axes)


def likelihood_graphs(model: Model) -> tuple[dict[str, TensorVariable], dict[str, TensorVariable]]:
    """Return the values that the log-likelihood is conditional on, and its entries as graphs of these, both by name."""
    kept, entries = _entries(model, MOST_STATES, False)
    return kept, {name: entry.graph for name, entry in entries.items()}
