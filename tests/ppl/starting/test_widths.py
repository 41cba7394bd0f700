"""Chains start where priors are.

Answers: the scales that are written in the models.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import ppl
from ppl.starting.initial import StartingPoints
from ppl.starting.widths import displacements

SCALES = np.array([0.01, 0.2, 5.0])


def test_what_has_a_small_scale_is_displaced_by_scales() -> None:
    loose, tight = ppl.Normal("loose", 0, 2), ppl.StudentT("tight", 4, 1.0, sigma=0.05)
    rows = ppl.Normal("rows", tight, SCALES, size=(2, 3))
    scale = ppl.HalfNormal("scale", 0.1)
    model = ppl.Model(loose, rows, ppl.Normal("effect", loose, scale, size=4))
    plan = ppl.plan(model, sampler="nuts", marginalize=False)
    found = displacements(plan)
    assert set(found) == {"tight", "rows"}
    assert found["tight"] == pytest.approx(0.15)
    np.testing.assert_allclose(np.broadcast_to(found["rows"], (2, 3)), [[0.03, 0.6, 1.0]] * 2)
    starts = StartingPoints(plan)(None, 200, 1)
    values = [plan.sweep.layout.unpack(start) for start in starts]
    tights = np.array([v["tight"] for v in values])
    assert 0.14 < np.abs(tights - 1.0).max() <= 0.15
    rows_off = np.abs(np.array([v["rows"] for v in values]) - 1.0).max(axis=(0, 1))
    assert (rows_off <= [0.03, 0.6, 1.0]).all()
    assert (rows_off > [0.029, 0.58, 0.97]).all()
    assert np.abs([v["loose"] for v in values]).max() > 0.95


def test_scales_that_are_no_numbers_and_transformed_values_are_displaced_as_before() -> None:
    with pm.Model() as model:
        data = pm.Data("width", 0.01)
        pm.Normal("by_data", 0, data)
        pm.Normal("ordered", 0, 0.01, shape=3, transform=pm.distributions.transforms.ordered, initval=[-0.1, 0.0, 0.1])
        pm.Normal("folded", 0, pt.exp(pt.constant(-3.0)))
    found = displacements(ppl.plan(ppl.from_pymc(model), sampler="nuts", marginalize=False))
    assert set(found) <= {"by_data", "folded"}
    assert found["folded"] == pytest.approx(3.0 * np.exp(-3.0))
