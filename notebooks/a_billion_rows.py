# %% [markdown]
# # Rows without number
#
# A likelihood often needs its data only by way of sums. Sums are taken in one pass, part by part: rows stay in Parquet
# files, and what is sampled is a few thousand numbers. Here are a million rows, so that the notebook takes seconds;
# `benchmarks/billion_rows.py` does the same for any number.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppl

N, SHOPS, FILES = 1_000_000, 200, 8
rng = np.random.default_rng(1)
true_effect = rng.normal(2.0, 0.5, SHOPS)
true_slope, true_noise = np.array([0.3, -0.2, 0.1]), 0.8

folder = tempfile.TemporaryDirectory()
for number in range(FILES):
    shop, x = rng.integers(0, SHOPS, N // FILES), rng.normal(size=(N // FILES, 3))
    y = true_effect[shop] + x @ true_slope + rng.normal(0.0, true_noise, N // FILES)
    columns = {"shop": shop, "price": x[:, 0], "rain": x[:, 1], "age": x[:, 2], "sales": y}
    pd.DataFrame(columns).to_parquet(Path(folder.name) / f"sales_{number}.parquet")

table = ppl.parquet(folder.name)
table

# %% [markdown]
# ## The model is written as for data in memory
#
# A column of the table is data for `ppl.Data`, several are a matrix. Nothing is read yet.

# %%
shop = ppl.Data("shop", table["shop"])
x = ppl.Data("x", table[["price", "rain", "age"]])

center, spread = ppl.Normal("center", 0.0, 5.0), ppl.HalfNormal("spread", 1.0)
effect = ppl.Normal("effect", center, spread, size=SHOPS)
slope, noise = ppl.Normal("slope", 0.0, 1.0, size=3), ppl.HalfNormal("noise", 1.0)
model = ppl.Model({ppl.Normal("sales", effect[shop] + x @ slope, noise): table["sales"]})
x.type.shape

# %% [markdown]
# ## One pass
#
# The first plan reads all rows, on all cores, or on the workers of a `dask.distributed` cluster if one is in use.

# %%
plan = ppl.plan(model, sampler="nuts", marginalize=False, progress=False)
print(plan)

# %% [markdown]
# ## Sampling does not know how many rows there were

# %%
trace = ppl.sample(model, sampler="nuts", marginalize=False, seed=1, progress=False)
draws = trace.posterior["effect"].stack(sample=("chain", "draw")).to_numpy()
found, error = draws.mean(axis=1), draws.std(axis=1)

plt.figure(figsize=(5, 4))
plt.errorbar(true_effect, found, 2 * error, fmt="o", markersize=3, linewidth=0.7)
plt.axline((2.0, 2.0), slope=1.0, color="grey", linewidth=0.7)
plt.xlabel("effect that made the data")
plt.ylabel("posterior, two standard deviations")
# %% [markdown]
# ## What least squares says of all rows
#
# A million rows fit into memory, where pandas takes shops out by their means. With so many rows the prior does not
# matter: posterior means of slopes are those of least squares, and their standard deviations its standard errors.

# %%
frame = pd.read_parquet(folder.name)
centred = frame.groupby("shop").transform(lambda column: column - column.mean())
design, outcome = centred[["price", "rain", "age"]].to_numpy(), centred["sales"].to_numpy()
expected, squares, *_ = np.linalg.lstsq(design, outcome)
errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares[0] / (N - SHOPS - 3))

slopes = trace.posterior["slope"].stack(sample=("chain", "draw")).to_numpy()
assert (np.abs(slopes.mean(axis=1) - expected) < 0.15 * errors).all()
assert np.allclose(slopes.std(axis=1), errors, rtol=0.1)
assert np.abs((found - true_effect) / error).max() < 5
folder.cleanup()
print(slopes.mean(axis=1), expected)
