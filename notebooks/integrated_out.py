# %% [markdown]
# # Continuous variables integrated out
#
# A variable $x$ with a full conditional that is known can leave the model exactly:
# $\log p(\text{rest}) = \log p(x, \text{rest}) - \log p(x \mid \text{rest})$ at any $x$. `ppl.plan` does that by itself
# where it pays; what went is drawn back afterwards, exactly, and stands in the posterior like everything else.

# %%
import warnings

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy import integrate, stats
from scipy.linalg import cho_factor, cho_solve

import ppl

warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", message="Estimated shape parameter")  # the table says so
options = {"draws": 1000, "tune": 500, "chains": 4, "seed": 1, "progress": False}


def ess_of(draws):
    """Return the number of effective draws, at least: of (chains, draws)."""
    return float(az.ess(np.asarray(draws)))


def agrees(draws, exact):
    """Whether the mean of draws is the exact one, within 4.5 Monte Carlo errors."""
    return abs(float(draws.mean()) - exact) < 4.5 * float(draws.std()) / np.sqrt(ess_of(draws))


# %% [markdown]
# ## Eight schools, centred
#
# The funnel that NUTS is bad at (Rubin, 1981, *Estimation in parallel randomized experiments*): $\theta$ and $\mu$ are
# normal together given $\tau$. What is sampled is $\tau$ alone: one number, drawn from a table of its density, without
# trajectories that could diverge.

# %%
effects, errors = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
mu, tau = ppl.Normal("mu", 0, 5), ppl.HalfCauchy("tau", 5)
theta = ppl.Normal("theta", mu, tau, size=8, dims={"school": list("ABCDEFGH")})
schools = ppl.Model({ppl.Normal("y", theta, errors, dims="school"): effects})
schools_sampler = ppl.compile(schools, progress=False)
print(schools_sampler.plan)

# %%
schools_trace = schools_sampler.sample(**options)
print(az.summary(schools_trace))
print(ppl.diagnose(schools_trace))


# %% [markdown]
# The exact posterior is an integral over one number: given $\tau$, the data are normal, and so are $\mu$ and $\theta$.


# %%
def given(t):
    """Return the log-density of the data and tau, and the mean of theta, given tau."""
    covariance = 25.0 + np.diag(t**2 + errors**2)
    mean = (25.0 + np.diag(np.full(8, t**2))) @ np.linalg.solve(covariance, effects)
    return stats.multivariate_normal(np.zeros(8), covariance).logpdf(effects) + stats.halfcauchy(0, 5).logpdf(t), mean


grid = np.concatenate([np.linspace(1e-6, 60, 2001), np.geomspace(60.1, 1e4, 500)])
logs, means = zip(*map(given, grid), strict=True)
weight = np.exp(np.array(logs) - max(logs))
exact_theta = integrate.trapezoid(weight[:, None] * np.array(means), grid, axis=0) / integrate.trapezoid(weight, grid)
draws = schools_trace.posterior
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].hist(draws.tau.to_numpy().ravel(), bins=np.linspace(0, 25, 60), density=True, alpha=0.5)
axes[0].plot(grid[grid < 25], (weight / integrate.trapezoid(weight, grid))[grid < 25])
axes[0].set(xlabel=r"$\tau$", title="sampled, and by quadrature")
axes[1].plot(draws.theta.sel(school="A").to_numpy().ravel(), np.log(draws.tau.to_numpy().ravel()), ".", ms=1)
axes[1].set(xlabel=r"$\theta_A$, drawn back", ylabel=r"$\log\tau$", title="the funnel, to its bottom")
# %% [markdown]
# ## A mixed model, and groups left out
#
# Intercepts and slopes of 30 groups, a regression that they share. All of it is normal together, and goes as far as
# that pays: a gradient may become some times dearer, no more. The table says what went;
# `marginalize=["beta", "u", "v"]` would take all. For leave-one-out over *groups* the effects of each are integrated
# out of its own likelihood, however they were drawn.

# %%
rng = np.random.default_rng(2)
group = np.repeat(np.arange(30), 8)
x = rng.normal(size=240)
response = 1.0 + 0.5 * x + rng.normal(0, 0.8, 30)[group] + rng.normal(0, 0.3, 30)[group] * x + rng.normal(0, 0.6, 240)

scales = {name: ppl.HalfNormal(name, 1) for name in ("between", "slopes", "noise")}
beta = ppl.Normal("beta", 0, 3, size=2)
u = ppl.Normal("u", 0, scales["between"], size=30, dims="group")
v = ppl.Normal("v", 0, scales["slopes"], size=30, dims="group")
outcome = ppl.Normal("outcome", beta[0] + u[group] + (beta[1] + v[group]) * x, scales["noise"], dims="row")
mixed = ppl.Model({outcome: response})
mixed_sampler = ppl.compile(mixed, sampler=dict.fromkeys(scales, "nuts"), progress=False)
print(mixed_sampler.plan)

# %%
mixed_trace = mixed_sampler.sample(**options)
mixed_trace = ppl.log_likelihood(mixed, mixed_trace, integrated=True)
print(az.summary(mixed_trace, var_names=["beta", "between", "slopes", "noise"]))
print(az.loo(mixed_trace))

# %% [markdown]
# One number of these, by hand: the density of the eight rows of group 3 given one draw of the rest.

# %%
row = mixed_trace.posterior.isel(chain=2, draw=17)
rows = group == 3
covariance = (
    float(row.between) ** 2 + float(row.slopes) ** 2 * np.outer(x[rows], x[rows]) + float(row.noise) ** 2 * np.eye(8)
)
line = float(row.beta[0]) + float(row.beta[1]) * x[rows]
by_hand = stats.multivariate_normal(line, covariance).logpdf(response[rows])
by_graph = float(mixed_trace.log_likelihood.outcome.isel(chain=2, draw=17, group=3))
print(by_hand, by_graph)

# %% [markdown]
# ## A random walk with noise: the Kalman filter, unasked
#
# 200 steps of a level are one sparse normal law; its integral is what a Kalman filter computes.

# %%
length = 200
walk = np.cumsum(rng.normal(0, 0.3, length)) + rng.normal(0, 1, length)
step, jitter = ppl.HalfNormal("step", 1), ppl.HalfNormal("jitter", 1)
level = ppl.GaussianRandomWalk("level", 0, step, init_dist=pm.Normal.dist(0, 5), steps=length - 1)
space = ppl.Model({ppl.Normal("seen", level, jitter): walk})
space_sampler = ppl.compile(space, sampler={"step": "nuts", "jitter": "nuts"}, progress=False)
print(space_sampler.plan)


# %%
def kalman(step, jitter):
    """Return the log-likelihood of the walk, its level filtered forwards."""
    mean, variance, total = 0.0, 25.0, 0.0
    for y in walk:
        spread = variance + jitter**2
        total += stats.norm.logpdf(y, mean, np.sqrt(spread))
        gain = variance / spread
        mean, variance = mean + gain * (y - mean), variance * (1 - gain) + step**2
    return total


left = space_sampler.plan.natural
points = [(0.3, 1.0), (1.2, 0.4), (0.01, 2.0)]
filtered, derived = [], []
for s, j in points:
    prior = stats.halfnorm.logpdf([s, j]).sum()
    filtered.append(kalman(s, j) + prior)
    derived.append(float(left.total.eval({left.values["step"]: s, left.values["jitter"]: j}, mode="FAST_COMPILE")))
print(np.column_stack([filtered, derived]))

space_trace = space_sampler.sample(**options)
band = np.quantile(space_trace.posterior["level"].to_numpy().reshape(-1, length), [0.05, 0.5, 0.95], axis=0)
figure, axis = plt.subplots(figsize=(9, 3))
axis.plot(walk, ".", ms=3)
axis.fill_between(np.arange(length), band[0], band[2], alpha=0.3)
axis.plot(band[1])
axis.set(xlabel="time", title="the level, drawn back: median and 90%")
# %% [markdown]
# ## A Gaussian process by its latent values
#
# The function `f` at 25 points is declared, with its covariance matrix; the marginal likelihood of the textbook comes
# of it, and `f` is drawn back. Here it is named: what is named is integrated out whatever a gradient takes then.

# %%
place = np.linspace(0, 10, 25)
curve = np.sin(place) + rng.normal(0, 0.3, 25)
extent, height, error = ppl.InverseGamma("extent", 3, 3), ppl.HalfNormal("height", 2), ppl.HalfNormal("error", 1)
distance = (place[:, None] - place) ** 2
kernel = height**2 * pt.exp(-0.5 * distance / extent**2) + 1e-6 * np.eye(25)
f = ppl.MvNormal("f", np.zeros(25), kernel)
process = ppl.Model({ppl.Normal("curve", f, error): curve})
process_sampler = ppl.compile(process, marginalize=["f"], sampler="nuts", progress=False)
print(process_sampler.plan)

# %%
process_trace = process_sampler.sample(**options)
print(az.summary(process_trace, var_names=["extent", "height", "error"]))


def smoothed(extent, height, error):
    """Return the mean of the function given the data, and the log-likelihood."""
    covariance = height**2 * np.exp(-0.5 * distance / extent**2) + 1e-6 * np.eye(25)
    noisy = covariance + error**2 * np.eye(25)
    likelihood = stats.multivariate_normal(np.zeros(25), noisy).logpdf(curve)
    return covariance @ cho_solve(cho_factor(noisy), curve), likelihood


left = process_sampler.plan.natural
at = {"extent": 1.3, "height": 0.9, "error": 0.35}
textbook = smoothed(**at)[1] + stats.invgamma(3, scale=3).logpdf(1.3)
textbook += stats.halfnorm(0, 2).logpdf(0.9) + stats.halfnorm.logpdf(0.35)
at_values = {left.values[name]: value for name, value in at.items()}
derived_process = float(left.total.eval(at_values, mode="FAST_COMPILE"))
scales_drawn = process_trace.posterior.isel(draw=slice(None, None, 10))
flat = zip(*(scales_drawn[n].to_numpy().ravel() for n in ("extent", "height", "error")), strict=True)
averaged = np.mean([smoothed(*values)[0] for values in flat], axis=0)
drawn_back = process_trace.posterior.f.mean(("chain", "draw")).to_numpy()
spread_of_f = process_trace.posterior.f.std(("chain", "draw")).to_numpy()

# %% [markdown]
# ## What has to hold

# %%
for number, school in enumerate("ABCDEFGH"):
    assert agrees(draws.theta.sel(school=school), exact_theta[number]), school
assert {*schools_trace.sample_stats} == {"lp", "acceptance_rate"}
assert ppl.diagnose(schools_trace).is_ok

assert mixed_trace.log_likelihood.outcome.dims == ("chain", "draw", "group")
assert np.isclose(by_hand, by_graph, rtol=1e-9)

assert np.allclose(filtered, derived, rtol=1e-9)

assert np.isclose(textbook, derived_process, rtol=1e-8)
# A mean over 400 independent draws each of an eleventh of a standard deviation.
assert np.all(np.abs(drawn_back - averaged) < 0.25 * spread_of_f)
