"""What is asked of draws before sampling stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from graphs.errors import ModelError, SamplingError

MOST_DRAWS = 100_000


@dataclass(frozen=True)
class Until:
    """What draws have to meet before sampling stops, in the place of a number of draws.

    Draws are looked at when there are ``ess`` of all chains together, but at least 100 of each, and again whenever
    there are a quarter more. Sampling stops when every number meets all that is asked **at two looks in succession**:
    estimates are as often too good as too bad, and who stops at the first that is good enough stops too early.
    With the same seed it stops at the same draw, whatever the processors; only ``seconds`` depends on the clock.

    Parameters
    ----------
    ess : float or None, default 400
        Least effective sample size, in the bulk and in both tails, of all chains together.
    r_hat : float or None, default 1.01
        Largest R-hat: rank-normalised, of half chains, of the draws and of their distances from the median.
    mcse : float, mapping of str to float, or None
        Largest standard error of the posterior mean, in the units of the variable; by name for some variables.
    var_names : sequence of str, optional
        The variables, or deterministics, whose elements are the numbers; by default all that are drawn. Those that
        ``mcse`` names are looked at, too.
    seconds : float, optional
        Stop after so many seconds of the run, warm-up included and compiling not, whatever has been met by then.
    most_draws : int, default 100000
        Stop after so many draws of each chain, whatever has been met by then; or after as many as there is memory for.

    Raises
    ------
    SamplingError
        If nothing is asked, or what no draws can meet.

    See Also
    --------
    ppl.sample : The trace's attributes ``until``, ``until_met`` and ``stopped_because`` say what was asked, whether it
        was met, and why sampling stopped.

    References
    ----------
    A. Vehtari et al. (2021), Bayesian Analysis 16, 667-718: both estimators, and 400 and 1.01.
    J. M. Flegal, M. Haran and G. L. Jones (2008), Statistical Science 23, 250-260: sampling until estimates are good
    enough.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> mu = ppl.Normal("mu", 0, 10)
    >>> model = ppl.Model({ppl.Normal("y", mu, 1): np.ones(5)})
    >>> trace = ppl.sample(model, until=ppl.Until(ess=1000), seed=1, progress=False)
    >>> trace.attrs["until_met"]
    1
    """

    ess: float | None = 400
    r_hat: float | None = 1.01
    mcse: float | Mapping[str, float] | None = None
    var_names: Sequence[str] | None = None
    seconds: float | None = None
    most_draws: int = MOST_DRAWS

    def __post_init__(self) -> None:
        errors = self.mcse.values() if isinstance(self.mcse, Mapping) else [self.mcse]
        for name, value, least in (
            ("ess", self.ess, 0.0),
            ("r_hat", self.r_hat, 1.0),
            *(("mcse", error, 0.0) for error in errors),
            ("seconds", self.seconds, 0.0),
        ):
            if value is not None and not (_is_number(value) and value > least and isfinite(value)):
                raise SamplingError(f"Until: {name} is a number above {least:g}, or None; it was {value!r}.")
        if isinstance(self.var_names, str) or not all(isinstance(name, str) for name in self.var_names or ()):
            raise SamplingError(f"Until: var_names is a list of names; it was {self.var_names!r}.")
        if self.var_names is not None and not self.var_names:
            raise SamplingError("Until: var_names names no variable; leave it out for all that are drawn.")
        if isinstance(self.mcse, Mapping) and not self.mcse:
            raise SamplingError("Until: mcse holds no variable; leave it out.")
        if self.ess is None and self.r_hat is None and self.mcse is None and self.seconds is None:
            raise SamplingError("Until: nothing is asked of the draws; give ess, r_hat, mcse or seconds.")
        is_count = isinstance(self.most_draws, int | np.integer) and not isinstance(self.most_draws, bool)
        if not is_count or self.most_draws < 1:
            raise SamplingError(f"Until: most_draws is a whole number, at least 1; it was {self.most_draws!r}.")

    def names_among(self, drawn: Sequence[str]) -> list[str] | None:
        """Return what is looked at where so many variables are drawn; None for all that there is, if none is known."""
        named = [*self.var_names] if self.var_names is not None else [*drawn]
        errors = [*self.mcse] if isinstance(self.mcse, Mapping) else []
        return list(dict.fromkeys([*named, *errors])) if named else None

    @property
    def judges(self) -> bool:
        """Whether anything but the time is asked."""
        return not (self.ess is None and self.r_hat is None and self.mcse is None)

    def __str__(self) -> str:
        parts = [f"{name} {value:g}" for name, value in (("ess", self.ess), ("r_hat", self.r_hat)) if value is not None]
        if isinstance(self.mcse, Mapping):
            parts += [f"mcse of {name} {error:g}" for name, error in self.mcse.items()]
        elif self.mcse is not None:
            parts.append(f"mcse {self.mcse:g}")
        parts += [f"seconds {self.seconds:g}"] if self.seconds is not None else []
        of = f" of {', '.join(self.var_names)}" if self.var_names is not None else ""
        return ", ".join(parts) + of


def check_until(until: Any, draws: int | None, chains: int, known: Iterable[str], constant: Iterable[str]) -> None:
    """Raise where what is asked could never be met by a run.

    Parameters
    ----------
    until : object
        What was given.
    draws : int or None
        The number of draws that was given beside it.
    chains : int
        Number of chains.
    known : iterable of str
        The variables and deterministics whose draws the run keeps.
    constant : iterable of str
        Those of them that have one possible value.

    Raises
    ------
    SamplingError, ModelError
        With the remedy.
    """
    if not isinstance(until, Until):
        raise SamplingError(f"until is a ppl.Until, such as ppl.Until(ess=400, r_hat=1.01); it was {until!r}.")
    if draws is not None:
        raise SamplingError(
            f"Both draws={draws} and until were given: a run has a number of draws, or ends when they are enough. "
            "Leave one out; ppl.Until(most_draws=...) bounds the other."
        )
    if until.r_hat is not None and chains < 2:
        raise SamplingError(
            "until asks for an R-hat, which compares chains, and there is one: use chains=4, or ppl.Until(r_hat=None)."
        )
    if until.ess is not None and until.ess > until.most_draws * chains:
        raise SamplingError(
            f"until asks for {until.ess:g} effective draws, more than {chains} chains of at most {until.most_draws:,} "
            "draws have: raise most_draws, or use more chains."
        )
    known, constant = set(known), set(constant)
    for name in [*(until.var_names or ()), *(until.mcse if isinstance(until.mcse, Mapping) else ())]:
        if name not in known:
            raise ModelError(
                f"until asks for {name!r}, of which this run keeps no draws; it keeps {', '.join(sorted(known))}. What "
                "was summed out is not sampled: name others, or sample it (marginalize=..., var_names=...).",
                name,
            )
        if name in constant:
            raise ModelError(
                f"until asks for {name!r}, which has one possible value: it never varies. Name others.", name
            )
    if until.judges and until.var_names is None and not known - constant:
        raise SamplingError("until has nothing to look at: no variable that is drawn can vary. Give draws=1.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
