"""Classical analyses with a discrete variable that is summed out: against closed forms and the numbers in print.

Answers: closed forms, and numbers in print.
"""

from __future__ import annotations

import math

import arviz as az
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from arviz_base import from_dict
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

import graphs
import ppl

# Coal-mining disasters in Britain a year, 1851-1962 (Jarrett 1979, Biometrika 66, 191-193): 191 of them.
DISASTERS = np.array([
    4, 5, 4, 1, 0, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5, 2, 2, 3, 4, 2, 1,
    3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0,
    1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
])  # fmt: skip
# The list in PyMC's documentation, 1851-1961, where two years are missing (and a few others differ).
WITH_MISSING = np.array([
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5, 2, 2, 3, 4, 2, 1,
    3, np.nan, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0,
    0, 0, 1, 1, 0, 2, 3, 3, 1, np.nan, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
])  # fmt: skip
FIRST_YEAR = 1851
# Earthquakes of magnitude 7 or more in the world a year, 1900-2006 (Zucchini and MacDonald 2009, table 1.1).
EARTHQUAKES = np.array([
    13, 14, 8, 10, 16, 26, 32, 27, 18, 32, 36, 24, 22, 23, 22, 18, 25, 21, 21, 14, 8, 11, 14, 23, 18, 17, 19, 20, 22,
    19, 13, 26, 13, 14, 22, 24, 21, 22, 26, 21, 23, 24, 27, 41, 31, 27, 35, 26, 28, 36, 39, 21, 17, 22, 17, 19, 15, 34,
    10, 15, 22, 18, 15, 20, 15, 22, 19, 16, 30, 27, 29, 23, 20, 16, 21, 21, 25, 16, 18, 15, 18, 14, 10, 15, 8, 15, 6,
    11, 8, 7, 18, 16, 13, 12, 13, 20, 15, 16, 12, 18, 15, 16, 13, 15, 16, 11, 11,
])  # fmt: skip


def change(counts: NDArray) -> ppl.Model:
    """Poisson counts whose rate changes after the year ``tau``."""
    years = np.arange(FIRST_YEAR, FIRST_YEAR + counts.size)
    tau = ppl.DiscreteUniform("tau", years[0], years[-1])
    early, late = ppl.Exponential("early", 1.0), ppl.Exponential("late", 1.0)
    rate = ppl.Deterministic("rate", pt.where(years <= tau, early, late))
    return ppl.Model({ppl.Poisson("y", rate): counts})


class Exact:
    """The posterior in closed form: given the year of change, both rates have a gamma distribution."""

    def __init__(self, counts: NDArray) -> None:
        seen, known = np.nan_to_num(counts), ~np.isnan(counts)
        sums, sizes = np.cumsum(seen), np.cumsum(known)
        self.shapes = np.stack([1 + sums, 1 + sums[-1] - sums])
        self.rates = np.stack([1 + sizes, 1 + sizes[-1] - sizes])
        log_weights = (gammaln(self.shapes) - self.shapes * np.log(self.rates)).sum(axis=0)
        self.log_evidence = logsumexp(log_weights) - math.log(counts.size) - gammaln(seen + 1).sum()
        self.tau = np.exp(log_weights - logsumexp(log_weights))

    def moments(self) -> tuple[NDArray, NDArray]:
        """Return means and standard deviations of the early and the late rate."""
        means = self.shapes / self.rates
        mean = means @ self.tau
        return mean, np.sqrt((self.shapes / self.rates**2 + means**2) @ self.tau - mean**2)

    def rate(self) -> NDArray:
        """Return the mean of the rate in each year."""
        early, late = self.shapes / self.rates * self.tau
        # A year is early if the change comes in that year or later.
        return np.cumsum(early[::-1])[::-1] + np.concatenate([[0.0], np.cumsum(late)[:-1]])


def assert_close(draws: NDArray, expected: float) -> None:
    """Compare the mean of draws (chain, draw) with its Monte Carlo error."""
    error = float(az.mcse(az.convert_to_dataset({"x": draws}), method="mean")["x"])
    assert abs(draws.mean() - expected) < 4.5 * error + 1e-9


def test_coal_mining_in_print() -> None:
    """Carlin, Gelfand and Smith (1992, Applied Statistics 41, 389-405): mode 1891, rates about 3.1 and 0.9."""
    assert (DISASTERS.size, DISASTERS.sum()) == (112, 191)
    exact = Exact(DISASTERS)
    assert np.argmax(exact.tau) + 1 == 41
    np.testing.assert_allclose(exact.moments()[0], [3.1, 0.9], atol=0.05)


def test_coal_mining_by_quadrature() -> None:
    """The log-density and the recovered probabilities integrate to the closed form over a grid of both rates."""
    model, exact = change(DISASTERS), Exact(DISASTERS)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    early, late = 1.0 + (nodes + 1) * 2.5, 0.2 + (nodes + 1) * 1.2
    early, late = (a.ravel() for a in np.meshgrid(early, late, indexing="ij"))
    joint = graphs.logprob(model, marginalize="require")
    density = graphs.get_backend("numba").map(list(joint.logdensity.inputs), [joint.logdensity.total])
    arguments = {"early": early, "late": late}
    [logs] = density(*(arguments[v.name] for v in joint.logdensity.inputs))
    mass = np.outer(weights, weights).ravel() * 2.5 * 1.2 * np.exp(logs - exact.log_evidence)
    assert mass.sum() == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_allclose([early @ mass, late @ mass], exact.moments()[0], rtol=1e-6)
    trace = from_dict({"posterior": {name: a[None] for name, a in arguments.items()}})
    recovered = ppl.recover(model, trace, probs=True, seed=1)["posterior"]
    probabilities = recovered["tau_probability"].to_numpy()[0]
    np.testing.assert_allclose(mass @ probabilities, exact.tau, atol=1e-7)


@pytest.mark.parametrize("counts", [DISASTERS, WITH_MISSING], ids=["complete", "two years missing"])
def test_coal_mining_sampled(counts: NDArray) -> None:
    exact, missing = Exact(counts), np.flatnonzero(np.isnan(counts))
    model = change(np.ma.masked_invalid(counts) if missing.size else counts)
    trace = ppl.sample(model, draws=2500, tune=1000, chains=4, seed=3, progress=False)
    assert "tau" not in trace.posterior
    rhat = az.rhat(trace, var_names=["early", "late"])
    assert max(float(rhat[name]) for name in ("early", "late")) < 1.01
    recovered = ppl.recover(model, trace, probs=True, seed=4).posterior
    means, sds = exact.moments()
    for i, name in enumerate(("early", "late")):
        draws = recovered[name].to_numpy()
        assert_close(draws, means[i])
        assert_close((draws - means[i]) ** 2, sds[i] ** 2)
    tau = recovered["tau"].to_numpy()
    probabilities = recovered["tau_probability"].to_numpy()
    assert np.argmax(probabilities.mean(axis=(0, 1))) == np.argmax(exact.tau)
    for k in np.flatnonzero(exact.tau > 1e-3):
        assert_close((tau == FIRST_YEAR + k).astype(float), exact.tau[k])
        assert_close(probabilities[..., k], exact.tau[k])
    for year in (10, 40, 41, *missing, 100):
        assert_close(recovered["rate"].to_numpy()[..., year], exact.rate()[year])
    for i, year in enumerate(missing):
        # Nothing is known of a year without a count but its rate.
        assert_close(recovered["y_missing"].to_numpy()[..., i], exact.rate()[year])


def stationary(transition: NDArray) -> NDArray:
    states = len(transition)
    return np.linalg.solve((np.eye(states) - transition + 1).T, np.ones(states))


def test_earthquakes_two_states() -> None:
    """The likelihood of a stationary Poisson hidden Markov model at its maximum: 342.3183, rates 15.472 and 26.125."""
    leave = ppl.Uniform("leave", 0, 1, size=2)
    rates = ppl.HalfFlat("rates", size=2)
    transition = pt.stack([pt.stack([1 - leave[0], leave[0]]), pt.stack([leave[1], 1 - leave[1]])])
    s = ppl.MarkovChain("s", transition, leave[::-1] / leave.sum(), steps=EARTHQUAKES.size)
    model = ppl.Model({ppl.Poisson("y", rates[s]): EARTHQUAKES})
    density = graphs.logprob(model, marginalize="require").logdensity
    inputs = {v.name: v for v in density.inputs}
    variables = [inputs["leave"], inputs["rates"]]
    evaluate = graphs.get_backend("numba").function(
        variables, [density.total, *pytensor.grad(density.total, variables)]
    )

    def negative(x: NDArray) -> tuple[float, NDArray]:
        value, by_leave, by_rates = evaluate(x[:2], x[2:])
        return -float(value), -np.concatenate([by_leave, by_rates])

    found = minimize(
        negative, [0.1, 0.1, 15, 25], jac=True, method="L-BFGS-B", bounds=[(1e-3, 0.999)] * 2 + [(1, 60)] * 2
    )
    assert round(found.fun, 4) == 342.3183
    np.testing.assert_allclose(found.x[2:], [15.472, 26.125], atol=2e-3)
    np.testing.assert_allclose(found.x[0], 0.066, atol=5e-4)


def test_earthquakes_three_states() -> None:
    """The same with three states at the parameters in print, one of them a probability of zero: 329.4603."""
    transition = np.array([[0.955, 0.024, 0.021], [0.050, 0.899, 0.051], [0.000, 0.197, 0.803]])
    rates = ppl.HalfFlat("rates", size=3)
    s = ppl.MarkovChain("s", transition, stationary(transition), steps=EARTHQUAKES.size)
    model = ppl.Model({ppl.Poisson("y", rates[s]): EARTHQUAKES})
    density = graphs.logprob(model, marginalize="require").logdensity
    [value] = graphs.get_backend("numba").function(list(density.inputs), [density.total])(
        np.array([13.146, 19.721, 29.714])
    )
    assert float(value) == pytest.approx(-329.4603, abs=5e-4)
