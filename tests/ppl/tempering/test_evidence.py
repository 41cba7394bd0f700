"""Models compared by evidence.

Answers: closed forms; Bayes' rule of two models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xarray import Dataset, DataTree

import ppl
from graphs.errors import ModelError


def trace_of(evidence: float, error: float, **data: Any) -> DataTree:
    tree = DataTree(
        children={"observed_data": DataTree(Dataset({n: ((f"{n}_dim_0",), np.asarray(v)) for n, v in data.items()}))}
    )
    tree.attrs = {"log_marginal_likelihood": evidence, "log_marginal_likelihood_error": error}
    return tree


def test_probabilities_are_those_of_bayes_rule() -> None:
    table = ppl.compare_evidence({"a": trace_of(-10.0, 0.0, y=[1.0]), "b": trace_of(-9.0, 0.0, y=[1.0])})
    assert list(table.index) == ["b", "a"]
    assert table["probability"]["b"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert table["lower"]["b"] == pytest.approx(table["upper"]["b"])
    assert table["log_bayes_factor"]["a"] == pytest.approx(-1.0)
    weighted = ppl.compare_evidence([trace_of(-10.0, 0.0), trace_of(-9.0, 0.0)], prior=[3.0, 1.0])
    assert weighted["probability"]["0"] == pytest.approx(3 / (3 + np.e))


def test_errors_of_evidence_become_those_of_probabilities() -> None:
    """The log odds of two models are normal with the variance of both: quantiles in closed form."""
    table = ppl.compare_evidence([trace_of(0.0, 0.3), trace_of(-1.0, 0.4)])
    odds = 1.0 + 0.5 * np.array([-1.959964, 1.959964])
    np.testing.assert_allclose(table.loc["0", ["lower", "upper"]].astype(float), 1 / (1 + np.exp(-odds)), atol=0.01)
    assert table["bayes_factor_error"]["1"] == pytest.approx(0.5)


def test_refusals() -> None:
    one = trace_of(-1.0, 0.1, y=[1.0, 2.0])
    for traces, message in [
        ({"a": one, "b": trace_of(-1.0, 0.1, y=[1.0, 3.0])}, "The data of y are not the same in a and b"),
        ({"a": one, "b": trace_of(-1.0, 0.1, y=[1.0])}, "The data of y are not the same"),
        ({"a": one, "b": trace_of(-1.0, 0.1, z=[3.0, 4.0])}, "y has data in a, and not in b"),
        ({"a": one, "b": trace_of(-1.0, 0.1, y=[1.0, 2.0], z=[0.0])}, "z has data in b, and not in a"),
        ({"a": DataTree()}, "The trace a tells no evidence"),
        ({"a": trace_of(-np.inf, 0.1)}, "nothing to compare"),
        ([], "no trace"),
        ([3], "0 is no trace but int"),
        (one, "takes a list of traces"),
        ("trace", "takes a list of traces"),
    ]:
        with pytest.raises(ModelError, match=message):
            ppl.compare_evidence(traces)  # type: ignore[arg-type]
    for prior in ([1.0], [1.0, -1.0], [np.nan, 1.0]):
        with pytest.raises(ModelError, match="prior is one positive number"):
            ppl.compare_evidence([one, one], prior=prior)
    with pytest.raises(ModelError, match="prior has the models c"):
        ppl.compare_evidence([one], prior={"c": 1.0})


def test_the_same_data_under_another_name() -> None:
    table = ppl.compare_evidence([trace_of(-1.0, 0.1, y=[1, 2]), trace_of(-2.0, 0.1, outcome=[1.0, 2.0])])
    assert len(table) == 2


def test_evidence_of_other_functions() -> None:
    y = [0.3, -0.2]
    exact = ppl.sample(ppl.Model({ppl.Normal("y", ppl.Bernoulli("z", 0.5), 1.0, size=2): y}), 10, progress=False)
    normal = ppl.laplace(ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 1), 1.0, size=2): y}), 100, seed=1)
    table = ppl.compare_evidence({"exact": exact, "normal": normal})
    assert table["error"]["exact"] == 0.0
    assert table["log_evidence"]["normal"] == pytest.approx(normal.attrs["log_evidence"])
