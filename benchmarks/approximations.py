"""Approximations of the reference posteriors beside the checkout: how near they come, and what they take.

``python -m benchmarks.approximations [--method METHOD] [--peers] [name ...]`` prints, for each posterior, Pareto k, the
bound, and seconds of processor time of all threads, of planning and compiling apart from the rest. With ``--peers`` the
same models, where there is a PyMC model of them (eight schools), by pymc-extras and by NumPyro.
"""

from __future__ import annotations

import argparse
import logging
from time import process_time
from typing import Any

import numpy as np

import ppl
from benchmarks.measure import is_installed, machine
from benchmarks.posteriordb import read
from tests.posteriors import FOLDER, POSTERIORS

SCHOOLS = "eight_schools-eight_schools_noncentered"
STEPS = 5000
"""Of NumPyro's guide: the bound of eight schools rises no more after them."""


def ours(posterior: str, method: Any) -> tuple[dict[str, Any], float]:
    """Return the attributes of an approximation, and seconds of processor time of the call."""
    model = POSTERIORS[posterior](read(posterior)["data"])
    start = process_time()
    found = ppl.approximate(model, method, seed=1)
    return found.attrs, process_time() - start


def by_pymc_extras(data: dict[str, Any]) -> float:
    """Return the seconds of multi-path Pathfinder of pymc-extras on eight schools."""
    import pymc as pm
    import pymc_extras as pmx

    with pm.Model():
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        raw = pm.Normal("raw", 0, 1, shape=8)
        pm.Normal("y", mu + tau * raw, np.array(data["sigma"]), observed=np.array(data["y"], float))
        start = process_time()
        pmx.fit(method="pathfinder", num_paths=20, num_draws=4000, random_seed=1, progressbar=False)
        return process_time() - start


def by_numpyro(data: dict[str, Any]) -> float:
    """Return the seconds of a guide of full rank by NumPyro on eight schools, and 4000 draws."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import SVI, Trace_ELBO, autoguide

    y, sigma = np.array(data["y"], float), np.array(data["sigma"], float)

    def model() -> None:
        mu, tau = numpyro.sample("mu", dist.Normal(0, 5)), numpyro.sample("tau", dist.HalfCauchy(5))
        raw = numpyro.sample("raw", dist.Normal(0, 1).expand([8]).to_event(1))
        numpyro.sample("y", dist.Normal(mu + tau * raw, sigma).to_event(1), obs=y)

    start = process_time()
    guide = autoguide.AutoMultivariateNormal(model)
    fit = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO(num_particles=2))
    result = fit.run(jax.random.key(1), STEPS, progress_bar=False)
    guide.sample_posterior(jax.random.key(2), result.params, sample_shape=(4000,))["mu"].block_until_ready()
    return process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--method", default="fullrank")
    parser.add_argument("--peers", action="store_true")
    asked = parser.parse_args()
    logging.getLogger("rvgraph").setLevel(logging.ERROR)
    print(machine())
    print(f"{'posterior':48} {'k':>6} {'elbo':>12} {'converged':>9} {'gradients':>10} {'seconds':>8}")
    for name in asked.names or [name for name in POSTERIORS if (FOLDER / f"{name}.json").exists()]:
        attrs, seconds = ours(name, asked.method)
        row = f"{attrs['pareto_k']:6.2f} {attrs['elbo']:12.2f} {attrs.get('converged', ''):>9}"
        print(f"{name:48} {row} {attrs['num_gradients']:10} {seconds:8.2f}", flush=True)
    if asked.peers:
        data = read(SCHOOLS)["data"]
        for package, run in (("pymc_extras", by_pymc_extras), ("numpyro", by_numpyro)):
            text = f"{run(data):8.2f} s" if is_installed(package) else "not installed"
            print(f"eight schools by {package:20} {text}")


if __name__ == "__main__":
    main()
