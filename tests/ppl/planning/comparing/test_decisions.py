"""What was decided about a model is kept, and gives the plan and the draws that deciding anew gives.

Answers: the same plan, made anew; counts of files, by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytensor.tensor as pt
import pytest

import graphs
import ppl
from graphs.disk import kept_files
from graphs.errors import DerivationError
from graphs.optional import FAILURES
from ppl.planning import planning
from ppl.planning.comparing import decisions as deciding
from ppl.planning.integrating import Course, collapse, collapse_again

rng = np.random.default_rng(5)
X = rng.normal(size=(60, 2))
GROUPS = rng.integers(0, 6, 60)
OUTCOME = X @ np.array([1.0, -0.5]) + rng.normal(size=60)


@pytest.fixture
def decisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Keep what is decided, in a folder of the test; returns the files there."""
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path)))
    return lambda: sorted(tmp_path.rglob("*.decision"))


def logistic() -> ppl.Model:
    """No law for its coefficients, but with auxiliary variables: pilot runs compare."""
    b = ppl.Normal("b", 0, 2, size=2)
    effect = ppl.Normal("effect", 0, ppl.HalfNormal("scale", 1), size=6)
    return ppl.Model({ppl.Bernoulli("y", logit_p=X @ b + effect[GROUPS]): OUTCOME > 0})


def robust() -> ppl.Model:
    """Integrals of which some do not pay, and laws for the rest."""
    b, v = ppl.Normal("b", 0, 10, size=2), ppl.InverseGamma("v", 2, 1)
    effect = ppl.Normal("effect", 0, ppl.HalfCauchy("scale", 1), size=6)
    return ppl.Model({ppl.Normal("y", X @ b + effect[GROUPS], pt.sqrt(v)): OUTCOME})


def poisson() -> ppl.Model:
    """No law at all."""
    b = ppl.Normal("b", 0, 1, size=4)
    return ppl.Model({ppl.Poisson("y", pt.exp(X @ b[:2] + b[2] * X[:, 0] ** 2 + b[3])): np.arange(60) % 4})


def with_a_table() -> ppl.Model:
    return ppl.Model({ppl.Normal("y", ppl.StudentT("m", 3), 1, size=5): np.arange(5.0)})


def exact() -> ppl.Model:
    return ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1, size=5): np.arange(5.0)})


@pytest.mark.parametrize("make", [logistic, robust, poisson, with_a_table, exact])
def test_what_was_decided_gives_the_same_plan_and_draws(make, decisions, monkeypatch) -> None:
    first = ppl.plan(make())
    assert len(decisions()) == 1
    # What was decided against is not looked at again.
    monkeypatch.setattr(planning, "choose_plan", lambda *_: pytest.fail("decided anew"))
    monkeypatch.setattr(planning, "collapsed_as_asked", lambda *_, **__: pytest.fail("searched anew"))
    again = ppl.plan(make())
    assert len(decisions()) == 1
    assert str(again) == str(first)
    assert again.policy == first.policy
    for name, array in (first.centre or {}).items():
        np.testing.assert_array_equal(again.centre[name], array, strict=True)
    assert (again.centre is None) == (first.centre is None)


@pytest.mark.parametrize("make", [logistic, robust])
def test_draws_do_not_depend_on_what_is_kept(make, decisions) -> None:
    options = {"draws": 20, "tune": 30, "chains": 1, "seed": 2, "progress": False}
    first, again = (ppl.sample(make(), **options) for _ in range(2))
    assert len(decisions()) == 1
    for name, draws in first.posterior.data_vars.items():
        np.testing.assert_array_equal(again.posterior[name].values, draws.values)


def test_other_data_options_and_code_are_other_questions(decisions, monkeypatch) -> None:
    model = poisson()
    asked = decisions_of(model, "auto"), decisions_of(poisson(), "auto")
    assert asked[0] == asked[1] is not None
    more = ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1, size=5): np.arange(5.0)})
    other = ppl.Model({ppl.Normal("y", ppl.Normal("m", 0, 1), 1, size=5): np.arange(5.0) + 1e-9})
    found = {asked[0], decisions_of(model, "True"), decisions_of(more, "auto"), decisions_of(other, "auto")}
    monkeypatch.setattr("ppl.planning.comparing.decisions.digest_of_code", lambda: "other")
    found.add(decisions_of(model, "auto"))
    assert len(found) == 5


def decisions_of(model: ppl.Model, asked: str) -> str | None:
    return deciding.Question.about(model, asked).file


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_what_is_damaged_is_decided_anew(damage: bytes, is_whole: bool, decisions) -> None:
    first = ppl.plan(with_a_table())
    [file] = decisions()
    kept_files.write(file.name, damage) if is_whole else file.write_bytes(damage)
    assert str(ppl.plan(with_a_table())) == str(first)


def test_what_would_not_be_found_again_is_decided_anew(decisions, unforeseen) -> None:
    """A decision that names an integral which is none: nothing is taken from it, and what is right takes its place."""
    first = ppl.plan(exact())
    [file] = decisions()
    wrong = Course(taken=((("nobody",), True),))
    decided = deciding.Decided(False, "", wrong)
    deciding.Question(file.name).keep(decided)
    assert str(ppl.plan(exact())) == str(first)
    assert unforeseen
    assert deciding.Question(file.name).answer().course.taken == ((("m",), True),)


def test_after_a_failure_nothing_is_kept(decisions, monkeypatch, unforeseen) -> None:
    monkeypatch.setattr("ppl.planning.integrating.integrate", lambda *_, **__: 1 / 0)
    ppl.plan(exact())
    assert unforeseen
    assert decisions() == []


def test_a_refusal_is_not_kept(decisions) -> None:
    with pytest.raises(DerivationError, match="cannot be integrated out"):
        ppl.plan(poisson(), marginalize=["b"])
    assert decisions() == []


def test_a_model_without_a_digest_is_planned(decisions, monkeypatch) -> None:
    monkeypatch.setattr("ppl.planning.comparing.decisions.fingerprint", lambda *_: 1 / 0)
    assert ppl.plan(exact()).is_exact
    assert decisions() == []
    assert not FAILURES


def test_large_decisions_are_not_kept(decisions, monkeypatch) -> None:
    monkeypatch.setattr("ppl.planning.comparing.decisions.MOST_BYTES", 10)
    ppl.plan(with_a_table())
    assert decisions() == []


def test_a_search_is_followed_to_the_same_log_density() -> None:
    """Level by level, then the scale by its own law, as it was found."""
    summed = graphs.logprob(robust(), marginalize=False)
    found = collapse(summed, ["b", "effect"], True, is_asked=True, is_required=False)
    assert found.course.taken
    again = collapse_again(summed, found.course, True)
    assert again is not None
    assert again.reasons == found.reasons
    point = {again.joint.values[n]: np.asarray(1.3) for n in again.joint.values}
    same = {found.joint.values[n]: np.asarray(1.3) for n in found.joint.values}
    np.testing.assert_allclose(again.joint.total.eval(point), found.joint.total.eval(same), rtol=1e-12)
