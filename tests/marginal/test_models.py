"""The law of marginalisation on models of every kind: the sum, parts of it, draws and probabilities are exact."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tests.marginal import (
    chains,
    counts,
    edges,
    functions,
    grouped,
    laws,
    missing,
    mixtures,
    networks,
    populations,
    series,
)

# Hundreds of models: `make test-all`. Those of tests/graphs/marginal_models.py are in every run.
pytestmark = pytest.mark.slow

MODULES: list[ModuleType] = [
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
# What the engine does not do yet, and why; strict, so that the entry goes when it does.
NOT_YET: dict[str, str] = {}


def name_of(case: Any) -> str:
    return f"{case.__module__.rpartition('.')[2]}.{case.__name__}"


def as_parameters(cases: list[Any]) -> list[Any]:
    def marks(case: Any) -> Any:
        return pytest.mark.xfail(strict=True, reason=NOT_YET[name_of(case)]) if name_of(case) in NOT_YET else ()

    return [pytest.param(case, id=name_of(case), marks=marks(case)) for case in cases]


ALL = [case for module in MODULES for case in module.MODELS]
SEVERAL = [c for c in ALL if c.__module__ in (series.__name__, networks.__name__, populations.__name__)]


def test_no_two_models_have_the_same_name():
    assert len({name_of(case) for case in ALL}) == len(ALL)
    assert set(NOT_YET) <= {name_of(case) for case in ALL}


@pytest.mark.parametrize("case", as_parameters(ALL))
def test_sum_is_the_enumeration(case):
    model, values, expected = laws.enumerated(case)
    laws.assert_sum_is_that_of(model, values, expected)


@pytest.mark.parametrize("case", as_parameters(ALL[::25]))
def test_sum_is_the_enumeration_in_numba(case):
    model, values, expected = laws.enumerated(case)
    laws.assert_sum_is_that_of(model, values, expected, "numba")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
@pytest.mark.parametrize("case", as_parameters(ALL))
def test_sum_is_the_enumeration_in_all_backends(case, backend):
    if backend == "jax":
        pytest.importorskip("jax", reason="JAX is an extra")
    model, values, expected = laws.enumerated(case)
    laws.assert_sum_is_that_of(model, values, expected, backend)


def assert_parts(case: Any) -> None:
    model, values, expected = laws.enumerated(case)
    if len(expected.states) > 1:
        for name in list(expected.states)[:3]:
            laws.assert_part_is_summed(model, values, expected, name)


@pytest.mark.parametrize("case", as_parameters(SEVERAL[::8]))
def test_one_variable_is_summed_given_the_others(case):
    assert_parts(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", as_parameters(ALL))
def test_one_variable_is_summed_given_the_others_in_all_models(case):
    assert_parts(case)


def assert_recovered(case: Any) -> None:
    model, values, expected = laws.enumerated(case)
    if not values:
        pytest.skip("nothing is left to be sampled")
    laws.assert_recovered(model, values, expected)


@pytest.mark.parametrize("case", as_parameters([grouped.crossed_factors, chains.two_lags]))
def test_what_is_recovered_is_exact(case):
    assert_recovered(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", as_parameters(ALL))
def test_what_is_recovered_is_exact_in_all_models(case):
    assert_recovered(case)
