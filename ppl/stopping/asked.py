"""What a run is asked for, whatever it is that runs: checked, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from graphs.errors import SamplingError
from ppl.stopping.counts import check_counts, check_options, checked_seed
from ppl.stopping.until import Until, check_until
from samplers.chain.arguments import RunSettings
from samplers.tuning.agreement import LEAST_TUNE
from samplers.tuning.learning import MetricChoice

DRAWS = 1000
"""Of each chain, where nothing is said."""
Tune = int | Literal["auto"]


@dataclass(frozen=True)
class Asked:
    """The arguments of a run; those of `ppl.sample`.

    Raises
    ------
    SamplingError
        If one of them is out of range.
    """

    draws: int | None
    tune: Tune
    chains: int
    cores: int | None
    seed: int | None
    target_accept: float
    max_tree_depth: int
    thin: int
    keep_tuning: bool
    metric: str
    adapt: str
    until: Until | None

    def __post_init__(self) -> None:
        tune = self.tune
        if isinstance(tune, str) and tune != "auto":
            raise SamplingError(f'tune is a whole number, or "auto"; it was {tune!r}.')
        check_counts(
            draws=self.draws,
            tune=None if tune == "auto" else tune,
            chains=self.chains,
            cores=self.cores,
            thin=self.thin,
            max_tree_depth=self.max_tree_depth,
        )
        check_options(self.target_accept, self.adapt)

    def check(self, known: Iterable[str], constant: Iterable[str]) -> None:
        """Raise where ``until`` could never be met; known are the names that are kept, constant those of one value."""
        if self.until is not None:
            check_until(self.until, self.draws, self.chains, known, constant)

    @property
    def num_draws(self) -> int:
        """Draws of each chain, as far as that is known before."""
        return DRAWS if self.draws is None else self.draws

    def settings(self) -> RunSettings:
        """Return how the sweep is run, with a seed."""
        return RunSettings(
            LEAST_TUNE if self.tune == "auto" else self.tune,
            self.num_draws if self.until is None else 0,
            checked_seed(self.seed),
            self.cores,
            float(self.target_accept),
            self.max_tree_depth,
            self.thin,
            self.keep_tuning,
            metric=cast(MetricChoice, self.metric),
            is_pooled=self.adapt == "pooled",
            tunes_until_agreed=self.tune == "auto",
        )

    @property
    def planned(self) -> str:
        """What each chain does, in words."""
        tune = "tuning sweeps until chains agree" if self.tune == "auto" else f"{self.tune:,} tuning sweeps"
        draws = f"{self.num_draws:,} draws of each" if self.until is None else f"draws until they meet {self.until}"
        return f"{tune}, then {draws}"
