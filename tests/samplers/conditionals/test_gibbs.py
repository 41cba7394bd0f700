"""Gibbs sampling: the sweep as a graph, its errors, and its draws.

Answers: SciPy's distributions, and laws in closed form.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors, explicit_graph_inputs
from pytensor.tensor.random.op import RandomVariable
from scipy import integrate, stats

import graphs
import ppl
from graphs.conditional import Normal, conditional
from graphs.density import LogDensity
from graphs.errors import DerivationError, SamplingError
from graphs.supports import POSITIVE, SIMPLEX, integers
from graphs.surgery.interpreting import INTERPRETED
from samplers.blocks import DrawBlock
from samplers.conditionals.gibbs import GibbsKernel, gibbs, gibbs_blocks

X, Y = pt.dscalars("x", "y")
BIVARIATE = LogDensity(2 * pt.log(X) - X * Y**2 - Y**2 + 2 * Y - 4 * X, (X, Y), {X: POSITIVE})


def sweeps(kernel: GibbsKernel, position: dict, num_sweeps: int, seed: int) -> dict[str, np.ndarray]:
    """Run a kernel through PyTensor's own backend."""
    step = kernel.graph()
    run = pytensor.function(
        [pytensor.In(step.rng, borrow=True, mutable=True), *step.state],
        [pytensor.Out(step.next_rng, borrow=True), *step.next_state],
        on_unused_input="ignore",
        mode=INTERPRETED,
    )
    rng, values = np.random.default_rng(seed), kernel.to_values(kernel.init(position))
    kept = []
    for _ in range(num_sweeps):
        rng, *values = run(rng, *values)
        kept.append(values)
    names = [str(v.name) for v in step.state]
    return {name: np.array([values[i] for values in kept]) for i, name in enumerate(names)}


def quadrature_mean(function) -> float:
    def weight(y: float, x: float) -> float:
        return x**2 * np.exp(-x * y**2 - y**2 + 2 * y - 4 * x)

    total = integrate.dblquad(weight, 0, 8, -6, 6)[0]
    return integrate.dblquad(lambda y, x: function(x, y) * weight(y, x), 0, 8, -6, 6)[0] / total


def test_moments_agree_with_quadrature() -> None:
    draws = sweeps(gibbs(BIVARIATE), {"x": 1.0, "y": 0.5}, 6000, seed=1)
    for function in (lambda x, y: x, lambda x, y: y, lambda x, y: y**2, lambda x, y: x * y):
        samples = function(draws["x"], draws["y"])[100:]
        batches = samples[: 5900 // 50 * 50].reshape(50, -1).mean(axis=1)
        error = batches.std(ddof=1) / np.sqrt(50)
        assert abs(samples.mean() - quadrature_mean(function)) < 4 * error


def test_draws_follow_the_laws() -> None:
    """Draws of one law at a fixed point, against SciPy's distributions."""
    p, k = pt.dvector("p", shape=(3,)), pt.lvector("k", shape=(4000,))
    prior = np.array([0.2, 1.3, 0.6])
    density = LogDensity((prior * pt.log(p)).sum() + pt.log(p[k]).sum(), (p, k), {p: SIMPLEX, k: integers(0, 2)})
    at = np.array([0.5, 0.2, 0.3])
    rng = pt.random.rng()
    _, draw = conditional(density, k).draw(rng)
    drawn = pytensor.function([rng, p], draw, mode=INTERPRETED)(np.random.default_rng(3), at)
    assert drawn.dtype == "int64"
    assert stats.chisquare(np.bincount(drawn, minlength=3), 4000 * at).pvalue > 1e-4

    x_law, y_law = (conditional(BIVARIATE, v) for v in (X, Y))
    for law, given, expected in (
        (x_law, {Y: 1.7}, stats.gamma(3, scale=1 / (1.7**2 + 4))),
        (y_law, {X: 0.6}, stats.norm(1 / 1.6, np.sqrt(0.5 / 1.6))),
    ):
        rng = pt.random.rng()
        next_rng, draw = law.draw(rng)
        one = pytensor.function([rng, *given], [next_rng, draw], mode=INTERPRETED)
        generator, samples = np.random.default_rng(4), []
        for _ in range(2000):
            generator, sample = one(generator, *given.values())
            samples.append(sample)
        assert stats.kstest(np.ravel(samples), expected.cdf).pvalue > 1e-4


def test_later_draws_see_earlier_ones() -> None:
    step = gibbs(BIVARIATE).graph()
    new_x, new_y = step.next_state
    assert new_x in set(ancestors([new_y]))
    assert X not in set(explicit_graph_inputs([new_y]))
    assert Y in set(explicit_graph_inputs([new_x]))
    random = [v.owner for v in ancestors([step.next_rng, *step.next_state]) if v.owner is not None]
    assert len({node for node in random if isinstance(node.op, RandomVariable)}) == 2


def test_order_of_a_sweep() -> None:
    step = gibbs(BIVARIATE, order=["y", X]).graph()
    assert [v.name for v in step.state] == ["y", "x"]
    assert step.next_state[0] in set(ancestors([step.next_state[1]]))
    with pytest.raises(SamplingError, match="no permutation"):
        gibbs(BIVARIATE, order=["x", "x"])
    with pytest.raises(SamplingError, match="The order is 'declared', 'random', or the variables"):
        gibbs(BIVARIATE, order="reverse")


def test_laws_of_a_plan_as_they_are() -> None:
    """A plan lists the law of a joint block under each of its variables: it is drawn once."""
    mu = ppl.Normal("mu", 0, 3)
    theta = ppl.Normal("theta", mu, 1.3, size=4)
    plan = ppl.plan(ppl.Model({ppl.Normal("y", theta, 0.7): np.array([0.3, -1.2, 2.2, 0.9])}), sampler="gibbs")
    assert set(plan.laws) == {"mu", "theta"}
    assert len(gibbs(list(plan.laws.values())).laws) == 1


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_a_random_order_is_another_one_in_each_sweep(backend):
    """Laws that all but fix their variables tell in which order they were drawn from: each of the six equally often."""
    x, y, z = pt.dscalars("x", "y", "z")
    tiny = pt.constant(1e-12)
    laws = [
        Normal(x, {"mean": y + z + 1.0, "variance": tiny}),
        Normal(y, {"mean": x + z + 10.0, "variance": tiny}),
        Normal(z, {"mean": x + y + 100.0, "variance": tiny}),
    ]
    kernel = gibbs(laws, order="random")
    start = kernel.init({"x": 0.0, "y": 0.0, "z": 0.0})
    step, rng, found = graphs.compile(kernel, backend=backend), np.random.default_rng(2), []
    for _ in range(600):
        state, info = step(rng, start)
        assert bool(info.is_proper)
        found.append(tuple(np.round([state.position[n] for n in "xyz"]).astype(int)))
    expected = set()
    for order in permutations(range(3)):
        values = [0, 0, 0]
        for i in order:
            values[i] = sum(values) - values[i] + (1, 10, 100)[i]
        expected.add(tuple(values))
    counts = Counter(found)
    assert set(counts) == expected
    # A chi-squared statistic of five degrees of freedom: 25.7 is exceeded once in ten thousand.
    assert sum((c - 100) ** 2 / 100 for c in counts.values()) < 25.7


def test_blocks_of_a_sweep() -> None:
    blocks = gibbs_blocks(BIVARIATE)
    assert all(isinstance(block, DrawBlock) and block.kind == "gibbs" for block in blocks)
    assert [block.variables for block in blocks] == [(X,), (Y,)]
    assert len({block.rng for block in blocks}) == 2
    assert set(explicit_graph_inputs([blocks[0].draws[0]])) == {blocks[0].rng, Y}


def test_variable_without_a_law_is_named() -> None:
    density = LogDensity(BIVARIATE.total - pt.gammaln(X), (X, Y), {X: POSITIVE})
    with pytest.raises(DerivationError, match=r"x has no full conditional of a known family: gammaln\(x\)") as raised:
        gibbs(density)
    assert raised.value.variable == "x"


def test_law_of_a_variable_that_nothing_draws() -> None:
    kernel = gibbs([conditional(BIVARIATE, X)])
    with pytest.raises(SamplingError, match="depends on y"):
        kernel.graph()


def test_initial_position_is_checked() -> None:
    kernel = gibbs(BIVARIATE)
    with pytest.raises(SamplingError, match="lacks y"):
        kernel.init({"x": 1.0})
    with pytest.raises(SamplingError, match=r"shape \(2,\)"):
        kernel.init({"x": [1.0, 2.0], "y": 0.0})


def test_the_sweep_can_be_printed() -> None:
    assert "gamma_rv" in gibbs(BIVARIATE).dprint(file="str")
