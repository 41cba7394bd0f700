# %% [markdown]
# # A straight line by NUTS on three backends, and its outliers
#
# The line is parametrised by its angle and its distance from the origin, $y = x \tan\theta + b_\perp / \cos\theta$, so
# that no slope is favoured (Hogg, Bovy and Lang, 2010, *Data analysis recipes: Fitting a model to data*).

# %%
import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt
from scipy import integrate, stats

import ppl

rng = np.random.default_rng(42)
x = np.sort(rng.uniform(0.3, 10, 25))
theta_true, b_true = 1.0, 0.4
y_error = rng.uniform(0.3, 0.9, 25)
y_data = np.tan(theta_true) * x + b_true / np.cos(theta_true) + y_error * rng.standard_normal(25)

theta = ppl.Uniform("theta", -np.pi / 2, np.pi / 2)
b_perp = ppl.Normal("b_perp", 0, 1)
y = ppl.Normal("y", pt.tan(theta) * x + b_perp / pt.cos(theta), y_error)
model = ppl.Model({y: y_data})
print(ppl.plan(model, sampler="nuts"))

# %% [markdown]
# ## Three backends, one posterior
#
# The exact moments come from quadrature in the two dimensions; the runs agree within 4.5 Monte Carlo errors. The
# distance, normal given the angle, could be integrated out, `marginalize=["b_perp"]`, and two numbers are drawn from a
# table of their density by default; here NUTS moves both.


# %%
def log_posterior(t, b):
    line = np.tan(t) * x + b / np.cos(t)
    return stats.norm.logpdf(y_data, line, y_error).sum() + stats.norm.logpdf(b)


traces = {
    backend: ppl.sample(model, draws=500, tune=500, chains=2, seed=1, backend=backend, sampler="nuts", progress=False)
    for backend in ("numba", "c", "jax")
}
centre = {name: float(traces["numba"].posterior[name].mean()) for name in ("theta", "b_perp")}
width = {name: 7 * float(traces["numba"].posterior[name].std()) for name in centre}
top = log_posterior(centre["theta"], centre["b_perp"])


def expectation(g):
    area = (
        centre["b_perp"] - width["b_perp"],
        centre["b_perp"] + width["b_perp"],
        centre["theta"] - width["theta"],
        centre["theta"] + width["theta"],
    )
    return integrate.dblquad(lambda t, b: g(t, b) * np.exp(log_posterior(t, b) - top), *area, epsabs=1e-8)[0]


mass = expectation(lambda t, b: 1.0)
exact = {"theta": expectation(lambda t, b: t) / mass, "b_perp": expectation(lambda t, b: b) / mass}
for backend, trace in traces.items():
    summary = az.summary(trace)
    seconds = trace.attrs["sampling_seconds"] + trace.attrs["tuning_seconds"]
    print(f"{backend:6s} compiled in {trace.attrs['compile_seconds']:5.2f} s, ran in {seconds:6.2f} s")
    for name, value in exact.items():
        draws = trace.posterior[name]
        error = float(draws.std()) / np.sqrt(float(summary.loc[name, "ess_bulk"]))
        print(f"       {name:7s} exact {value:.4f}, found {float(draws.mean()):.4f}, Monte Carlo error {error:.4f}")
        assert abs(float(draws.mean()) - value) < 4.5 * error

# %% [markdown]
# ## Outliers are a declared Bernoulli variable
#
# A fifth of the points is now something else. Each point is given an indicator; it is summed out by itself, and drawn
# back afterwards.

# %%
is_outlier = np.zeros(25, bool)
is_outlier[[3, 8, 14, 19, 22]] = True
y_bad = y_data + is_outlier * np.array([-9, 11, -8, 10, -12])[np.cumsum(is_outlier) - 1]

q = ppl.Beta("q", 1.5, 4)
bad = ppl.Bernoulli("bad", q, size=25)
spread = ppl.HalfNormal("spread", 10)
line = pt.tan(theta) * x + b_perp / pt.cos(theta)
y = ppl.Normal("y", line, pt.switch(bad, pt.sqrt(y_error**2 + spread**2), y_error))
robust = ppl.Model({y: y_bad})
print(ppl.plan(robust))

trace = ppl.sample(robust, draws=1000, tune=1000, chains=4, seed=2, progress=False)
trace = ppl.recover(robust, trace, seed=2)
print(az.summary(trace, var_names=["theta", "b_perp", "q", "spread"]))

# %%
probability = trace.posterior["bad"].mean(("chain", "draw")).to_numpy()
naive = ppl.sample(ppl.Model({ppl.Normal("y", line, y_error): y_bad}), seed=3, progress=False)
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.errorbar(x, y_bad, y_error, fmt="none", color="grey")
points = axis.scatter(x, y_bad, c=probability, cmap="coolwarm", zorder=3)
grid = np.array([0, 10.5])
for name, draws, color in (("all points equal", naive, "tab:orange"), ("with outliers", trace, "black")):
    t, b = (draws.posterior[v].to_numpy().ravel()[::100] for v in ("theta", "b_perp"))
    lines = np.tan(t)[:, None] * grid + (b / np.cos(t))[:, None]
    axis.plot(grid, lines.mean(0), color=color, label=name)
    axis.fill_between(grid, *np.quantile(lines, [0.05, 0.95], axis=0), color=color, alpha=0.2)
figure.colorbar(points, label="probability of being an outlier")
_ = axis.legend()

# %% [markdown]
# ## Checks
#
# The outliers, eight standard deviations and more away, are recognised; the true angle is within four posterior
# standard deviations; the indicator drawn back has the mean of its exact probabilities (4.5 errors of a mean of
# Bernoulli draws).

# %%
assert (probability[is_outlier] > 0.95).all()
assert (probability[~is_outlier] < 0.5).all()
angle = trace.posterior["theta"]
assert abs(float(angle.mean()) - theta_true) < 4 * float(angle.std())
exactly = trace.posterior["bad_probability"].to_numpy()[..., 1]
error = np.sqrt((exactly * (1 - exactly)).sum((0, 1))) / 4000
assert (np.abs(probability - exactly.mean((0, 1))) <= 4.5 * error + 1e-12).all()
