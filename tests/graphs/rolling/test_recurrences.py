"""Recurrences of a Python loop are loops again, with the density of what was written step by step.

Answers: the graph as it was written, step by step, loops in NumPy, and SciPy's densities.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import toposort
from pytensor.scan.op import Scan
from scipy import stats
from scipy.optimize import approx_fprime

import graphs
import ppl
from graphs.rolling.recurrences import FEWEST_STEPS, find_recurrences, nodes_of
from graphs.surgery.evaluating import evaluate

N = FEWEST_STEPS + 20
DATA = np.sin(np.arange(2000.0)) + 0.01 * np.arange(2000.0)


def smoothing(n=N):
    weight, scale, level, levels = ppl.Beta("w", 2, 2), ppl.HalfNormal("s", 1), 0.0, []
    for y in DATA[:n]:
        levels.append(level)
        level = weight * y + (1 - weight) * level
    return ppl.Model({ppl.Normal("y", pt.stack(levels), scale): DATA[:n]})


def trend(n=N):
    """Two things are carried along; the observations are scalars."""
    a, b, level, slope, data = ppl.Beta("a", 2, 2), ppl.Beta("b", 2, 2), 0.5, 0.0, {}
    for t, y in enumerate(DATA[:n]):
        data[ppl.Normal(f"y{t}", level + slope, 1)] = y
        new = a * y + (1 - a) * (level + slope)
        slope = b * (new - level) + (1 - b) * slope
        level = new
    return ppl.Model(data)


def volatility(n=N):
    """What is carried along is read in a function of it; data are read by their position."""
    c, a, b, variance, scales = ppl.HalfNormal("c", 1), ppl.Beta("a", 2, 4), ppl.Beta("b", 2, 4), 1.0, []
    data = pt.constant(DATA[:n])
    for t in range(n):
        scales.append(variance)
        variance = c + a * data[t] ** 2 + b * variance
    return ppl.Model({ppl.Normal("y", 0, pt.sqrt(pt.stack(scales))): DATA[:n]})


def innovations(n=N):
    """What drives it is an array of variables that were declared one by one."""
    scale, x, data = ppl.HalfNormal("s", 1), ppl.Normal("x0", 0, 1), {}
    for t in range(n):
        x = 0.9 * x + scale * ppl.Normal(f"z{t}", 0, 1)
        data[ppl.Normal(f"y{t}", x, 1)] = DATA[t]
    return ppl.Model(data)


def feedback(n=N):
    """Each variable depends on what is computed from all before."""
    weight, level, data = ppl.Beta("w", 2, 2), 0.0, {}
    for t in range(n):
        x = ppl.Normal(f"x{t}", level, 0.7)
        level = weight * x + (1 - weight) * level
        data[ppl.Normal(f"y{t}", x, 1)] = DATA[t]
    return ppl.Model(data)


def second_order(n=N):
    """The last two steps are read, and an element of an array at each step; a term has no variable."""
    a, b, z = ppl.Normal("a", 0, 0.5), ppl.Normal("b", 0, 0.3), ppl.Normal("z", 0, 1, shape=n)
    old, x, xs = a, b, []
    for t in range(n):
        old, x = x, a * x + b * old + pt.tanh(z[t])
        xs.append(x)
    return ppl.Model({ppl.Normal("y", xs[-1], 1): 0.3}, ppl.Potential("sum", -0.1 * (pt.stack(xs) ** 2).sum()))


def vectors(n=N):
    matrix, x, data = ppl.Normal("m", 0, 0.4, shape=(2, 2)), pt.constant(np.array([1.0, 0.0])), {}
    for t in range(n):
        x = pt.tanh(matrix @ x + DATA[t])
        data[ppl.Normal(f"y{t}", x, 1)] = np.array([0.1, DATA[t]])
    return ppl.Model(data)


def interrupted(n=N):
    """One step is of another form."""
    weight, level, levels = ppl.Beta("w", 2, 2), 0.0, []
    for t, y in enumerate(DATA[: 2 * n]):
        levels.append(level)
        level = pt.exp(level) if t == n else weight * y + (1 - weight) * level
    return ppl.Model({ppl.Normal("y", pt.stack(levels), 10): DATA[: 2 * n]})


def decay(n=N):
    """A function of time, row by row; the first is another one."""
    rate, start = ppl.HalfNormal("rate", 1), ppl.Normal("start", 0, 1)
    rows = [start, *(start * pt.exp(-rate * t / 10) for t in range(1, n))]
    return ppl.Model({ppl.Normal("y", pt.stack(rows), 1): DATA[:n]})


def shrunk(n=N):
    """Functions of variables that were declared one by one, as rows of a matrix."""
    scale = ppl.HalfNormal("s", 1)
    rows = [pt.stack([ppl.Normal(f"x{t}", 0, scale) * t, scale]) for t in range(n)]
    return ppl.Model({ppl.Normal("y", pt.stack(rows), 1): np.outer(DATA[:n], [1, 2])})


def labelled(n=N):
    """Discrete variables choose among means."""
    means = ppl.Normal("m", 0, 1, shape=2)
    labels = [ppl.Bernoulli(f"z{t}", 0.3) for t in range(n)]
    return ppl.Model({ppl.Normal("y", pt.stack([means[z] for z in labels]), 1): DATA[:n]})


STACKS = {f.__name__: f for f in (decay, shrunk, labelled)}

MODELS = {f.__name__: f for f in (smoothing, trend, volatility, innovations, feedback, second_order, vectors)}


def _graphs(model):
    """Return the log-density step by step, and as loops, with a point for each."""
    apart, together = graphs.logprob(model), graphs.logprob(model, apart=())
    rng = np.random.default_rng(2)
    alone = {name: rng.uniform(0.1, 0.6, size=v.type.shape) for name, v in apart.values.items()}
    arrays = {
        name: np.stack([alone[n] for n in together.plates[name]]) if name in together.plates else alone[name]
        for name in together.values
    }
    return (apart, alone), (together, arrays)


def _evaluated(outputs, logprob, point):
    found = evaluate(outputs, {value: point[name] for name, value in logprob.values.items()})
    assert found is not None
    return found


@pytest.mark.parametrize("name", [*MODELS, *STACKS, "interrupted"])
def test_density_and_slopes_are_those_of_the_steps(name):
    (apart, alone), (together, arrays) = _graphs({**MODELS, "interrupted": interrupted, **STACKS}[name]())
    slopes = pytensor.grad(apart.total, list(apart.values.values()))
    expected, *expected_slopes = _evaluated([apart.total, *slopes], apart, alone)
    slopes = pytensor.grad(together.total, list(together.values.values()))
    found, *found_slopes = _evaluated([together.total, *slopes], together, arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    by_name = dict(zip(apart.values, expected_slopes, strict=True))
    for array, slope in zip(together.values, found_slopes, strict=True):
        members = together.plates.get(array)
        truth = by_name[array] if members is None else np.stack([by_name[n] for n in members])
        np.testing.assert_allclose(slope, truth, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_graphs_do_not_grow_with_the_loop(name):
    sizes = {len(list(toposort([graphs.logprob(MODELS[name](n), apart=()).total]))) for n in (N, 2 * N)}
    assert len(sizes) == 1
    assert sizes.pop() < 200
    [total] = [graphs.logprob(MODELS[name](), apart=()).total]
    assert any(isinstance(node.op, Scan) for node in toposort([total]))


@pytest.mark.parametrize("name", ["decay", "shrunk"])
def test_graphs_do_not_grow_with_a_stack(name):
    sizes = {len(list(toposort([graphs.logprob(STACKS[name](n), apart=()).total]))) for n in (N, 2 * N)}
    assert len(sizes) == 1
    assert sizes.pop() < 100


def test_labels_are_summed_out_as_an_array():
    logprob = graphs.logprob(labelled(), apart=())
    assert list(logprob.values) == ["m"]
    means = np.array([-0.4, 0.7])
    [found] = _evaluated([logprob.total], logprob, {"m": means})
    parts = np.log([0.7, 0.3]) + stats.norm.logpdf(DATA[:N, None], means)
    expected = stats.norm.logpdf(means).sum() + np.logaddexp(*parts.T).sum()
    assert float(found) == pytest.approx(expected, rel=1e-12)


def _smoothing_of_numpy(point):
    weight, scale = point
    level, total = 0.0, stats.beta.logpdf(weight, 2, 2) + stats.halfnorm.logpdf(scale)
    for y in DATA[:N]:
        total += stats.norm.logpdf(y, level, scale)
        level = weight * y + (1 - weight) * level
    return total


def _trend_of_numpy(point):
    a, b = point
    level, slope, total = 0.5, 0.0, stats.beta.logpdf(point, 2, 2).sum()
    for y in DATA[:N]:
        total += stats.norm.logpdf(y, level + slope, 1)
        new = a * y + (1 - a) * (level + slope)
        level, slope = new, b * (new - level) + (1 - b) * slope
    return total


@pytest.mark.parametrize(("model", "truth"), [(smoothing, _smoothing_of_numpy), (trend, _trend_of_numpy)])
def test_loops_are_those_of_numpy_on_the_backend(model, truth):
    from graphs.backends import get_backend

    together = graphs.logprob(model(), apart=())
    values = list(together.values.values())
    function = get_backend("numba").function(values, [together.total, *pytensor.grad(together.total, values)])
    point = np.array([0.3, 0.6])
    found, *slopes = function(*point)
    assert found == pytest.approx(truth(point), rel=1e-12)
    np.testing.assert_allclose(np.array(slopes), approx_fprime(point, truth, 1e-6), rtol=1e-4)


def test_sums_few_steps_and_what_may_be_summed_out_stay():
    x, z, w = pt.dscalar("x"), pt.ivector("z"), pt.dvector("w")
    total, count, short = pt.constant(0.0), pt.constant(0.0), x
    for t in range(N):
        total, count = total + x * w[t], 0.5 * (count + z[t])
    for t in range(FEWEST_STEPS // 4):
        short = 0.5 * short + w[t]
    for stays in (total, count, short):
        assert find_recurrences([stays], {}, nodes_of([stays], {})) == {}


def test_the_depth_of_a_loop_is_not_limited_by_python():
    """Without the same form in all steps it stays as deep as it is; nothing may call itself for each step."""
    weight, level, data = ppl.Beta("w", 2, 2), ppl.Normal("level", 0, 1), {}
    for t, y in enumerate(DATA[:1500]):
        level = pt.tanh(level * weight) if t % 7 == 3 else y + weight * level
        data[ppl.Normal(f"y{t}", 0 if t < 1499 else level, 1)] = y
    assert len(graphs.logprob(ppl.Model(data), apart=()).terms) < 10


def test_what_is_drawn_has_the_names_that_were_declared():
    trace = ppl.sample(innovations(), draws=5, tune=5, chains=1, seed=1, progress=False)
    assert set(trace.posterior.data_vars) == {"s", "x0", *(f"z{t}" for t in range(N))}
