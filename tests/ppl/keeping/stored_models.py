"""Models and options of runs in stores: one of each kind of sweep, and what tells two traces apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xarray import DataTree

import ppl
from ppl.keeping import keeper
from samplers.loop import chain_run, workers

COMPILE = ("backend", "sampler", "marginalize")
X = np.random.default_rng(0).normal(size=(40, 2))
COUNTS = np.random.default_rng(1).poisson(np.exp(0.3 + X @ [0.5, -0.2]))


def regression() -> ppl.Model:
    """Moved by NUTS; with a deterministic and labels."""
    level, scale = ppl.Normal("level", 0, 1), ppl.HalfNormal("scale", 1)
    slopes = ppl.Normal("slopes", 0, 1, shape=2, dims="column")
    rate = ppl.Deterministic("rate", np.exp(level * scale + X @ slopes))
    return ppl.Model({ppl.Poisson("y", rate): COUNTS}, coords={"column": ["first", "second"]})


def failures() -> ppl.Model:
    """Drawn from full conditionals; with a discrete variable among them."""
    shape, rate = ppl.DiscreteUniform("shape", 1, 4), ppl.Gamma("rate", 2, 1)
    rates = ppl.Gamma("rates", shape, rate, shape=6)
    return ppl.Model({ppl.Poisson("n", rates): np.array([3, 1, 4, 1, 5, 9])})


def few() -> ppl.Model:
    """Two numbers, drawn from a table."""
    return ppl.Model({ppl.Normal("z", ppl.Normal("mu", 0, 10), ppl.HalfNormal("sd", 5)): COUNTS[:10].astype(float)})


def groups() -> ppl.Model:
    """Means of groups that are integrated out and drawn back."""
    level, between, within = ppl.Normal("level", 0, 5), ppl.HalfNormal("between", 2), ppl.HalfNormal("within", 2)
    means = ppl.Normal("means", level, between, shape=8)
    return ppl.Model({ppl.Normal("w", means[np.arange(40) % 8], within): X[:, 0]})


def effects() -> ppl.Model:
    """Effects of groups in counts, which move in coordinates that are learnt."""
    level, spread = ppl.Normal("level", 0, 1), ppl.HalfNormal("spread", 1)
    effect = ppl.Normal("effect", level, spread, shape=8)
    return ppl.Model({ppl.Poisson("y", np.exp(effect[np.arange(40) % 8])): COUNTS})


def exact() -> ppl.Model:
    """Nothing is left to sample."""
    return ppl.Model({ppl.Normal("v", ppl.Normal("mean", 0, 3), 1.0): X[:, 1]})


class Case:
    """A model and how it is sampled."""

    def __init__(self, model: Callable[[], ppl.Model], **options: Any):
        self.model = model
        self.options = {"draws": 60, "tune": 50, "chains": 2, "seed": 7, "progress": False, **options}


class Prepared:
    """A case compiled once, and its trace in memory."""

    def __init__(self, case: Case, **options: Any):
        given = {key: value for key, value in case.options.items() if key in COMPILE}
        self.options = {key: value for key, value in {**case.options, **options}.items() if key not in COMPILE}
        self.compiled = ppl.compile(case.model(), progress=False, **given)
        self.expected: DataTree = self.compiled.sample(**self.options)

    def begin(self, store: Path) -> DataTree:
        """Begin the run in a store."""
        return self.compiled.sample(**self.options, store=store)

    def go_on(self, store: Path) -> DataTree:
        """Go on with the run of a store."""
        return ppl.resume(store, self.compiled, progress=False)


class Crash(BaseException):
    """The process is gone."""


def gone_on_after_crashes(
    prepared: Prepared,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seed: int,
    num_crashes: int,
    most_commits: int,
    look: Callable[[], object] = lambda: None,
) -> DataTree:
    """Let a run end at random commits, before or after these, again and again, and then go on to its end.

    Parameters
    ----------
    prepared : Prepared
        What runs, committing often.
    store : Path
        Where to; nothing is there.
    seed : int
        Of when it ends.
    num_crashes, most_commits : int
        How often, if it is not done before, and after how many commits at most.
    look : callable
        Looks at the store after each.
    """
    commit_often(monkeypatch)
    rng, plain, left = np.random.default_rng(seed), keeper.StoreKeeper.commit, 0

    def commit(self: Any, *arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0 and rng.random() < 0.5:
            raise Crash
        plain(self, *arguments)
        if left <= 0:
            raise Crash

    monkeypatch.setattr(keeper.StoreKeeper, "commit", commit)
    for number in range(num_crashes + 1):
        left = int(rng.integers(1, most_commits + 1)) if number < num_crashes else 10**9
        try:
            found = prepared.go_on(store) if (store / ".run/run.json").exists() else prepared.begin(store)
        except Crash:
            look()
            continue
        assert number > 0
        return found
    raise AssertionError("The last run has no end.")


def commit_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chains return, and stores commit, as often as they can."""
    monkeypatch.setattr(chain_run, "CHUNK_SECONDS", 1e-4)
    monkeypatch.setattr(workers, "CALLBACK_SECONDS", 1e-3)
    for name in ("FIRST_SECONDS", "SECONDS"):
        monkeypatch.setattr(keeper, name, 0.0)
    monkeypatch.setattr(keeper, "COST_SHARE", 1e9)


CASES: Mapping[str, Case] = {
    "nuts": Case(regression, sampler="nuts", keep_tuning=True, metric="dense"),
    "pooled": Case(regression, sampler="nuts", adapt="pooled", chains=3, thin=2),
    "centred": Case(effects, sampler="nuts", tune=300, keep_tuning=True),
    "centred, pooled": Case(effects, sampler="nuts", tune="auto", adapt="pooled", keep_tuning=True),
    "gibbs": Case(failures, sampler="gibbs", marginalize=False, var_names=["shape", "rates"]),
    "rmh": Case(failures, sampler="rmh", marginalize=False),
    "slice": Case(regression, sampler="slice", thin=3),
    "table": Case(few, draws=3000, chains=2),
    "drawn back": Case(groups, draws=5000, tune=100),
    "exact": Case(exact, draws=5000),
    "C": Case(failures, backend="c", sampler="gibbs", marginalize=False),
    "JAX": Case(regression, backend="jax", keep_tuning=True),
}


def assert_same(found: DataTree, expected: DataTree) -> None:
    """Compare all that a trace holds, but for what the clock says."""
    assert set(found.children) == set(expected.children)
    for group, node in expected.children.items():
        own, other = found[group].to_dataset(), node.to_dataset()
        assert list(own.variables) == list(other.variables), group
        for name, variable in other.variables.items():
            assert own[name].dims == variable.dims
            assert own[name].dtype.kind == variable.dtype.kind
            np.testing.assert_array_equal(own[name].values, variable.values, err_msg=f"{group}/{name}")
    for key, value in expected.attrs.items():
        if not key.endswith("_seconds"):
            assert found.attrs[key] == value, key


def check_beginning(found: DataTree, expected: DataTree) -> None:
    """Compare what a store holds while its run goes on with the first draws of that run."""
    for group, node in found.children.items():
        for name, variable in node.to_dataset().data_vars.items():
            if "draw" in variable.dims:
                first = expected[group][name].isel(draw=slice(variable.sizes["draw"])).values
                np.testing.assert_array_equal(variable.values, first)
