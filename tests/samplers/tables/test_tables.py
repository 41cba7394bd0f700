"""Tables of densities, and chains of independent proposals from them.

Answers: closed forms and SciPy's distributions; a plain loop where proposals are accepted; the law that independent
Metropolis-Hastings leaves a density unchanged, whatever it proposes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from math import log, pi

import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable
from scipy import special, stats

import graphs
import samplers
from graphs.density import LogDensity
from graphs.errors import ModelError, SamplingError
from graphs.surgery.interpreting import interpret
from samplers import RunSettings, Sweep, TabulatedKernel, compile_sweep, tabulated
from samplers.loop import run
from samplers.tables import going
from samplers.tables.block import TabulatedBlock
from samplers.tables.proposals import Proposals, are_good
from tests.samplers.targets import assert_stationary, row, skewed

type Density = Callable[[TensorVariable], TensorVariable]
NUM = 4000
FALSE_ALARM = 1e-4


def normal(x: TensorVariable) -> TensorVariable:
    """Correlated by 0.9, of variance one, about 3."""
    size = x.type.shape[0]
    precision = np.linalg.inv(0.9 + 0.1 * np.eye(size))
    return -0.5 * (x - 3.0) @ precision @ (x - 3.0)


def log_gamma(x: TensorVariable) -> TensorVariable:
    """Logarithms of gamma variables of shape 1/2: one tail is exponential, the other doubly so."""
    return (0.5 * x - pt.exp(x)).sum()


def student(x: TensorVariable) -> TensorVariable:
    """Independent ones of three degrees of freedom."""
    return -2.0 * pt.log1p(x**2 / 3.0).sum()


def two(x: TensorVariable) -> TensorVariable:
    """Two normal distributions, eight standard deviations from each other along each axis."""
    return pt.logaddexp(-0.5 * pt.sqr(x - 4.0).sum(), log(0.5) - 0.5 * pt.sqr(x + 4.0).sum())


def cauchy(x: TensorVariable) -> TensorVariable:
    return -pt.log1p(x**2).sum()


def of_normal(size: int) -> float:
    return 0.5 * size * log(2 * pi) + 0.5 * np.linalg.slogdet(0.9 + 0.1 * np.eye(size))[1]


CASES = [
    *(pytest.param(normal, d, of_normal(d), stats.norm(3.0).cdf, id=f"normal-{d}") for d in (1, 2, 3)),
    *(
        pytest.param(log_gamma, d, d * special.gammaln(0.5), lambda x: stats.gamma.cdf(np.exp(x), 0.5), id=f"gamma-{d}")
        for d in (1, 2, 3)
    ),
    *(pytest.param(student, d, -d * stats.t.logpdf(0.0, 3), stats.t(3).cdf, id=f"student-{d}") for d in (1, 2)),
    pytest.param(cauchy, 1, log(pi), stats.cauchy.cdf, id="cauchy"),
    *(
        pytest.param(
            two,
            d,
            log(1.5) + 0.5 * d * log(2 * pi),
            lambda x: (2 * stats.norm.cdf(x, 4) + stats.norm.cdf(x, -4)) / 3,
            id=f"two-{d}",
        )
        for d in (1, 2)
    ),
]


def sweep_of(density: Density, size: int) -> Sweep:
    x = pt.tensor("x", shape=(size,), dtype="float64")
    return Sweep((x,), (TabulatedBlock((x,), LogDensity(density(x), (x,))),))


def starts(size: int, chains: int = 4) -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(-5.0, 5.0, (chains, size))


@pytest.mark.parametrize(("density", "size", "log_integral", "cdf"), CASES)
def test_draws_and_integrals(density: Density, size: int, log_integral: float, cdf: Callable) -> None:
    """Draws have the marginal distributions; the mean of the weights is the integral of the density.

    Kolmogorov-Smirnov of 250 draws, every sixteenth, in which what refused proposals repeat has gone, and none is the
    image of another: 1e-4 by chance.
    """
    compiled = compile_sweep(sweep_of(density, size))
    result = compiled.run(starts(size), RunSettings(0, NUM // 4, seed=1))
    assert set(result.stats) == {"lp", "acceptance_rate"}, "there is a table"
    assert result.stats["acceptance_rate"].mean() > 0.8
    assert result.num_gradients < 2.5 * NUM
    draws = result.draws.reshape(-1, size)
    for axis in range(size):
        for image in range(16):
            assert stats.kstest(draws[image::16, axis], cdf).pvalue > FALSE_ALARM
    x = pt.tensor("x", shape=(size,), dtype="float64")
    value = interpret([x], density(x))
    total = np.array([value(draw) for draw in draws[::500]])
    np.testing.assert_allclose(result.stats["lp"].ravel()[::500], total, rtol=1e-9, atol=1e-9)
    if density is two:
        return  # the other mode is not looked for from zero
    table = tabulated((density(x), [x])).table
    positions, logs = table.draw(np.random.default_rng(2), 4000)
    weights = np.exp([float(value(p)) - own for p, own in zip(positions, logs, strict=True)])
    found = log(weights.mean()) + np.linalg.slogdet(table.axes)[1]
    # Five errors of a mean.
    assert abs(found - log_integral) < 5 * weights.std() / weights.mean() / len(weights) ** 0.5


@pytest.mark.parametrize(("density", "size", "times"), [(two, 1, 0), (normal, 3, 0), (two, 2, 1)])
def test_the_loop_is_compiled_where_chains_go_through_it(
    density: Density, size: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one number and of concave densities a table is enough; where NUTS looks for what it lacks, and only once."""
    asked, own = [], run.compiled_advance
    monkeypatch.setattr(run, "compiled_advance", lambda table: asked.append(1) or own(table))
    compiled = compile_sweep(sweep_of(density, size))
    before = compiled.compile_seconds
    for _ in range(2):
        compiled.run(starts(size), RunSettings(0, 20, seed=1))
    assert len(asked) == times
    assert (compiled.compile_seconds > before) == bool(times)


@pytest.mark.parametrize("table_of", ["itself", "another"])
def test_any_table_leaves_a_density_unchanged(table_of: str) -> None:
    """From exact draws of a skewed density, by proposals from its table, and from that of a normal one elsewhere."""
    target = skewed()
    own = tabulated(target.logdensity)
    inputs = target.logdensity.inputs
    away = pt.add(*(-0.5 * pt.sqr(v - 0.7).sum() / 4.0 for v in inputs))
    kernel = own if table_of == "itself" else TabulatedKernel(own.logdensity, tabulated((away, list(inputs))).table)
    step = graphs.compile(kernel)
    rng = np.random.default_rng(3)
    before = target.draws(rng, 1000)
    after: dict[str, list[NDArray]] = {name: [] for name in before}
    for i in range(1000):
        state, info = step(rng, kernel.init(row(before, i)))
        assert 0.0 <= float(info.acceptance_rate) <= 1.0
        for name, value in state.position.items():
            after[name].append(value)
    assert_stationary({name: np.array(values) for name, values in after.items()}, target)


def ridge(x: TensorVariable) -> TensorVariable:
    """A normal variable and one that is its square, but for a fifth: thinner than cells, and it turns."""
    return -0.5 * x[0] ** 2 - 0.5 * ((x[1] - x[0] ** 2) / 0.2) ** 2


def funnel(x: TensorVariable) -> TensorVariable:
    """Neal's, of one number in the neck."""
    return -0.5 * x[0] ** 2 / 9.0 - 0.5 * x[0] - 0.5 * x[1] ** 2 * pt.exp(-x[0])


@pytest.mark.parametrize("density", [ridge, funnel])
def test_what_has_no_table_is_moved_by_nuts(density: Density) -> None:
    """As by NUTS alone, draw for draw."""
    found = compile_sweep(sweep_of(density, 2)).run(starts(2) / 5, RunSettings(200, 100, seed=1))
    assert "diverging" in found.stats
    x = pt.tensor("x", shape=(2,), dtype="float64")
    alone = Sweep((x,), (samplers.NUTSBlock((x,), LogDensity(density(x), (x,))),))
    expected = compile_sweep(alone).run(starts(2) / 5, RunSettings(200, 100, seed=1))
    np.testing.assert_array_equal(found.draws, expected.draws)


def far_apart(x: TensorVariable) -> TensorVariable:
    """Two modes, thirty standard deviations from each other along each axis."""
    return pt.logaddexp(-0.5 * pt.sqr(x - 15.0).sum(), log(0.5) - 0.5 * pt.sqr(x + 15.0).sum())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_modes_far_apart_have_their_weights(size: int) -> None:
    """Found from starts in both, they are drawn two to one: six errors of a share of 4000 independent draws."""
    init = np.array([[14.0] * size, [13.0] * size, [-14.0] * size, [-16.0] * size])
    result = compile_sweep(sweep_of(far_apart, size)).run(init, RunSettings(0, NUM // 4, seed=1))
    assert set(result.stats) == {"lp", "acceptance_rate"}
    above = result.draws[:, :, 0] > 0
    assert abs(above.mean() - 2 / 3) < 6 * (2 / 9 / NUM) ** 0.5
    assert (result.draws > 0).all(axis=2).sum() == above.sum()


def test_draws_of_a_chain_are_its_own() -> None:
    """They depend on the seed, not on how many chains, threads or cores there are, nor on where chains start."""
    compiled = compile_sweep(sweep_of(log_gamma, 2))
    all_of_them = compiled.run(starts(2), RunSettings(10, 50, seed=5, cores=2)).draws
    fewer = compiled.run(starts(2, 3)[1:], RunSettings(0, 50, seed=5, cores=1)).draws
    np.testing.assert_array_equal(all_of_them[:2], fewer)
    longer = compiled.run(starts(2), RunSettings(10, 2500, seed=5)).draws
    np.testing.assert_array_equal(all_of_them, longer[:, :50])
    assert (all_of_them[0] != all_of_them[1]).any()
    assert (compiled.run(starts(2), RunSettings(10, 50, seed=6)).draws != all_of_them).any()


def test_another_process_draws_the_same() -> None:
    compiled = compile_sweep(sweep_of(log_gamma, 2))
    again = pickle.loads(pickle.dumps(compiled))
    draws = [one.run(starts(2), RunSettings(0, 20, seed=1)).draws for one in (compiled, again)]
    np.testing.assert_array_equal(*draws)


def test_warm_up_is_kept_where_asked() -> None:
    compiled = compile_sweep(sweep_of(normal, 1))
    kept = compiled.run(starts(1), RunSettings(30, 20, seed=1, keep_tuning=True))
    assert kept.tuning_draws is not None
    assert kept.tuning_draws.shape == (4, 30, 1)
    assert kept.draws.shape == (4, 20, 1)
    assert kept.stats["lp"].shape == (4, 20)
    assert compiled.run(starts(1), RunSettings(30, 0, seed=1)).draws.shape == (4, 0, 1)


def test_an_interrupt_leaves_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_sweep(sweep_of(normal, 1))
    whole = compiled.run(starts(1), RunSettings(0, 5000, seed=1)).draws

    def stop(states: list[dict]) -> None:
        if states[0]["draw"] > 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(going, "_CHUNK_SECONDS", 1e-4)
    cut = compiled.run(starts(1), RunSettings(0, 5000, seed=1, callback=stop))
    assert cut.interrupted
    assert 0 < cut.draws.shape[1] < 5000
    np.testing.assert_array_equal(cut.draws, whole[:, : cut.draws.shape[1]])


def test_a_poor_table_is_not_used() -> None:
    """Weights that differ by much: the density is not that of the table."""
    rng = np.random.default_rng(0)
    shape = (2, 100)
    good, poor = (
        are_good(Proposals(np.zeros((*shape, 1)), np.zeros(shape), rng.random(shape)), rng.normal(0, spread, shape))
        for spread in (0.1, 3.0)
    )
    assert good
    assert not poor


def test_backends_agree() -> None:
    draws = [
        compile_sweep(sweep_of(log_gamma, 2), backend).run(starts(2), RunSettings(0, 20, seed=1)).draws
        for backend in ("numba", "interpreter")
    ]
    np.testing.assert_allclose(*draws, rtol=1e-9)


def test_what_has_no_table_is_refused_by_the_kernel() -> None:
    x = pt.tensor("x", shape=(4,), dtype="float64")
    with pytest.raises(ModelError, match="x: 4 numbers are more than the 3") as raised:
        tabulated((normal(x), [x]))
    assert raised.value.variable == "x"
    y = pt.tensor("y", shape=(2,), dtype="float64")
    with pytest.raises(SamplingError, match="density of y has no table"):
        tabulated((ridge(y), [y]))
    k = pt.lscalar("k")
    with pytest.raises(ModelError, match="k is discrete"):
        tabulated((-(k**2), [k]))
