"""Models, plans and compiled models go through pickle, and draw the same afterwards, also in another process.

Answers: draws of what was not pickled.
"""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import threading

import cloudpickle
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import ppl
from graphs.surgery.interpreting import interpret

X = np.random.default_rng(0).normal(size=(20, 2))


def _regression():
    b = ppl.Normal("b", 0, 2, dims={"k": ["u", "v"]})
    y = ppl.Bernoulli("y", logit_p=pt.dot(ppl.Data("X", X), b))
    return ppl.Model({y: (X @ [1, -1] > 0).astype(int)}, ppl.Deterministic("eta", X @ b))


def _mixture():
    z = ppl.Bernoulli("z", 0.3, size=20)
    mu = ppl.Normal("mu", 0, 1, size=2, transform="ordered", initval=[-1.0, 1.0])
    return ppl.Model({ppl.Normal("y", mu[z], 1): X[:, 0]})


def _weights():
    """PyTensor keeps gradients of some operations in functions."""
    k = ppl.Categorical("k", ppl.Dirichlet("w", np.ones(2)), size=20)
    return ppl.Model({ppl.Normal("y", ppl.Normal("mu", 0, 2, size=2, transform="ordered")[k], 1): X[:, 0]})


def _gaps():
    y = X[:, 0].copy()
    y[3] = np.nan
    return ppl.Model({ppl.Normal("y", ppl.Normal("a", 0, 1), ppl.HalfNormal("s", 1)): y})


def _counts():
    return ppl.Model({ppl.Binomial("k", ppl.Poisson("n", ppl.Gamma("lam", 2, 1)), 0.5): 3})


def _shared():
    s = pytensor.shared(X, name="s")
    return ppl.Model({ppl.Normal("y", pt.dot(s, ppl.Normal("b", 0, 2, size=2)), 1): X[:, 0]})


def _density():
    return ppl.Model(ppl.Density(lambda x, y: -(x**2) + pt.log(y) - y, support={"x": "real", "y": "positive"}))


def _from_pymc():
    with pm.Model(coords={"g": ["a", "b"]}) as model:
        a = pm.Normal("a", 0, 1, dims="g")
        pm.Normal("y", a[[0, 1, 0]], 1.0, observed=[1.0, 2.0, 3.0])
    return ppl.from_pymc(model)


def _of_functions():
    """A density and draws that are lambdas, as PyMC's class for them and the functions that it registers for it."""
    mu = ppl.Normal("mu", 0, 2)
    y = ppl.CustomDist(
        "y",
        mu,
        logp=lambda value, mu: pm.logp(pm.Logistic.dist(mu, 1), value),
        random=lambda mu, rng=None, size=None: rng.logistic(mu, 1, size),
        size=3,
    )
    return ppl.Model({y: [0.0, 1.0, 2.0]})


def _graph_with_a_density():
    mu = ppl.Normal("mu", 0, 2)
    x = ppl.CustomDist(
        "x",
        mu,
        dist=lambda mu, size: pm.Normal.dist(mu, 1, size=size),
        logp=lambda value, mu: pm.logp(pm.Normal.dist(mu, 1), value),
        size=3,
    )
    return ppl.Model({ppl.Normal("y", x, 1): [0.0, 1.0, 2.0]})


def _operation():
    class Twice(pytensor.graph.op.Op):
        __props__ = ()

        def make_node(self, x):
            return pytensor.graph.basic.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            outputs[0][0] = np.asarray(2 * inputs[0])

    return ppl.Model({ppl.Normal("y", Twice()(ppl.Normal("mu", 0, 2)), 1): 1.0})


def _transform():
    interval = pm.distributions.transforms.Interval(bounds_fn=lambda *parameters: (0.0, 2.0))
    with pm.Model() as model:
        mu = pm.Uniform("mu", 0, 2, default_transform=interval)
        pm.Normal("y", mu, 1, observed=1.0)
    return ppl.from_pymc(model)


FUNCTIONS = (_of_functions, _graph_with_a_density, _operation, _transform)
MODELS = {
    _regression: "nuts",
    _mixture: None,
    _weights: "nuts",
    _gaps: "nuts",
    _counts: None,
    _shared: None,
    _density: "nuts",
}
MODELS |= {_from_pymc: "nuts"}


def _draws(compiled):
    trace = compiled.sample(draws=10, tune=10, chains=1, seed=3, progress=False)
    return {name: array.to_numpy() for name, array in trace["posterior"].data_vars.items()}


@pytest.mark.parametrize(("make", "sampler"), MODELS.items())
def test_models_and_plans_are_what_they_were(make, sampler):
    model = make()
    plan = ppl.plan(model, sampler=sampler)
    for library in (pickle, cloudpickle):
        again = library.loads(library.dumps(model))
        assert repr(again) == repr(model)
        assert (dict(again.dims), dict(again.coords)) == (dict(model.dims), dict(model.coords))
        assert str(ppl.plan(again, sampler=sampler)) == str(plan) == str(library.loads(library.dumps(plan)))
    with pytest.raises(AttributeError, match="immutable"):
        again.latent = {}


def _drawn_elsewhere(compiled):
    """Return draws of models by name, and of these after they were pickled once more, by another process."""
    code = """
import pickle, sys
from tests.ppl.running.test_pickling import _draws
compiled = pickle.load(sys.stdin.buffer)
again = pickle.loads(pickle.dumps(compiled))
pickle.dump([{name: _draws(c) for name, c in each.items()} for each in (compiled, again)], sys.stdout.buffer)
""".replace("from tests.ppl.running.test_pickling import _draws", inspect.getsource(_draws))
    command = [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    output = subprocess.run(command, input=pickle.dumps(compiled), capture_output=True, check=True).stdout
    return pickle.loads(output)


def test_compiled_models_draw_the_same_here_and_in_another_process():
    """Also those made of functions that no module holds."""
    makers = (_regression, _weights, *FUNCTIONS)
    compiled = {make.__name__: ppl.compile(make()) for make in makers}
    expected = {name: _draws(c) for name, c in compiled.items()}
    again = {name: pickle.loads(pickle.dumps(c)) for name, c in compiled.items()}
    for name, c in compiled.items():
        assert (again[name].backend, again[name].precision, str(again[name].plan)) == (
            c.backend,
            "float64",
            str(c.plan),
        )
    for found in ({name: _draws(c) for name, c in again.items()}, *_drawn_elsewhere(compiled)):
        for name, draws in expected.items():
            for variable, values in draws.items():
                np.testing.assert_array_equal(found[name][variable], values, err_msg=f"{variable} of {name}")


@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_functions_that_hold_what_cannot_be_pickled_are_an_error_that_names_the_variable(library):
    lock = threading.Lock()

    def density(value, mu):
        with lock:
            return pm.logp(pm.Normal.dist(mu, 1), value)

    model = ppl.Model({ppl.CustomDist("seen", ppl.Normal("mu", 0, 1), logp=density): 1.0})
    with pytest.raises(ppl.ModelError, match=r"functions that seen is made of cannot be pickled.*module of their own"):
        library.dumps(model)


def test_a_model_that_was_pickled_predicts_from_the_trace_of_the_first():
    model = _regression()
    trace = ppl.sample(model, draws=10, tune=10, chains=1, seed=1, progress=False)
    again = cloudpickle.loads(cloudpickle.dumps(model))
    predicted = [ppl.posterior_predictive(m, trace, seed=1).posterior_predictive["y"] for m in (model, again)]
    assert predicted[0].equals(predicted[1])


def test_a_declared_density_is_pickled():
    density = ppl.Density(lambda x: -(x**2), support={"x": "real"})
    again = pickle.loads(pickle.dumps(density))
    assert repr(again) == repr(density)
    assert ppl.Model(again).latent["x"] is again["x"]


def test_a_model_that_is_drawn_exactly_draws_the_same():
    compiled = ppl.compile(ppl.Model({ppl.Normal("y", ppl.Bernoulli("z", 0.3, size=3), 1): np.arange(3.0)}))
    again = pickle.loads(pickle.dumps(compiled))
    assert again.log_evidence == compiled.log_evidence
    first, second = (c.sample(draws=5, chains=2, seed=1, progress=False).posterior["z"] for c in (compiled, again))
    assert first.equals(second)


def test_a_deep_graph_goes_through_pickle():
    """Deeper than Python's stack: a sum written as a loop."""
    e = ppl.Normal("e", 0, 1, size=1200)
    total = pt.constant(0.0)
    for i in range(1200):
        total = 0.9 * total + e[i]
    model = ppl.Model({ppl.Normal("y", total, 1): 1.0})
    for library in (pickle, cloudpickle):
        again = library.loads(library.dumps(model))
        assert repr(again) == repr(model)
        # The sum of 0.9**(1199 - i) e[i].
        mean = again.observed["y"].owner.inputs[2]
        weights = 0.9 ** np.arange(1200)[::-1]
        found = interpret([again.latent["e"]], [mean])(np.ones(1200))
        np.testing.assert_allclose(found[0], weights.sum(), rtol=1e-12)
    assert list(pickle.loads(pickle.dumps(model.graph)).latent) == ["e"]


@pytest.mark.slow
def test_a_plan_of_a_deep_graph_goes_through_pickle():
    e = ppl.Normal("e", 0, 1, size=2)
    total = e[0]
    for _ in range(400):
        total = pt.cos(total) * e[1]
    plan = ppl.plan(ppl.Model({ppl.Normal("y", total, 1): 1.0}), sampler="nuts")
    assert str(pickle.loads(pickle.dumps(plan))) == str(plan)
