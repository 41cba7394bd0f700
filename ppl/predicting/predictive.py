"""Draws of data: what a model expects before it has seen any, and what it predicts after."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError
from graphs.marginal.finite import finite_states
from graphs.surgery.random_graph import depends_on
from ppl.chunks.rows_of_model import refuse_chunks
from ppl.declaring.flat import is_flat
from ppl.modelling.model import Model, require_model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.forward import draw_forward, new_data, predictive_group
from ppl.predicting.new_units import NewUnits
from ppl.predicting.posterior import check_trace, labelled_alike, posterior_of
from ppl.running.results import logger, to_datatree, versions


def prior_predictive(
    model: Model, draws: int = 1000, *, seed: int | None = None, backend: BackendName = "numba"
) -> DataTree:
    """Draw parameters from the prior, and data given these.

    Parameters
    ----------
    model : Model
        The model; its data are ignored.
    draws : int, default 1000
        Number of draws.
    seed : int, optional
        Seed of the draws.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    DataTree
        ArviZ groups ``prior`` (latent variables and deterministics), ``prior_predictive`` (observed variables; where
        elements are missing, the whole of them too), ``observed_data`` and ``constant_data``, with one chain.
        Potentials are ignored, which is logged.

    Raises
    ------
    ModelError
        If a prior is improper.
    BackendError
        If the backend cannot draw from a distribution.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1): np.ones(5)})
    >>> ppl.prior_predictive(model, draws=100, seed=1).prior_predictive["y"].shape
    (1, 100, 5)
    """
    require_model(model)
    refuse_chunks(model.in_chunks, "Predictions")
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise ModelError(f"draws is a whole number, at least 1; it was {draws!r}.")
    outputs = {**model.latent, **model.deterministics, **model.observed}
    _check_priors(model, outputs.values(), {})
    if model.potentials:
        logger.warning(
            "The draws ignore the potential %s: they are those of the distributions as they are declared.",
            ", ".join(model.potentials),
        )
    arrays = draw_forward(outputs, {}, FlatDraws({}, (1, int(draws))), seed, backend)
    # What has missing elements is a deterministic of two parts, one of them observed.
    predicted = {*model.observed, *_predicted(model)}
    groups = {
        "prior": {n: a for n, a in arrays.items() if n not in model.observed},
        "prior_predictive": {n: a for n, a in arrays.items() if n in predicted},
    }
    return to_datatree(model, groups, {"inference_library": "rvgraph", "versions": versions()})


def posterior_predictive(
    model: Model,
    trace: DataTree,
    *,
    var_names: Iterable[str] | None = None,
    data: Mapping[str, Any] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> DataTree:
    """Draw new data for each draw of the posterior.

    What is in the trace is kept; everything else is drawn given that. So discrete variables that were summed out are
    drawn from their distribution given the parameters: these are predictions of *new* units (customers, sites, series).
    After `ppl.recover` they are in the trace: those are replications of the *same* units. New units of a variable with
    dims are predicted by their labels, ``coords``: what the trace has of a label is kept, and variables are drawn from
    their distribution, given hyperparameters, at labels that the model has not seen. Other predictions need another
    model: declare it again, with other covariates or other units, leave the outcome unobserved
    (``ppl.Model(y)``), and give the trace of the first one.

    Parameters
    ----------
    model : Model
        The model that was sampled, or one that shares its latent variables.
    trace : DataTree
        The result of `ppl.sample`; it is not changed.
    var_names : iterable of str, optional
        What to draw. By default the observed variables, all jointly (where elements are missing, all of them); of a
        model without data, the latent variables that are not in the trace. Observed variables that are not named stay
        at their data; latent variables that are named and not in the trace are drawn from their prior.
    data : mapping of str to array, optional
        New values of ``ppl.Data``, by name. Their lengths may differ where the shapes of everything else follow from
        them.
    coords : mapping of str to sequence, optional
        Labels of dims, old ones and new ones in any order; those that new data bring with them by default.
    seed : int, optional
        Seed of the draws.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    DataTree
        The trace with a group ``posterior_predictive``. Of draws that are missing (NaN, after a chain has stopped) the
        predictions are NaN, integers too, which are floats then. Of a large trace that is read from a store, more than
        64 MiB are drawn when they are used, part by part, and not kept: the same numbers each time.

    Raises
    ------
    ModelError
        If the trace is not one of this model, or a potential depends on what is drawn.
    BackendError
        If the backend cannot draw from a distribution.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> x = ppl.Data("x", np.arange(5.0))
    >>> b = ppl.Normal("b", 0, 10)
    >>> y = ppl.Normal("y", b * x, 1)
    >>> model = ppl.Model({y: np.arange(5.0)})
    >>> trace = ppl.sample(model, draws=50, tune=50, chains=2, seed=1, progress=False)
    >>> ppl.posterior_predictive(model, trace, seed=1).posterior_predictive["y"].shape
    (2, 50, 5)
    >>> new = ppl.posterior_predictive(model, trace, data={"x": [10.0, 20.0]}, seed=1)
    >>> new.posterior_predictive["y"].shape
    (2, 50, 2)
    """
    require_model(model)
    refuse_chunks(model.in_chunks, "Predictions")
    posterior = posterior_of(trace)
    units = NewUnits.of(model, coords or {}, data or {})
    drawn = [str(n) for n in posterior.data_vars]
    outputs, fresh = _asked_for(model, var_names, drawn, units.variables())
    given = {n: v for n, v in model.latent.items() if n in posterior.data_vars and n not in fresh}
    check_trace(given, posterior, model)
    # What is observed and was not asked for stays at its data.
    kept = {rv: v for n, (rv, v) in model.parts.observed.items() if n not in fresh}
    _check_drawn(model, outputs, given, kept, fresh)
    stand_ins: dict[Variable, Variable] = {**kept, **new_data(model, data or {})}
    new_units = units if units.labels else None
    values = draw_forward(outputs, stand_ins, FlatDraws.of(posterior, given), seed, backend, new_units)
    tree = trace.copy()
    group = predictive_group(model, values, data or {}, coords or {})
    tree["posterior_predictive"] = DataTree(labelled_alike(group, posterior))
    return tree


def _predicted(model: Model) -> dict[str, TensorVariable]:
    """Return the observed variables, whole where elements are missing."""
    found = {}
    for name, rv in model.observed.items():
        whole = name.removesuffix("_observed")
        if whole != name and whole in model.deterministics and depends_on(model.deterministics[whole], [rv]):
            found[whole] = model.deterministics[whole]
        else:
            found[name] = rv
    return found


def _asked_for(
    model: Model, var_names: Iterable[str] | None, drawn: Sequence[str], renewed: Collection[str]
) -> tuple[dict[str, TensorVariable], set[str]]:
    """Return what to draw, and the names of the random variables that are drawn afresh for it."""
    predicted = _predicted(model)
    absent = [n for n in model.latent if n not in drawn]
    names = (list(predicted) or absent) if var_names is None else list(dict.fromkeys(var_names))
    if not names:
        raise ModelError("There is nothing to predict: the model has no data, and all its variables are in the trace.")
    outputs = {n: predicted.get(n, model.named_variables.get(n)) for n in names}
    for name, variable in outputs.items():
        if variable is None or name in model.potentials:
            known = ", ".join([*predicted, *model.latent, *model.deterministics])
            raise ModelError(f"There is no variable {name!r} to draw; there are {known}.", name)
        if name in model.latent and name in drawn and name not in renewed:
            raise ModelError(f"{name} is in the trace: its draws are those of the posterior.", name)
    fresh = {n for n in names if n not in renewed or n not in drawn}
    for name in set(names) & set(predicted):
        # A variable with missing elements is drawn as a whole.
        fresh |= {f"{name}{part}" for part in ("_observed", "_missing", "_unobserved")}
    return {n: v for n, v in outputs.items() if v is not None}, fresh


def _check_drawn(
    model: Model,
    outputs: Mapping[str, TensorVariable],
    given: Mapping[str, TensorVariable],
    kept: Mapping[TensorVariable, Variable],
    fresh: set[str],
) -> None:
    blockers = [*given.values(), *kept]
    needed = set(ancestors(outputs.values(), blockers=blockers))
    drawn = {n: rv for n, rv in model.latent.items() if n not in given and rv in needed}
    for name, rv in drawn.items():
        if name not in fresh and finite_states(rv) is None:
            raise ModelError(
                f"{name} is not in the trace: it is not one of this model. To draw {name} from its prior, name it in "
                "var_names.",
                name,
            )
    drawn |= {n: rv for n, rv in model.observed.items() if rv in needed and rv not in kept}
    for name, potential in model.potentials.items():
        found = [n for n, rv in drawn.items() if depends_on(potential, [rv])]
        if found:
            raise ModelError(
                f"{found[0]} cannot be predicted: the potential {name} depends on it, and cannot be drawn from.",
                found[0],
            )
    _check_priors(model, outputs.values(), dict.fromkeys(blockers))


def _check_priors(model: Model, outputs: Iterable[TensorVariable], given: Mapping[TensorVariable, Any]) -> None:
    needed = set(ancestors(list(outputs), blockers=list(given)))
    for name, rv in model.latent.items():
        if rv in needed and rv not in given and is_flat(rv):
            raise ModelError(f"The prior of {name} is improper, so that nothing can be drawn from it.", name)
