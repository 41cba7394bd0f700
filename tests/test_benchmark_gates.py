"""The models of the gates are those that were published, and a run passes when it should.

Answers: quadrature of a sum by hand over what a discrete variable may be, and a closed form for correlations.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

import ppl
from benchmarks import gates
from benchmarks.gate_hierarchies import correlations
from benchmarks.gate_models import MODELS

needs_data = pytest.mark.skipif(not gates.FOLDER.is_dir(), reason="the data are not beside the checkout")


@needs_data
def test_every_model_of_the_table_is_declared_and_no_other() -> None:
    rows = [line.split("|") for line in (gates.FOLDER / "README.md").read_text().splitlines() if line.startswith("| ")]
    listed = {row[1].strip() for row in rows} - {"model"}

    assert set(MODELS) == listed
    assert all(gates.declare(name).latent for name in listed - {"kronecker_gp"})


def test_animals_never_seen_may_not_exist() -> None:
    """At a share and a rate of presence, the second animal is there or not: its law of being there is Bayes' rule."""
    seen = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    trace = ppl.sample(MODELS["M0_model"]({"y": seen}), draws=1500, seed=1, progress=False)

    omega, p = np.meshgrid(*[(np.arange(400) + 0.5) / 400] * 2, indexing="ij")
    weight = (omega * binom.pmf(2, 3, p)) * (omega * binom.pmf(1, 3, p)) * (omega * (1 - p) ** 3 + 1 - omega)
    for name, values in (("omega", omega), ("p", p)):
        mean = (weight * values).sum() / weight.sum()
        draws = trace.posterior[name].to_numpy()
        # Some thousand effective draws: four standard errors.
        assert abs(draws.mean() - mean) < 4 * draws.std() / np.sqrt(1500), name


def test_correlations_have_the_published_marginals() -> None:
    """Each is 2 B - 1 of a beta variable with both parameters concentration + (size - 2) / 2."""
    matrix = ppl.Deterministic("matrix", correlations("partial", 4, 2.0))
    drawn = ppl.prior_predictive(ppl.Model(matrix), draws=4000, seed=1)["prior"]["matrix"].to_numpy().reshape(-1, 4, 4)

    expected = np.sqrt(1 / (2 * (2.0 + 1.0) + 1))
    deviations = drawn.std(axis=0)[np.triu_indices(4, 1)]
    # Four standard errors of a standard deviation of 4000 draws.
    np.testing.assert_allclose(deviations, expected, rtol=4 / np.sqrt(2 * 4000))
    np.testing.assert_allclose(drawn[:, range(4), range(4)], 1.0)


@pytest.mark.parametrize(
    ("numbers", "is_right"),
    [
        ((1.009, 401.0, 402.0, 0), True),
        ((1.011, 401.0, 402.0, 0), False),
        ((1.0, 399.0, 402.0, 0), False),
        ((1.0, 900.0, 399.0, 0), False),
        ((1.0, 900.0, 900.0, 1), False),
        ((float("nan"), 900.0, 900.0, 0), False),
    ],
)
def test_a_run_passes(numbers: tuple[float, float, float, int], is_right: bool) -> None:
    assert gates.passes(*numbers) is is_right


def test_the_worst_parameter_is_named() -> None:
    rng = np.random.default_rng(1)
    good = rng.normal(size=(4, 500, 2))
    good[:, :, 1] += np.arange(4)[:, None]
    mu = ppl.Normal("mu", 0, 1, size=2)
    model = ppl.Model(mu)
    trace = xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": (("chain", "draw", "at"), good)})})

    r_hat, bulk, _, worst = gates.judged(trace, model)

    assert r_hat > 1.1
    assert bulk < 100
    assert worst == "mu[1]"


@needs_data
def test_data_of_a_model_are_found_by_its_name() -> None:
    rates = json.loads((gates.FOLDER / "Rate_1_data.json").read_text())
    assert rates == {"k": 5, "n": 10}
    assert gates.declare("Rate_1_model").latent.keys() == {"theta"}
