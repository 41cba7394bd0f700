"""What a user writes, for type checkers: every mistake is one that they have to find, and nothing else is one.

It is read, never run. A line that ends in ``# wrong`` has a mistake that both mypy and pyright report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import ppl
import samplers
from graphs import logprob

x = np.linspace(0.0, 1.0, 20)
alpha = ppl.Normal("alpha", 0, 10)
beta = ppl.Normal("beta", 0, 10, dims="predictor")
scale = ppl.HalfNormal("scale", 1.0, transform=None)
y = ppl.Normal("y", alpha + beta[0] * x, scale, dims=("row",))
model = ppl.Model({y: x}, coords={"predictor": ["slope"], "row": list(range(20))})
other = ppl.Normal(0.0, 1.0)  # wrong
another = ppl.Normal("another", 0.0, 1.0, lower=3)  # wrong
poisson = ppl.Poisson("n", rate=3.0)  # wrong
chain = ppl.MarkovChain("z")  # wrong
covariate = ppl.Data("x", dims="row")  # wrong
unnamed = ppl.Model({y: x}, coord={"predictor": ["slope"]})  # wrong


class Still(samplers.Move):
    """A move that goes nowhere."""

    name = "still"

    def step(self, logdensity: Any, values: Sequence[Any], rng: Any, memory: Mapping[str, Any]) -> samplers.Moved:
        """Return where it was."""
        return samplers.Moved(list(values), rng)


trace = ppl.sample(model, draws=500, tune="auto", chains=2, seed=1, backend="numba", metric="dense", thin=2)
trace = ppl.sample(model, sampler={"alpha": "gibbs", "scale": Still()}, until=ppl.Until(ess=400, seconds=60))
trace = ppl.sample(model, marginalize=["alpha"], centring={"beta": 0.5}, init=[{"alpha": 0.0}, {"alpha": 1.0}])
trace = ppl.sample({y: x})  # wrong
trace = ppl.sample(model, backend="numpy")  # wrong
trace = ppl.sample(model, sampler="hmcc")  # wrong
trace = ppl.sample(model, sampler={"alpha": "metropolis"})  # wrong
trace = ppl.sample(model, metric="full")  # wrong
trace = ppl.sample(model, adapt="pool")  # wrong
trace = ppl.sample(model, marginalize="atuo")  # wrong
trace = ppl.sample(model, tune="automatic")  # wrong
trace = ppl.sample(model, precision="float16")  # wrong
trace = ppl.sample(model, targt_accept=0.9)  # wrong
trace = ppl.sample(model, chains="four")  # wrong
trace = ppl.sample(model, until=ppl.Until(draws=400))  # wrong
trace = ppl.sample(model, centring="none")  # wrong
trace = ppl.sample(model, init="random")  # wrong

compiled = ppl.compile(model, backend="c", sampler="slice")
trace = compiled.sample(200, tune=100, var_names=["alpha"], store="run.zarr")
trace = compiled.sample(200, tune=100, variables=["alpha"])  # wrong
compiled = ppl.compile(model, backend="C")  # wrong

run = ppl.start(model, draws=100, seed=3, thin=2)
run = ppl.start(compiled, 100, until=None)
seconds: float = run.progress.seconds
trace = run.wait()
late: int = run.wait()  # wrong
run = ppl.start(model, draw=100)  # wrong

plan = ppl.plan(model, sampler="nuts", marginalize=False)
plan.dprint()
how: str = plan.method_of("alpha")
number: int = plan.method_of("alpha")  # wrong
ppl.plan(model, sampler="sliced")  # wrong

recovered = ppl.recover(model, trace, probs=False)
predicted = ppl.posterior_predictive(model, trace, var_names=["y"], seed=2)
predicted = ppl.posterior_predictive(model, trace, vars=["y"])  # wrong
likelihood = ppl.log_likelihood(model, trace)
likelihood = ppl.log_likelihood(trace)  # wrong

verdict = ppl.diagnose(trace, ["alpha"])
verdict = ppl.diagnose(model)  # wrong
largest: float = max(verdict.r_hat.values())
checked = ppl.check(model, silence=["collinear"])
silent = ppl.check(model, quiet=True)  # wrong
mode = ppl.find_map(model, starts=2, space="unconstrained")
mode = ppl.find_map(model, space="real")  # wrong
approximation = ppl.laplace(model, draws=10, seed=1)
found = ppl.em(model, ["alpha"], objective="likelihood", progress=False)
found = ppl.em(model, ["alpha"], objective="posteriors")  # wrong
changed: ppl.Model = ppl.do(model, {"alpha": 1.0})
observed: ppl.Model = ppl.observe(changed, {"y": x})
ppl.do(model, "alpha")  # wrong
extended = ppl.resume("run.zarr", model, draws=5000)
joint = logprob(model, space="unconstrained", marginalize="require")
joint = logprob(model, space="real")  # wrong


def names_of(models: Sequence[ppl.Model]) -> list[str]:
    """Return the names of the latent variables of models."""
    return [name for each in models for name in each.latent]
