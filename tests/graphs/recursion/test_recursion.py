"""The forward recursion, its gradient and its traceback equal the enumeration of all paths, on every backend.

Answers: the enumeration of all paths.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor.blockwise import Blockwise
from scipy.special import logsumexp, softmax

from graphs.backends import get_backend
from graphs.recursion.paths import forward_recursion, traceback
from graphs.surgery.interpreting import INTERPRETED
from tests.graphs.recursion.all_paths import CASES, Case, enumerate_paths, expected_gradients, potentials

JAX_FORMS = [pytest.param(form, marks=pytest.mark.slow) for form in ("jax-scan", "jax-associative")]
FORMS = ["c", "numba", *JAX_FORMS]
KINDS = ["plain", "impossible", "low", "high", "spread", "left_right", "nothing", "dead_column", "uneven"]
# A frequency is this many standard errors from its expectation with probability below 1e-6.
WIDE = 5.0


FEW = [CASES[i] for i in (0, 15, 16, 19, 22, 23, 25)]


@pytest.fixture(params=FORMS)
def backend(request, monkeypatch):
    """Every backend, and both forms of the one for accelerators."""
    name, _, form = request.param.partition("-")
    if form:
        pytest.importorskip("jax", reason="JAX is not installed")
        from graphs.recursion import jax_lowering as jax_recursion

        monkeypatch.setattr(jax_recursion, "default_form", lambda: form)
    return get_backend(name)


def cases_for(request_cases):
    return pytest.mark.parametrize("case", request_cases, ids=str)


@cases_for(CASES)
def test_total_and_gradient_equal_enumeration(backend, case):
    if backend.name == "jax" and case not in FEW:
        pytest.skip("JAX takes a second to compile each")
    inputs = case.inputs
    outer = pt.tensor("outer", shape=(case.series,), dtype="float64")
    total, log_states = forward_recursion(*inputs, num_steps=case.steps)
    assert total.type.shape == (case.series,)
    assert log_states.type.shape == (case.steps + 1, *case.shapes[0])
    gradients = pytensor.grad((outer * total).sum(), inputs)
    function = backend.function([*inputs, outer], [total, *gradients])
    weights = np.array([1.3, -0.7, 2.1])[: case.series]
    for kind in KINDS:
        arrays = potentials(kind, case)
        _, scores, _ = enumerate_paths(case, arrays)
        found, *slopes = function(*arrays, weights)
        np.testing.assert_allclose(found, logsumexp(scores, axis=1), rtol=1e-10, err_msg=kind)
        for got, want in zip(slopes, expected_gradients(case, arrays, weights), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12, err_msg=kind)


def test_pytensor_evaluates_it_by_numba_too():
    """Which is what ``.eval()`` does, unless PyTensor is told otherwise."""
    case = FEW[0]
    inputs = case.inputs
    total, _ = forward_recursion(*inputs, num_steps=case.steps)
    arrays = potentials("plain", case)
    evaluated = pytensor.function(inputs, total, mode="NUMBA", on_unused_input="ignore")
    _, scores, _ = enumerate_paths(case, arrays)
    np.testing.assert_allclose(evaluated(*arrays), logsumexp(scores, axis=1), rtol=1e-10)


@cases_for(FEW)
@pytest.mark.parametrize("mode", ["sum", "max"])
def test_states_are_relative_to_the_largest_of_each_step(backend, case, mode):
    inputs = case.inputs
    total, log_states = forward_recursion(*inputs, num_steps=case.steps, mode=mode)
    function = backend.function(inputs, [log_states, total])
    combine = logsumexp if mode == "sum" else np.max
    for kind in KINDS:
        arrays = potentials(kind, case)
        for steps in range(case.steps + 1):
            part = Case(steps, case.series, case.states, case.width, case.transition, case.emission)
            _, scores, _ = enumerate_paths(part, arrays)
            marginal = combine(scores.reshape(case.series, case.states**steps, -1), axis=1)
            top = marginal.max(axis=1, keepdims=True)
            want = marginal - np.where(np.isinf(top), 0.0, top)
            found, reached = function(*arrays)
            np.testing.assert_allclose(found[steps], want, rtol=1e-10, atol=1e-9, err_msg=kind)
        np.testing.assert_allclose(reached, combine(scores, axis=1), rtol=1e-10, err_msg=kind)


def path_by_inversion(case: Case, scores: np.ndarray, paths: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Invert the distribution function of the last joint state, then of each earlier state given the later ones."""
    steps = case.steps
    left = np.full(len(paths), True)
    joint = paths[:, steps:] @ case.states ** np.arange(case.width)[::-1]
    for position in range(steps, -1, -1):
        values = joint if position == steps else paths[:, position]
        weights = np.array([np.exp(logsumexp(scores[left & (values == i)])) for i in range(values.max() + 1)])
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), uniform[position], side="right")
        left &= values == chosen
    assert left.sum() == 1
    return paths[left][0]


@cases_for([c for c in FEW if c.steps])
def test_draws_invert_the_enumerated_distribution(backend, case):
    inputs = case.inputs
    uniform = pt.tensor("uniform", shape=(case.steps + 1, case.series), dtype="float64")
    _, log_states = forward_recursion(*inputs, num_steps=case.steps)
    path = traceback(inputs[1], log_states, uniform, width=case.width)
    assert path.type.shape == (case.steps + case.width, case.series)
    assert path.type.dtype == "int64"
    function = backend.function([*inputs, uniform], [path])
    rng = np.random.default_rng(7)
    for kind in ("plain", "impossible", "left_right", "spread"):
        arrays = potentials(kind, case)
        paths, scores, _ = enumerate_paths(case, arrays)
        top = scores.max(axis=1, keepdims=True)
        scores = scores - np.where(np.isinf(top), 0, top)
        for _ in range(20):
            numbers = rng.uniform(size=uniform.type.shape)
            (found,) = function(*arrays, numbers)
            for b in range(case.series):
                if np.isfinite(scores[b]).any():
                    want = path_by_inversion(case, scores[b], paths, numbers[:, b])
                    np.testing.assert_array_equal(found[:, b], want, err_msg=kind)


def test_draws_are_as_frequent_as_enumeration_says():
    small, draws = Case(3, 1, 2, 2, (True, False), (True, False)), 40_000
    arrays = potentials("plain", small)
    paths, scores, _ = enumerate_paths(small, arrays)
    inputs = [pt.constant(array) for array in arrays]
    uniform = np.random.default_rng(11).uniform(size=(4, draws))
    repeated = pt.constant(np.repeat(arrays[0], draws, axis=0))
    _, log_states = forward_recursion(repeated, *inputs[1:])
    (found,) = get_backend("c").function([], [traceback(inputs[1], log_states, pt.constant(uniform), width=2)])()
    codes = 2 ** np.arange(5)[::-1]
    frequency = np.bincount(codes @ found, minlength=32) / draws
    probability = np.zeros(32)
    probability[paths @ codes] = softmax(scores[0])
    assert np.all(np.abs(frequency - probability) < WIDE * np.sqrt(probability * (1 - probability) / draws))


@cases_for(FEW)
def test_best_path_equals_enumeration(backend, case):
    inputs = case.inputs
    _, log_states = forward_recursion(*inputs, num_steps=case.steps, mode="max")
    zeros = pt.zeros((case.steps + 1, case.series))
    path = traceback(inputs[1], log_states, zeros, mode="max", width=case.width)
    function = backend.function(inputs, [path])
    for kind in KINDS:
        arrays = potentials(kind, case)
        paths, scores, _ = enumerate_paths(case, arrays)
        (found,) = function(*arrays)
        for b in range(case.series):
            if np.any(scores[b] > -np.inf):
                np.testing.assert_array_equal(found[:, b], paths[np.argmax(scores[b])], err_msg=kind)
    (found,) = function(*(np.zeros(shape) for shape in case.shapes))
    np.testing.assert_array_equal(found, 0)  # all are equally probable: the first


def test_undefined_potentials_give_undefined_totals(backend):
    case = Case(3, 2, 3)
    inputs = case.inputs
    total, _ = forward_recursion(*inputs)
    function = backend.function(inputs, [total])
    for which in range(3):
        for bad in (np.nan, np.inf):
            arrays = potentials("plain", case)
            arrays[which].ravel()[0] = bad
            (found,) = function(*arrays)
            assert np.isnan(found[0])


@pytest.mark.parametrize("name", ["c", "numba", "jax"])
def test_map_over_draws(name):
    case = Case(3, 2, 2, 2, (True, False))
    inputs = case.inputs
    uniform = pt.tensor("uniform", shape=(case.steps + 1, case.series), dtype="float64")
    total, log_states = forward_recursion(*inputs)
    outputs = [total, *pytensor.grad(total.sum(), inputs), traceback(inputs[1], log_states, uniform, width=2)]
    rows = [[*potentials("plain", case, seed), np.full(uniform.type.shape, 0.3)] for seed in range(3)]
    batches = [np.stack(column) for column in zip(*rows, strict=True)]
    found = get_backend(name).map([*inputs, uniform], outputs)(*batches)
    function = get_backend("c").function([*inputs, uniform], outputs)
    for i, row in enumerate(rows):
        for got, want in zip(found, function(*row), strict=True):
            np.testing.assert_allclose(got[i], want, rtol=1e-10, atol=1e-12)


@cases_for([Case(3, 2, 2, 2, (True, False)), Case(2, 1, 3, 1, (False, False), (True, False)), Case(2, 2, 2)])
@pytest.mark.parametrize("batched", list(itertools.product([False, True], repeat=4)))
def test_vectorised_over_new_axes(case, batched):
    inputs = [*case.inputs, pt.tensor("uniform", shape=(case.steps + 1, case.series), dtype="float64")]
    total, log_states = forward_recursion(*inputs[:3])
    outputs = [total, *pytensor.grad((total**2).sum(), inputs[:3]), traceback(*inputs[1:2], log_states, inputs[3])]
    if case.width == 2:
        outputs[-1] = traceback(inputs[1], log_states, inputs[3], width=2)
    rows = [[*potentials("plain", case, seed), np.full(inputs[3].type.shape, 0.3 + seed / 9)] for seed in range(4)]
    new, arrays = {}, []
    for i, (variable, is_batched) in enumerate(zip(inputs, batched, strict=True)):
        arrays.append(np.stack([row[i] for row in rows]).reshape(2, 2, *variable.type.shape) if is_batched else None)
        new[variable] = pt.constant(arrays[i] if is_batched else rows[0][i])
    vectorised = vectorize_graph(outputs, new)
    assert not any(isinstance(v.owner.op, Blockwise) for v in ancestors(vectorised) if v.owner)
    found = pytensor.function([], vectorised, mode=INTERPRETED)()
    function = pytensor.function(inputs, outputs, mode=INTERPRETED, on_unused_input="ignore")
    for place in np.ndindex(2, 2):
        row = [array[place] if has else first for array, has, first in zip(arrays, batched, rows[0], strict=True)]
        for got, want in zip(found, function(*row), strict=True):
            got = np.broadcast_to(got, (2, 2, *want.shape)) if got.ndim == want.ndim else got
            np.testing.assert_allclose(got[place], want, rtol=1e-10, atol=1e-12)


def test_shapes_that_do_not_fit_are_refused():
    initial, transition, emission = Case(4, 2, 3).inputs
    with pytest.raises(ValueError, match="log_emission has 2 dimensions; 3 are needed"):
        forward_recursion(initial, transition, emission[0])
    with pytest.raises(ValueError, match="number of steps"):
        forward_recursion(initial, transition, emission, num_steps=7)
    with pytest.raises(ValueError, match="log_initial"):
        forward_recursion(initial[:, :2], transition, emission)
    with pytest.raises(ValueError, match="log_emission"):
        forward_recursion(initial, transition, emission[:, :, :2])
    with pytest.raises(ValueError, match="log_transition"):
        forward_recursion(initial, transition[..., :2], emission)
    with pytest.raises(ValueError, match="width"):
        traceback(transition, pt.zeros((5, 2, 3)), pt.zeros((5, 2)), width=2)


def test_best_paths_have_no_gradient():
    inputs = Case(4, 2, 3).inputs
    total, _ = forward_recursion(*inputs, mode="max")
    with pytest.raises(NotImplementedError, match="no gradient"):
        pytensor.grad(total.sum(), inputs)
