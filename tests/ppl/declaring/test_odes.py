"""Solutions of differential equations: against SciPy's, closed forms and central differences.

Answers: SciPy's solutions, closed forms and central differences.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import graphs
import ppl
from graphs.backends.numba import compile_program
from graphs.errors import ModelError
from tests.posteriors import STEPS

A, B = pt.dscalar("a"), pt.dscalar("b")
TIMES = np.array([0.3, 1.0, 1.0, 2.5])


def evaluated(graph, given=None):
    """Return the value of a graph, by our own compiler."""
    given = given or {}
    program = compile_program(list(given), [graph])
    return program.unpack(program(np.array(list(given.values()), float).ravel())[1])[0]


def solved(field, initial, times, start=0.0):
    return solve_ivp(field, (start, times[-1]), initial, t_eval=times, method="DOP853", rtol=1e-12, atol=1e-12).y.T


def test_a_forced_oscillator_at_irregular_times():
    def field(t, y, a=1.3, b=0.4, sin=np.sin):
        return [y[1], -a * y[0] - b * y[1] + sin(t)]

    times = np.array([0.5, 0.8, 2.5, 2.6])
    graph = ppl.odeint(lambda t, y: field(t, y, A, B, pt.sin), [1.0, -0.5], times, start=0.2, steps=80)
    assert graph.type.shape == (4, 2)
    found = evaluated(graph, {A: 1.3, B: 0.4})
    np.testing.assert_allclose(found, solved(field, [1.0, -0.5], times, 0.2), rtol=1e-7)


def test_the_error_falls_as_the_fourth_power():
    exact = np.exp(-np.array([1.0, 2.0]))[:, None]
    errors = [
        np.abs(evaluated(ppl.odeint(lambda t, y: -y, pt.as_tensor([1.0]), [1.0, 2.0], steps=n)) - exact).max()
        for n in (5, 10, 20)
    ]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(16, rel=0.1)


@pytest.mark.parametrize("size", [3, 20], ids=["numbers", "vectors"])
def test_a_linear_system_has_its_matrix_exponential(size):
    matrix = np.random.default_rng(3).normal(size=(size, size)) / size
    initial = np.linspace(-1, 1, size)
    found = evaluated(ppl.odeint(lambda t, y: pt.as_tensor(matrix) @ y, initial, TIMES, steps=50))
    np.testing.assert_allclose(found, [expm(matrix * t) @ initial for t in TIMES], rtol=1e-7, atol=1e-9)


def test_parameters_of_all_kinds_and_their_gradient():
    """The derivative with respect to what the field uses and to the initial value and times is that of differences."""
    v, y0, times = (pt.tensor(n, shape=s, dtype="float64") for n, s in (("v", (2,)), ("y0", (2,)), ("times", (3,))))
    solution = ppl.odeint(lambda t, y: [v[0] * y[0] - A * y[0] * y[1], -y[1] + v.sum() * y[0]], y0, times, steps=8)
    value = (solution**2).sum()
    inputs = [A, v, y0, times]
    program = compile_program(inputs, pt.grad(value, inputs), value=value)
    assert "foreign" not in program.source
    point = np.array([0.7, 0.3, 0.5, 1.0, 0.5, 0.4, 0.9, 1.5])
    steps = 1e-5 * np.eye(point.size)
    differences = [(program(point + h)[0] - program(point - h)[0]) / 2e-5 for h in steps]
    np.testing.assert_allclose(program(point)[1], differences, rtol=1e-6)


def test_random_variables_are_parameters_and_not_drawn_in_the_loop():
    rate = ppl.LogNormal("rate", 0, 1)
    y = ppl.odeint(lambda t, y: [-rate * y[0]], [1.0], [1.0, 2.0], steps=20)
    model = ppl.Model({ppl.Normal("data", y[:, 0], 0.1): np.array([0.4, 0.1])})
    assert list(model.latent) == ["rate"]
    lp = graphs.logprob(model)
    [value] = lp.values.values()
    expected = stats.norm.logpdf([0.4, 0.1], np.exp([-0.9, -1.8]), 0.1).sum() + stats.lognorm.logpdf(0.9, 1.0)
    assert evaluated(lp.total, {value: 0.9}) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ppl.odeint(lambda t, y: y, [1.0], [1.0, 0.5]), "must increase"),
        (lambda: ppl.odeint(lambda t, y: y, [1.0], [1.0], start=2.0), "must increase from start=2"),
        (lambda: ppl.odeint(lambda t, y: [y[0], y[0]], [1.0], [1.0]), r"shape \(2,\); the solution has shape \(1,\)"),
        (lambda: ppl.odeint(lambda t, y: [y], [1.0], [1.0]), "one number for each component"),
        (lambda: ppl.odeint(lambda t, y: y, pt.dvector("y0"), [1.0]), "vector of known length"),
        (lambda: ppl.odeint(lambda t, y: y, [1.0], pt.dvector("times")), "times of known length"),
        (lambda: ppl.odeint(lambda t, y: y, [1.0], [1.0], steps=0), "positive whole number"),
        (lambda: ppl.odeint(lambda t, y: [ppl.Normal("z", y[0], 1.0)], [1.0], [1.0]), "draws random numbers"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_the_reference_posterior_is_solved_to_six_digits():
    """The steps of the Lotka-Volterra model are short enough over the bulk of its posterior."""
    rng = np.random.default_rng(4)
    mean, sd = np.array([0.547, 0.0277, 0.8, 0.0241, 34.0, 5.95]), np.array([0.063, 0.0042, 0.089, 0.0035, 2.9, 0.53])
    parameters = pt.tensor("p", shape=(6,), dtype="float64")

    def field(t, z):
        p = parameters
        return [(p[0] - p[1] * z[1]) * z[0], (-p[2] + p[3] * z[0]) * z[1]]

    times = np.arange(1.0, 21.0)
    program = compile_program(
        [parameters], [ppl.odeint(field, parameters[4:], times, steps=n) for n in (STEPS, 2 * STEPS)]
    )
    for _ in range(5):
        point = mean + 2 * sd * rng.uniform(-1, 1, size=6)
        ours, finer = program.unpack(program(point)[1])
        np.testing.assert_allclose(ours, finer, rtol=1e-6)

        def numbers(t, z, p=point):
            return [(p[0] - p[1] * z[1]) * z[0], (-p[2] + p[3] * z[0]) * z[1]]

        np.testing.assert_allclose(ours, solved(numbers, point[4:], times), rtol=1e-6)
