# %% [markdown]
# # Student's t by Gibbs sampling: four conditionals, derived
#
# A t distribution is a normal one with a random variance (Gelman et al., *Bayesian Data Analysis*, chapter 12). With an
# additional scale $\alpha$ the sampler mixes faster:
#
# $$x_i \sim N(\mu, \alpha^2 U_i), \qquad U_i \sim \text{scaled-inverse-}\chi^2(\nu, \tau^2),$$
#
# flat in $\mu$, $\log \alpha$ and $\log \tau$. Only $\sigma^2 = \alpha^2 \tau^2$ is identified; $\alpha$ and $\tau$
# wander.

# %%
import time

import arviz as az
import numpy as np
import pytensor
import pytensor.tensor as pt

import ppl

n, nu = 500, 6.0
data = -3.14 + np.sqrt(30) * np.random.default_rng(1).standard_t(nu, size=n)

mu = ppl.Flat("mu")
alpha2 = ppl.HalfFlat("alpha2")
tau2 = ppl.HalfFlat("tau2")
U = ppl.InverseGamma("U", nu / 2, nu * tau2 / 2, size=n)  # scaled inverse chi-squared (nu, tau2)
x = ppl.Normal("x", mu, pt.sqrt(alpha2 * U))

model = ppl.Model(
    {x: data},
    ppl.Potential("flat_log_alpha", -pt.log(alpha2)),
    ppl.Potential("flat_log_tau", -pt.log(tau2)),
    ppl.Deterministic("sigma2", alpha2 * tau2),
)
plan = ppl.plan(model, sampler="gibbs")
print(plan)

# %% [markdown]
# ## The four laws

# %%
for law in plan.laws.values():
    law.dprint()
    print()

# %% [markdown]
# They are those of the book. At generic values:

# %%
given = {"mu": -2.7, "alpha2": 3.3, "tau2": 7.9, "U": np.random.default_rng(2).gamma(3.0, 2.0, n)}
values = {law.variable: given[name] for name, law in plan.laws.items()}


def parameter(name, which):
    law = plan.laws[name]
    graph = law.parameters[which] if which in law.parameters else getattr(law, which)
    return pytensor.function(list(values), graph, on_unused_input="ignore", mode="FAST_COMPILE")(*values.values())


m, a2, t2, u = given["mu"], given["alpha2"], given["tau2"], given["U"]
np.testing.assert_allclose(parameter("U", "degrees_of_freedom"), nu + 1)
np.testing.assert_allclose(parameter("U", "squared_scale"), (nu * t2 + (data - m) ** 2 / a2) / (nu + 1))
np.testing.assert_allclose(parameter("mu", "variance"), 1 / (1 / (a2 * u)).sum())
np.testing.assert_allclose(parameter("mu", "mean"), (data / u).sum() / (1 / u).sum())
np.testing.assert_allclose(parameter("tau2", "shape"), nu * n / 2)
np.testing.assert_allclose(parameter("tau2", "rate"), nu / 2 * (1 / u).sum())
np.testing.assert_allclose(parameter("alpha2", "degrees_of_freedom"), n)
np.testing.assert_allclose(parameter("alpha2", "squared_scale"), ((data - m) ** 2 / u).mean())

# %% [markdown]
# ## 2000 + 2000 sweeps, and the same loop in NumPy

# %%
sampler = ppl.compile(model, sampler="gibbs")
gibbs = sampler.sample(draws=2000, tune=2000, chains=1, seed=3, progress=False)
run = gibbs.attrs["sampling_seconds"] + gibbs.attrs["tuning_seconds"]
print(f"compiled in {sampler.compile_seconds:.2f} s; 4000 sweeps in {run:.3f} s")


def by_numpy(generator, num_sweeps):
    mu, alpha2, tau2 = 0.0, 1.0, 1.0
    kept = np.empty((num_sweeps, 2))
    for sweep in range(num_sweeps):
        u = (nu * tau2 + (data - mu) ** 2 / alpha2) / generator.chisquare(nu + 1, n)
        precision = (1 / (alpha2 * u)).sum()
        mu = generator.normal((data / (alpha2 * u)).sum() / precision, precision**-0.5)
        tau2 = generator.gamma(nu * n / 2, 2 / (nu * (1 / u).sum()))
        alpha2 = ((data - mu) ** 2 / u).sum() / generator.chisquare(n)
        kept[sweep] = mu, alpha2 * tau2
    return kept


start = time.perf_counter()
by_hand = by_numpy(np.random.default_rng(4), 4000)[2000:]
loop = time.perf_counter() - start
print(f"the loop in NumPy: {loop:.2f} s, {loop / run:.0f} times as long")

# %% [markdown]
# ## The same posterior by NUTS on Student's t
#
# Flat in $\mu$ and $\log \sigma$, no augmentation. The means agree within 4.5 Monte Carlo errors of both runs together.

# %%
mu_t = ppl.Flat("mu")
log_sigma = ppl.Flat("log_sigma")
x_t = ppl.StudentT("x", nu=nu, mu=mu_t, sigma=pt.exp(log_sigma), size=n)
student = ppl.Model({x_t: data}, ppl.Deterministic("sigma2", pt.exp(2 * log_sigma)))
nuts = ppl.sample(student, draws=2000, tune=1000, chains=2, seed=5, sampler="nuts", progress=False)

names = ["mu", "sigma2"]
table = {"Gibbs": az.summary(gibbs, var_names=names), "NUTS": az.summary(nuts, var_names=names)}
for title, summary in table.items():
    print(title, "\n", summary, "\n")
for name in names:
    draws = [trace.posterior[name].to_numpy() for trace in (gibbs, nuts)]
    ess = [float(summary.loc[name, "ess_bulk"]) for summary in table.values()]
    error = np.hypot(*(d.std() / np.sqrt(e) for d, e in zip(draws, ess, strict=True)))
    assert abs(draws[0].mean() - draws[1].mean()) < 4.5 * error, name
    # The loop by hand is autocorrelated like ours: its error is that of as many effective draws.
    column = by_hand[:, names.index(name)]
    assert abs(draws[0].mean() - column.mean()) < 4.5 * np.sqrt(2) * draws[0].std() / np.sqrt(ess[0]), name

# %% [markdown]
# ## Student's t alone
#
# The variances $U_i$ need not be declared. A plan by Gibbs sampling finds that a t likelihood is a normal one given
# gamma distributed weights, checks that these integrate to the model, and draws them afresh in each sweep: they appear
# in the plan and not in the trace. The scale enters as a standard deviation here, flat in $\log \sigma$.

# %%
sigma = ppl.HalfFlat("sigma")
x_s = ppl.StudentT("x", nu=nu, mu=ppl.Flat("mu"), sigma=sigma, size=n)
alone = ppl.Model({x_s: data}, ppl.Potential("flat_log_sigma", -pt.log(sigma)), ppl.Deterministic("sigma2", sigma**2))
plan = ppl.plan(alone, sampler="gibbs")
print(plan)
for law in plan.laws.values():
    print(law)

# %% [markdown]
# Three ways to the same posterior: with the wandering scale $\alpha$ of the book, with the weights that the planner
# found, and by NUTS without any.

# %%
found = ppl.sample(alone, draws=2000, tune=500, chains=2, seed=6, sampler="gibbs", progress=False)
table["weights found"] = az.summary(found, var_names=names)
print(table["weights found"])
for name in names:
    draws = [trace.posterior[name].to_numpy() for trace in (found, nuts)]
    ess = [float(table[which].loc[name, "ess_bulk"]) for which in ("weights found", "NUTS")]
    error = np.hypot(*(d.std() / np.sqrt(e) for d, e in zip(draws, ess, strict=True)))
    assert abs(draws[0].mean() - draws[1].mean()) < 4.5 * error, name

# %% [markdown]
# ## The largest likelihood, by EM from the same laws
#
# EM puts the means of the weights under their law in the place of draws, and modes in the place of the other draws. It
# climbs to the maximum that SciPy finds by its own optimiser.

# %%
from scipy import stats

import samplers

weights = ppl.Gamma("weights", nu / 2, nu / 2, size=n)
mu_m, variance = ppl.Flat("mu"), ppl.HalfFlat("sigma2")
mixture = ppl.Model({ppl.Normal("x", mu_m, pt.sqrt(variance / weights)): data})
fitted = samplers.em(mixture, latent=["weights"], seed=1, tolerance=1e-13, max_iterations=2000)
fitted.dprint()
_, location, scale = stats.t.fit(data, fix_df=nu)
print(f"EM: mu {fitted.point['mu']:.6f}, sigma2 {fitted.point['sigma2']:.6f}; SciPy: {location:.6f}, {scale**2:.6f}")
np.testing.assert_allclose([fitted.point["mu"], fitted.point["sigma2"]], [location, scale**2], rtol=1e-4)
assert (np.diff(fitted.trace) >= -1e-9).all()
