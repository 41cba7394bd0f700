"""All checks of a model, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from graphs.deriving import deriving
from graphs.errors import ModelError
from graphs.optional import optional
from ppl.checking.concern import SEVERITIES, Concern, ModelCheck
from ppl.checking.designs import designs
from ppl.checking.draws import PriorDraws, impossible_rows, predictions
from ppl.checking.priors import exchangeable, improper, scales_of_few
from ppl.checking.structure import moving_bounds, orphans, overflows, ridges, silent_axes, unused
from ppl.modelling.changing import with_rows_in_memory
from ppl.modelling.model import Model, require_model

CODES = {
    "orphan": "no data depend on a latent variable",
    "unused-coords": "labels of an axis that no variable has",
    "unused-data": "data that nothing depends on",
    "ridge": "two variables that are seen only by their sum or product",
    "moving-bound": "a support that depends on another variable",
    "silent-axis": "a column and a vector that made a matrix",
    "overflow": "whole numbers that overflow",
    "constant-column": "a covariate that does not vary, beside an intercept",
    "collinear": "covariates that depend on each other linearly",
    "scales": "covariates of wildly different scale",
    "impossible-row": "data that no draw from the prior allows",
    "prior-not-finite": "predictions of the prior that are no numbers",
    "prior-far": "predictions of the prior that are far from the data",
    "improper": "flat priors that data leave flat",
    "few-groups": "a scale without a proper prior, of few groups",
    "exchangeable": "components that can change places",
}
"""What is looked for, by the code that it is silenced by."""

_ROWS = 10_000
"""Of data in chunks that are looked at."""

type Rule = Callable[[Model, PriorDraws], Iterator[Concern]]

_RULES: tuple[Rule, ...] = (
    lambda model, draws: orphans(model),
    lambda model, draws: unused(model),
    lambda model, draws: ridges(model),
    lambda model, draws: moving_bounds(model) if draws.is_small else iter(()),
    lambda model, draws: silent_axes(model),
    lambda model, draws: overflows(model),
    lambda model, draws: designs(model),
    lambda model, draws: impossible_rows(draws),
    lambda model, draws: predictions(draws),
    lambda model, draws: improper(draws),
    lambda model, draws: scales_of_few(model),
    lambda model, draws: exchangeable(draws),
)


def check(model: Model, *, silence: Collection[str] = ()) -> ModelCheck:
    """Look for what is wrong with a model before anything is compiled.

    Nothing is sampled: the graph is read, covariates are looked at, and the prior is drawn from thirty times. Of data
    in chunks (`ppl.parquet`, dask) 10,000 rows without missing numbers are looked at, from sixteen places that lie
    evenly, and numbered as they come.

    Parameters
    ----------
    model : Model
        The model.
    silence : collection of str
        Codes that are not wanted, such as ``["scales"]``; `ppl.checking.check.CODES` has all of them.

    Returns
    -------
    ModelCheck
        Concerns, worst first, each with ``code``, ``severity``, ``variables``, ``message`` and ``remedy``; prints as a
        table.

    Raises
    ------
    ModelError
        If it is no model, or a code is unknown.

    Examples
    --------
    >>> import ppl
    >>> mu, sigma, extra = ppl.Normal("mu", 0, 1), ppl.HalfNormal("sigma", 1), ppl.Normal("extra", 0, 1)
    >>> model = ppl.Model({ppl.Normal("y", mu, sigma): [0.3, 1.2, 0.5]}, extra)
    >>> [(concern.code, concern.variables) for concern in ppl.check(model)]
    [('orphan', ('extra',))]
    """
    require_model(model)
    if model.in_chunks:
        model = Model.from_parts(with_rows_in_memory(model.parts, _ROWS))
    silenced = [silence] if isinstance(silence, str) else list(silence)
    unknown = [code for code in silenced if code not in CODES]
    if unknown:
        raise ModelError(f"There is no code {unknown[0]!r} to silence; there are {', '.join(CODES)}.")
    draws = PriorDraws(model)
    with deriving():
        found = [concern for rule in _RULES for concern in _checked(rule, model, draws)]
    kept = [concern for concern in dict.fromkeys(found) if concern.code not in silenced]
    return ModelCheck(tuple(sorted(kept, key=lambda concern: SEVERITIES.index(concern.severity))))


def print_concerns(model: Model, file: Any = None) -> None:
    """Print what `check` finds, where there is anything.

    Parameters
    ----------
    model : Model
        The model.
    file : text stream, optional
        Where to print; standard output by default.
    """
    concerns = check(model)
    if concerns:
        print(f"\nppl.check:\n{concerns}", file=file)


@optional("a check of a model", otherwise=lambda why, rule, model, draws: [])
def _checked(rule: Rule, model: Model, draws: PriorDraws) -> list[Concern]:
    """Return what one rule finds; nothing where it meets a graph that it does not know."""
    return list(rule(model, draws))
