# %% [markdown]
# # Discrete latent variables are summed out by themselves
#
# Declare indices, indicators, counts and chains as you think of them. Whatever has finitely many states is summed out
# of the joint density exactly; `ppl.plan` says how and what it costs; `ppl.recover` draws it back. One model of each
# kind:
#
# 1. an index shared by groups of rows, 2. occupancy of sites with several visits, 3. a hidden Markov chain,
# 4. a changepoint, 5. counts with a bound, 6. missing labels, 7. a network of diagnoses, 8. what is left to Gibbs.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt

import graphs
import ppl

rng = np.random.default_rng(1)
quiet = {"draws": 1000, "tune": 1000, "chains": 4, "seed": 1, "target_accept": 0.9, "progress": False}

# %% [markdown]
# ## 1. An index shared by groups
#
# Eighty classes of different sizes are of one of three kinds; the pupils of a class share its kind. The rows of a class
# are added up before the three kinds are summed over.

# %%
sizes = rng.integers(3, 9, size=80)
group = np.repeat(np.arange(80), sizes)
kind = rng.choice(3, size=80, p=[0.5, 0.3, 0.2])
score = rng.normal(np.array([40.0, 55.0, 70.0])[kind][group], 8.0)

w = ppl.Dirichlet("w", np.ones(3))
mu = ppl.Normal("mu", 55, 20, size=3, transform="ordered")
sigma = ppl.HalfNormal("sigma", 10)
k = ppl.Categorical("k", w, size=80)
classes = ppl.Model({ppl.Normal("score", mu[k[group]], sigma): score})
print(ppl.plan(classes))

# %%
trace = ppl.recover(classes, ppl.sample(classes, **quiet), seed=1)
probability = trace.posterior["k_probability"].mean(("chain", "draw")).to_numpy()
right = (probability.argmax(axis=1) == kind).mean()
print(f"kind recovered for {right:.0%} of the classes")
per_class = ppl.log_likelihood(classes, trace).log_likelihood["score"]
print("the pointwise log-likelihood has one number per class:", per_class.shape)

# %% [markdown]
# ## 2. Occupancy
#
# A species that lives at a site is found at a visit with probability p; at other sites never. Sites where it was never
# seen may still be occupied: the sum over `z` knows how likely that is.

# %%
lives = rng.uniform(size=120) < 0.6
seen = (rng.uniform(size=(120, 5)) < 0.35) & lives[:, None]

psi, p = ppl.Beta("psi", 1, 1), ppl.Beta("p", 1, 1)
z = ppl.Bernoulli("z", psi, size=120)
occupancy = ppl.Model({ppl.Bernoulli("seen", (z * p)[:, None], size=(120, 5)): seen.astype(int)})
trace_occupancy = ppl.recover(occupancy, ppl.sample(occupancy, **quiet), seed=1)
posterior = trace_occupancy.posterior
never = ~seen.any(axis=1)
found = posterior["z_probability"][..., 1].mean(("chain", "draw")).to_numpy()
print(f"seen at {seen.any(axis=1).mean():.0%} of the sites; psi = {float(posterior['psi'].mean()):.2f}")
# Bayes' rule, draw by draw: an unseen site is occupied with probability psi q^5 / (psi q^5 + 1 - psi).
miss = posterior["psi"] * (1 - posterior["p"]) ** 5
by_hand = float((miss / (miss + 1 - posterior["psi"])).mean())
print(f"occupied although never seen: {found[never].mean():.4f}, by hand {by_hand:.4f}")

# %% [markdown]
# ## 3. A hidden Markov chain
#
# The durations of Old Faithful's eruptions, in their order: after a short one comes a long one. The chain is summed out
# by the forward recursion; the same model written with `pytensor.scan` or as a Python loop gives the same density.

# %%
durations = ppl.datasets.faithful()["eruption_minutes"]
T = len(durations)
P = ppl.Dirichlet("P", np.ones((2, 2)))
level = ppl.Normal("level", 3.5, 1, size=2, transform="ordered")
spread = ppl.HalfNormal("spread", 1, size=2)
s = ppl.MarkovChain("s", P, steps=T)
chain = ppl.Model({ppl.Normal("duration", level[s], spread[s]): durations})
print(ppl.plan(chain))

# %%
trace_chain = ppl.recover(chain, ppl.sample(chain, **quiet), seed=1, most_probable=True)
posterior = trace_chain.posterior
print("transitions\n", posterior["P"].mean(("chain", "draw")).to_numpy().round(2))

loop = [ppl.Bernoulli("s0", 0.5)]
for t in range(1, 60):
    loop.append(ppl.Categorical(f"s{t}", P[loop[-1]]))
written_out = ppl.Model({ppl.Normal(f"y{t}", level[x], spread[x]): durations[t] for t, x in enumerate(loop)})
x = ppl.MarkovChain("x", P, steps=60)
a = graphs.logprob(ppl.Model({ppl.Normal("first", level[x], spread[x]): durations[:60]}))
b = graphs.logprob(written_out)
at = {"P": np.array([[0.1, 0.9], [0.6, 0.4]]), "level": np.array([2.0, 4.3]), "spread": np.array([0.3, 0.4])}
same = [float(lp.total.eval({lp.values[n]: v for n, v in at.items()}, mode="FAST_COMPILE")) for lp in (a, b)]
print("a chain of 60 steps, and 60 variables in a loop:", same)

# %%
fig, axes = plt.subplots(2, 1, figsize=(9, 4), sharex=True)
axes[0].plot(durations[:80], "k.-", lw=0.5)
axes[0].set_ylabel("minutes")
smoothed = posterior["s_probability"][..., 1].mean(("chain", "draw"))
axes[1].plot(smoothed[:80], label="probability of a long one")
axes[1].plot(posterior["s_most_probable"][0, 0, :80], ".", label="most probable path (one draw)")
axes[1].legend(loc="center right")
axes[1].set_xlabel("eruption")
plt.show()

# %% [markdown]
# ## 4. A changepoint
#
# Disasters in British coal mines per year, 1851-1962 (Jarrett 1979). Carlin, Gelfand and Smith (1992) found the change
# about 1890, from three a year to one.

# %%
disasters = np.array([
    4, 5, 4, 1, 0, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5, 2, 2, 3, 4, 2, 1,
    3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0,
    1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
])  # fmt: skip
years = np.arange(1851, 1963)
tau = ppl.DiscreteUniform("tau", 1851, 1962)
early, late = ppl.Exponential("early", 1), ppl.Exponential("late", 1)
mines = ppl.Model({ppl.Poisson("disasters", pt.switch(years <= tau, early, late)): disasters})
trace_mines = ppl.recover(mines, ppl.sample(mines, **quiet), seed=1)
posterior = trace_mines.posterior
year = posterior["tau_probability"].mean(("chain", "draw")).to_numpy()
rates = [float(posterior[n].mean()) for n in ("early", "late")]
print(f"last year of the early rate: {int(years[int(year.argmax())])}; rates {rates[0]:.2f}, {rates[1]:.2f}")
fig, ax = plt.subplots(figsize=(9, 2.5))
ax.bar(years, disasters, color="0.8")
ax.bar(years, 10 * year, color="C3", width=0.5)
ax.set_ylabel("disasters; 10 x probability")
plt.show()

# %% [markdown]
# ## 5. Counts with a bound
#
# Each of the animals at a site is counted with probability q; how many there are, out of 60 that the land can feed, is
# summed out.

# %%
animals = rng.poisson(12, size=30)
counts = rng.binomial(animals[:, None], 0.6, size=(30, 4))
q = ppl.Beta("q", 1, 1)
N = ppl.Binomial("N", 60, ppl.Beta("fed", 1, 1), size=30)
counting = ppl.Model({ppl.Binomial("counts", N[:, None], q, size=(30, 4)): counts})
trace_counting = ppl.recover(counting, ppl.sample(counting, **quiet), seed=1)
estimated = trace_counting.posterior["N"].mean(("chain", "draw")).to_numpy()
found_share = float(trace_counting.posterior["q"].mean())
print(f"q = {found_share:.2f}; correlation with the truth {np.corrcoef(estimated, animals)[0, 1]:.2f}")

# %% [markdown]
# ## 6. Missing labels
#
# Masked labels are discrete latent variables like any other: two thirds of the labels are unknown, and the
# classification is semi-supervised without a word about it.

# %%
label = rng.integers(0, 2, size=150)
feature = rng.normal(1.5 * label, 1.0)
labels = np.ma.masked_array(label, rng.uniform(size=150) < 2 / 3)
share = ppl.Beta("share", 1, 1)
c = ppl.Bernoulli("c", share, size=150)
centre = ppl.Normal("centre", 0, 2, size=2)
supervised = ppl.Model({c: labels, ppl.Normal("feature", centre[c], 1.0): feature})
print(ppl.plan(supervised))
trace_labels = ppl.sample(supervised, **quiet)
print("centres", trace_labels.posterior["centre"].mean(("chain", "draw")).to_numpy().round(2))

# %% [markdown]
# ## 7. A network
#
# Pearl's burglary alarm: with everything summed out, the log-probability of what is observed answers any query.

# %%
burglary = ppl.Bernoulli("burglary", 0.001)
quake = ppl.Bernoulli("quake", 0.002)
table = pt.constant(np.array([[0.001, 0.29], [0.94, 0.95]]))
alarm = ppl.Bernoulli("alarm", table[burglary, quake])
john = ppl.Bernoulli("john", pt.switch(alarm, 0.90, 0.05))
mary = ppl.Bernoulli("mary", pt.switch(alarm, 0.70, 0.01))


def log_evidence(**given):
    names = {"burglary": burglary, "john": john, "mary": mary}
    return float(graphs.logprob({names[n]: v for n, v in given.items()}).total.eval())


answer = np.exp(log_evidence(burglary=1, john=1, mary=1) - log_evidence(john=1, mary=1))
print(f"P(burglary | both call) = {answer:.4f}")

# %% [markdown]
# ## 8. What is left
#
# Counts without a bound have infinitely many states, and a grid of 20 x 20 tied spins too many joint ones. The plan
# says so and draws these, and only these, from their full conditionals: the grid like a chessboard, the count within
# windows of values. The mixture beside them is still summed out.

# %%
grid = ppl.Bernoulli("grid", 0.5, size=(20, 20))
spin = 2 * grid - 1
ties = ppl.Potential("ties", 0.3 * ((spin[1:] * spin[:-1]).sum() + (spin[:, 1:] * spin[:, :-1]).sum()))
events = ppl.Poisson("events", 3.0)
kinds = ppl.Categorical("kinds", [0.3, 0.7], size=50)
places = ppl.Normal("places", 0, 3, size=2)
mixed = ppl.Model(
    {
        ppl.Normal("image", 1.0 * spin, 1.5): rng.normal(size=(20, 20)),
        ppl.Normal("reading", 1.0 * events, 1.0): 4.2,
        ppl.Normal("x", places[kinds], 1.0): rng.normal(size=50),
    },
    ties,
)
print(ppl.plan(mixed))

# %% [markdown]
# ## Checks

# %%
assert right > 0.9
assert per_class.shape == (4, 1000, 80)
# Both are averages of the same function over the same draws.
assert abs(found[never].mean() - by_hand) < 1e-9
assert abs(same[0] - same[1]) < 1e-8
assert int(years[int(year.argmax())]) in (1890, 1891)
# Posterior means of the exact conjugate analysis are 3.05 and 0.92; the Monte Carlo error is below 0.01.
assert abs(rates[0] - 3.05) < 0.06
assert abs(rates[1] - 0.92) < 0.04
assert np.corrcoef(estimated, animals)[0, 1] > 0.8
# Russell and Norvig (2021), section 13.3: 0.284.
assert abs(answer - 0.2842) < 5e-5
methods = {name: ppl.plan(mixed).method_of(name) for name in ("grid", "events", "kinds")}
assert methods == {"grid": "gibbs", "events": "gibbs", "kinds": "marginalize"}
