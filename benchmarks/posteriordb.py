"""Every reference posterior beside the checkout, sampled by the default plan and by NUTS, and whether we agree with it.

``python -m benchmarks.posteriordb [name ...]`` prints the table. A run agrees when, with both Monte Carlo errors
counted, at most 1% of the z-scores of means and of the 5% and 95% quantiles exceed 4 and none exceeds 6, standard
deviations agree within 10% plus 4 of their errors, every bulk effective sample size is at least 400 and every R-hat at
most 1.01.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import arviz as az
import numpy as np
from numpy.typing import NDArray

import ppl
from tests.posteriors import FOLDER, POSTERIORS

DRAWS = {"draws": 2500, "tune": 1500, "chains": 4}
QUANTILES = {"q5": 0.05, "q95": 0.95}
METHODS = {"default": None, "nuts": "nuts"}
CAREFUL = 0.99
"""The target acceptance rate of one more run, where one diverged."""
EXPLAINED = {
    "eight_schools-eight_schools_noncentered": "theta is mu + tau theta_trans with a Cauchy tail of tau: where tau is "
    "large, theta_trans is narrower than one step. A third of the divergent draws lie in the uppermost 4% of tau.",
    "gp_pois_regr-gp_pois_regr": "The curvature of the Poisson terms grows as alpha^2 exp(f): steps that fit its bulk "
    "are too long in its tail. The same step size makes PyMC and nutpie diverge too.",
}
"""Why runs with the default target acceptance rate diverge; with a larger one none of them does."""
HEADER = ("posterior", "plan", "methods", "max |z|", "sd ratio", "ESS", "R-hat", "diverging", "seconds", "agrees")


@dataclass(frozen=True)
class Agreement:
    """How draws compare with a reference.

    Parameters
    ----------
    scores : array
        Absolute z-scores of the means and quantiles of all parameters.
    sd_ratios : array
        Standard deviations, divided by those of the reference.
    sd_errors : array
        How far they are off, in units of what is allowed.
    ess, rhat : array
        Bulk effective sample sizes, and R-hat.
    """

    scores: NDArray
    sd_ratios: NDArray
    sd_errors: NDArray
    ess: NDArray
    rhat: NDArray

    def failures(self) -> list[str]:
        """Return what speaks against agreement."""
        rules = {
            f"a z-score of {self.scores.max():.1f}": self.scores.max() > 6,
            f"{(self.scores > 4).sum()} z-scores above 4": (self.scores > 4).mean() > 0.01,
            "a standard deviation": self.sd_errors.max() > 1,
            f"an effective sample size of {self.ess.min():.0f}": self.ess.min() < 400,
            f"an R-hat of {self.rhat.max():.3f}": self.rhat.max() > 1.01,
        }
        return [what for what, is_broken in rules.items() if is_broken]


def read(posterior: str) -> dict[str, Any]:
    """Return data and reference of a posterior."""
    entry: dict[str, Any] = json.loads((FOLDER / f"{posterior}.json").read_text())
    return entry


def scalars(posterior: Any, name: str) -> NDArray:
    """Return the draws of a scalar by its name in Stan, ``beta[1]``; shape (chains, draws)."""
    base, _, index = name.partition("[")
    array: NDArray = posterior[base].to_numpy()
    return array if not index else array[(..., *(int(i) - 1 for i in index.rstrip("]").split(",")))]


def compare(posterior: Any, references: Mapping[str, Mapping[str, float]]) -> Agreement:
    """Compare draws with the reference summaries of every parameter."""
    scores, ratios, errors, ess, rhat = [], [], [], [], []
    for name, reference in references.items():
        draws = scalars(posterior, name)
        array = az.convert_to_dataset({"x": draws})
        ess.append(float(az.ess(array)["x"]))
        rhat.append(float(az.rhat(array)["x"]))
        own = {"mean": (draws.mean(), float(az.mcse(array, method="mean")["x"]))}
        for key, prob in QUANTILES.items():
            error = float(az.mcse(array, method="quantile", prob=prob)["x"])
            own[key] = (np.quantile(draws, prob), error)
        scores += [abs(v - reference[k]) / np.hypot(e, reference[f"mcse_{k}"]) for k, (v, e) in own.items()]
        sd_error = np.hypot(float(az.mcse(array, method="sd")["x"]), reference["mcse_sd"])
        ratios.append(draws.std() / reference["sd"])
        errors.append(abs(draws.std() - reference["sd"]) / (0.1 * reference["sd"] + 4 * sd_error))
    return Agreement(*(np.array(v) for v in (scores, ratios, errors, ess, rhat)))


def row(posterior: str, plan: str, seed: int, target_accept: float = 0.8) -> tuple[tuple[str, ...], bool, int]:
    """Sample a posterior; return its line of the table, whether it agrees, and the number of divergent draws."""
    entry = read(posterior)
    start = perf_counter()
    model = POSTERIORS[posterior](entry["data"])
    options: dict[str, Any] = DRAWS | {"seed": seed, "sampler": METHODS[plan], "target_accept": target_accept}
    trace = ppl.sample(model, progress=False, **options)
    seconds = perf_counter() - start
    found = compare(trace.posterior, entry["reference"])
    failures = found.failures()
    methods = sorted({a.method for a in ppl.plan(model, sampler=METHODS[plan]).assignments})
    statistics = trace["sample_stats"]
    diverging = int(statistics["diverging"].sum()) if "diverging" in statistics else 0
    cells = (
        posterior,
        plan if target_accept == 0.8 else f"{plan}, {target_accept}",
        ", ".join(methods),
        f"{found.scores.max():.1f}",
        f"{found.sd_ratios.min():.3f} - {found.sd_ratios.max():.3f}",
        f"{found.ess.min():.0f}",
        f"{found.rhat.max():.3f}",
        str(diverging) if "diverging" in statistics else "-",
        f"{seconds:.1f}",
        "yes" if not failures else "no: " + ", ".join(failures),
    )
    return cells, not failures, diverging


def rows(posterior: str, seed: int) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Give the lines of a posterior, one with smaller steps after a run that diverged; each with whether it agrees.

    Divergent draws that smaller steps do not prevent, or that nothing explains, are no agreement.
    """
    diverged = False
    for plan in METHODS:
        cells, agrees, diverging = row(posterior, plan, seed)
        diverged |= diverging > 0
        yield cells, agrees and (not diverging or posterior in EXPLAINED)
    if diverged:
        cells, agrees, diverging = row(posterior, "nuts", seed, CAREFUL)
        yield cells, agrees and not diverging


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a run does not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.posteriordb", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="posterior", help="a part of a name; without any, all")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args(arguments)
    if not FOLDER.is_dir():
        print("The reference posteriors are not beside the checkout.", file=sys.stderr)
        return 1
    chosen = [n for n in sorted(POSTERIORS) if not options.names or any(part in n for part in options.names)]
    print("| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER), flush=True)
    agreed = []
    for posterior in chosen:
        for cells, agrees in rows(posterior, options.seed):
            print("| " + " | ".join(cells) + " |", flush=True)
            agreed.append(agrees)
    for posterior in (n for n in chosen if n in EXPLAINED):
        print(f"\nDivergent draws of {posterior}: {EXPLAINED[posterior]}")
    return int(not agreed or not all(agreed))


if __name__ == "__main__":
    sys.exit(main())
