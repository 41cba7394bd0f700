"""Partial centring of variables whose elements are located by each other, as Python loops declare them.

Answers: the matrix that takes elements to locations; positions by a loop in NumPy, their Jacobian by differences;
densities as they were declared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest

import ppl
from graphs.centring import partial_centring, why_as_declared
from graphs.centring.families import Located
from graphs.centring.sequences import in_chains
from graphs.joint.logprob import logprob, unconstrain
from tests.laws.transforms import interpreted

RHO, MU = pt.dscalar("rho"), pt.dscalar("mu")
OTHERS: dict[Any, Any] = {RHO: 0.6, MU: -0.8}


def autoregression(x: Any) -> Any:
    return pt.concatenate([MU[None], MU + RHO * (x[:-1] - MU)])


def backwards(x: Any) -> Any:
    return pt.concatenate([RHO * x[1:], MU[None]])


def first_axis(x: Any) -> Any:
    """Of shape (3, 2), steps along the first axis."""
    return pt.concatenate([pt.stack([[MU, 1.0]]), x[:-1] * pt.stack([RHO, 2.0])])


def interleaved(x: Any) -> Any:
    """Every other element, the ratios of their own."""
    return pt.concatenate([MU[None], MU[None], pt.arange(1, 5) * x[:-2]])


def shuffled(x: Any) -> Any:
    return pt.stack([x[3], MU, x[5] + MU, RHO * x[1], x[0] * RHO, x[4] * 2.0])


def other_lengths(x: Any) -> Any:
    return pt.stack([MU, x[4], RHO * x[0], x[2], MU, MU])


CHAINS: dict[Callable[[Any], Any], tuple[tuple[int, ...], list[list[int]]]] = {
    autoregression: ((6,), [[0, 1, 2, 3, 4, 5]]),
    backwards: ((6,), [[5, 4, 3, 2, 1, 0]]),
    first_axis: ((3, 2), [[0, 2, 4], [1, 3, 5]]),
    interleaved: ((6,), [[0, 2, 4], [1, 3, 5]]),
    shuffled: ((6,), [[1, 3, 0, 4, 5, 2]]),
    other_lengths: ((6,), [[0, 2, 3, 4, 1, 5]]),
}


def chained(location: Callable[[Any], Any], shape: tuple[int, ...], scale: Any = None) -> tuple[Any, Located | None]:
    x = pt.tensor("x", dtype="float64", shape=shape)
    one = Located(location(x), pt.constant(1.0) if scale is None else scale(x), pt.constant(0.0))
    return x, in_chains(one, x, [RHO, MU, x])


@pytest.mark.parametrize("location", CHAINS)
def test_what_follows_on_what(location: Callable[[Any], Any]) -> None:
    shape, rows = CHAINS[location]
    x, found = chained(location, shape)
    assert found is not None
    assert found.rows is not None
    assert found.rows.tolist() == rows
    base, ratio = (np.broadcast_to(part, shape).ravel() for part in interpreted(found.graphs[::2], OTHERS))
    for seed in range(2):
        values = np.random.default_rng(seed).normal(size=shape)
        [expected] = interpreted([location(x)], {**OTHERS, x: values})
        before = np.zeros(6)
        before[found.rows[:, 1:]] = values.ravel()[found.rows[:, :-1]]
        np.testing.assert_allclose(base + ratio * before, np.ravel(expected), rtol=1e-12)


REFUSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "second order": (lambda x: pt.concatenate([MU[None], x[:1], RHO * x[1:-1] + 0.3 * x[:-2]]), None),
    "not in proportion": (lambda x: pt.concatenate([MU[None], pt.exp(x[:-1])]), None),
    "two that follow on one": (lambda x: pt.stack([MU, x[0], x[0], x[1], x[2], x[3]]), None),
    "a circle": (lambda x: RHO * x[[5, 0, 1, 2, 3, 4]], None),
    "own mean": (lambda x: MU + RHO * x.mean() + 0 * x, None),
    "a scale that follows": (autoregression, lambda x: pt.concatenate([pt.ones(1), 1 + x[:-1] ** 2])),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_chains(kind: str) -> None:
    location, scale = REFUSED[kind]
    assert chained(location, (6,), scale)[1] is None


def level_and_trend(num_steps: int) -> ppl.Model:
    """A loop whose level follows on itself and on a trend that does so, too."""
    s, rho = ppl.HalfNormal("s", 1), ppl.Uniform("rho", -1, 1)
    level, trend = [ppl.Normal("x0", 0, 1)], [ppl.Normal("b0", 0, 1)]
    for t in range(1, num_steps):
        trend.append(ppl.Normal(f"b{t}", rho * trend[-1], 0.5))
        level.append(ppl.Normal(f"x{t}", level[-1] + trend[t - 1], s))
    return ppl.Model({ppl.Poisson("y", pt.exp(pt.stack(level))): np.ones(num_steps, np.int64)})


def driving_each_other(num_steps: int) -> ppl.Model:
    s = ppl.HalfNormal("s", 1)
    a, b = [ppl.Normal("a0", 0, 1)], [ppl.Normal("b0", 0, 1)]
    for t in range(1, num_steps):
        last = a[-1], b[-1]
        a.append(ppl.Normal(f"a{t}", 0.5 * last[0] + 0.2 * last[1], s))
        b.append(ppl.Normal(f"b{t}", 0.5 * last[1] - 0.2 * last[0], s))
    return ppl.Model({ppl.Poisson("y", pt.exp(pt.stack(a) + pt.stack(b))): np.ones(num_steps, np.int64)})


# More steps than half of 127: bounds of slices of slices are numbers of eight bits to PyTensor.
@pytest.mark.parametrize(("make", "num_centred"), [(level_and_trend, 2), (driving_each_other, 1)])
def test_density_in_coordinates_of_a_loop(make: Callable[[int], ppl.Model], num_centred: int) -> None:
    natural = logprob(make(70), marginalize=False, apart=())
    density = unconstrain(natural)
    names = list(density.values)
    centring = partial_centring(density, names, names, natural=natural.values)
    assert centring is not None
    chains = [name for name, one in zip(centring.names, centring.located, strict=True) if one.rows is not None]
    assert len(chains) == num_centred
    rng, size = np.random.default_rng(1), sum(centring.sizes)
    share, unit, pull = rng.uniform(0.1, 0.9, size), rng.uniform(0.3, 2, size), 0.3 * rng.normal(size=size)
    given: dict[Any, Any] = dict(zip(centring.data, (share, (1 - share) * unit**2, pull), strict=True))
    given |= {v: 0.3 * rng.normal(size=v.type.shape) for v in density.values.values()}
    coordinates = [centring.coordinates[v] for v in centring.values]
    points = 0.3 * rng.normal(size=(2, size))
    ends = np.cumsum([0, *centring.sizes])

    def at(point: np.ndarray) -> dict[Any, Any]:
        parts = zip(coordinates, ends[:-1], ends[1:], strict=True)
        return {**given, **{c: point[i:j].reshape(c.type.shape) for c, i, j in parts}}

    places = [(v, slice(i, j)) for v, i, j in zip(centring.values, ends[:-1], ends[1:], strict=True)]
    positions = pt.concatenate([pt.as_tensor(centring.undone[v]).ravel() for v in centring.values])
    differences = []
    for point in points:
        moved = interpreted([positions], at(point))[0]
        own = {v: moved[where].reshape(v.type.shape) for v, where in places}
        [total] = interpreted([centring.logdensity.total], at(point))
        [plain] = interpreted([density.total], {**given, **own})
        differences.append(total - plain)
    # The Jacobian does not depend on coordinates: it is the same at both.
    np.testing.assert_allclose(*differences, rtol=1e-9)


def test_loops_that_have_none_say_why() -> None:
    s, steps = ppl.HalfNormal("s", 1), [ppl.Normal("x0", 0, 1)]
    for t in range(1, 70):
        steps.append(ppl.Normal(f"x{t}", pt.sin(steps[-1]), s))
    model = ppl.Model({ppl.Poisson("y", pt.exp(pt.stack(steps))): np.ones(70, np.int64)})
    density = logprob(model, marginalize=False, apart=())
    assert "not one on one and in proportion" in why_as_declared(density, "x1+...+x69", density.values)
    plan = ppl.plan(model, sampler="nuts", marginalize=False)
    assert "centring as declared: its elements follow on each other" in str(plan)
