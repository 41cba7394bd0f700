"""Hierarchies, curves and series among the models of `gates`, declared from their mathematics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import ppl
from benchmarks.gate_models import Data, index, named, numbers


@named("eight_schools_centered")
def schools_centred(data: Data) -> ppl.Model:
    y, error = numbers(data, "y", "sigma")
    theta = ppl.Normal("theta", ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5), size=len(y))
    return ppl.Model({ppl.Normal("y", theta, error): y})


@named("eight_schools_noncentered")
def schools(data: Data) -> ppl.Model:
    y, error = numbers(data, "y", "sigma")
    raw = ppl.Normal("theta_trans", 0, 1, size=len(y))
    return ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 5) + ppl.HalfCauchy("tau", 5) * raw, error): y})


@named("GLMM1_model")
def counts_by_site(data: Data) -> ppl.Model:
    alpha = ppl.Normal("alpha", ppl.Normal("mu_alpha", 0, 10), ppl.Uniform("sd_alpha", 0, 5), size=data["nsite"])
    return ppl.Model({ppl.Poisson("obs", pt.exp(alpha[index(data, "obssite")])): np.array(data["obs"], int)})


@named("GLMM_Poisson_model")
def counts_by_year(data: Data) -> ppl.Model:
    [year] = numbers(data, "year")
    alpha = ppl.Uniform("alpha", -20, 20)
    trend = sum(ppl.Uniform(f"beta{i}", -10, 10) * year**i for i in (1, 2, 3))
    eps = ppl.Normal("eps", 0, ppl.Uniform("sigma", 0, 5), size=len(year))
    return ppl.Model({ppl.Poisson("C", pt.exp(alpha + trend + eps)): np.array(data["C"], int)})


@named("surgical_model")
def surgical(data: Data) -> ppl.Model:
    sigmasq = ppl.InverseGamma("sigmasq", 0.001, 0.001)
    b = ppl.Normal("b", ppl.Normal("mu", 0, 1000), pt.sqrt(sigmasq), size=data["N"])
    return ppl.Model({ppl.Binomial("r", np.array(data["n"], int), logit_p=b): np.array(data["r"], int)})


def germination(data: Data, prior_scale: float, effects: Any) -> ppl.Model:
    x1, x2 = numbers(data, "x1", "x2")
    alpha0, alpha1, alpha2, alpha12 = (ppl.Normal(f"alpha{i}", 0, prior_scale) for i in (0, 1, 2, 12))
    logits = alpha0 + alpha1 * x1 + alpha2 * x2 + alpha12 * x1 * x2 + effects
    return ppl.Model({ppl.Binomial("n", np.array(data["N"], int), logit_p=logits): np.array(data["n"], int)})


@named("seeds_model")
def seeds(data: Data) -> ppl.Model:
    return germination(data, 1e3, ppl.Normal("b", 0, tau=ppl.Gamma("tau", 1e-3, 1e-3), size=data["I"]))


@named("seeds_centered_model")
def seeds_centred(data: Data) -> ppl.Model:
    c = ppl.Normal("c", 0, ppl.HalfCauchy("sigma", 1), size=data["I"])
    return germination(data, 1.0, c - c.mean())


@named("pilots")
def pilots(data: Data) -> ppl.Model:
    """Two classifications with a mean each, of which only the sum is known well."""

    def effects(which: str, count: int) -> Any:
        mean, scale = ppl.Normal(f"mu_{which}", 0, 1), ppl.Uniform(f"sigma_{which}", 0, 100)
        return ppl.Normal(which, 10 * mean, scale, size=count)

    a, b = effects("a", data["n_groups"]), effects("b", data["n_scenarios"])
    mean = a[index(data, "group_id")] + b[index(data, "scenario_id")]
    return ppl.Model({ppl.Normal("y", mean, ppl.Uniform("sigma_y", 0, 100)): np.array(data["y"], float)})


@named("rats_model")
def rats(data: Data) -> ppl.Model:
    x, y = numbers(data, "x", "y")
    alpha, beta = (
        ppl.Normal(name, ppl.Normal(f"mu_{name}", 0, 100), ppl.HalfFlat(f"sigma_{name}"), size=data["N"])
        for name in ("alpha", "beta")
    )
    rat = index(data, "rat")
    return ppl.Model({ppl.Normal("y", alpha[rat] + beta[rat] * (x - data["xbar"]), ppl.HalfFlat("sigma_y")): y})


@named("radon_county")
def radon_county(data: Data) -> ppl.Model:
    a = ppl.Normal("a", ppl.Normal("mu_a", 0, 1), ppl.Uniform("sigma_a", 0, 100), size=data["J"])
    y = ppl.Normal("y", a[index(data, "county")], ppl.Uniform("sigma_y", 0, 100))
    return ppl.Model({y: np.array(data["y"], float)})


def radon(data: Data, mean: Any) -> ppl.Model:
    return ppl.Model({ppl.Normal("log_radon", mean, ppl.HalfNormal("sigma_y", 1)): np.array(data["log_radon"], float)})


def counties(data: Data, name: str, is_centred: bool) -> Any:
    """Return effects of the counties by each house."""
    mean, scale = ppl.Normal(f"mu_{name}", 0, 10), ppl.HalfNormal(f"sigma_{name}", 1)
    if is_centred:
        return ppl.Normal(name, mean, scale, size=data["J"])[index(data, "county_idx")]
    return (mean + scale * ppl.Normal(f"{name}_raw", 0, 1, size=data["J"]))[index(data, "county_idx")]


def radon_intercepts(data: Data, is_centred: bool) -> ppl.Model:
    uranium, floor = numbers(data, "log_uppm", "floor_measure")
    beta = ppl.Normal("beta", 0, 10, size=2)
    return radon(data, counties(data, "alpha", is_centred) + uranium * beta[0] + floor * beta[1])


def radon_slopes(data: Data, is_centred: bool) -> ppl.Model:
    [floor] = numbers(data, "floor_measure")
    return radon(data, ppl.Normal("alpha", 0, 10) + floor * counties(data, "beta", is_centred))


@named("radon_hierarchical_intercept_centered")
def radon_intercepts_centred(data: Data) -> ppl.Model:
    return radon_intercepts(data, is_centred=True)


@named("radon_hierarchical_intercept_noncentered")
def radon_intercepts_raw(data: Data) -> ppl.Model:
    return radon_intercepts(data, is_centred=False)


@named("radon_variable_slope_centered")
def radon_slopes_centred(data: Data) -> ppl.Model:
    return radon_slopes(data, is_centred=True)


@named("radon_variable_slope_noncentered")
def radon_slopes_raw(data: Data) -> ppl.Model:
    return radon_slopes(data, is_centred=False)


@named("logistic_regression_rhs")
def regularised_horseshoe(data: Data) -> ppl.Model:
    d, shape = data["d"], 0.5 * data["slab_df"]
    z = ppl.Normal("z", 0, 1, size=d)
    tau = ppl.HalfStudentT("tau", data["nu_global"], sigma=2 * data["scale_global"])
    local = ppl.HalfStudentT("lambda", data["nu_local"], sigma=1, size=d)
    slab = data["slab_scale"] ** 2 * ppl.InverseGamma("caux", shape, shape)
    beta = z * tau * pt.sqrt(slab * local**2 / (slab + tau**2 * local**2))
    logits = ppl.Normal("beta0", 0, data["scale_icept"]) + np.array(data["x"], float) @ beta
    return ppl.Model({ppl.Bernoulli("y", logit_p=logits): np.array(data["y"], int)})


@named("losscurve_sislob")
def loss_curves(data: Data) -> ppl.Model:
    """Losses of cohorts that grow along a Weibull curve; the other curve of the program is not what these data ask."""
    premium, loss, times = numbers(data, "premium", "loss", "t_value")
    omega, theta = ppl.LogNormal("omega", 0, 0.5), ppl.LogNormal("theta", 0, 0.5)
    grown = 1 - pt.exp(-((times / theta) ** omega))
    ratio = ppl.LogNormal("LR", ppl.Normal("mu_LR", 0, 0.5), ppl.LogNormal("sd_LR", 0, 0.5), size=len(premium))
    cohort = index(data, "cohort_id")
    mean = ratio[cohort] * premium[cohort] * grown[index(data, "t_idx")]
    return ppl.Model({ppl.Normal("loss", mean, ppl.LogNormal("loss_sd", 0, 0.7) * premium[cohort]): loss})


@named("bym2_offset_only")
def accidents(data: Data) -> ppl.Model:
    """Neighbours alike: an intrinsic autoregression by its term, with a soft sum to zero."""
    exposure, count = np.array(data["E"], float), data["N"]
    beta0, sigma, rho = ppl.Normal("beta0", 0, 1), ppl.HalfNormal("sigma", 1), ppl.Beta("rho", 0.5, 0.5)
    theta, phi = ppl.Normal("theta", 0, 1, size=count), ppl.Flat("phi", size=count)
    mixed = pt.sqrt(1 - rho) * theta + pt.sqrt(rho / data["scaling_factor"]) * phi
    smooth = ppl.Potential("smooth", -0.5 * (phi[index(data, "node1")] - phi[index(data, "node2")]) ** 2)
    centred = ppl.Potential("centred", -0.5 * (phi.sum() / (0.001 * count)) ** 2)
    y = ppl.Poisson("y", exposure * pt.exp(beta0 + mixed * sigma))
    return ppl.Model({y: np.array(data["y"], int)}, smooth, centred)


@named("accel_splines")
def accelerations(data: Data) -> ppl.Model:
    """Mean and logarithm of the scale are splines."""

    def spline(suffix: str, location: float, scale: float) -> Any:
        columns, bases = numbers(data, f"Xs{suffix}", f"Zs{suffix}_1_1")
        intercept = ppl.StudentT(f"Intercept{suffix}", 3, location, sigma=scale)
        smooth = ppl.HalfStudentT(f"sds{suffix}_1_1", 3, sigma=36)
        raw = ppl.Normal(f"zs{suffix}_1_1", 0, 1, size=bases.shape[1])
        return intercept + columns @ ppl.Flat(f"bs{suffix}", size=columns.shape[1]) + bases @ (smooth * raw)

    mean, log_scale = spline("", -13, 36), spline("_sigma", 0, 10)
    return ppl.Model({ppl.Normal("Y", mean, pt.exp(log_scale)): np.array(data["Y"], float)})


def squared_exponential(x: Any, variance: Any, length: Any) -> Any:
    return variance * pt.exp(-0.5 * ((x[:, None] - x) / length) ** 2)


@named("hierarchical_gp")
def votes(data: Data) -> ppl.Model:
    """Votes by state and year: effects of both and of regions, and two Gaussian processes of two lengths each."""
    years, num_states, num_regions = np.arange(1.0, data["N_years"] + 1), data["N_states"], data["N_regions"]
    variances = 17 * ppl.Dirichlet("prop_var", np.full(17, 2.0)) * ppl.Gamma("tot_var", 3, 3)
    scales = pt.sqrt(variances)

    def process(what: str, which: int, count: int) -> Any:
        covariance = sum(
            squared_exponential(years, variances[at], ppl.Weibull(f"length_GP_{what}_{kind}", 30, length))
            for at, kind, length in ((which, "long", 8), (which + 2, "short", 3))
        )
        factor = pt.linalg.cholesky(covariance + 1e-6 * np.eye(len(years)))
        return factor @ ppl.Normal(f"GP_{what}_std", 0, 1, size=(len(years), count))

    region, state = process("region", 12, num_regions), process("state", 13, num_states)
    by_year = scales[0] * ppl.Normal("year_std", 0, 1, size=data["N_years_obs"])
    by_region = scales[1] * ppl.Normal("region_std", 0, 1, size=num_regions)
    by_state = scales[2:12][index(data, "state_region_ind")] * ppl.Normal("state_std", 0, 1, size=num_states)
    at_year, at_state, at_region = (index(data, f"{what}_ind") for what in ("year", "state", "region"))
    mean = ppl.Normal("mu", 0.5, 0.5) + by_year[at_year] + by_state[at_state] + by_region[at_region]
    mean = mean + region[at_year, at_region] + state[at_year, at_state]
    return ppl.Model({ppl.Normal("y", mean, scales[16]): np.array(data["y"], float)})


def correlations(name: str, size: int, concentration: float) -> Any:
    """Return a correlation matrix of the law of Lewandowski, Kurowicka and Joe, by its partial correlations."""
    row, column = np.tril_indices(size, -1)
    shape = concentration + (size - 2 - column) / 2
    partial = pt.zeros((size, size))[row, column].set(2 * ppl.Beta(name, shape, shape) - 1)
    left = pt.cumprod(pt.sqrt(1 - partial**2), axis=1)
    factor = (partial + np.eye(size)) * pt.concatenate([pt.ones((size, 1)), left[:, :-1]], axis=1)
    return factor @ factor.T


@named("kronecker_gp")
def grid_of_processes(data: Data) -> ppl.Model:
    """A Gaussian process in one direction of a grid, correlated as it comes in the other."""
    x, y = np.array(data["x1"], float), np.array(data["y"], float)
    variance, sharpness = ppl.LogNormal("var1", 0, 1), ppl.HalfCauchy("bw1", 2.5)
    noise = ppl.LogNormal("sigma1", 0, 1)
    across = correlations("partial", data["n2"], 2.0)
    along = variance * pt.exp(-((x[:, None] - x) ** 2) * sharpness) + 1e-5 * np.eye(len(x))
    values, vectors = pt.linalg.eigh(along)
    others, other_vectors = pt.linalg.eigh(across)
    eigenvalues = others[:, None] * values + noise
    turned = other_vectors.T @ y @ vectors
    term = ppl.Potential("y", -0.5 * (turned**2 / eigenvalues + pt.log(eigenvalues)))
    return ppl.Model(term)


@named("soil_incubation")
def soil(data: Data) -> ppl.Model:
    """Two pools of carbon that feed each other."""
    k1, k2, alpha21, alpha12 = (ppl.HalfNormal(name, 1) for name in ("k1", "k2", "alpha21", "alpha12"))
    gamma, total = ppl.Beta("gamma", 10, 1), data["totalC_t0"]
    pools = ppl.odeint(
        lambda t, c: [-k1 * c[0] + alpha12 * k2 * c[1], alpha21 * k1 * c[0] - k2 * c[1]],
        [gamma * total, (1 - gamma) * total],
        np.array(data["ts"], float),
        start=float(data["t0"]),
    )
    y = ppl.Normal("y", total - pools.sum(axis=1), ppl.HalfCauchy("sigma", 1))
    return ppl.Model({y: np.array(data["eCO2mean"], float)})


@named("state_space_stochastic_level_stochastic_seasonal")
def drivers(data: Data) -> ppl.Model:
    """A level and a season that move, with their first values flat.

    The program's bounds of the level, three standard deviations of the data about their mean, are left out: it never
    comes near them.
    """
    x, w, y = numbers(data, "x", "w", "y")
    sigma = ppl.HalfStudentT("sigma", 4, sigma=1, size=3, transform="ordered")
    level = ppl.GaussianRandomWalk("mu", sigma=sigma[1], init_dist=pm.Flat.dist(), shape=len(y))
    season = ppl.Flat("seasonal", size=len(y))
    year = sum(season[i : len(y) - 11 + i] for i in range(12))
    moves = ppl.Potential("season", -0.5 * (year / sigma[0]) ** 2 - pt.log(sigma[0]))
    mean = level + season + ppl.Flat("beta") * x + ppl.Flat("lambda") * w
    return ppl.Model({ppl.Normal("y", mean, sigma[2]): y}, moves)
