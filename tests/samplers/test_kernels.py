"""The contract of every sampler in `samplers`, discovered rather than listed: one that is added is under it at once.

Answers: closed forms, SciPy's distributions and quadrature.
"""

from __future__ import annotations

import re
from functools import cache, partial
from itertools import compress
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from arviz_stats.base import array_stats
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType
from scipy import stats

import samplers
from graphs.backends import get_backend
from graphs.errors import PPLError
from graphs.surgery.interpreting import interpret
from graphs.surgery.random_graph import depends_on, find_random_variables, is_random
from graphs.surgery.rebuilding import substitute
from samplers import SAMPLERS, Kernel
from tests.laws.kernels import assert_leaves_exactly
from tests.samplers.targets import (
    FALSE_ALARM,
    WEIGHTS,
    Target,
    assert_stationary,
    conjugate,
    finite,
    row,
    skewed,
)

NUM_STARTS, FEW_STEPS, NUM_STEPS = 800, 10, 5000


def refused(name: str, target: Target) -> Kernel | None:
    """The kernel of a target; None where the sampler refuses it by an error of ours."""
    try:
        return SAMPLERS[name].kernel(target.logdensity)
    except PPLError:
        return None


def continuous(name: str) -> tuple[Kernel, Target]:
    for target in (skewed(), conjugate()):
        kernel = refused(name, target)
        if kernel is not None:
            return kernel, target
    raise AssertionError(f"no target for {name}")


@cache
def cases() -> list[Any]:
    """Every sampler with every kind of variable that it moves."""
    found = [(name, *continuous(name)) for name in SAMPLERS]
    found += [(name, kernel, finite()) for name in SAMPLERS if (kernel := refused(name, finite())) is not None]
    return [
        pytest.param(kernel, target, id=f"{name}-{next(iter(target.draws(np.random.default_rng(), 1)))}")
        for name, kernel, target in found
    ]


def test_samplers_are_found() -> None:
    """By the folders that have one, and under the names that they have as functions of the package."""
    assert {"barker", "gibbs", "hmc", "nuts", "rmh", "slice"} <= set(SAMPLERS)
    for name, sampler in SAMPLERS.items():
        assert getattr(samplers, name, sampler.kernel) is sampler.kernel


@pytest.mark.parametrize(("kernel", "target"), cases())
@pytest.mark.parametrize("backend", ["numba", pytest.param("c", marks=pytest.mark.slow)])
def test_steps_from_exact_draws_leave_exact_draws(kernel: Kernel, target: Target, backend: str) -> None:
    """Invariance, whatever the mixing: what comes of independent draws of the target are such."""
    rng = np.random.default_rng(1)
    before = target.draws(rng, NUM_STARTS)
    step = kernel.compile(backend)
    states = [step.run(rng, kernel.init(row(before, i)), FEW_STEPS)[0].position for i in range(NUM_STARTS)]
    after = {name: np.array([state[name] for state in states]) for name in before}
    assert any((after[name] != before[name]).any() for name in before)
    assert_stationary(after, target)


def enumerable_steps() -> list[Any]:
    """Steps on a finite target, but for those that draw within an operation of their own."""
    target, found = finite(), []
    for name in SAMPLERS:
        if (kernel := refused(name, target)) is not None:
            graph, of_state = kernel.graph(), partial(lambda of, k: of.to_values(of.init({"k": k})), kernel)
            if find_random_variables(graph.next_state):
                found.append(pytest.param(graph.state, graph.next_state[0], of_state, id=name))
    return found


@pytest.mark.parametrize(("inputs", "following", "values_of"), enumerable_steps())
def test_finite_targets_are_left_exactly(inputs: Any, following: Any, values_of: Any) -> None:
    """Exactly, by all that may be drawn."""
    assert_leaves_exactly(WEIGHTS, inputs, following, values_of)


@pytest.mark.parametrize(("kernel", "target"), cases())
def test_a_chain_has_the_moments_of_the_target(kernel: Kernel, target: Target) -> None:
    rng = np.random.default_rng(2)
    _, draws, _ = kernel.compile("numba").run(rng, kernel.init(row(target.draws(rng, 1), 0)), NUM_STEPS)
    for function, expected in target.expected:
        found = np.asarray(function(draws), float)
        size = array_stats.ess(found[None], chain_axis=0, draw_axis=1, method="mean")
        assert abs(found.mean() - expected) < stats.norm.isf(FALSE_ALARM / 2) * found.std() / np.sqrt(size)


@pytest.mark.parametrize(("kernel", "target"), cases())
def test_a_step_is_a_function_of_generator_and_state(kernel: Kernel, target: Target) -> None:
    """The same seed gives the same step, on which nothing before has any influence, and the state is not changed."""
    start = kernel.init(row(target.draws(np.random.default_rng(3), 1), 0))
    before = [np.array(value) for value in kernel.to_values(start)]
    step = kernel.compile("numba")
    first, info = step(np.random.default_rng(4), start)
    step(np.random.default_rng(5), first)
    again, same = step(np.random.default_rng(4), start)
    for one, other in zip(kernel.to_values(first), kernel.to_values(again), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(info, same, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(kernel.to_values(start), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("kernel", "target"), cases())
def test_the_state_is_what_the_next_step_needs(kernel: Kernel, target: Target) -> None:
    """What is kept beside the position is read, and after a step it is that of the new position."""
    graph = kernel.graph()
    outputs = [*graph.next_state, *graph.info.values()]
    for variable in graph.state[len(target.logdensity.inputs) :]:
        assert any(depends_on(output, [variable]) for output in outputs), f"{variable} is not read"
    start = kernel.init(row(target.draws(np.random.default_rng(3), 1), 0))
    assert len(kernel.to_values(start)) == len(graph.state)
    state, info = kernel.compile("numba")(np.random.default_rng(6), start)
    assert set(graph.info) == set(info._fields)
    assert type(state) is type(start)
    there = kernel.init(state.position)
    for one, other in zip(kernel.to_values(state), kernel.to_values(there), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kernel", "target"), cases())
def test_the_graph_is_readable(kernel: Kernel, target: Target) -> None:
    """It is printed as text that names all that it starts from."""
    text, graph = kernel.dprint(file="str"), kernel.graph()
    assert isinstance(text, str)
    for variable in (graph.rng, *graph.state):
        is_read = any(depends_on(output, [variable]) for output in (*graph.next_state, *graph.info.values()))
        assert not is_read or re.search(rf"\b{variable.name}\b", text)


def nodes_that_draw(output: Any) -> list[Any]:
    """The nodes of a graph that take a generator and return it."""
    nodes = dict.fromkeys(v.owner for v in ancestors([output]) if v.owner)
    return [node for node in nodes if isinstance(node.outputs[0].type, RandomType)]


@pytest.mark.parametrize(("kernel", "target"), cases())
def test_backends_make_the_same_step(kernel: Kernel, target: Target) -> None:
    """C and Numba are the same function of the state and of what is drawn.

    Operations that draw by themselves draw the same numbers from the same generator; where a step has several, each
    begins anew in a graph, and only what comes of the first is the same.
    """
    start = kernel.init(row(target.draws(np.random.default_rng(7), 1), 0))
    graph, values = kernel.graph(), kernel.to_values(start)
    outputs = [*graph.next_state, *graph.info.values()]
    drawn = [node for node in nodes_that_draw(pt.stack([o.sum() for o in outputs])) if is_random(node.outputs[1])]
    if not drawn:
        plain = interpret([graph.rng, *graph.state], outputs)(np.random.default_rng(8), *values)
        state, info = kernel.compile("numba")(np.random.default_rng(8), start)
        compared = [len(nodes_that_draw(output)) == 1 for output in outputs]
        found = [list(compress(each, compared)) for each in (plain, [*kernel.to_values(state), *info])]
    else:
        given = {node.outputs[1]: node.outputs[1].type(name=f"draw{i}") for i, node in enumerate(drawn)}
        draws = interpret([graph.rng, *graph.state], list(given))(np.random.default_rng(8), *values)
        inputs = [*graph.state, *given.values()]
        functions = [get_backend(b).function(inputs, substitute(outputs, given)) for b in ("numba", "c")]
        found = [list(function(*values, *draws)) for function in functions]
    assert found[0]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-9, atol=1e-12)
