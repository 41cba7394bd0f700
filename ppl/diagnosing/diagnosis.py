"""Whether the draws of a trace can be trusted, in one paragraph."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataTree

from ppl.diagnosing.column_labels import ByLabel
from ppl.diagnosing.convergence import convergence
from ppl.diagnosing.evidence import FEW_DIVERGENCES, gather
from ppl.diagnosing.faults import about_approximation, far_approximation, find_faults
from ppl.diagnosing.finding import Finding
from ppl.diagnosing.hamiltonian_faults import e_bfmi
from ppl.diagnosing.judged import attribute


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found; ``print`` shows the verdict.

    Parameters
    ----------
    findings : tuple of Finding
        What is wrong, causes before consequences; each has ``kind, variables, message, remedy``. Empty if all is well.
    num_chains, num_draws : int
        Of the chains that did not stop.
    r_hat, ess_bulk, ess_tail : mapping of str to float
        By label, ``theta[Choate]``. NaN where a number does not vary; R-hat also with a single chain. Those that a
        first look cleared are computed when they are asked for.
    divergences : array, shape (chains,), int64, optional
        Number of divergent draws of each chain.
    saturated : array, shape (chains,), int64, optional
        Number of draws that reached the maximum tree depth.
    e_bfmi : array, shape (chains,), float64, optional
        Estimated Bayesian fraction of missing information of each chain.
    left_out : int
        Of very many numbers, how many a first look at all of them cleared.
    stopped_because : str
        Why a run that was to go on until its draws are enough stopped; empty for others.
    about : str
        What is to be known of draws that are no chains; empty for others.
    """

    findings: tuple[Finding, ...]
    num_chains: int
    num_draws: int
    r_hat: ByLabel
    ess_bulk: ByLabel
    ess_tail: ByLabel
    divergences: NDArray[np.int64] | None
    saturated: NDArray[np.int64] | None
    e_bfmi: NDArray[np.float64] | None
    left_out: int = 0
    stopped_because: str = ""
    about: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """The paragraph."""
        run = (
            f"{self.num_chains} chain{'s' * (self.num_chains > 1)} of {self.num_draws} draw{'s' * (self.num_draws > 1)}"
        )
        if self.findings:
            faults = [f"{f.message}; remedy: {f.remedy}." for f in self.findings]
            numbered = faults if len(faults) == 1 else [f"({i}) {fault}" for i, fault in enumerate(faults, 1)]
            return f"{self._headline} ({run}): {' '.join(numbered)}"
        parts = [_extreme("R-hat at most", self.r_hat, np.nanargmax, ".3f")] if self.num_chains > 1 else []
        parts += [
            _extreme("effective sample size at least", self.ess_bulk, np.nanargmin, ",.0f"),
            _extreme("in the tails", self.ess_tail, np.nanargmin, ",.0f"),
        ]
        cleared = f"{self.left_out:,} numbers cleared by a first look at R-hat and effective sample sizes"
        parts += [cleared] if self.left_out else []
        parts += ["no divergences"] if self.divergences is not None else []
        parts += [f"E-BFMI at least {self.e_bfmi.min():.2f}"] if self.e_bfmi is not None else []
        alone = "" if self.num_chains > 1 else " A single chain cannot disagree with another: run four."
        why = f" Sampling stopped as {self.stopped_because}." if self.stopped_because else ""
        return f"No fault found in {run}: {', '.join(p for p in parts if p)}.{alone}{why}{self.about}"

    @property
    def _headline(self) -> str:
        kinds = {f.kind for f in self.findings}
        if kinds & {"too few", "constant"}:
            return "Cannot be judged"
        if kinds == {"tree_depth"}:
            return "Sound but slow"
        if kinds == {"divergences"} and self.divergences is not None and self.divergences.sum() < FEW_DIVERGENCES:
            return "Probably sound"
        return "Too few effective draws" if kinds <= {"ess", "tree_depth", "until"} else "Not to be trusted as they are"

    def __str__(self) -> str:
        return self.verdict

    def __repr__(self) -> str:
        return f"Diagnosis({', '.join(f.kind for f in self.findings) or 'no fault found'})"

    def _repr_html_(self) -> str:
        if not self.findings:
            return f"<p>{escape(self.verdict)}</p>"
        rows = "".join(
            f"<tr><td>{escape(f.kind)}</td><td>{escape(f.message)}</td><td>{escape(f.remedy)}</td></tr>"
            for f in self.findings
        )
        head = "<tr><th>fault</th><th>what was seen</th><th>what helps</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def diagnose(
    trace: DataTree, var_names: Iterable[str] | None = None, *, max_tree_depth: int | None = None
) -> Diagnosis:
    """Say whether the draws of a trace can be trusted, and if not, what is wrong, where, and what helps.

    Looks for chains that stopped, values that are not finite, draws that run away (an improper posterior), chains that
    are stuck or have settled in different places (modes, exchanged elements, ridges), R-hat above 1.01 and above what
    independent draws reach, divergences and the variable in whose tail they are, a low E-BFMI, saturated trees,
    effective sample sizes below 100 a chain, and a Pareto k above 0.7 of draws that are of an approximation. Of fewer
    than four draws, or where nothing moves, it says that they cannot be judged. After a run `ppl.sample` logs the same
    paragraph if there is a finding.

    Parameters
    ----------
    trace : DataTree
        Of `ppl.sample`, PyMC, nutpie or NumPyro: a group ``posterior``, and ``sample_stats`` if there is one.
    var_names : iterable of str, optional
        Variables to look at. By default those that were drawn, where the trace tells them from deterministics (those
        of `ppl.sample` do), else all; of very many numbers those that a first look at all of them does not clear.
    max_tree_depth : int, optional
        What the sampler was told, where the trace does not say: 10.

    Returns
    -------
    Diagnosis
        ``print`` shows one paragraph; ``findings``, ``is_ok``, ``r_hat``, ``ess_bulk``, ... hold the parts.

    Raises
    ------
    ModelError
        If there are no draws, or a variable is not among them.

    References
    ----------
    A. Vehtari et al. (2021), Bayesian Analysis 16, 667-718: R-hat and effective sample sizes, as in ArviZ.
    M. Betancourt (2016), arXiv:1604.00695: E-BFMI.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1): np.ones(5)})
    >>> trace = ppl.sample(model, seed=1, progress=False)
    >>> ppl.diagnose(trace)
    Diagnosis(no fault found)
    """
    return judge(trace, var_names, max_tree_depth, os.cpu_count() or 1)


def judge(trace: DataTree, var_names: Iterable[str] | None, max_tree_depth: int | None, num_threads: int) -> Diagnosis:
    """Return what `diagnose` does, by so many threads at most."""
    evidence = gather(trace, var_names, max_tree_depth, num_threads)
    found = convergence(evidence.draws, num_threads)
    return Diagnosis(
        findings=(*([] if (far := far_approximation(trace)) is None else [far]), *find_faults(evidence, found)),
        num_chains=len(evidence.chains),
        num_draws=evidence.draws.shape[1],
        r_hat=ByLabel("r_hat", evidence.labels, found, evidence.cleared),
        ess_bulk=ByLabel("ess_bulk", evidence.labels, found, evidence.cleared),
        ess_tail=ByLabel("ess_tail", evidence.labels, found, evidence.cleared),
        divergences=None if evidence.diverging is None else evidence.diverging.sum(axis=1),
        saturated=None if evidence.saturated is None else evidence.saturated.sum(axis=1),
        e_bfmi=e_bfmi(evidence),
        left_out=evidence.num_columns - len(evidence.labels),
        stopped_because=attribute(trace, "stopped_because"),
        about=about_approximation(trace),
    )


def _extreme(what: str, numbers: ByLabel, which: Callable[..., Any], digits: str) -> str:
    values = np.array(list(numbers.looked_at.values()))
    if not np.isfinite(values).any():
        return ""
    place = int(which(values))
    return f"{what} {values[place]:{digits}} ({list(numbers.looked_at)[place]})"
