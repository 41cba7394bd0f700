# %% [markdown]
# # Expectation-maximisation from a declared model
#
# EM alternates between expectations over latent variables and maximisation over parameters. Both come from the graph
# of the model: the expectations are the gradient of the log of a sum (or of a law's log-normaliser), and the maximum
# over a parameter is the mode of its full conditional. Nobody tells the library that a model is a Gaussian mixture.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt
from scipy import stats
from scipy.special import logsumexp

import ppl
import samplers

geyser = np.column_stack(list(ppl.datasets.faithful().values()))
rng = np.random.default_rng(1)

# %% [markdown]
# ## A Gaussian mixture with full covariances
#
# Eruptions of Old Faithful, duration and waiting time together. The covariance matrices have no prior: `ppl.Flat`.

# %%
w = ppl.Dirichlet("w", np.ones(2))
mu = ppl.Flat("mu", size=(2, 2))
cov = ppl.Flat("cov", size=(2, 2, 2))
k = ppl.Categorical("k", w, size=len(geyser))
mixture = ppl.Model({ppl.MvNormal("y", mu[k], cov[k]): geyser})
result = samplers.em(mixture, objective="likelihood", restarts=8, seed=1)
print(result)
print("\nwhere each start ended:", result.restarts.round(3))
print("\nThe laws whose modes are taken, as functions of expected counts:\n")
result.dprint()

# %% [markdown]
# `cov` is found from the gradient of the expected log-density at two matrices; its conditional is that of an inverse
# Wishart variable. The 272 rows enter by six nodes: the log-density of a row is a quadratic in two numbers.

# %%
order = result.point["mu"][:, 0].argsort()
long = result.responsibilities["k"][:, order[1]]
fig, axes = plt.subplots(1, 2, figsize=(10, 4))
axes[0].plot(result.trace, ".-")
axes[0].set_xlabel("iteration")
axes[0].set_ylabel("log-likelihood")
points = axes[1].scatter(*geyser.T, c=long, cmap="coolwarm", s=12)
angle = np.linspace(0, 2 * np.pi, 100)
for j in order:
    ellipse = np.linalg.cholesky(result.point["cov"][j]) @ [2 * np.cos(angle), 2 * np.sin(angle)]
    axes[1].plot(*(result.point["mu"][j][:, None] + ellipse), "k", lw=1)
axes[1].set_xlabel("duration, minutes")
axes[1].set_ylabel("waiting, minutes")
fig.colorbar(points, label="probability of a long one")
plt.show()


# %% [markdown]
# ## The same steps by hand


# %%
def by_hand(w, mu, cov, iterations):
    trace = []
    for _ in range(iterations):
        logs = np.stack(
            [np.log(w[j]) + stats.multivariate_normal.logpdf(geyser, mu[j], cov[j]) for j in range(len(w))], axis=1
        )
        trace.append(logsumexp(logs, axis=1).sum())
        r = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        w, mu = r.mean(axis=0), r.T @ geyser / r.sum(axis=0)[:, None]
        centred = geyser[:, None] - mu
        cov = np.einsum("nk,nki,nkj->kij", r, centred, centred) / r.sum(axis=0)[:, None, None]
    return np.array(trace)


start = {
    "w": np.array([0.5, 0.5]),
    "mu": np.array([[2.0, 60.0], [4.0, 70.0]]),
    "cov": np.array([np.diag([1.0, 90.0])] * 2),
}
ours = samplers.em(mixture, objective="likelihood", init=start, max_iterations=8, tolerance=0)
hand = by_hand(**start, iterations=9)
print("largest difference of the log-likelihoods of 8 iterations:", np.abs(ours.trace - hand).max())

# %% [markdown]
# ## Factor analysis
#
# A continuous latent variable is named. Its law given the parameters is normal; the joint log-density is quadratic in
# it. The log-likelihood is that of N(mu, W W' + diag(psi)).

# %%
loadings = rng.normal(size=(6, 1))
scores = rng.normal(size=(200, 1)) @ loadings.T + rng.normal(size=(200, 6)) * rng.uniform(0.4, 1.0, size=6) + 2.0
W, centre, psi = ppl.Flat("W", size=(6, 1)), ppl.Flat("centre", size=6), ppl.HalfFlat("psi", size=6)
z = ppl.Normal("z", 0, 1, size=(200, 1))
factors = ppl.Model({ppl.Normal("y", centre + pt.dot(z, W.T), pt.sqrt(psi)): scores})
fitted = samplers.em(factors, latent=["z"], objective="likelihood", restarts=2, seed=1, max_iterations=3000)
fitted.dprint()
at = fitted.point
exact = stats.multivariate_normal.logpdf(scores, at["centre"], at["W"] @ at["W"].T + np.diag(at["psi"])).sum()
print(f"\nlog-likelihood {fitted.trace[-1]:.9f}, in closed form {exact:.9f}")

# %% [markdown]
# ## Robust regression
#
# Student's t with four degrees of freedom is a normal distribution whose precision has a gamma weight. EM is
# iteratively reweighted least squares, and the mean weights show the outliers.

# %%
X = np.column_stack([np.ones(60), np.linspace(-2, 2, 60)])
line = X @ [1.0, 2.0] + 0.3 * rng.normal(size=60)
line[[10, 40]] += [5.0, -6.0]
b, v = ppl.Flat("b", size=2), ppl.HalfFlat("v")
lam = ppl.Gamma("lam", 2.0, 2.0, size=60)
robust = ppl.Model({ppl.Normal("y", pt.dot(X, b), pt.sqrt(v / lam)): line})
weighted = samplers.em(robust, latent=["lam"], objective="likelihood", seed=1)
print(weighted)
student = stats.t.logpdf(line, 4.0, X @ weighted.point["b"], np.sqrt(weighted.point["v"])).sum()
plt.figure(figsize=(7, 3))
plt.scatter(X[:, 1], line, c=weighted.means["lam"], cmap="viridis")
plt.plot(X[:, 1], X @ weighted.point["b"], "k", lw=1)
plt.colorbar(label="expected weight")
plt.show()

# %% [markdown]
# ## Checks

# %%
# Published for two components of unequal, full covariances (mclust's model VVV): log-likelihood -1130.264.
assert abs(result.trace[-1] + 1130.264) < 2e-3
np.testing.assert_allclose(result.point["mu"][order], [[2.036, 54.479], [4.290, 79.968]], atol=2e-3)
assert np.nanmax(result.restarts) == result.trace[-1]
np.testing.assert_allclose(ours.trace, hand, rtol=1e-10)
assert abs(fitted.trace[-1] - exact) < 1e-7
assert abs(weighted.trace[-1] - student) < 1e-8
assert set(np.argsort(weighted.means["lam"])[:2]) == {10, 40}
for found in (result, fitted, weighted):
    assert found.is_converged
    assert (np.diff(found.trace) >= -1e-9).all()
