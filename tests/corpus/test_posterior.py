"""The posterior of PyMC models is that which `pm.sample` finds.

Of every model the means and the quantiles at 5%, 50% and 95% of all free variables are compared, each difference in
units of the Monte Carlo errors of both runs. That is nearly normal at these effective sample sizes; the errors are
themselves estimated to some 10%, so that the bound of the largest of n differences is the normal quantile for a false
alarm of 1e-4 a model, plus 20%.

Answers: draws of `pm.sample`.
"""

from __future__ import annotations

import logging
import warnings
import zlib

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ppl
from tests.corpus.models import CORPUS

FALSE_ALARM = 1e-4
MODELS = [
    "regressions.gamma_and_beta",
    "regressions.ordered",
    "regressions.weibull_survival",
    "regressions.linear",
    "regressions.negative_binomial",
    "regressions.robust",
    "regressions.categorical",
    "regressions.survival_by_potential",
    "regressions.censored_and_truncated",
    "regressions.spline",
    "hierarchies.varying_slopes",
    "hierarchies.zero_sum_effects",
    "hierarchies.schools_non_centred",
    "hierarchies.radon",
    "hierarchies.item_response",
    "series.autoregression",
    "series.garch",
    "series.moving_average_by_scan",
    "series.gaussian_process_marginal",
    "series.gaussian_process_latent",
    "series.epidemic_by_scan",
    "discrete.zero_inflated_and_hurdle",
    "discrete.missing_covariates",
    "discrete.dirichlet_multinomial",
    "discrete.normal_mixture",
    "discrete.coal_mining",
    "discrete.missing_outcomes",
    "discrete.simplexes",
    "structures.covariance",
    "structures.priors_between_bounds",
    "structures.correlation",
    "structures.custom_graph",
    "structures.several_outcomes",
    "structures.multiplied_potentials",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:pytensor.tensor.linalg.trace is deprecated:FutureWarning")
@pytest.mark.parametrize("name", CORPUS)
def test_every_model_can_be_sampled(name):
    trace = ppl.sample(ppl.from_pymc(CORPUS[name]()), draws=50, tune=200, chains=2, seed=1, progress=False)
    for variable, draws in trace.posterior.data_vars.items():
        assert np.isfinite(draws.to_numpy()).all(), variable
    assert np.isfinite(trace.sample_stats["lp"].to_numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_posterior_is_that_of_pymc(name):
    pm_model = CORPUS[name]()
    seed = zlib.crc32(name.encode())
    model = ppl.from_pymc(pm_model)
    trace = ppl.sample(model, seed=seed, progress=False, target_accept=0.9)
    names = [rv.name for rv in pm_model.free_RVs]
    if any(name not in trace.posterior for name in names):
        trace = ppl.recover(model, trace, seed=seed)
    with warnings.catch_warnings(), pm_model:
        # PyMC's own, about the versions of its dependencies and the small number of chains.
        warnings.simplefilter("ignore")
        logging.getLogger("pymc").setLevel(logging.ERROR)
        theirs = pm.sample(
            chains=2,
            cores=1,
            random_seed=seed,
            target_accept=0.9,
            progressbar=False,
            compute_convergence_checks=False,
            compile_kwargs={"mode": "NUMBA"},
        )
    found, expected = (t.posterior.to_dataset()[names] for t in (trace, theirs))
    differences = []
    for statistic, options in (("mean", {}), *(("quantile", {"prob": p}) for p in (0.05, 0.5, 0.95))):
        centre = [
            d.mean(("chain", "draw")) if statistic == "mean" else d.quantile(options["prob"], ("chain", "draw"))
            for d in (found, expected)
        ]
        errors = [az.mcse(d, method=statistic, **options) for d in (found, expected)]
        for variable in names:
            gap = np.ravel(centre[0][variable].to_numpy() - centre[1][variable].to_numpy())
            error = np.ravel(np.hypot(errors[0][variable].to_numpy(), errors[1][variable].to_numpy()))
            # What is constant, such as the fixed elements of a matrix, has no error.
            differences += [g / e if e > 1e-9 else g * 1e9 for g, e in zip(gap, error, strict=True)]
    bound = 1.2 * stats.norm.isf(FALSE_ALARM / (2 * len(differences)))
    assert np.max(np.abs(differences)) < bound
