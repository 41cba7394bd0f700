# %% [markdown]
# # Gibbs sampling without writing a conditional
#
# The examples are those by which BUGS became known. JAGS and NIMBLE look a conjugate pair up in a list; here each full
# conditional is read off the log-density of the declared model, and checked against it before it is used. The plan says
# what was found, and of a variable without a law, which term prevents it.

# %%
import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy import integrate, special, stats

import graphs
import ppl


def means(trace, names):
    """Posterior means and their Monte Carlo errors."""
    summary = az.summary(trace, var_names=names, round_to="none")
    return {name: (row["mean"], row["sd"] / np.sqrt(row["ess_bulk"])) for name, row in summary.iterrows()}


# %% [markdown]
# ## Pumps: a gamma variable for each row
#
# Failures of ten pumps of a power plant and thousands of hours of operation (George, Makov and Smith, 1993). The rates
# and their common `beta` have gamma laws. `alpha` is the shape of a gamma distribution: no law is known, and the plan
# says which term is to blame. It is moved by slice sampling, in the same compiled sweep.

# %%
failures = np.array([5, 1, 5, 14, 3, 19, 1, 1, 4, 22])
hours = np.array([94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5])

alpha = ppl.Exponential("alpha", 1.0)
beta = ppl.Gamma("beta", 0.1, 1.0)
theta = ppl.Gamma("theta", alpha, beta, size=10)
pumps = ppl.Model({ppl.Poisson("x", theta * hours): failures})

print(ppl.plan(pumps, sampler="gibbs"))
options = {"sampler": {"alpha": "slice", "beta": "gibbs", "theta": "gibbs"}}
plan = ppl.plan(pumps, **options)
for name in ("theta", "beta"):
    print(plan.laws[name])
trace = ppl.sample(pumps, draws=20_000, tune=500, chains=2, seed=1, progress=False, **options)
found = means(trace, ["alpha", "beta"])
print(found)

# %% [markdown]
# Without the rates, which integrate out, `alpha` and `beta` are left: two integrals by quadrature. The means agree
# within 4.5 Monte Carlo errors, exceeded once in 150,000 cases.


# %%
def pumps_density(b, a):
    log_likelihood = special.gammaln(a + failures) - special.gammaln(a) + a * np.log(b)
    log_likelihood = (log_likelihood - (a + failures) * np.log(b + hours)).sum()
    return np.exp(log_likelihood + stats.expon.logpdf(a) + stats.gamma.logpdf(b, 0.1) + 40.0)


def pumps_integral(function):
    return integrate.dblquad(lambda b, a: function(a, b) * pumps_density(b, a), 0, 6, 0, 12, epsabs=1e-9)[0]


constant = pumps_integral(lambda a, b: 1.0)
for name, function in {"alpha": lambda a, b: a, "beta": lambda a, b: b}.items():
    exact = pumps_integral(function) / constant
    print(f"{name}: exact {exact:.4f}, found {found[name][0]:.4f}")
    assert abs(found[name][0] - exact) < 4.5 * found[name][1], name

# %% [markdown]
# ## Rats: everything normal is drawn as one block
#
# Weights of 30 rats in five weeks (Gelfand, Hills, Racine-Poon and Smith, 1990). Intercepts, slopes and their means are
# normal together given the precisions: 62 coefficients, of which few depend on each other. The planner draws them at
# once, by a sparse factor.

# %%
ages = np.array([8.0, 15.0, 22.0, 29.0, 36.0])
RATS = """
151 199 246 283 320 145 199 249 293 354 147 214 263 312 328 155 200 237 272 297 135 188 230 280 323 159
210 252 298 331 141 189 231 275 305 159 201 248 297 338 177 236 285 350 376 134 182 220 260 296 160 208
261 313 352 143 188 220 273 314 154 200 244 289 325 171 221 270 326 358 163 216 242 281 312 160 207 248
288 324 142 187 234 280 316 156 203 243 283 317 157 212 259 307 336 152 203 246 286 321 154 205 253 298
334 139 190 225 267 302 146 191 229 272 302 157 211 250 285 323 132 185 237 286 331 160 207 257 303 345
169 216 261 295 333 157 205 248 289 316 137 180 219 258 291 153 200 244 286 324
"""
weights = np.array(RATS.split(), dtype=float).reshape(30, 5)

alpha_c, beta_c = ppl.Normal("alpha_c", 0, 1000), ppl.Normal("beta_c", 0, 1000)
tau_a, tau_b, tau_c = (ppl.Gamma(name, 1e-3, 1e-3) for name in ("tau_a", "tau_b", "tau_c"))
intercept = ppl.Normal("intercept", alpha_c, tau=tau_a, size=30)
slope = ppl.Normal("slope", beta_c, tau=tau_b, size=30)
growth = intercept[:, None] + slope[:, None] * (ages - 22.0)
rats = ppl.Model(
    {ppl.Normal("weight", growth, tau=tau_c): weights},
    ppl.Deterministic("sigma", 1 / pt.sqrt(tau_c)),
)
print(ppl.plan(rats, sampler="gibbs"))
trace = ppl.sample(rats, draws=10_000, tune=500, chains=2, seed=1, sampler="gibbs", progress=False)
found = means(trace, ["alpha_c", "beta_c", "sigma"])
print(found)

# %% [markdown]
# The published means (BUGS examples, volume 1): `beta_c` 6.186 with standard deviation 0.11, `sigma` 6.09 with 0.47.
# They were found by a run of 10,000 sweeps, so that a hundredth of the standard deviation is about their error.

# %%
assert abs(found["beta_c"][0] - 6.186) < 0.01
assert abs(found["sigma"][0] - 6.09) < 0.05

# %% [markdown]
# ## Seeds: logistic regression, by variables that the model does not have
#
# Germination of seeds on 21 plates (Crowder, 1978; Breslow and Clayton, 1993): binomial, with an effect for each plate.
# A logistic likelihood is conjugate to nothing. Given Polya-gamma weights it is quadratic: the planner finds them,
# proves that they integrate to the model, and draws them afresh in each sweep. They are not part of the trace.

# %%
germinated = np.array([10, 23, 23, 26, 17, 5, 53, 55, 32, 46, 10, 8, 10, 8, 23, 0, 3, 22, 15, 32, 3])
seeds_sown = np.array([39, 62, 81, 51, 39, 6, 74, 72, 51, 79, 13, 16, 30, 28, 45, 4, 12, 41, 30, 51, 7])
seed = np.repeat([0, 1], [11, 10])
extract = np.repeat([0, 1, 0, 1], [5, 6, 5, 5])

a = ppl.Normal("a", 0, 1000, size=4)
tau = ppl.Gamma("tau", 1e-3, 1e-3)
plate = ppl.Normal("plate", 0, tau=tau, size=21)
logit = a[0] + a[1] * seed + a[2] * extract + a[3] * seed * extract + plate
seeds = ppl.Model({ppl.Binomial("r", seeds_sown, logit_p=logit): germinated})
plan = ppl.plan(seeds, sampler="gibbs")
print(plan)
[group] = plan.groups
for law in group.sequence:
    print(law)

# %%
by_gibbs = ppl.sample(seeds, draws=20_000, tune=500, chains=2, seed=1, sampler="gibbs", progress=False)
by_nuts = ppl.sample(seeds, draws=4000, tune=1000, chains=2, seed=1, sampler="nuts", target_accept=0.95, progress=False)
gibbs, nuts = means(by_gibbs, ["a"]), means(by_nuts, ["a"])
for name in gibbs:
    print(name, "Gibbs", gibbs[name], "NUTS", nuts[name])
    assert abs(gibbs[name][0] - nuts[name][0]) < 4.5 * np.hypot(gibbs[name][1], nuts[name][1]), name

# %% [markdown]
# ## Stack loss: Student's t, without writing its weights
#
# Twenty-one days of a plant that oxidises ammonia (Brownlee, 1965), some of them odd. Student's t is a normal
# distribution with a gamma weight for each row; the half-Cauchy scale is a root of an inverse gamma variable whose
# scale is one too.

# %%
loss = np.array([42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15.0])
flow = np.array([80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70.0])
water = np.array([27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20.0])
acid = np.array([89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80, 82, 91.0])
design = np.column_stack([np.ones(21), *((c - c.mean()) / c.std(ddof=1) for c in (flow, water, acid))])

b = ppl.Normal("b", 0, 100, size=4)
sigma = ppl.HalfCauchy("sigma", 5)
stacks = ppl.Model({ppl.StudentT("loss", nu=4, mu=design @ b, sigma=sigma): loss})
print(ppl.plan(stacks, sampler="gibbs"))
by_gibbs = ppl.sample(stacks, draws=20_000, tune=500, chains=2, seed=1, sampler="gibbs", progress=False)
by_nuts = ppl.sample(stacks, draws=4000, tune=1000, chains=2, seed=1, sampler="nuts", progress=False)
gibbs, nuts = means(by_gibbs, ["b", "sigma"]), means(by_nuts, ["b", "sigma"])
for name in gibbs:
    print(name, "Gibbs", gibbs[name], "NUTS", nuts[name])
    assert abs(gibbs[name][0] - nuts[name][0]) < 4.5 * np.hypot(gibbs[name][1], nuts[name][1]), name

# %% [markdown]
# ## The Nile: a state space model is one sparse normal variable
#
# A hundred years of flow at Aswan as a random walk seen with noise (Durbin and Koopman, *Time Series Analysis by State
# Space Methods*, chapter 2). The hundred levels are drawn jointly: what forward filtering and backward sampling does by
# hand. Checked against the likelihood of the two variances by the Kalman filter, on a grid.

# %%
NILE = """
1120 1160 963 1210 1160 1160 813 1230 1370 1140 995 935 1110 994 1020 960 1180 799 958 1140 1100 1210
1150 1250 1260 1220 1030 1100 774 840 874 694 940 833 701 916 692 1020 1050 969 831 726 456 824 702 1120
1100 832 764 821 768 845 864 862 698 845 744 796 1040 759 781 865 845 944 984 897 822 1010 771 676 649
846 812 742 801 1040 860 874 848 890 744 749 838 1050 918 986 797 923 975 815 1020 906 901 1170 912 746
919 718 714 740
"""
nile = np.array(NILE.split(), dtype=float)

noise = ppl.InverseGamma("noise", 2, 15_000)
drift = ppl.InverseGamma("drift", 2, 1500)
start = pm.Normal.dist(1000, 500)
level = ppl.GaussianRandomWalk("level", sigma=pt.sqrt(drift), init_dist=start, steps=99)
nile_model = ppl.Model({ppl.Normal("flow", level, pt.sqrt(noise)): nile})
plan = ppl.plan(nile_model, sampler="gibbs")
print(plan)
trace = ppl.sample(nile_model, draws=20_000, tune=1000, chains=2, seed=1, sampler="gibbs", progress=False)
found = means(trace, ["noise", "drift"])


def log_likelihood(noise, drift):
    """Kalman filter of the local level model, for arrays of both variances."""
    mean, variance, total = 1000.0, 500.0**2, 0.0
    for value in nile:
        spread = variance + noise
        total = total - 0.5 * (np.log(spread) + (value - mean) ** 2 / spread)
        gain = variance / spread
        mean, variance = mean + gain * (value - mean), variance * (1 - gain) + drift
    return total


grid = np.exp(np.linspace(np.log(4000), np.log(45_000), 400)), np.exp(np.linspace(np.log(40), np.log(40_000), 600))
noises, drifts = np.meshgrid(*grid, indexing="ij")
log_weights = log_likelihood(noises, drifts) + np.log(noises) + np.log(drifts)  # a grid of logarithms
log_weights += stats.invgamma.logpdf(noises, 2, scale=15_000) + stats.invgamma.logpdf(drifts, 2, scale=1500)
grid_weights = np.exp(log_weights - log_weights.max())
for name, values in {"noise": noises, "drift": drifts}.items():
    exact = (values * grid_weights).sum() / grid_weights.sum()
    print(f"{name}: exact {exact:.0f}, found {found[name][0]:.0f}, error {found[name][1]:.0f}")
    assert abs(found[name][0] - exact) < 4.5 * found[name][1], name

# %% [markdown]
# ## A covariance matrix
#
# The inverse Wishart distribution is the conjugate prior of the covariance of normal rows. Its law is found from the
# gradient of the log-density, however that was written.

# %%
rows = np.column_stack([flow, water, acid])
rows = (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
cov = ppl.InverseWishart("cov", 5, np.eye(3))
center = ppl.MvNormal("center", np.zeros(3), 100 * np.eye(3))
matrices = ppl.Model({ppl.MvNormal("rows", center, cov, size=21): rows})
print(ppl.plan(matrices, sampler="gibbs"))
trace = ppl.sample(matrices, draws=4000, tune=200, chains=2, seed=1, sampler="gibbs", progress=False)
# With a centre as good as free the covariance is inverse Wishart, with the scatter about the means.
exact = stats.invwishart(5 + 20, np.eye(3) + 20 * np.corrcoef(rows, rowvar=False)).mean()
draws = trace.posterior["cov"].to_numpy().reshape(-1, 3, 3)
print(draws.mean(axis=0).round(3))
assert (abs(draws.mean(axis=0) - exact) < 5 * draws.std(axis=0) / np.sqrt(4000) + 1e-3 * exact.max()).all()

# %% [markdown]
# ## Left to itself
#
# Without `sampler=`, what has a law is integrated out where that pays. Of what is sampled, with `marginalize=False` of
# all, Gibbs sampling is chosen where short pilot runs predict more effective draws a second than NUTS for all
# variables: the plan ends with the prediction.

# %%
for name, model in {"rats": rats, "seeds": seeds, "stacks": stacks, "Nile": nile_model, "matrices": matrices}.items():
    print(f"{name}: {ppl.plan(model, marginalize=False).policy}")

# %% [markdown]
# ## From a graph alone
#
# `graphs.conditional` reads a law off any scalar graph. Powers, exponentials of logarithms and sums of several kinds of
# terms do not hide it.

# %%
x, y = pt.dscalars("x", "y")
log_density = 3 * pt.log(x) - pt.exp(2 * pt.log(y)) * x / 2 - (x * y - 1) ** 2 / x
law = graphs.conditional(log_density, x, support="positive")
law.dprint()
law, reason = graphs.find_conditional(log_density + pt.log1p(x), x, support="positive")
assert law is None
print("with log(1 + x):", reason)
