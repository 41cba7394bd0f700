# %% [markdown]
# # Evidence, modes and simulators
#
# Particles drawn from the prior go to the posterior through powers of the likelihood, $p(x)\,L(x)^t$ with $t$ from 0 to
# 1, and the mean weights on the way multiply to the evidence $\int p(x)\,L(x)\,dx$ (Del Moral, Doucet and Jasra, 2006,
# *Sequential Monte Carlo samplers*).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt
from scipy import stats

import ppl

rng = np.random.default_rng(1)

# %% [markdown]
# ## Which of two models
#
# Data with a mean, explained by one that has a mean and by one that has none. Both evidences are known: the data are
# Student's t in the one as in the other.

# %%
seen = rng.normal(0.5, 1.0, 40)


def declared(has_mean):
    """Return normal data of unknown variance, around a mean or around zero."""
    variance = ppl.InverseGamma("variance", 3, 3)
    mean = ppl.Normal("mean", 0, (4 * variance) ** 0.5) if has_mean else 0.0
    return ppl.Model({ppl.Normal("y", mean, variance**0.5, size=40): seen})


traces = {
    name: ppl.smc(declared(has_mean), 1000, seed=1, marginalize=False, progress=False)
    for name, has_mean in [("mean", True), ("zero", False)]
}
table = ppl.compare_evidence(traces)
exact = {
    name: stats.multivariate_t(np.zeros(40), np.eye(40) + share, df=6).logpdf(seen)
    for name, share in [("mean", 4.0), ("zero", 0.0)]
}
print(table.round(3))
print(exact)

# %% [markdown]
# ## Modes that no chain goes between
#
# Three modes of different weights, far apart: particles that came from everywhere in the prior know how much each has.

# %%
centres, weights = np.array([[-6.0, 0.0], [5.0, 5.0], [4.0, -6.0]]), np.array([0.2, 0.3, 0.5])
x = ppl.Uniform("x", -10, 10, size=2)
squares = ((x - centres) ** 2).sum(axis=1) / 0.3**2
term = pt.logsumexp(np.log(weights) - 0.5 * squares) - np.log(2 * np.pi * 0.3**2)
modes = ppl.smc(ppl.Model(x, ppl.Potential("modes", term)), 2000, seed=1, progress=False)
points = modes.posterior["x"].to_numpy().reshape(-1, 2)
nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
shares = np.bincount(nearest, minlength=3) / len(points)
print(shares, weights)

# %% [markdown]
# ## A simulator instead of a likelihood
#
# The mean of 20 draws is compared with that of the data, by a kernel whose tolerance falls with the temperature. The
# posterior of each tolerance $\epsilon$ is known here: that of a mean with $\epsilon^2$ added to its variance.

# %%
data = rng.normal(2.0, 1.0, 20)
tolerances = (1.0, 0.2)


def simulate(rng, centre, size):
    """Draw the data for a mean."""
    return rng.normal(centre, 1.0, size=size)


simulated = {}
for tolerance in tolerances:
    centre = ppl.Normal("centre", 0, 5)
    y = ppl.Simulator("y", simulate, centre, summary="mean", epsilon=tolerance, size=20)
    simulated[tolerance] = ppl.smc(ppl.Model({y: data}), 500, seed=1, progress=False)


def posterior(tolerance):
    """Return the exact posterior of the mean."""
    precision = 1 / 25 + 1 / (1 / 20 + tolerance**2)
    return stats.norm(data.mean() / (1 / 20 + tolerance**2) / precision, precision**-0.5)


# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].plot(*points.T, ".", ms=1)
axes[0].set(title="three modes", aspect="equal")
grid = np.linspace(-2, 6, 400)
for tolerance, trace in simulated.items():
    draws = trace.posterior["centre"].to_numpy().ravel()
    axes[1].hist(draws, bins=30, density=True, alpha=0.4, label=f"tolerance {tolerance}")
    axes[1].plot(grid, posterior(tolerance).pdf(grid))
axes[1].set(title="simulated, and exact")
axes[1].legend()
# %% [markdown]
# ## What has to hold
#
# Errors of evidence are those reported; those of shares and means follow from how many of the first particles have
# descendants.

# %%
for name in traces:
    assert abs(table.loc[name, "log_evidence"] - exact[name]) < 3 * table.loc[name, "error"], name
assert table.index[0] == max(exact, key=exact.get)

founders = modes.attrs["num_founders"]
assert (np.abs(shares - weights) < 4 * (weights * (1 - weights) / founders) ** 0.5).all()
log_evidence, error = (modes.attrs[f"log_marginal_likelihood{part}"] for part in ("", "_error"))
assert abs(log_evidence + np.log(400)) < 3 * error

for tolerance, trace in simulated.items():
    draws, known = trace.posterior["centre"].to_numpy(), posterior(tolerance)
    founders = trace.attrs["num_founders"]
    assert abs(draws.mean() - known.mean()) < 4 * known.std() / founders**0.5, tolerance
    assert abs(draws.std() / known.std() - 1) < 4 / (2 * founders) ** 0.5, tolerance
