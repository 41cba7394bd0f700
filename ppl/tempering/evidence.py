"""Models compared by their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp
from xarray import DataTree

from graphs.errors import ModelError

LOG_EVIDENCE, LOG_EVIDENCE_ERROR = "log_marginal_likelihood", "log_marginal_likelihood_error"
_DRAWS, _SEED = 20_000, 20261201
"""Of the normal errors of log evidences, from which those of probabilities follow."""


def compare_evidence(
    traces: Sequence[DataTree] | Mapping[str, DataTree], *, prior: Sequence[float] | Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Compare models of the same data by their evidence.

    Parameters
    ----------
    traces : sequence of DataTree, or mapping of str to DataTree
        Results of `ppl.smc`, of `ppl.sample` where nothing was left to sample, or of `ppl.laplace`, whose estimate by
        weights is taken; by name. Those of a sequence are called "0", "1", ...
    prior : sequence of float, or mapping of str to float, optional
        Prior probabilities of the models, up to a factor; equal ones by default.

    Returns
    -------
    pandas.DataFrame
        A row for each model, the most probable first: ``log_evidence`` and ``error``, ``log_bayes_factor``, what the
        log evidence is below that of the first row, and ``bayes_factor_error``; ``probability``, the posterior one,
        with ``lower`` and ``upper``, between which it lies with probability 0.95 if the errors of the log evidences
        are independent and normal.

    Raises
    ------
    ModelError
        If a trace has no evidence, or is of other data; names it, and the variable.

    References
    ----------
    .. [1] Kass and Raftery (1995). Bayes factors. Journal of the American Statistical Association 90.

    Examples
    --------
    >>> import ppl
    >>> traces = {}
    >>> for scale in (1.0, 100.0):
    ...     mu = ppl.Normal("mu", 0, scale)
    ...     model = ppl.Model({ppl.Normal("y", mu, 1): [0.5, -0.2, 0.1]})
    ...     traces[f"scale {scale:g}"] = ppl.smc(model, 500, seed=1, progress=False)
    >>> table = ppl.compare_evidence(traces)
    >>> table.index[0], bool(table["probability"].iloc[0] > 0.95)
    ('scale 1', True)
    """
    named = _named(traces)
    evidence = {name: _evidence_of(name, trace) for name, trace in named.items()}
    _check_same_data(named)
    names = list(named)
    means, errors = (np.array([evidence[n][i] for n in names]) for i in (0, 1))
    log_priors = _log_priors(names, prior)
    generator = np.random.default_rng(_SEED)
    draws = means + errors * generator.normal(size=(_DRAWS, len(names))) + log_priors
    with np.errstate(invalid="ignore"):
        shares = np.exp(draws - logsumexp(draws, axis=1, keepdims=True))
        total = means + log_priors
        probability = np.exp(total - logsumexp(total))
    lower, upper = np.quantile(shares, [0.025, 0.975], axis=0)
    best = int(np.argmax(total))
    relative = np.where(np.arange(len(names)) == best, 0.0, np.hypot(errors, errors[best]))
    table = pd.DataFrame(
        {
            "log_evidence": means,
            "error": errors,
            "log_bayes_factor": means - means[best],
            "bayes_factor_error": relative,
            "probability": probability,
            "lower": lower,
            "upper": upper,
        },
        index=pd.Index(names, name="model"),
    )
    return table.iloc[np.argsort(-total, kind="stable")]


def _named(traces: Any) -> dict[str, DataTree]:
    """Return traces by name, if they are some."""
    is_mapping = isinstance(traces, Mapping) and not isinstance(traces, DataTree)
    if is_mapping:
        named = {str(name): trace for name, trace in traces.items()}
    elif isinstance(traces, Sequence) and not isinstance(traces, str):
        named = {str(number): trace for number, trace in enumerate(traces)}
    else:
        raise ModelError(
            "compare_evidence takes a list of traces, or a mapping of names to traces, such as {'pooled': trace, ...}; "
            f"not {type(traces).__name__}."
        )
    if not named:
        raise ModelError("compare_evidence was given no trace: give those of the models to compare.")
    for name, trace in named.items():
        if not isinstance(trace, DataTree):
            raise ModelError(f"{name} is no trace but {type(trace).__name__}: give results of ppl.smc.", name)
    return named


def _evidence_of(name: str, trace: DataTree) -> tuple[float, float]:
    """Return the log evidence that a trace tells, and its standard error."""
    attributes = trace.attrs
    if LOG_EVIDENCE in attributes:
        found = float(attributes[LOG_EVIDENCE]), float(attributes[LOG_EVIDENCE_ERROR])
    elif "log_evidence_by_weights" in attributes:
        found = float(attributes["log_evidence_by_weights"]), float(attributes["log_evidence_error"])
    elif "log_evidence" in attributes:
        # Of a model that was summed and integrated out altogether.
        found = float(attributes["log_evidence"]), 0.0
    else:
        raise ModelError(
            f"The trace {name} tells no evidence: chains do not know it. Draw it by ppl.smc(model), or marginalize all "
            "variables.",
            name,
        )
    if not np.isfinite(found).all():
        raise ModelError(
            f"The log evidence of {name} is {found[0]}, its error {found[1]}: there is nothing to compare."
        )
    return found


def _check_same_data(traces: Mapping[str, DataTree]) -> None:
    """Raise if models were conditioned on different data: their evidences are of different things."""
    first, *others = traces
    known = _data_of(traces[first])
    for name in others:
        data = _data_of(traces[name])
        for variable in dict.fromkeys([*known, *data]):
            if variable in known and variable in data and not _is_same(known[variable], data[variable]):
                raise ModelError(
                    f"The data of {variable} are not the same in {first} and {name}: evidences of different data "
                    "cannot be compared.",
                    variable,
                )
        # Variables may have other names in another model.
        rest = [array for variable, array in data.items() if variable not in known]
        left = [variable for variable in known if variable not in data]
        for variable in left:
            match = next((i for i, array in enumerate(rest) if _is_same(known[variable], array)), None)
            if match is None:
                raise ModelError(
                    f"{variable} has data in {first}, and not in {name}: condition both on them.", variable
                )
            rest.pop(match)
        if rest:
            extra = next(v for v in data if v not in known)
            raise ModelError(f"{extra} has data in {name}, and not in {first}: condition both on them.", extra)


def _data_of(trace: DataTree) -> dict[str, NDArray]:
    if "observed_data" not in trace.children:
        return {}
    return {str(name): array.to_numpy() for name, array in trace["observed_data"].data_vars.items()}


def _is_same(one: NDArray, other: NDArray) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "biuf" and other.dtype.kind in "biuf":
        return bool(np.array_equal(one.astype(np.float64), other.astype(np.float64), equal_nan=True))
    return bool(np.array_equal(one, other))


def _log_priors(names: Sequence[str], prior: Any) -> NDArray[np.float64]:
    if prior is None:
        return np.zeros(len(names))
    if isinstance(prior, Mapping):
        if set(prior) != set(names):
            raise ModelError(f"prior has the models {', '.join(map(str, prior))}; the traces are {', '.join(names)}.")
        values = np.array([prior[name] for name in names], np.float64)
    else:
        values = np.asarray(prior, np.float64)
    if values.shape != (len(names),) or not (np.isfinite(values) & (values > 0)).all():
        raise ModelError(f"prior is one positive number for each of {len(names)} models, not {prior!r}.")
    found: NDArray[np.float64] = np.log(values / values.sum())
    return found
