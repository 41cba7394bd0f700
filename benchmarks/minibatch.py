"""Steps per second of variational inference by batches of rows: a logistic regression of a million rows.

``python -m benchmarks.minibatch TOOL ...`` prints processor seconds of 20 columns and batches of 1000 rows: ``ours``
(the compiled loop of `ppl.approximate`, independent variables, one draw a step), ``hand`` (a gradient of independently
drawn rows as a loop in Numba, without the update), ``numpyro`` (SVI with AutoNormal, a plate with a subsample, one
jitted scan) and ``pymc`` (``pm.fit`` with ``pm.Minibatch``).
"""

from __future__ import annotations

import sys
from time import perf_counter, process_time
from typing import Any

import numpy as np

ROWS, COLUMNS, SIZE = 1_000_000, 20, 1000
STEPS = {"ours": 5000, "hand": 5000, "numpyro": 300, "pymc": 300}


def data(rows: int = ROWS) -> tuple[Any, Any]:
    """Return a design and outcomes."""
    rng = np.random.default_rng(0)
    x, slopes = rng.normal(size=(rows, COLUMNS)), 0.3 * rng.normal(size=COLUMNS)
    return x, (rng.random(rows) < 1 / (1 + np.exp(-x @ slopes - 0.2))).astype(int)


def ours(steps: int, rows: int = ROWS) -> tuple[float, float]:
    """Return seconds to the first step, and of a step."""
    import ppl
    from graphs.backends.numba.library.rng import seed_states
    from ppl.approximating.density import ModelDensity
    from ppl.approximating.minibatches import batch_target
    from samplers.approximations.compiling import compiled_loop
    from samplers.approximations.families.base import Base
    from samplers.approximations.families.mean_field import MeanField
    from samplers.approximations.fitting import STEP_SIZES
    from samplers.approximations.memory import drawn_rows, new_ascent

    x, y = data(rows)
    begin = perf_counter()
    eta = ppl.Normal("a", 0, 1) + ppl.Data("x", x) @ ppl.Normal("b", 0, 1, shape=COLUMNS)
    density = ModelDensity(ppl.Model({ppl.Bernoulli("y", logit_p=eta): y}), "a benchmark", "auto", "numba")
    target = batch_target(density, "meanfield", SIZE, seed=1)
    size = density.layout.size
    family, base = MeanField(size), Base(np.zeros(size), np.full((1, size), 0.1))
    fit, drawn, rng = new_ascent(family, target), drawn_rows(target), seed_states([1], 1)[0]
    loop = compiled_loop(MeanField, True)
    arrays = target.density, base.centre, base.factor, fit, drawn, rng, 1, STEP_SIZES[0]
    loop.ascend(*arrays, np.empty(1))
    first = perf_counter() - begin
    begin = process_time()
    loop.ascend(*arrays, np.empty(steps))
    return first, (process_time() - begin) / steps


def hand(steps: int, rows: int = ROWS) -> tuple[float, float]:
    """Return the same of a loop over rows that are drawn one by one."""
    from numba import njit

    @njit
    def run(x: Any, y: Any, position: Any, gradient: Any, steps: int) -> float:
        value = 0.0
        for _ in range(steps):
            gradient[:] = 0.0
            for _ in range(SIZE):
                i = np.random.randint(0, len(y))  # noqa: NPY002  (compiled, it is Numba's own)
                eta = position[-1]
                for j in range(x.shape[1]):
                    eta += x[i, j] * position[j]
                p = 1.0 / (1.0 + np.exp(-eta))
                value += np.log(p if y[i] else 1.0 - p)
                for j in range(x.shape[1]):
                    gradient[j] += (y[i] - p) * x[i, j]
                gradient[-1] += y[i] - p
        return value

    arrays = *data(rows), np.zeros(COLUMNS + 1), np.empty(COLUMNS + 1)
    begin = perf_counter()
    run(*arrays, 1)
    first, begin = perf_counter() - begin, process_time()
    run(*arrays, steps)
    return first, (process_time() - begin) / steps


def numpyro(steps: int, rows: int = ROWS) -> tuple[float, float]:
    """Return the same of NumPyro."""
    import jax
    import numpyro as tool
    from jax import numpy as jnp
    from numpyro import distributions as dist
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoNormal

    def model(x: Any, y: Any) -> None:
        slopes = tool.sample("b", dist.Normal(jnp.zeros(COLUMNS), 1.0).to_event(1))
        intercept = tool.sample("a", dist.Normal(0.0, 1.0))
        with tool.plate("rows", len(y), subsample_size=SIZE) as i:
            tool.sample("y", dist.Bernoulli(logits=intercept + x[i] @ slopes), obs=y[i])

    x, y = map(jnp.asarray, data(rows))
    begin = perf_counter()
    svi = SVI(model, AutoNormal(model), tool.optim.Adam(0.01), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(0), x, y)

    @jax.jit
    def run(state: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda s, _: svi.update(s, x, y), state, None, length=steps)[0]

    jax.block_until_ready(run(state, x, y))
    first, begin = perf_counter() - begin, process_time()
    jax.block_until_ready(run(state, x, y))
    return first, (process_time() - begin) / steps


def pymc(steps: int, rows: int = ROWS) -> tuple[float, float]:
    """Return the same of PyMC."""
    import pymc as tool

    x, y = data(rows)
    begin = perf_counter()
    with tool.Model():
        some_x, some_y = tool.Minibatch(x, y, batch_size=SIZE)
        eta = tool.Normal("a", 0, 1) + some_x @ tool.Normal("b", 0, 1, shape=COLUMNS)
        tool.Bernoulli("y", logit_p=eta, observed=some_y, total_size=rows)
        advi = tool.ADVI()
        advi.fit(2, progressbar=False)
        first, begin = perf_counter() - begin, process_time()
        advi.fit(steps, progressbar=False)
    return first, (process_time() - begin) / steps


TOOLS = {"ours": ours, "hand": hand, "numpyro": numpyro, "pymc": pymc}

if __name__ == "__main__":
    for name in sys.argv[1:] or TOOLS:
        begun, each = TOOLS[name](STEPS[name])
        print(f"{name}: {begun:.1f} s to the first step, then {1e6 * each:.0f} us a step, {1 / each:.0f} a second")
