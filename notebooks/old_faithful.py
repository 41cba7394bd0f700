# %% [markdown]
# # Old Faithful: a mixture is an index
#
# Waiting times between 272 eruptions of the geyser (Azzalini and Bowman, 1990) come in two kinds. We declare the model
# as we think of it: each waiting time has a kind, `k`. Nobody sums over `k` by hand.

# %%
import time
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import ppl

eruptions, waiting = ppl.datasets.faithful().values()
# The published sums: the table is complete.
assert len(waiting) == 272
assert waiting.sum() == 19284
assert round(eruptions.sum(), 3) == 948.677

# %% [markdown]
# ## The model

# %%
w = ppl.Dirichlet("w", np.ones(2))
mu = ppl.Normal("mu", 70, 20, size=2, transform="ordered")
sigma = ppl.HalfNormal("sigma", 10, size=2)
k = ppl.Categorical("k", w, size=272)
y = ppl.Normal("y", mu[k], sigma[k])  # a mixture is an index: no Mixture class

model = ppl.Model({y: waiting})
print("The graph of the model\n")
model.dprint()

# %% [markdown]
# ## The plan: what will run, and why

# %%
plan = ppl.plan(model)
print("\nThe plan\n")
print(plan)

# %% [markdown]
# ## Sampling

# %%
sampler = ppl.compile(model)
start = time.perf_counter()
trace = sampler.sample(draws=1000, tune=1000, chains=4, seed=1)
seconds = time.perf_counter() - start
summary = az.summary(trace)
print("\nPosterior\n")
print(summary)
run = trace.attrs["sampling_seconds"] + trace.attrs["tuning_seconds"]
ess = float(summary["ess_bulk"].astype(float).min())
print(f"\ncompiled in {sampler.compile_seconds:.2f} s; sampled in {seconds:.2f} s, of which {run:.2f} s in the chains;")
print(f"{trace.attrs['num_gradients']:,} gradients; at least {ess / run:,.0f} effective samples per second")

# %% [markdown]
# ## The memberships, drawn back

# %%
trace = ppl.recover(model, trace, seed=1)
membership = trace.posterior["k_probability"].mean(("chain", "draw")).to_numpy()[:, 1]
print(f"\n{(membership > 0.5).sum()} of 272 waiting times belong to the longer kind, {membership.sum():.1f} expected")

# %% [markdown]
# ## Two plots

# %%
folder = Path.cwd() / "demo" if "__file__" in globals() else None
posterior = trace.posterior
grid = np.linspace(40, 100, 300)
parts = [
    float(posterior["w"][..., i].mean())
    * stats.norm.pdf(grid, float(posterior["mu"][..., i].mean()), float(posterior["sigma"][..., i].mean()))
    for i in range(2)
]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
axes[0].hist(waiting, bins=30, density=True, color="lightgrey")
axes[0].plot(grid, sum(parts), color="black")
for part in parts:
    axes[0].plot(grid, part, linestyle="--")
axes[0].set(xlabel="waiting time (minutes)", ylabel="density", title="The mixture at the posterior means")
points = axes[1].scatter(eruptions, waiting, c=membership, cmap="coolwarm", s=14)
axes[1].set(xlabel="duration of the eruption (minutes)", ylabel="waiting time (minutes)", title="Recovered memberships")
figure.colorbar(points, ax=axes[1], label="probability of the longer kind")
if folder:
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / "mixture.png", dpi=120)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
for axis, name in zip(axes, ("w", "mu", "sigma"), strict=True):
    for i in range(2):
        axis.plot(posterior[name][0, :, i], linewidth=0.5)
    axis.set(title=name, xlabel="draw of the first chain")
if folder:
    figure.savefig(folder / "chains.png", dpi=120)
    print(f"\nplots: {folder.name}/mixture.png and {folder.name}/chains.png in {Path.cwd()}")

# %% [markdown]
# ## Checks
#
# The maximum-likelihood fit of this mixture is published (for example in the manual of R's `mixtools`: weights .361 and
# .639, means 54.61 and 80.09, standard deviations 5.87 and 5.87). With 272 observations and weak priors the posterior
# means lie within a posterior standard deviation of it.

# %%
published = {"w": (0.361, 0.639), "mu": (54.61, 80.09), "sigma": (5.87, 5.87)}
for name, values in published.items():
    for i, value in enumerate(values):
        draws = posterior[name][..., i]
        assert abs(float(draws.mean()) - value) < float(draws.std()), name
assert summary["r_hat"].astype(float).max() <= 1.01
assert ess > 400
assert int(trace.sample_stats["diverging"].sum()) == 0
# The marginal probabilities are Bayes' rule at each draw.
first = posterior.isel(chain=0, draw=0)
weights = first["w"].to_numpy() * stats.norm.pdf(waiting[:, None], first["mu"].to_numpy(), first["sigma"].to_numpy())
np.testing.assert_allclose(first["k_probability"], weights / weights.sum(1, keepdims=True), rtol=1e-9)
