# %% [markdown]
# # A mixture written as `N[I]`, and a thousand random walks on it
#
# Four normal components and an index, in plain PyTensor: nothing else is declared. The joint log-density, the sum over
# the index and the step function are derived from that graph.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt
from scipy import stats
from scipy.special import logsumexp

import graphs
import samplers

weights, loc, scale = np.array([0.2, 0.3, 0.1, 0.4]), np.array([-2, 0, 3.2, 2.5]), np.array([1.2, 1, 5, 2.8])

rng = pt.random.shared_rng(seed=1)
rng, N = rng.normal(loc, scale)
rng, I = rng.categorical(weights)  # noqa: E741
Y = N[I]
graphs.dprint(Y)

# %% [markdown]
# ## Joint and marginal
#
# With a value for the index, the joint log-density; without one, the index is summed out. (A published tutorial gives
# -6.96 for the marginal: it counts the weights twice.)

# %%
joint = graphs.logprob({Y: 10.0, I: 3}).total.eval()
marginal = graphs.logprob({Y: 10.0}).total.eval()
print(joint, marginal)

by_hand = np.log(weights) + stats.norm.logpdf(10.0, loc, scale)
assert abs(joint - by_hand[3]) < 1e-12
assert abs(marginal - logsumexp(by_hand)) < 1e-12
assert abs(joint - -6.452221131239579) < 1e-12
assert abs(marginal - -5.351399349203) < 1e-11

# %% [markdown]
# ## One step function, a thousand chains
#
# The marginal as a function of `y` is a log-density like any other. `samplers.rmh` makes a Metropolis-Hastings step of
# it, as a graph; `chains=1000` puts a first axis on everything.

# %%
logdensity = graphs.logprob({Y: pt.dscalar("y")})
STEP = 6.0
kernel = samplers.rmh(logdensity, scale=STEP, chains=1000)
kernel.dprint(depth=3)

steps = {backend: graphs.compile(kernel, backend=backend) for backend in ("numba", "c", "jax")}
for backend, step in steps.items():
    state, info = step(np.random.default_rng(1), kernel.init({"y": 0.0}))
    print(f"{backend:6s} acceptance rate of the first step {np.mean(info.acceptance_rate):.3f}")


# %% [markdown]
# ## Against NumPy
#
# The same random walk, written by hand and vectorised over chains.


# %%
def numpy_walk(generator, num_steps, chains=1000):
    def log_marginal(y):
        return np.log((weights / scale * np.exp(-0.5 * ((y[:, None] - loc) / scale) ** 2)).sum(1))

    y = np.zeros(chains)
    current = log_marginal(y)
    for _ in range(num_steps):
        proposal = y + STEP * generator.standard_normal(chains)
        proposed = log_marginal(proposal)
        accept = np.log(generator.random(chains)) < proposed - current
        y, current = np.where(accept, proposal, y), np.where(accept, proposed, current)
    return y


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


# 10^4 steps of 1000 chains are 10^7 density evaluations. NumPy and the C backend, both of which return to Python in
# every step, are spared them: their time per step does not change any more.
ALL = (1_000, 10_000)
COUNTS = {"numba": ALL, "jax": ALL, "c": ALL[:1], "NumPy": ALL[:1]}
final, rows = {}, []
for name, counts in COUNTS.items():
    for count in counts:
        if name == "NumPy":
            seconds, y = timed(lambda n=count: numpy_walk(np.random.default_rng(2), n))
        else:
            start = kernel.init({"y": 0.0})
            run = lambda n, b=name, s=start: steps[b].run(np.random.default_rng(2), s, n, thin=n)  # noqa: E731
            run(count if name == "jax" else 10)  # JAX compiles for each number of steps
            seconds, (end, *_) = timed(lambda n=count, f=run: f(n))
            y = end.position["y"]
        final[name] = np.asarray(y)
        rows.append((name, count, seconds))
print(f"{'':6s} {'steps':>7s} {'seconds':>8s} {'ns per chain and step':>22s}")
for name, count, seconds in rows:
    print(f"{name:6s} {count:7d} {seconds:8.2f} {seconds / count / 1000 * 1e9:22.1f}")

# %% [markdown]
# ## The draws have the mixture's distribution
#
# The thousand chains end in a thousand independent draws, so that the largest distance between their distribution and
# the exact one is below 1.95 / sqrt(1000) in 999 of 1000 cases (Kolmogorov).

# %%
grid = np.linspace(-15, 20, 400)


def cdf(y):
    return (weights * stats.norm.cdf(np.asarray(y)[..., None], loc, scale)).sum(-1)


figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(grid, cdf(grid), color="black", label="exact")
for name, y in final.items():
    axis.step(np.sort(y), np.arange(1, 1001) / 1000, label=name, linewidth=0.8)
axis.set(xlabel="y", ylabel="distribution function", xlim=(-10, 12))
axis.legend()

for name, y in final.items():
    assert stats.kstest(y, cdf).statistic < 1.95 / np.sqrt(1000), name
