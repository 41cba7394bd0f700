"""The law of marginalisation on models of every kind: the sum, parts of it, draws and probabilities are exact.

Each kind has a file of tests of its own, so that several processes share them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import pytest

from tests.graphs.marginal.models import (
    chains,
    counts,
    edges,
    functions,
    grouped,
    missing,
    mixtures,
    networks,
    populations,
    series,
)
from tests.graphs.marginal.models.catalogue import Case
from tests.laws import sums_of_models

KINDS: list[ModuleType] = [
    mixtures,
    grouped,
    populations,
    chains,
    series,
    counts,
    missing,
    networks,
    functions,
    edges,
]
ALL: list[Callable[[], Case]] = [case for kind in KINDS for case in kind.MODELS]


def name_of(case: Any) -> str:
    return f"{case.__module__.rpartition('.')[2]}.{case.__name__}"


# Hundreds of models: `make test-all`. Those of tests/graphs/marginal/marginal_models.py are in every run. C compilers
# take up to five minutes for the largest of these graphs when they meet them first.
@pytest.mark.slow
@pytest.mark.timeout(900)
class LawsOfSums:
    """Tests of all models of a kind, which a class derived from this one names."""

    kind: ClassVar[ModuleType]

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("case", [pytest.param(case, id=name_of(case)) for case in cls.kind.MODELS])

    def test_sum_is_the_enumeration(self, case: Any) -> None:
        model, values, expected = sums_of_models.enumerated(case)
        sums_of_models.assert_sum_is_that_of(model, values, expected)

    @pytest.mark.parametrize("backend", ["numba", "c", "jax"])
    def test_sum_is_the_enumeration_in_all_backends(self, case: Any, backend: str) -> None:
        if backend == "jax":
            pytest.importorskip("jax", reason="JAX is an extra")
        model, values, expected = sums_of_models.enumerated(case)
        sums_of_models.assert_sum_is_that_of(model, values, expected, backend)

    def test_one_variable_is_summed_given_the_others(self, case: Any) -> None:
        model, values, expected = sums_of_models.enumerated(case)
        if len(expected.states) > 1:
            for name in list(expected.states)[:3]:
                sums_of_models.assert_part_is_summed(model, values, expected, name)

    def test_what_is_recovered_is_exact(self, case: Any) -> None:
        model, values, expected = sums_of_models.enumerated(case)
        if not values:
            pytest.skip("nothing is left to be sampled")
        sums_of_models.assert_recovered(model, values, expected)
