"""Sums over the finite discrete variables of a joint log-probability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphs.errors import DerivationError
from graphs.joint.joint_logprob import LogProb, finite_of, strip
from graphs.limits.constants import folded
from graphs.marginal.elimination.factoring import CannotSumError
from graphs.marginal.elimination.summation import sum_over, terms_after
from graphs.marginal.lifting import MOST_STATES
from graphs.optional import optional
from graphs.variables.transforms import bounding_variables


def sum_out_all(
    logprob: LogProb, names: Iterable[str], max_states: int = MOST_STATES
) -> tuple[LogProb, dict[str, DerivationError]]:
    """Sum out what can be, all at once.

    Parameters
    ----------
    logprob : LogProb
        In natural space.
    names : iterable of str
        Finite discrete variables.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.

    Returns
    -------
    LogProb
        Without those that could be summed out.
    dict of str to DerivationError
        Why the others could not.
    """
    errors: dict[str, DerivationError] = {}
    # What has no elements is nothing to sum over.
    names = [name for name in names if 0 not in logprob.values[name].type.shape]
    rvs = {n: logprob.graph.latent[n] for n in logprob.values}
    bounding = bounding_variables(rvs, logprob.values, logprob.graph.transforms, names)
    waiting = [name for name in names if name not in bounding]
    for name, bounded in bounding.items():
        reason = f"{name} cannot be summed out: the bounds of {bounded} depend on it."
        errors[name] = DerivationError(reason, name)
    while waiting:
        found = _attempted_sum(logprob, waiting, max_states)
        if isinstance(found, LogProb):
            return found, errors
        for name in found.names:
            errors[name] = DerivationError(
                f"{name} cannot be summed out: {found}. Leave it to be drawn (marginalize excludes {name!r})"
                f"{' or raise max_states' if found.is_too_large else ''}.",
                name,
            )
            errors[name].__cause__ = found
        waiting = [name for name in waiting if name not in found.names]
    return logprob, errors


@optional(
    "a sum over discrete variables",
    otherwise=lambda why, logprob, names, _: CannotSumError(names, why),
    may_refuse=True,
)
def _attempted_sum(logprob: LogProb, names: Sequence[str], max_states: int) -> LogProb | CannotSumError:
    try:
        return sum_out(logprob, names, max_states)
    except CannotSumError as error:
        return error


def sum_out(logprob: LogProb, names: Iterable[str], max_states: int = MOST_STATES) -> LogProb:
    """Sum finite discrete variables out of a log-probability in natural space.

    Parameters
    ----------
    logprob : LogProb
        In natural space, with these variables among its values.
    names : iterable of str
        Finite discrete variables, to be summed out together.
    max_states : int, default 2**24
        Most joint states of discrete elements that one factor may depend on.

    Returns
    -------
    LogProb
        Of the other variables.

    Raises
    ------
    CannotSumError
        If that is not possible; it names the variables to leave.
    """
    names = list(names)
    stripped = strip(logprob, names)
    summation = sum_over(stripped.terms, [finite_of(logprob, name) for name in names], max_states=max_states)
    values = {n: v for n, v in logprob.values.items() if n not in names}
    terms = terms_after(summation, list(stripped.terms), _priors(logprob, names))
    return replace(
        stripped,
        terms=dict(zip(terms, folded(list(terms.values())), strict=True)),
        values=values,
        natural={n: logprob.natural[n] for n in values},
        supports={n: logprob.supports[n] for n in values},
        sums=(*logprob.sums, summation),
    )


def _priors(logprob: LogProb, names: Sequence[str]) -> list[str]:
    return [term for term, members in logprob.members.items() if set(members) <= set(names)]
