"""Samplers of one's own, by the recipe of CONTRIBUTING.md, against closed forms; and what is said of wrong ones.

Answers: closed forms; messages are written out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from scipy import stats

import ppl
import samplers
from graphs.errors import ModelError, SamplingError
from graphs.surgery.rebuilding import substitute
from samplers import Move, Moved
from samplers.metropolis import decide

DATA = np.array([1.3, 0.4, 2.1])


CONTRIBUTING = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
[RECIPE] = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
NAMES: dict[str, Any] = {"samplers": samplers, "substitute": substitute, "decide": decide}
exec(RECIPE, NAMES)
Walk = NAMES["Walk"]  # a random walk whose scale tuning finds


class Flip(Move):
    """The other of two states, proposed and accepted or not."""

    name = "flip"

    def step(self, logdensity: Any, values: Any, rng: Any, memory: Any) -> Moved:
        [k] = values
        [there] = substitute([logdensity.total], {k: 1 - k})
        next_rng, uniform = rng.uniform(0.0, 1.0)
        return Moved([pt.switch(pt.log(uniform) < there - logdensity.total, 1 - k, k)], next_rng)


def model() -> ppl.Model:
    mu = ppl.Normal("mu", 0.0, 2.0)
    return ppl.Model({ppl.Normal("y", mu, 1.0): DATA})


def assert_mean(values: Any, expected: float) -> None:
    values = np.asarray(values, float)
    size = array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")
    assert abs(values.mean() - expected) < 4.5 * values.std() / np.sqrt(size)


@pytest.mark.parametrize("sampler", [Walk(), {"mu": Walk()}])
def test_a_move_of_ones_own(sampler: Any) -> None:
    """The posterior of a normal mean, and the acceptance rate that was asked for."""
    trace = ppl.sample(model(), 8000, 1000, 2, seed=1, sampler=sampler, progress=False)
    variance = 1 / (len(DATA) + 0.25)
    assert_mean(trace.posterior["mu"], DATA.sum() * variance)
    assert_mean((trace.posterior["mu"] - DATA.sum() * variance) ** 2, variance)
    assert trace.sample_stats["acceptance_rate"].mean() == pytest.approx(0.44, abs=0.05)
    assert "walk" in trace.attrs["plan"]


@pytest.mark.parametrize("backend", ["c", "jax"])
def test_other_backends(backend: str) -> None:
    if backend == "jax":
        pytest.importorskip("jax")
    trace = ppl.sample(model(), 2000, 500, 2, seed=1, sampler=Walk(), backend=backend, progress=False)
    assert_mean(trace.posterior["mu"], DATA.sum() / (len(DATA) + 0.25))


def test_a_discrete_variable_beside_nuts() -> None:
    """A mixture of two normal distributions: the weight of the second by Bayes' rule."""
    k = ppl.Bernoulli("k", 0.3)
    mu = ppl.Normal("mu", 2.0 * k, 1.0)
    mixture = ppl.Model({ppl.Normal("y", mu, 1.0): 1.4})
    how = {"k": Flip(), "mu": "nuts"}
    trace = ppl.sample(mixture, 8000, 500, 2, seed=2, sampler=how, progress=False)
    weights = np.array([0.7, 0.3]) * stats.norm.pdf(1.4, [0.0, 2.0], np.sqrt(2.0))
    assert_mean(trace.posterior["k"], weights[1] / weights.sum())
    assert [a.method for a in ppl.plan(mixture, sampler=how).assignments] == ["flip", "nuts"]


def test_the_same_object_moves_variables_together() -> None:
    class Pair(Walk):
        name = "pair"

        def step(self, logdensity: Any, values: Any, rng: Any, memory: Any) -> Moved:
            next_rng, proposals = rng, []
            for value in values:
                next_rng, noise = next_rng.normal(0.0, 1.0, size=value.type.shape)
                proposals.append(value + memory["scale"] * noise)
            [there] = substitute([logdensity.total], dict(zip(values, proposals, strict=True)))
            next_rng, uniform = next_rng.uniform(0.0, 1.0)
            log_ratio = there - logdensity.total
            moved = [
                pt.switch(pt.log(uniform) < log_ratio, new, old) for new, old in zip(proposals, values, strict=True)
            ]
            return Moved(moved, next_rng, pt.exp(pt.minimum(0.0, log_ratio)))

    a, b = ppl.Normal("a", 0.0, 1.0), ppl.Normal("b", 0.0, 1.0, size=2)
    both = ppl.Model({ppl.Normal("y", a + b, 1.0): np.ones(2)})
    move = Pair()
    [block] = ppl.plan(both, sampler={"a": move, "b": move}).sweep.blocks
    assert [v.name for v in block.variables] == ["a", "b"]
    first, second = ppl.plan(both, sampler={"a": Pair(), "b": Pair()}).sweep.blocks
    assert [[v.name for v in block.variables] for block in (first, second)] == [["a"], ["b"]]


def made(result: Any, **attributes: Any) -> Move:
    """A move whose step returns what a function makes of the value and the generator."""

    class Wrong(Move):
        name = "wrong"

        def step(self, logdensity: Any, values: Any, rng: Any, memory: Any) -> Any:
            return result(values[0], rng)

    for name, value in attributes.items():
        setattr(Wrong, name, value)
    return Wrong()


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (made(lambda x, rng: x), "its step returns TensorVariable, not samplers.Moved"),
        (made(lambda x, rng: Moved([x, x], rng)), "returns 2 values for 1 variables"),
        (made(lambda x, rng: Moved([pt.stack([x, x])], rng)), r"new value of mu has shape \(2,\), not \(\)"),
        (made(lambda x, rng: Moved([pt.cast(x, "int64")], rng)), "new value of mu is int64, the old float64"),
        (made(lambda x, rng: Moved([x], x)), "next_rng is no generator"),
        (made(lambda x, rng: Moved([x + pt.dscalar("z")], rng)), "depends on z, which the model does not have"),
        (made(lambda x, rng: Moved([x], rng, x * np.ones(2))), "acceptance_rate has 1 axes"),
        (made(lambda x, rng: Moved([x], rng, memory={"m": x})), "learns 'm', of which its memory says no start"),
        (made(lambda x, rng: Moved([x], rng), target_acceptance=0.4), "returns no acceptance_rate"),
        (made(lambda x, rng: x.nonsense), "AttributeError"),
    ],
)
def test_wrong_moves_are_named_with_what_they_move(move: Move, message: str) -> None:
    with pytest.raises(ModelError, match=f"mu cannot be moved by wrong: .*{message}") as caught:
        ppl.plan(model(), sampler={"mu": move})
    assert caught.value.variable == "mu"


def test_variables_are_named_as_they_were_declared() -> None:
    rate = ppl.Gamma("rate", 2.0, 1.0)
    positive = ppl.Model({ppl.Poisson("count", rate): 3})
    with pytest.raises(
        ModelError, match=r"^rate cannot be moved by wrong: .*the new value of rate has shape"
    ) as caught:
        ppl.plan(positive, sampler={"rate": made(lambda x, rng: Moved([pt.stack([x, x])], rng))})
    assert caught.value.variable == "rate"


@pytest.mark.parametrize("name", ["nuts", "gibbs", 3])
def test_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(ModelError, match="Wrong needs a name of its own"):
        ppl.plan(model(), sampler={"mu": made(lambda x, rng: Moved([x], rng), name=name)})


def test_a_value_that_is_not_finite_ends_the_chain_with_the_name_of_the_variable() -> None:
    move = made(lambda x, rng: Moved([pt.log(x - 1e6)], rng))
    with pytest.raises(SamplingError, match="was drawn for mu"):
        ppl.sample(model(), 10, 10, 1, seed=1, sampler={"mu": move}, progress=False)
