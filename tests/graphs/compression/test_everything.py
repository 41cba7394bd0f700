"""Whatever can be compressed at all, gain or not, stays the same function: the corpus and the models of sums.

Answers: log-densities that are not compressed.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import graphs.compression.compress as compress
import ppl
from graphs.joint.joint_logprob import LogProb
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret
from tests.corpus.models import CORPUS
from tests.graphs.marginal.kinds.every_model import ALL, name_of


@pytest.fixture(autouse=True)
def whatever_the_gain(monkeypatch):
    module: ModuleType = compress
    monkeypatch.setattr(module, "FEWEST_ROWS", 1)
    monkeypatch.setattr(module, "LEAST_GAIN", 0.0)


def assert_terms_are_the_same(before: LogProb) -> None:
    values = list(before.values.values())
    rng = np.random.default_rng(0)
    point = [rng.normal(0, 0.5, v.type.shape).astype(v.type.dtype) for v in values]
    pairs = [(term, compress.compressed_sum(term)) for term in before.terms.values()]
    rewritten = [(term.sum(), found[0]) for term, found in pairs if found is not None]
    results = interpret(values, [graph for pair in rewritten for graph in pair])(*point) if rewritten else []
    for expected, found in zip(results[::2], results[1::2], strict=True):
        if np.isfinite(expected):
            assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)
        else:
            assert not np.isfinite(found)


@pytest.mark.parametrize("name", list(CORPUS)[::4])
def test_models_of_pymc(name):
    assert_terms_are_the_same(logprob(ppl.from_pymc(CORPUS[name]()), space="unconstrained"))


@pytest.mark.slow
# PyMC's own: its matrix distributions and splines.
@pytest.mark.filterwarnings("ignore:pytensor.tensor.linalg.trace is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:SplineWrapper should implement `pullback`:FutureWarning")
@pytest.mark.parametrize("name", CORPUS)
def test_all_models_of_pymc(name):
    assert_terms_are_the_same(logprob(ppl.from_pymc(CORPUS[name]()), space="unconstrained"))


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=name_of)
def test_all_models_of_sums(case):
    model, _ = case()
    assert_terms_are_the_same(logprob(model, space="unconstrained"))
