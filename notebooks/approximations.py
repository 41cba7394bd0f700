# %% [markdown]
# # When an approximation is right, and when it says no
#
# `ppl.approximate` fits a distribution $q$ to a posterior $p$ in the place of running chains, and weighs its draws by
# $w = p/q$. Three things are read off the weights: the shape $k$ of their tail, above 0.7 of which they cannot be
# relied on (Vehtari, Simpson, Gelman, Yao and Gabry, 2024, *Pareto smoothed importance sampling*); the share of the
# draws that they are worth, which is $1/(1+\chi^2)$ of the distance of the two distributions; and the evidence
# $\int p$. Here each is held against what is known.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytensor.tensor as pt
from scipy import stats
from scipy.special import logsumexp

import ppl

rng = np.random.default_rng(1)
SAID = ["elbo", "log_evidence_by_weights", "log_evidence_error", "pareto_k", "weights_share"]


def said(**traces):
    """Return what approximations say of themselves, one a row."""
    return pd.DataFrame({name: {key: trace.attrs[key] for key in SAID} for name, trace in traces.items()}).T.round(3)


# %% [markdown]
# ## A normal posterior: right, or too narrow
#
# The slopes of a regression with two covariates that hardly differ. The normal distribution of any covariance is the
# posterior. That of independent variables has its means, and variances that are those of each slope given the other:
# smaller by the factor $1-\rho^2$. The bound lacks $-\frac12\log(1-\rho^2)$, and weights leave a quarter of the draws,
# which is said.

# %%
x = rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, 2))
seen = x @ [1.0, -0.5] + rng.normal(size=60)
slopes = ppl.Normal("slopes", 0, 2, size=2)
line = ppl.Model({ppl.Normal("seen", x @ slopes, 1): seen})
lines = {method: ppl.approximate(line, method, seed=1) for method in ("fullrank", "meanfield")}

precision = np.eye(2) / 4 + x.T @ x
covariance = np.linalg.inv(precision)
exact = stats.multivariate_normal(cov=np.eye(60) + 4 * x @ x.T).logpdf(seen)
rho_squared = covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1])
print(said(**lines).to_string())
print(f"evidence {exact:.3f}, and {exact + 0.5 * np.log(1 - rho_squared):.3f} for independent slopes")

# %% [markdown]
# ## A hierarchy: it says no
#
# Eight schools as they are declared: where the scale $\tau$ of the effects is small they are all alike, and no normal
# distribution is both wide and narrow. Integrate the effects out, and two numbers are left, $\mu$ and $\log\tau$, that
# are nearly normal; the effects are drawn back. The evidence is a sum over a grid of both.

# %%
y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
sigma = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
mu, tau = ppl.Normal("mu", 0, 5), ppl.LogNormal("tau", np.log(5), 1)
theta = ppl.Normal("theta", mu, tau, size=8)
schools = ppl.Model({ppl.Normal("y", theta, sigma): y})
hierarchies = {
    "declared": ppl.approximate(schools, seed=1),
    "integrated": ppl.approximate(schools, marginalize=["theta"], seed=1),
}
print(said(**hierarchies).to_string())
for trace in hierarchies.values():
    print(ppl.diagnose(trace))

taus, mus = np.linspace(0.02, 120, 3000), np.linspace(-25, 30, 150)
spread = np.sqrt(taus[:, None, None] ** 2 + sigma**2)
density = stats.norm.logpdf(y, mus[:, None], spread).sum(axis=2) + stats.norm.logpdf(mus, 0, 5)
density += stats.lognorm.logpdf(taus, 1, scale=5)[:, None]
schools_exact = logsumexp(density) + np.log((taus[1] - taus[0]) * (mus[1] - mus[0]))
of_tau = np.exp(logsumexp(density, axis=1) - logsumexp(density))
mean_of_tau = of_tau @ taus
print(f"evidence {schools_exact:.3f}, mean of tau {mean_of_tau:.2f}")

# %% [markdown]
# ## Two modes: what weights cannot say
#
# A mode that no draw has been near has no weight that could speak: a fit of one normal distribution finds one mode, and
# of that it is right. Twenty paths from different points find both, and what each holds. That its evidence is more by
# $\log 4$ is the only sign.

# %%
two = ppl.Uniform("two", -20, 20)
term = pt.logaddexp(np.log(0.75) - 0.5 * (two + 8) ** 2, np.log(0.25) - 0.5 * (two - 8) ** 2) - 0.5 * np.log(2 * np.pi)
modes = ppl.Model(two, ppl.Potential("modes", term))
found = {
    "fullrank": ppl.approximate(modes, seed=1, init={"two": 6.0}),
    "pathfinder": ppl.approximate(modes, "pathfinder", seed=1),
}
print(said(**found).to_string())
print(f"evidence {-np.log(40):.3f}, and of the right mode alone {np.log(0.25) - np.log(40):.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3))
for method, trace in lines.items():
    axes[0].plot(*trace.posterior["slopes"].to_numpy().reshape(-1, 2).T, ".", ms=1, label=method)
axes[0].set(title="slopes")
for name, trace in hierarchies.items():
    axes[1].hist(
        trace.posterior["tau"].to_numpy().ravel(), bins=np.linspace(0, 40, 60), density=True, alpha=0.5, label=name
    )
axes[1].plot(taus, of_tau / (taus[1] - taus[0]), "k", lw=1)
axes[1].set(title="scale of the schools", xlim=(0, 40))
for name, trace in found.items():
    axes[2].hist(trace.posterior["two"].to_numpy().ravel(), bins=np.linspace(-12, 12, 80), alpha=0.5, label=name)
axes[2].set(title="two modes")
for ax in axes:
    ax.legend()

# %% [markdown]
# ## What has to hold
#
# Errors of means and variances of 4000 independent draws, weighted ones of as many as they are worth.

# %%
draws = {name: trace.posterior["slopes"].to_numpy().reshape(-1, 2) for name, trace in lines.items()}
variances = {"fullrank": np.diag(covariance), "meanfield": 1 / np.diag(precision)}
for name, array in draws.items():
    ratio = array.var(axis=0) / variances[name]
    assert (np.abs(ratio - 1) < 4 * (2 / len(array)) ** 0.5 + 0.05).all(), name
assert abs(lines["fullrank"].attrs["elbo"] - exact) < 1e-3
narrow = lines["meanfield"].attrs
assert abs(narrow["elbo"] - exact - 0.5 * np.log(1 - rho_squared)) < 0.01 + 4 * narrow["elbo_error"]
assert narrow["weights_share"] < 0.9

assert hierarchies["declared"].attrs["pareto_k"] > 0.7
assert not ppl.diagnose(hierarchies["declared"]).is_ok
integrated = hierarchies["integrated"]
assert integrated.attrs["pareto_k"] < 0.7
off = integrated.attrs["log_evidence_by_weights"] - schools_exact
assert abs(off) < 4 * integrated.attrs["log_evidence_error"] + 0.01
log_weights, of_draws = integrated.sample_stats["log_weight"].to_numpy(), integrated.posterior["tau"].to_numpy()
weights = np.exp(log_weights - logsumexp(log_weights))
spread_of_tau = np.sqrt(of_tau @ (taus - mean_of_tau) ** 2)
assert abs((weights * of_draws).sum() - mean_of_tau) < 5 * spread_of_tau / integrated.attrs["weights_ess"] ** 0.5

one, both = found["fullrank"].attrs, found["pathfinder"].attrs
assert one["pareto_k"] < 0.7
assert abs(one["log_evidence_by_weights"] - np.log(0.25 / 40)) < 0.02
assert abs(both["log_evidence_by_weights"] + np.log(40)) < 5 * both["log_evidence_error"] + 0.01
share = float((found["pathfinder"].posterior["two"] < 0).mean())
assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 1000) ** 0.5
