"""What sweeps are counted as.

Answers: operations of the density that runs.
"""

from __future__ import annotations

import numpy as np

import ppl
from ppl.planning.comparing.costs import cost_of_logprob
from ppl.planning.work import work_of


def test_the_density_beside_gibbs_steps_is_that_of_their_own_plan() -> None:
    """Where NUTS has integrated out by a factor of 40 rows, whose determinant Gibbs steps do not take."""
    design = np.random.default_rng(5).normal(size=(60, 40))
    weights = ppl.Normal("weights", 0, ppl.HalfNormal("spread", 1), size=40)
    model = ppl.Model({ppl.Normal("y", design @ weights, ppl.HalfNormal("noise", 1)): design[:, 0]})
    by_nuts = ppl.plan(model, sampler="nuts", marginalize=["weights"], progress=False)
    by_laws = ppl.plan(model, sampler="gibbs", marginalize=False, progress=False)
    own = work_of([by_laws.natural.total])
    assert cost_of_logprob(by_nuts, by_laws) == own
    assert cost_of_logprob(by_nuts, by_nuts) > 2.0 * own
