"""The law of `ppl.from_pymc`: the log-density of a PyMC model in unconstrained space, and its gradient, are PyMC's.

Answers: PyMC's log-density and gradient.
"""

from __future__ import annotations

import pytest

from tests.corpus.agreement import assert_density_is_pymcs
from tests.corpus.models import CORPUS

# Each takes a second or more, and what they hold is elsewhere in part.
LONG = {
    "regressions.ordered_probit",
    "regressions.multivariate",
    "hierarchies.varying_slopes",
    "hierarchies.varying_slopes_centred",
    "hierarchies.factor_analysis",
    "series.walks_of_other_steps",
    "series.gaussian_process_latent",
    "series.gaussian_process_by_basis",
    "discrete.zero_inflated_and_hurdle",
    "discrete.missing_counts",
    "discrete.other_counts",
    "structures.correlation",
    "structures.heavy_vectors",
    "structures.priors_on_the_line",
    "structures.priors_between_bounds",
}


# What PyMC 6.4 itself calls.
@pytest.mark.filterwarnings("ignore:pytensor.tensor.linalg.trace is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:SplineWrapper should implement `pullback`:FutureWarning")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in CORPUS])
def test_log_density_and_gradient_are_pymcs(name):
    assert_density_is_pymcs(name, CORPUS[name])
