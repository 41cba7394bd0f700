"""Variables that were declared one by one in the same form are one array, with the density of each by itself."""

import numpy as np
import pymc as pm
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
from ppl.starting.centres import central_values

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


@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_draws_follow_the_closed_form_under_their_own_names(backend):
    xs = [ppl.Normal(f"x{i}", 0, 1) for i in range(N)]
    first = ppl.Deterministic("first", pt.stack(xs)[:3])
    data = np.linspace(-2, 2, N)
    model = ppl.Model({ppl.Normal("y", pt.stack(xs), 0.5): data}, first)
    trace = ppl.sample(model, draws=1000, chains=2, seed=1, backend=backend, progress=False)
    assert [*trace.posterior.data_vars] == [*(f"x{i}" for i in range(N)), "first"]
    # Of 50 means, 2000 nearly independent draws: 4.5 standard errors.
    draws = np.stack([trace.posterior[f"x{i}"].to_numpy() for i in range(N)])
    sd = np.sqrt(1 / (1 + 1 / 0.25))
    np.testing.assert_allclose(draws.mean(axis=(1, 2)), data * 0.8, atol=4.5 * sd / np.sqrt(1500))
    np.testing.assert_allclose(draws.std(axis=(1, 2)), sd, atol=4.5 * sd / np.sqrt(2 * 1000))
    np.testing.assert_array_equal(trace.posterior["first"], np.moveaxis(draws[:3], 0, -1))


def test_members_can_be_named_everywhere():
    model = positive()
    plan = ppl.plan(model, sampler={"s3": "slice"})
    assert plan.method_of("s3") == "slice"
    assert plan.method_of("s4") == "nuts"
    assert "variables of the same form, together" in str(ppl.plan(iid(), sampler="nuts"))
    start = {"s0": 0.7, "s5": 1.5}
    options = {"draws": 20, "tune": 20, "chains": 2, "seed": 2, "progress": False}
    trace = ppl.sample(model, init=start, sampler="nuts", **options)
    kept = ppl.sample(model, init=start, sampler="nuts", var_names=["s7", "total"], **options)
    np.testing.assert_array_equal(kept.posterior["s7"], trace.posterior["s7"])
    assert [*kept.posterior.data_vars] == ["s7", "total"]
    assert ppl.sample(model, init=trace, sampler="nuts", **options).posterior["s7"].shape == (2, 20)
    assert ppl.sample(model, init=trace, sampler={"s3": "slice"}, **options).posterior["s7"].shape == (2, 20)
    for wrong in ({"s5": -1.0}, {"s5": [1.0, 2.0]}, {"nobody": 1.0}):
        with pytest.raises(ppl.PPLError, match=next(iter(wrong))):
            ppl.sample(model, init=wrong, sampler="nuts", **options)


def test_starts_follow_a_loop_and_what_is_given():
    x, data = ppl.Normal("x0", 3.0, 1), {}
    for step in range(N):
        x = ppl.LogNormal(f"x{step + 1}", pt.log(x) + 0.1, 0.01, initval=2.0 if step == 4 else None)
        data[ppl.Normal(f"y{step}", x, 1)] = 0.0
    plan = ppl.plan(ppl.Model(data), sampler="nuts")
    [name] = plan.mixed.plates
    key = str(plan.mixed.values[name].name)
    # The median of a log-normal variable, as PyMC takes its mean: exp(m + s**2 / 2).
    truth = [3.0]
    for step in range(N):
        truth.append(2.0 if step == 4 else truth[-1] * np.exp(0.1 + 0.01**2 / 2))
    np.testing.assert_allclose(np.exp(central_values(plan, {}, "support_point", 0)[key]), truth[1:], rtol=1e-12)
    given = central_values(plan, {"x10": 50.0}, "support_point", 0)
    np.testing.assert_allclose(np.exp(given[key][9:11]), [50.0, 50.0 * np.exp(0.1 + 0.01**2 / 2)], rtol=1e-12)
    drawn = [central_values(plan, {}, "prior", seed)[key] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.all(np.delete(drawn[0] != drawn[2], 4))
    # Steps of 0.1, of standard deviation 0.01: all within six of them.
    steps = np.diff(drawn[0])[5:]
    np.testing.assert_allclose(steps, 0.1, atol=0.06)


def test_a_loop_gets_the_plan_of_an_array():
    """Polya-gamma variables, normal laws and groups see arrays."""
    x = np.linspace(-1, 1, 60)
    slope = ppl.Normal("slope", 0, 2)
    answers = {ppl.Bernoulli(f"y{i}", logit_p=slope * x[i]): int(i % 3 > 0) for i in range(60)}
    plan = ppl.plan(ppl.Model(answers), sampler="gibbs")
    assert plan.method_of("slope") == "gibbs"
    laws = ppl.plan(iid(), sampler="gibbs")
    assert {a.method for a in laws.assignments} == {"gibbs"}


def test_states_of_a_loop_are_recovered_under_their_names():
    """Given the chances, each animal's three years are enumerated."""
    model = survival()
    trace = ppl.sample(model, draws=30, tune=100, chains=1, seed=4, progress=False)
    assert set(trace.posterior.data_vars) == {"phi", "p"}
    recovered = ppl.recover(model, trace, most_probable=True, seed=1).posterior
    phi, p = trace.posterior["phi"].to_numpy()[0], trace.posterior["p"].to_numpy()[0]
    for animal in (0, 3, 6):
        seen = [int((animal + year) % 4 == 0) for year in range(3)]
        # Years alive: 0, 1, 2 or 3.
        weights = np.zeros((4, len(phi)))
        for years in range(4):
            chance = phi**years * (1.0 if years == 3 else 1 - phi)
            for year in range(3):
                alive = year < years
                chance = chance * ((p if seen[year] else 1 - p) if alive else 1.0 - seen[year])
            weights[years] = chance
        weights /= weights.sum(axis=0)
        for year in range(3):
            found = recovered[f"z{animal}_{year}_probability"].to_numpy()[0, :, 1]
            np.testing.assert_allclose(found, weights[year + 1 :].sum(axis=0), rtol=1e-9, atol=1e-12)
            best = recovered[f"z{animal}_{year}_most_probable"].to_numpy()[0]
            np.testing.assert_array_equal(best, weights.argmax(axis=0) > year)
    assert recovered["z3_1"].dims == ("chain", "draw")
    assert recovered["z3_1_probability"].dims == ("chain", "draw", "z3_1_state")


def test_a_loop_of_states_alone_is_drawn_exactly():
    chain, data = [ppl.Bernoulli("s0", 0.3)], {}
    for step in range(N):
        chain.append(ppl.Bernoulli(f"s{step + 1}", pt.switch(chain[-1], 0.8, 0.25)))
        data[ppl.Normal(f"y{step}", chain[-1], 1)] = 0.1 * step
    last = ppl.Deterministic("last", chain[-1] + chain[-2])
    trace = ppl.sample(ppl.Model(data, last), draws=4000, chains=1, seed=5, progress=False)
    # Forward filtering and the chance of the last state, in plain NumPy.
    chance, log_evidence = np.array([0.7, 0.3]), 0.0
    for step in range(N):
        chance = chance @ np.array([[0.75, 0.25], [0.2, 0.8]]) * stats.norm.pdf(0.1 * step, [0, 1], 1)
        log_evidence += np.log(chance.sum())
        chance /= chance.sum()
    assert trace.attrs["log_evidence"] == pytest.approx(log_evidence, rel=1e-10)
    assert [*trace.posterior.data_vars] == [*(f"s{i}" for i in range(N + 1)), "last"]
    # 4000 independent draws: 4.5 standard errors.
    found = float(trace.posterior[f"s{N}"].mean())
    assert found == pytest.approx(chance[1], abs=4.5 * np.sqrt(chance[0] * chance[1] / 4000))
    total = trace.posterior[f"s{N}"] + trace.posterior[f"s{N - 1}"]
    np.testing.assert_array_equal(trace.posterior["last"], total)
    chosen = ppl.sample(ppl.Model(data, last), draws=10, chains=1, seed=5, var_names=["s3"], progress=False)
    assert [*chosen.posterior.data_vars] == ["s3"]


def test_states_of_a_loop_that_are_drawn():
    """Names are those of the loop also where states are moved, started and kept."""
    model = hidden_chain()
    options = {"draws": 20, "tune": 20, "chains": 1, "seed": 6, "progress": False}
    trace = ppl.sample(model, marginalize=False, init={"s5": 2}, **options)
    assert trace.posterior["s5"].dtype.kind == "i"
    assert {f"s{i}" for i in range(N + 1)} <= set(trace.posterior.data_vars)
    named = ppl.plan(model, marginalize=["s0", "s1", "s2"])
    assert [named.method_of(f"s{i}") for i in (0, 2, 7)] == ["marginalize", "marginalize", "gibbs"]


def test_recovered_beside_a_loop():
    trace = ppl.sample(beside_a_sum(), draws=50, tune=50, chains=1, seed=3, progress=False)
    recovered = ppl.recover(beside_a_sum(), trace, seed=1)
    assert set(np.unique(recovered.posterior["z"])) <= {0, 1}


def test_pymc_models_take_part():
    with pm.Model() as made:
        xs = [pm.Normal(f"x{i}", 0, 1) for i in range(N)]
        pm.Normal("y", pt.stack(xs), 1, observed=np.zeros(N))
    assert len(ppl.plan(ppl.from_pymc(made)).assignments) == 1
