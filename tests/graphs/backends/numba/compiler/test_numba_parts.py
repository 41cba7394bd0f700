"""Programs in parts compute what the whole ones do.

Answers: PyTensor's implementation in NumPy, node by node; for draws, the same program compiled whole.
"""

import ast

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.raise_op import Assert

import ppl
from graphs.backends.numba.compiler import parts
from graphs.backends.numba.compiler.compiling import compile_program
from graphs.backends.numba.compiler.parts import in_parts
from graphs.joint.logprob import logprob
from graphs.surgery.random_graph import named_input
from tests.laws.operations import assert_computes


@pytest.fixture
def short(monkeypatch):
    """Let every program be put into parts of a few lines."""
    monkeypatch.setattr(parts, "MOST_LINES", 2)
    monkeypatch.setattr(parts, "LINES_OF_A_PART", 4)


def gradient_of_regression():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=7)
    slopes, scale = ppl.Normal("slopes", 0, 1, size=3), ppl.HalfNormal("scale", 1)
    lp = logprob(ppl.Model({ppl.Normal("y", x @ slopes, scale): y}), space="unconstrained")
    return list(lp.values.values()), pytensor.grad(lp.total, list(lp.values.values())), lp.total


def factors_and_checks():
    x = pt.tensor("x", shape=(2, 3, 3))
    s = x @ x.mT + 0.1 * pt.eye(3)
    total = pt.log(pt.diagonal(pt.linalg.cholesky(s), axis1=-2, axis2=-1)).sum() + pt.linalg.inv(s).sum()
    checked = Assert("must be positive")(total, pt.gt(x[0, 0, 0], -1))
    return [x], [pytensor.grad(total, x), s, pt.argmax(s, axis=1)], checked


def hidden_chain():
    table = np.array([[0.9, 0.1], [0.2, 0.8]])
    chain = ppl.MarkovChain("z", table, [0.5, 0.5], steps=4)
    mu = ppl.Normal("mu", 0, 2, size=2)
    lp = logprob(ppl.Model({ppl.Normal("y", mu[chain], 1): np.sin(np.arange(4.0))}))
    return list(lp.values.values()), pytensor.grad(lp.total, list(lp.values.values())), lp.total


def loop():
    a, x0 = pt.tensor("a", shape=(3,)), pt.tensor("x0", shape=(2, 3))
    xs = pytensor.scan(lambda x: x * a + pt.tanh(x), outputs_info=[x0], n_steps=5, return_updates=False)
    total = pt.sum(xs**2) + pt.sum(pt.exp(-pt.sqr(a)))
    return [a, x0], [pytensor.grad(total, a), xs], total


def conditions():
    x, k = pt.tensor("x", shape=(4,)), named_input("k", (), "int64")
    largest = pt.max(x)
    y = pt.switch(pt.gt(x, largest - 1), x**2, pt.log1p(pt.abs(x)))
    z = pt.set_subtensor(y[k], largest)
    return [x, k], [z, pt.cumsum(z), pt.flip(x)], pt.sum(z) / largest


CASES = {make.__name__: make for make in (gradient_of_regression, factors_and_checks, hidden_chain, loop, conditions)}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy(name, short):
    inputs, outputs, value = CASES[name]()
    outputs = outputs if isinstance(outputs, list) else [outputs]
    program = compile_program(inputs, outputs, value=value)
    assert "part2(" in program.source
    rng = np.random.default_rng(2)
    for scale in (0.3, 1.0, 3.0):
        points = [
            np.full(v.type.shape, 2) if v.type.dtype == "int64" else scale * rng.normal(size=v.type.shape)
            for v in inputs
        ]
        assert_computes(program, inputs, outputs, points, value=value, rtol=1e-11, atol=1e-13, value_rtol=1e-12)


def test_short_programs_stay_whole():
    [x, k], outputs, value = conditions()
    assert "part1(" not in compile_program([x, k], outputs, value=value).source


def test_a_check_that_fails_in_a_part(short):
    [x], outputs, value = factors_and_checks()
    program = compile_program([x], outputs, value=value)
    given = np.random.default_rng(3).normal(size=18)
    given[0] = -2.0
    found, out = program(given)
    assert found == -np.inf
    assert np.isnan(out).all()


def test_draws_are_those_of_the_whole(monkeypatch):
    rng = pt.random.rng("rng")
    scale = pt.tensor("scale", shape=(3,))
    next_rng, a = pt.random.normal(0, scale, rng=rng, size=(3,), return_next_rng=True)
    last, b = pt.random.gamma(2.0, scale=pt.exp(a), rng=next_rng, size=(3,), return_next_rng=True)
    found = []
    for most in (400, 2):
        monkeypatch.setattr(parts, "MOST_LINES", most)
        monkeypatch.setattr(parts, "LINES_OF_A_PART", 4)
        program = compile_program([scale], [a, b], rng=rng, next_rng=last)
        words = np.array([1, 2, 3, 4], np.uint64)
        _, out = program(np.array([0.5, 1.0, 2.0]), rng=words)
        found.append((out, words))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_what_parts_leave_to_others(short):
    """Local variables go from part to part; what may have no value is not returned."""
    steps = [
        ["a = x[0]", "b = 2.0 * a", "c = b + a"],
        ["for i in range(3):", "    t = c + i", "    pointer[i] = t"],
        ["if a > 0.0:", "    b = 0.0", "d = b + c"],
        ["t = d", "e = t"],
    ]
    declared = {"pointer": "pointer = work_floats(work, 0)", "unused": "unused = work_floats(work, 9)"}
    found = in_parts(declared, [], steps, ["return e + a"])
    text = "\n".join([*found.main, *found.functions.values()])
    assert "unused" not in text
    assert len(found.functions) == 4
    names = found.functions

    def run(x, work):
        def work_floats(array, start):
            return array[start:]

        scope = {"work_floats": work_floats}
        for name, source in names.items():
            own = dict(scope)
            exec(source, own)
            scope[name] = own["PROGRAM"]
        local = dict.fromkeys(("context", "out", "rng", "fdata", "idata")) | {"x": x, "work": work}
        exec("\n".join([*declared.values(), *found.main]), scope, local)
        return local["e"] + local["a"]

    for start in (1.5, -1.5):
        work = np.zeros(10)
        b = 0.0 if start > 0 else 2 * start
        assert run(np.array([start]), work) == b + 3 * start + start
        np.testing.assert_array_equal(work[:3], 3 * start + np.arange(3.0))
    assert all(isinstance(ast.parse(source).body[0], ast.FunctionDef) for source in names.values())
