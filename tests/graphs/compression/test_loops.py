"""Likelihoods that depend on a loop are left as they are.

Answers: the log-density as it was.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt

import ppl


def test_the_trace_of_a_scan_has_no_rows_to_follow():
    y = np.random.default_rng(3).normal(size=40)
    phi = ppl.Normal("phi", 0, 1)
    errors = pytensor.scan(
        lambda now, error, phi: now - phi * error,
        sequences=[pt.as_tensor(y)],
        outputs_info=[pt.constant(0.0, dtype="float64")],
        non_sequences=[phi],
        return_updates=False,
    )
    model = ppl.Model({ppl.Normal("y", y - errors, 1.0): y})
    assert ppl.plan(model).assignments[0].method == "tabulated"
