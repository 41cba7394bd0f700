"""Rows left out one by one.

Answers: predictive densities of normal data with a conjugate prior in closed form; with an unknown scale by quadrature
on a grid of mean and log-scale; densities on the real line by SciPy's.
"""

import arviz as az
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import ppl
from ppl.criticising.unconstrained import UnconstrainedDraws
from ppl.predicting.likelihood import likelihood_graphs

RNG = np.random.default_rng(0)
CALM = RNG.normal(size=13)
WITH_OUTLIER = np.append(RNG.normal(size=8), 5.0)


def known_scale() -> ppl.Model:
    mu = ppl.Normal("mu", 0, 10)
    return ppl.Model({ppl.Normal("y", mu, 1.0, size=len(CALM)): CALM})


def unknown_scale() -> ppl.Model:
    mu, sigma = ppl.Normal("mu", 0, 10), ppl.HalfNormal("sigma", 5)
    return ppl.Model({ppl.Normal("y", mu, sigma, size=len(WITH_OUTLIER)): WITH_OUTLIER})


@pytest.fixture(scope="module")
def outlier_trace():
    return ppl.sample(unknown_scale(), seed=1, progress=False)


def exact_known_scale() -> list[float]:
    found = []
    for i, row in enumerate(CALM):
        others = np.delete(CALM, i)
        precision = 1 / 100 + len(others)
        found.append(stats.norm.logpdf(row, others.sum() / precision, np.sqrt(1 + 1 / precision)))
    return found


def exact_outlier(row: int) -> tuple[float, float]:
    """Return the log predictive density of a row, and the error with which 4000 independent draws know it."""
    mu = np.linspace(-30.0, 30.0, 3001)[:, None]
    log_sigma = np.linspace(-3.0, 4.0, 1401)
    sigma = np.exp(log_sigma)
    prior = stats.norm.logpdf(mu, 0, 10) + stats.halfnorm.logpdf(sigma, scale=5) + log_sigma
    each = [stats.norm.logpdf(y, mu, sigma) for y in WITH_OUTLIER]
    without = prior + sum(e for i, e in enumerate(each) if i != row)
    found = float(logsumexp(without + each[row]) - logsumexp(without))
    squares = float(logsumexp(without + 2 * each[row]) - logsumexp(without))
    return found, float(np.sqrt(np.expm1(squares - 2 * found) / 4000))


def test_good_weights_give_the_closed_form():
    model = known_scale()
    found = ppl.loo(model, ppl.sample(model, seed=2, progress=False))
    assert found.elpd_i.to_numpy() == pytest.approx(exact_known_scale(), abs=0.03)  # 5 errors of 4000 draws, k <= 0.5
    assert found.elpd == pytest.approx(sum(exact_known_scale()), abs=0.1)


def test_matched_moments_and_a_run_without_it_mend_an_outlier(outlier_trace):
    model, row = unknown_scale(), len(WITH_OUTLIER) - 1
    exact, error = exact_outlier(row)
    with pytest.warns(UserWarning, match="shape parameter"):
        plain = az.loo(ppl.log_likelihood(model, outlier_trace), pointwise=True)
    assert float(plain.elpd_i[row]) > exact + 5 * error  # which is what is to be mended
    matched = ppl.loo(model, outlier_trace)
    assert float(matched.pareto_k[row]) < matched.good_k
    assert float(matched.elpd_i[row]) == pytest.approx(exact, abs=4 * error)
    left_out = ppl.loo(model, outlier_trace, moment_match=False, refit=True, seed=3)
    assert float(left_out.pareto_k[row]) == 0.0
    assert float(left_out.elpd_i[row]) == pytest.approx(exact, abs=4 * error)
    others = np.arange(row)
    assert matched.elpd_i.to_numpy()[others] == pytest.approx(plain.elpd_i.to_numpy()[others])


def test_densities_on_the_real_line(outlier_trace):
    model = unknown_scale()
    values, graphs = likelihood_graphs(model)
    posterior = outlier_trace["posterior"].to_dataset()
    draws = UnconstrainedDraws(model, posterior, graphs["y"], values, "numba")
    assert set(np.round(draws.draws[0], 9)) == {
        round(float(posterior["mu"][0, 0]), 9),
        round(float(np.log(posterior["sigma"][0, 0])), 9),
    }
    mu, sigma = posterior["mu"].to_numpy(), posterior["sigma"].to_numpy()
    expected = stats.norm.logpdf(mu, 0, 10) + stats.halfnorm.logpdf(sigma, scale=5) + np.log(sigma)
    rows = [stats.norm.logpdf(y, mu, sigma) for y in WITH_OUTLIER]
    assert draws.log_density(draws.array()).to_numpy() == pytest.approx(expected + sum(rows))
    assert draws.log_likelihood_of_row(draws.array(), 8).to_numpy() == pytest.approx(rows[8])


def test_several_likelihoods_need_a_name():
    mu = ppl.Normal("mu", 0, 10)
    model = ppl.Model({ppl.Normal("y", mu, 1): [0.3, 0.1], ppl.Normal("z", mu, 2): [0.2]})
    trace = ppl.sample(model, draws=100, chains=2, seed=1, progress=False)
    with pytest.raises(ppl.ModelError, match="choose from y, z"):
        ppl.loo(model, trace)
    with pytest.raises(ppl.ModelError, match="none of 'w'"):
        ppl.loo(model, trace, "w")
    assert ppl.loo(model, trace, "z").n_data_points == 1


def test_what_is_no_model_or_no_trace_is_refused():
    with pytest.raises(ppl.ModelError, match=r"ppl\.Model"):
        ppl.loo("model", None)
    with pytest.raises(ppl.ModelError, match="A trace"):
        ppl.loo(known_scale(), None)
