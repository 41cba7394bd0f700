# %% [markdown]
# # Gibbs sampling from nothing but a density
#
# A popular example of Gibbs sampling (it compares programming languages) has the density
#
# $$f(x, y) \propto x^2 \exp(-x y^2 - y^2 + 2 y - 4 x), \qquad x > 0,$$
#
# and its two full conditionals are always given by hand, in most versions wrongly: a rate is used as a scale, a
# standard deviation is off. Here only the density is given.

# %%
import time

import arviz as az
import numpy as np
import pytensor.tensor as pt
from scipy import integrate

import graphs
import ppl
import samplers

density = ppl.Density(
    lambda x, y: 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x,
    support={"x": "positive", "y": "real"},
)
model = ppl.Model(density)
plan = ppl.plan(model, sampler="gibbs")
print(plan)

# %% [markdown]
# ## The conditionals, derived

# %%
for law in plan.laws.values():
    print(law)
x, y = plan.laws["x"].variable, plan.laws["y"].variable
for value in (-1.3, 0.4, 2.2):
    shape, rate = plan.laws["x"].parameters["shape"], plan.laws["x"].parameters["rate"]
    assert float(shape.eval()) == 3
    assert abs(float(rate.eval({y: value})) - (value**2 + 4)) < 1e-12
for value in (0.3, 1.7, 4.1):
    mean, variance = plan.laws["y"].parameters["mean"], plan.laws["y"].parameters["variance"]
    assert abs(float(mean.eval({x: value})) - 1 / (1 + value)) < 1e-12
    assert abs(float(variance.eval({x: value})) - 1 / (2 * (1 + value))) < 1e-12

# %% [markdown]
# ## A step function of its own
#
# 20,000 draws, 200 sweeps apart: the size of the published comparison. `dprint` shows the sweep that runs.

# %%
kernel = samplers.gibbs(list(plan.laws.values()))
kernel.dprint()

step = graphs.compile(kernel, backend="numba")
state = kernel.init({"x": 1.0, "y": 0.5})
step.run(np.random.default_rng(0), state, 10)
start = time.perf_counter()
state, draws, info = step.run(np.random.default_rng(1), state, 20_000 * 200, thin=200)
seconds = time.perf_counter() - start
print(f"20,000 x 200 sweeps in {seconds:.2f} s: {seconds / 4e6 * 1e9:.0f} ns a sweep")


# %%
def by_numpy(generator, num_sweeps):
    x = 1.0
    for _ in range(num_sweeps):
        y = generator.normal(1 / (1 + x), np.sqrt(1 / (2 * (1 + x))))
        x = generator.gamma(3, 1 / (y**2 + 4))
    return x


start = time.perf_counter()
by_numpy(np.random.default_rng(1), 20_000)
print(f"the loop in NumPy: {(time.perf_counter() - start) / 20_000 * 1e9:.0f} ns a sweep")

# %% [markdown]
# ## Moments against quadrature
#
# 200 sweeps apart the draws are independent as far as can be seen, so that the Monte Carlo error of a mean is
# sd / sqrt(20000); 4.5 of them are exceeded once in 150,000 cases.


# %%
def f(y, x):
    return x**2 * np.exp(-x * y**2 - y**2 + 2 * y - 4 * x)


def expectation(g):
    above, _ = integrate.dblquad(lambda y, x: g(x, y) * f(y, x), 0, 15, -8, 8, epsabs=1e-10)
    return above / constant


constant, _ = integrate.dblquad(f, 0, 15, -8, 8, epsabs=1e-10)
xs, ys = draws["x"], draws["y"]
moments = {"x": lambda x, y: x, "y": lambda x, y: y, "x^2": lambda x, y: x**2, "x y": lambda x, y: x * y}
for name, g in moments.items():
    exact, found = expectation(g), g(xs, ys)
    error = found.std() / np.sqrt(len(found))
    print(f"E[{name}]: exact {exact:.5f}, found {found.mean():.5f}, Monte Carlo error {error:.5f}")
    assert abs(found.mean() - exact) < 4.5 * error
efficiency = float(az.ess(az.convert_to_dataset({"x": xs[None]}))["x"]) / len(xs)
assert efficiency > 0.8  # effective draws per draw

# %% [markdown]
# `ppl.sample` runs the same laws as a model, with the result in ArviZ's format.

# %%
trace = ppl.sample(model, draws=4000, tune=200, chains=2, seed=1, sampler="gibbs", progress=False)
summary = az.summary(trace)
print(summary)
ess = float(summary.loc["x", "ess_bulk"])
assert abs(float(trace.posterior["x"].mean()) - expectation(moments["x"])) < 4.5 * xs.std() / np.sqrt(ess)

# %% [markdown]
# ## Wrong laws do not pass
#
# Before a law is used, the log-density less that of the law is evaluated at random points; it must not depend on the
# variable. The mistakes of the published versions are found out, and so is one in the fourth decimal.

# %%
from graphs.conditional import Gamma, Normal, find_discrepancy

total, supports = plan.natural.logdensity.total, plan.natural.logdensity.supports
right = {name: law.parameters for name, law in plan.laws.items()}
wrong = {
    "a rate used as a scale": Gamma(x, {**right["x"], "rate": 1 / right["x"]["rate"]}),
    "a variance used as a standard deviation": Normal(y, {**right["y"], "variance": right["y"]["variance"] ** 2}),
    "a variance of 1 / (1 + x)": Normal(y, {**right["y"], "variance": 2 * right["y"]["variance"]}),
    "a shape of 3.0001": Gamma(x, {**right["x"], "shape": right["x"]["shape"] + 1e-4}),
}
for law in plan.laws.values():
    assert find_discrepancy(total, law, supports) is None
for mistake, law in wrong.items():
    print(f"{mistake}: {find_discrepancy(total, law, supports)}")
    assert find_discrepancy(total, law, supports) is not None

# %% [markdown]
# ## Other orders, other steps
#
# A sweep may go through its laws in a given or in a random order, and some variables may move by other steps: here x by
# slice sampling, y from its law. All leave the same distribution invariant.

# %%
shuffled = graphs.compile(samplers.gibbs(list(plan.laws.values()), order="random"), backend="numba")
_, in_random_order, _ = shuffled.run(np.random.default_rng(2), state, 20_000 * 20, thin=20)
mixed = ppl.sample(
    model, draws=20_000, tune=500, chains=2, seed=1, sampler={"x": "slice", "y": "gibbs"}, progress=False
)
print(ppl.plan(model, sampler={"x": "slice", "y": "gibbs"}))
exact = expectation(moments["x"])
for title, values in (("random order", in_random_order["x"][None]), ("x by slices", mixed.posterior["x"].to_numpy())):
    effective = float(az.ess(az.convert_to_dataset({"x": values}))["x"])
    print(f"{title}: E[x] exact {exact:.5f}, found {values.mean():.5f}")
    assert abs(values.mean() - exact) < 4.5 * xs.std() / np.sqrt(effective)
