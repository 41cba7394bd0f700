"""How much a posterior depends on its prior and on its likelihood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytensor.tensor as pt
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob
from graphs.surgery.random_graph import depends_on
from graphs.surgery.traces import untraced
from ppl.modelling.model import Model, require_model
from ppl.predicting.flat_draws import FlatDraws
from ppl.predicting.likelihood import log_likelihood
from ppl.predicting.missing_draws import over_draws
from ppl.predicting.posterior import check_trace, labelled_alike, posterior_of
from ppl.running.results import to_datatree


def log_prior(model: Model, trace: DataTree, *, backend: BackendName = "numba") -> DataTree:
    """Add the log-prior of every variable at every posterior draw.

    Parameters
    ----------
    model : Model
        The model.
    trace : DataTree
        As `ppl.sample` returned it.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    DataTree
        The trace with a group ``log_prior``: for each latent variable that is in it, and each potential, arrays of
        shape ``(chain, draw)``: its log-density in natural space given what it depends on, summed over elements.

    Raises
    ------
    ModelError
        If the trace is not of this model, or a prior depends on a variable that was summed out: recover it first.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1): [0.3, 1.2]})
    >>> trace = ppl.log_prior(model, ppl.sample(model, draws=50, chains=2, seed=1, progress=False))
    >>> trace.log_prior["mu"].shape
    (2, 50)
    """
    require_model(model)
    posterior = posterior_of(trace)
    with untraced():
        joint = logprob(model, marginalize=False)
        kept = {name: value for name, value in joint.values.items() if name in posterior}
        check_trace(kept, posterior, model)
        terms = _prior_terms(model, joint)
        _check_known(joint, terms, kept)
        graphs = {name: pt.sum(term).astype("float64") for name, term in terms.items()}
        values = over_draws(graphs, FlatDraws.of(posterior, kept), backend)
    new = to_datatree(model, {"log_prior": values}, {})
    tree = trace.copy()
    tree["log_prior"] = DataTree(labelled_alike(new["log_prior"].to_dataset(), posterior))
    return tree


def _prior_terms(model: Model, joint: LogProb) -> dict[str, Any]:
    """Return the terms that are no data's: of latent variables and of potentials."""
    observed = set(model.observed)
    return {name: term for name, term in joint.terms.items() if not set(joint.members.get(name, (name,))) & observed}


def _check_known(joint: LogProb, terms: dict[str, Any], kept: dict[str, Any]) -> None:
    """Raise where a term cannot be evaluated: a variable that it is of, or depends on, is not in the trace."""
    for name in list(terms):
        unknown = [n for n, v in joint.values.items() if n not in kept and depends_on(terms[name], [v])]
        if not unknown:
            continue
        others = [n for n in joint.members.get(name, (name,)) if n not in unknown]
        if not others or all(n in unknown for n in joint.members.get(name, (name,))):
            # The term of what was summed out: it is part of the likelihood.
            del terms[name]
            continue
        raise ModelError(
            f"The prior of {name} depends on {', '.join(unknown)}, which is not in the trace: draw it by "
            "ppl.recover(model, trace) first.",
            name,
        )


def sensitivity(
    model: Model,
    trace: DataTree,
    var_names: Iterable[str] | None = None,
    *,
    priors: Iterable[str] | None = None,
    alphas: tuple[float, float] = (0.99, 1.01),
    threshold: float = 0.05,
    backend: BackendName = "numba",
) -> Any:
    """Say how much the posterior moves when the prior or the likelihood is made a little stronger or weaker.

    Both are raised to powers near one, without sampling again (by importance weights of the draws).

    Parameters
    ----------
    model : Model
        The model.
    trace : DataTree
        As `ppl.sample` returned it.
    var_names : iterable of str, optional
        Variables to report; all by default.
    priors : iterable of str, optional
        Variables whose priors are scaled: in hierarchies those at the top, as the others are part of what is learnt.
        By default those that depend on no other variable, and all potentials.
    alphas : tuple of float
        The powers.
    threshold : float
        Above which a posterior is called sensitive.
    backend : {"numba", "c", "jax"}
        What makes machine code.

    Returns
    -------
    pandas.DataFrame
        Of each number the sensitivity to ``prior`` and ``likelihood``, and a ``diagnosis``: both above the threshold
        are a potential conflict of prior and data; the prior's alone a strong prior or a weak likelihood.

    Raises
    ------
    ModelError
        If a name is unknown, or the trace is not of this model.

    References
    ----------
    .. [1] Kallioinen, Paananen, Buerkner and Vehtari (2024). Detecting and diagnosing prior and likelihood sensitivity
       with power-scaling. Statistics and Computing 34.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1, size=2): [9.0, 11.0]})
    >>> found = ppl.sensitivity(model, ppl.sample(model, seed=1, progress=False))
    >>> found.loc["mu", "diagnosis"]  # a prior around 0, data around 10
    'potential prior-data conflict'
    """
    tree = log_prior(model, trace, backend=backend)
    if "log_likelihood" not in tree.children:
        tree = log_likelihood(model, tree, backend=backend)
    known = list(tree["log_prior"].data_vars)
    chosen = _top(model, known) if priors is None else list(dict.fromkeys(priors))
    for name in chosen:
        if name not in known:
            raise ModelError(
                f"priors names {name!r}; those that are known are {', '.join(map(str, known))}.", str(name)
            )
    names = None if var_names is None else list(dict.fromkeys(var_names))
    for name in names or ():
        if name not in tree["posterior"].data_vars:
            raise ModelError(f"The trace has no variable {name!r}.", name)
    # Imported where it is used: it imports JAX, which takes half a second.
    from arviz_stats import psense_summary

    return psense_summary(
        tree,
        var_names=names,
        alphas=alphas,
        threshold=threshold,
        prior_var_names=chosen,
        likelihood_var_names=list(tree["log_likelihood"].data_vars),
    )


def _top(model: Model, known: list[Any]) -> list[str]:
    latent = list(model.latent.values())
    top = [n for n, rv in model.latent.items() if n in known and not depends_on(rv, [v for v in latent if v is not rv])]
    return [*top, *(n for n in known if n in model.potentials)]
