"""Whether draws are enough: every number against all that is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from ppl.diagnosing.convergence import Convergence, convergence, mean_errors
from ppl.diagnosing.evidence import Evidence, gather
from ppl.diagnosing.judged import drawn_variables
from ppl.stopping.until import Until

WAITED_FOR = 1000
"""Draws of each chain, after which a variable that has never varied is not waited for any longer."""


@dataclass(frozen=True)
class Look:
    """What one look at the draws has found.

    Parameters
    ----------
    num_draws : int
        Of each chain.
    is_met : bool
        Whether every number that varies meets all that is asked, and nothing is waited for.
    missing : str
        What is furthest from being met, in words; empty where all is.
    never : str
        Why no further draws can help; empty where they may.
    constant : tuple of str
        Variables that have not varied, which are not judged.
    """

    num_draws: int
    is_met: bool
    missing: str = ""
    never: str = ""
    constant: tuple[str, ...] = ()


def look_at(trace: DataTree, until: Until, num_threads: int = 1) -> Look:
    """Judge the draws of a trace.

    Parameters
    ----------
    trace : DataTree
        What has been drawn so far, with the attributes of a run.
    until : Until
        What is asked.
    num_threads : int
        How many threads may share the numbers; what is found does not depend on it.
    """
    num_chains, num_draws = trace["posterior"].sizes["chain"], trace["posterior"].sizes["draw"]
    if not until.judges:
        return Look(num_draws, False, "only the time was asked for")
    if _has_nothing(trace):
        return Look(num_draws, False, never="every chain has stopped before its first draw")
    evidence = gather(trace, until.names_among(drawn_variables(trace)), None, num_threads)
    lost = num_chains - len(evidence.chains)
    if evidence.draws.shape[1] < num_draws:
        return Look(num_draws, False, never="every chain has stopped")
    if until.r_hat is not None and num_chains - lost < 2:
        return Look(num_draws, False, never="one chain alone has not stopped, and R-hat compares chains")
    if evidence.not_finite:
        label, count = next(iter(evidence.not_finite.items()))
        return Look(num_draws, False, never=f"{label} is not finite in {count} draws")
    moves = (evidence.draws != evidence.draws[:1, :1]).any(axis=(0, 1))
    variables = np.array(evidence.variables)
    constant = tuple(dict.fromkeys(variables[~np.isin(variables, variables[moves])].tolist()))
    missing = _missing(until, evidence, convergence(evidence.draws, num_threads))
    if not missing and constant and num_draws < WAITED_FOR:
        missing = f"{constant[0]} has not varied"
    never = ""
    if not moves.any() and num_draws >= WAITED_FOR:
        never = f"nothing has varied in {num_draws:,} draws of each chain, so that nothing can be judged"
    return Look(num_draws, not missing and not never, missing, never, constant)


def _has_nothing(trace: DataTree) -> bool:
    """Whether there is no number in any draw."""
    arrays = [a[:, 0].to_numpy() for a in trace["posterior"].data_vars.values() if a.dtype.kind == "f" and a.size]
    return bool(arrays) and all(np.isnan(array).all() for array in arrays)


def _missing(until: Until, evidence: Evidence, found: Convergence) -> str:
    """Return what is furthest from being met; empty where every number that varies meets all."""
    shortfalls: list[tuple[float, str]] = []

    def add(ratios: NDArray[np.float64], values: NDArray[np.float64], what: str, digits: str) -> None:
        if np.isfinite(ratios).any():
            worst = int(np.nanargmax(ratios))
            shortfalls.append((ratios[worst], f"{what} of {evidence.labels[worst]} is {values[worst]:{digits}}"))

    if until.ess is not None:
        for what, sizes in (("bulk", found.ess_bulk), ("tail", found.ess_tail)):
            add(until.ess / sizes, sizes, f"the effective sample size in the {what}", ".0f")
    if until.r_hat is not None:
        # Without any difference between chains it is a little below one.
        add(np.maximum(found.r_hat - 1, 0.0) / (until.r_hat - 1), found.r_hat, "R-hat", ".3f")
    if until.mcse is not None:
        errors, bounds = mean_errors(evidence.draws), _bounds(until.mcse, evidence.variables)
        add(errors / bounds, errors, "the standard error of the mean", ".3g")
    ratio, worst = max(shortfalls, default=(0.0, ""))
    return worst if ratio > 1 else ""


def _bounds(mcse: float | Mapping[str, float], variables: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the largest error that each number may have; infinite where none is asked."""
    if not isinstance(mcse, Mapping):
        return np.full(len(variables), float(mcse))
    return np.array([mcse.get(variable, np.inf) for variable in variables], np.float64)
