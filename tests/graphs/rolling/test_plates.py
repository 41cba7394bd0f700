"""Variables that were declared one by one in the same form are one array, with the density of each by itself.

Answers: the model with its variables apart, and SciPy.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions.transforms import Interval
from pymc.logprob.transforms import LogTransform
from pytensor.graph.traversal import toposort
from scipy import stats

import graphs
import ppl
from graphs.joint.joint_logprob import LogProb
from graphs.rolling.gathering import with_elements
from graphs.surgery.evaluating import evaluate
from graphs.surgery.interpreting import interpret

N = 25


def iid():
    mean, scale = ppl.Normal("mean", 0, 1), ppl.HalfNormal("scale", 1)
    xs = [ppl.Normal(f"x{i}", mean, scale) for i in range(N)]
    return ppl.Model({ppl.Normal("y", pt.stack(xs), 1): np.linspace(-1, 2, N)})


def walk():
    x, scale, data = ppl.Normal("x0", 0, 5), ppl.HalfNormal("scale", 1), {}
    for step in range(N):
        x = ppl.Normal(f"x{step + 1}", 0.9 * x, scale)
        data[ppl.Poisson(f"y{step}", pt.exp(x))] = step % 4
    return ppl.Model(data)


def two_chains():
    """Each steps from the last value of the other: no order of arrays would do."""
    a, b, data = ppl.Normal("a0", 0, 1), ppl.StudentT("b0", 4, 0, sigma=1), {}
    for step in range(N):
        a, b = ppl.Normal(f"a{step + 1}", 0.5 * a + 0.2 * b, 1), ppl.StudentT(f"b{step + 1}", 4, a - b, sigma=0.5)
        data[ppl.Normal(f"y{step}", a * b, 1)] = 0.1 * step
    return ppl.Model(data)


def positive():
    rate = ppl.Gamma("rate", 2, 1)
    scales = [ppl.Gamma(f"s{i}", 2 + i % 3, rate) for i in range(N)]
    total = ppl.Deterministic("total", pt.sum(pt.stack(scales[3:10])))
    return ppl.Model({ppl.Normal(f"y{i}", 0, s): 0.1 * i for i, s in enumerate(scales)}, total)


def vectors():
    scale = ppl.HalfNormal("scale", 1)
    xs = [ppl.MvNormal(f"x{i}", [0.0, i], np.array([[1, 0.3], [0.3, 2]])) for i in range(N)]
    ws = [ppl.Dirichlet(f"w{i}", [1.0, 2.0, 3.0]) for i in range(N)]
    data = {
        ppl.Normal(f"y{i}", x[0] * w[1] + x[1], scale): 0.3 * i for i, (x, w) in enumerate(zip(xs, ws, strict=True))
    }
    return ppl.Model(data)


def of_bounds():
    """Bounds by a constant are shared; those by another variable are not taken together."""
    top = ppl.HalfNormal("top", 1)
    us = [ppl.Uniform(f"u{i}", 0, 2) for i in range(N)]
    vs = [ppl.Uniform(f"v{i}", 0, 1 + top) for i in range(N)]
    return ppl.Model({ppl.Normal("y", pt.concatenate([pt.stack(us), pt.stack(vs)]), 1): np.zeros(2 * N)})


def chosen_transforms():
    scales = [ppl.HalfNormal(f"s{i}", 1, transform=LogTransform()) for i in range(N)]
    others = [ppl.Uniform(f"u{i}", 0, 1, transform=Interval(0, 1)) for i in range(N)]
    return ppl.Model({ppl.Normal("y", pt.stack(scales) - pt.stack(others), 1): np.zeros(N)})


def beside_a_sum():
    xs = [ppl.Normal(f"x{i}", 0, 1) for i in range(N)]
    z = ppl.Bernoulli("z", 0.3)
    return ppl.Model({ppl.Normal("y", pt.stack(xs) * (1 + z), 1): np.linspace(0, 1, N)})


def survival():
    """Animals alive or dead, by loops over animals and years."""
    phi, p, data = ppl.Beta("phi", 2, 2), ppl.Beta("p", 2, 2), {}
    for animal in range(N):
        alive = 1
        for year in range(3):
            alive = ppl.Bernoulli(f"z{animal}_{year}", alive * phi)
            data[ppl.Bernoulli(f"y{animal}_{year}", alive * p)] = int((animal + year) % 4 == 0)
    return ppl.Model(data)


def hidden_chain():
    table = pt.constant(np.array([[0.7, 0.2, 0.1], [0.15, 0.55, 0.3], [0.25, 0.3, 0.45]]))
    mu, state, data = ppl.Normal("mu", 0, 1, size=3), ppl.Categorical("s0", [0.5, 0.2, 0.3]), {}
    for step in range(N):
        state = ppl.Categorical(f"s{step + 1}", table[state])
        data[ppl.Normal(f"y{step}", mu[state], 1.3)] = np.sin(step)
    return ppl.Model(data)


def named_slopes():
    """A linear predictor added up in a loop, over some of the slopes twice; one product is no linear one."""
    x = np.random.default_rng(4).normal(size=(12, N))
    slopes, predictor = [ppl.Normal(f"b{i}", 0, 1) for i in range(N)], ppl.Normal("intercept", 0, 1)
    for i, slope in enumerate(slopes):
        predictor = predictor + slope * x[:, i]
    predictor = 0.5 * slopes[3] + predictor - slopes[4] * slopes[5] + slopes[7]
    total = sum(i * slope for i, slope in enumerate(slopes))
    return ppl.Model({ppl.Normal("y", predictor, 1): np.arange(12.0), ppl.Normal("t", total, 2): 1.5})


FUNCTIONS = (iid, walk, two_chains, positive, vectors, of_bounds, chosen_transforms, beside_a_sum)
MODELS = {make.__name__: make for make in (*FUNCTIONS, survival, hidden_chain, named_slopes)}
NUMBERS = {
    "iid": 1, "walk": 1, "two_chains": 2, "positive": 1, "vectors": 2, "of_bounds": 1, "beside_a_sum": 1,
}  # fmt: skip
"""How many groups of continuous latent variables there are."""


def point_of(apart: LogProb, together: LogProb) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the same point in the values of each by itself, and in arrays; unconstrained."""
    rng = np.random.default_rng(1)
    alone = {name: rng.normal(scale=0.3, size=value.type.shape) for name, value in apart.values.items()}
    arrays = {
        name: np.stack([alone[n] for n in together.plates[name]]) if name in together.plates else alone[name]
        for name in together.values
    }
    return alone, arrays


def values_of(graphs_of_values, logprob: LogProb, point: dict[str, np.ndarray]) -> list[np.ndarray]:
    found = evaluate(graphs_of_values, {value: point[name] for name, value in logprob.values.items()})
    assert found is not None
    return found


@pytest.mark.parametrize("name", MODELS)
def test_density_and_slopes_are_those_of_each_alone(name):
    model = MODELS[name]()
    apart = graphs.logprob(model, space="unconstrained")
    together = graphs.logprob(model, space="unconstrained", apart=())
    alone, arrays = point_of(apart, together)
    slopes = pytensor.grad(apart.total, list(apart.values.values()))
    expected, *expected_slopes = values_of([apart.total, *slopes], apart, alone)
    slopes = pytensor.grad(together.total, list(together.values.values()))
    found, *found_slopes = values_of([together.total, *slopes], together, arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    by_name = dict(zip(apart.values, expected_slopes, strict=True))
    for plate, slope in zip(together.values, found_slopes, strict=True):
        members = together.plates.get(plate)
        truth = by_name[plate] if members is None else np.stack([by_name[n] for n in members])
        np.testing.assert_allclose(slope, truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in MODELS if name in NUMBERS])
def test_what_is_taken_together(name):
    assert len(graphs.logprob(MODELS[name](), apart=()).plates) == NUMBERS[name]


def test_a_walk_is_that_of_scipy():
    logprob = graphs.logprob(walk(), apart=())
    [(name, members)] = logprob.plates.items()
    x = np.sin(np.arange(N + 1.0))
    point = {"x0": x[0], "scale": 0.7, name: x[1:]}
    found = interpret(list(logprob.values.values()), logprob.total)(*[np.asarray(point[n]) for n in logprob.values])
    truth = stats.norm.logpdf(x[0], 0, 5) + stats.halfnorm.logpdf(0.7)
    truth += (
        stats.norm.logpdf(x[1:], 0.9 * x[:-1], 0.7).sum() + stats.poisson.logpmf(np.arange(N) % 4, np.exp(x[1:])).sum()
    )
    assert float(found) == pytest.approx(truth, rel=1e-12)
    assert members == tuple(f"x{i + 1}" for i in range(N))


def test_a_sum_in_a_loop_is_a_product_with_a_matrix():
    logprob = graphs.logprob(named_slopes(), apart=())
    kinds = [type(node.op).__name__ for node in toposort([logprob.terms["y"], logprob.terms["t"]])]
    assert kinds.count("Dot") == 2
    few = graphs.logprob(named_slopes(), apart=[f"b{i}" for i in range(6, N)])
    assert few.plates == {}


def test_apart_and_few_stay_alone():
    names = [f"x{i}" for i in range(N)]
    assert graphs.logprob(iid(), apart=names).plates == {}
    assert graphs.logprob(iid(), apart=names[:10]).plates == {}
    [members] = graphs.logprob(iid(), apart=names[:3]).plates.values()
    assert members == tuple(names[3:])


def test_the_graph_of_a_loop_does_not_grow_with_its_length():
    def size(n):
        xs = [ppl.Normal("x0", 0, 1)]
        for i in range(n):
            xs.append(ppl.Normal(f"x{i + 1}", xs[-1], 1))
        y = ppl.Normal("y", pt.stack(xs[1:]), 1)
        logprob = graphs.logprob(ppl.Model({y: np.zeros(n)}), apart=())
        return sum(1 for _ in pytensor.graph.traversal.ancestors([logprob.total]))

    assert size(30) == size(90)


def test_parts_of_arrays_are_put_together():
    array = pt.dvector("array")
    xs = [pt.dscalar(f"x{i}") for i in range(4)]
    places = {x: (array, i) for i, x in enumerate(xs)}
    other = pt.dscalar("other")
    given = np.array([1.0, 2.0, 3.0, 4.0])
    for graph, expected in [
        (pt.stack(xs), given),
        (pt.stack([xs[2], xs[1]]), given[[2, 1]]),
        (pt.stack([other, xs[1], xs[2]]), [9.0, 2.0, 3.0]),
        (pt.concatenate([xs[1][None], pt.stack([other, other]), xs[3][None]]), [2.0, 9.0, 9.0, 4.0]),
        (pt.stack([pt.stack(xs[:2]), pt.stack(xs[2:])]), given.reshape(2, 2)),
        (pt.stack([xs[0], pt.constant(1, dtype="int8")]), [1.0, 1.0]),
    ]:
        [new] = with_elements([graph], places)
        np.testing.assert_array_equal(interpret([array, other], new)(given, np.float64(9)), expected)


def test_vectors_joined_along_their_own_axis_are_no_rows():
    array, xs = pt.dmatrix("array"), [pt.dvector(f"x{i}") for i in range(3)]
    places = {x: (array, i) for i, x in enumerate(xs)}
    given = np.arange(6.0).reshape(3, 2)
    for graph, expected in [
        (pt.concatenate(xs), given.ravel()),
        (pt.concatenate([xs[2], pt.zeros(1)]), [4.0, 5.0, 0.0]),
        (pt.stack(xs), given),
        (pt.concatenate([xs[1][None], pt.stack(xs[:2])]), given[[1, 0, 1]]),
        (pt.stack(xs, axis=1), given.T),
    ]:
        [new] = with_elements([graph], places)
        np.testing.assert_array_equal(interpret([array], new)(given), expected)
