"""Whatever fails after sampling, what was drawn is in the trace, equal to that of a run in which nothing fails.

Answers: the trace of a run in which nothing fails.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from xarray import Dataset, DataTree

import ppl
from ppl.running.expansion import DrawExpansion
from samplers.loop.interrupts import MOST_HELD, HeldInterrupts

SETTINGS = {"draws": 30, "tune": 20, "chains": 2, "seed": 1, "progress": False}


class Failing(Op):
    """The identity, until it is told to fail."""

    error: BaseException | None = None

    def make_node(self, x):
        x = pt.as_tensor(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        if self.error is not None:
            raise self.error
        outputs[0][0] = np.array(inputs[0])


failing = Failing()


@pytest.fixture(scope="module")
def compiled() -> ppl.CompiledModel:
    x = ppl.Normal("x", 0, 1, dims={"unit": ["a", "b"]})
    scale = ppl.HalfNormal("scale", 1)
    level = ppl.Normal("level", 0, scale)
    total = ppl.Deterministic("total", x.sum() + level)
    odd = ppl.Deterministic("odd", failing(2 * level))
    y = ppl.Normal("y", x, 1)
    return ppl.compile(ppl.Model({y: np.array([0.5, 1.0])}, total, odd), sampler="nuts", backend="c")


@pytest.fixture(scope="module")
def expected(compiled) -> DataTree:
    return compiled.sample(**SETTINGS)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setattr(failing, "error", None, raising=False)


def check(trace: DataTree, expected: DataTree, lost: dict[str, str], absent: tuple[str, ...] = ()) -> None:
    """All but what is lost is there, and the trace says what is not."""
    for what, reason in lost.items():
        assert re.search(rf"{what} \([^;]*{reason}", trace.attrs["left_out"])
    assert ("left_out" in trace.attrs) == bool(lost)
    for name, array in expected.posterior.items():
        if name not in absent:
            np.testing.assert_array_equal(trace.posterior[name], array, err_msg=name)
    assert not set(absent) & set(trace.posterior.data_vars)


def raising(error: BaseException):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_nothing_is_said_where_nothing_fails(compiled, expected, caplog):
    check(compiled.sample(**SETTINGS), expected, {})
    assert not [r for r in caplog.records if "Left out" in r.message]


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError("24 GiB"), KeyboardInterrupt()])
@pytest.mark.parametrize("at_once", [2**14, 7])
def test_a_deterministic_that_fails(compiled, expected, monkeypatch, caplog, error, at_once):
    monkeypatch.setattr("ppl.running.expansion.ROWS_AT_ONCE", at_once)
    monkeypatch.setattr(failing, "error", error)
    with caplog.at_level(logging.WARNING, "rvgraph"):
        trace = compiled.sample(**SETTINGS)
    is_interrupt = isinstance(error, KeyboardInterrupt)
    reason = "interrupted" if is_interrupt else type(error).__name__
    # Who interrupts does not want to wait for what is computed.
    absent = ("odd", "total") if is_interrupt else ("odd",)
    check(trace, expected, dict.fromkeys(absent, reason), absent)
    assert any("Left out" in r.message and "odd" in r.message for r in caplog.records)


@pytest.mark.parametrize("first_failure", [0, 2])
def test_transforms_that_fail(compiled, expected, monkeypatch, first_failure):
    """Values that were there already are kept, and what was drawn of the others."""
    monkeypatch.setattr("ppl.running.expansion.ROWS_AT_ONCE", 7)
    calls = []
    arrays = DrawExpansion._arrays

    def failing_later(self, part, drawn, losses):
        calls.append(len(part))
        if len(calls) <= first_failure:
            return arrays(self, part, drawn, losses)
        losses.add("scale", MemoryError())
        return {n: a for n, a in arrays(self, part, drawn, losses).items() if n != "scale"}

    monkeypatch.setattr(DrawExpansion, "_arrays", failing_later)
    trace = compiled.sample(**SETTINGS)
    assert "scale (MemoryError" in trace.attrs["left_out"]
    assert ("scale" in trace.posterior) == bool(first_failure)
    unconstrained = trace.unconstrained_posterior["scale_log__"].to_numpy().ravel()
    natural = expected.posterior["scale"].to_numpy().ravel()
    first = 7 * first_failure
    np.testing.assert_allclose(np.exp(unconstrained[first:]), natural[first:], rtol=1e-14)
    assert np.isnan(unconstrained[:first]).all()
    if first_failure:
        found = trace.posterior["scale"].to_numpy().ravel()
        np.testing.assert_array_equal(found[:first], natural[:first])
        assert np.isnan(found[first:]).all()


def test_an_expansion_that_fails(compiled, expected, monkeypatch):
    monkeypatch.setattr(DrawExpansion, "__call__", raising(MemoryError("no")))
    trace = compiled.sample(**SETTINGS)
    assert "posterior (MemoryError: no)" in trace.attrs["left_out"]
    np.testing.assert_array_equal(trace.posterior["x"], expected.posterior["x"])
    np.testing.assert_allclose(np.exp(trace.unconstrained_posterior["scale_log__"]), expected.posterior["scale"])


@pytest.mark.parametrize(
    ("target", "what", "error"),
    [
        ("ppl.running.results.judge", "report", RuntimeError("bad")),
        ("ppl.running.results.judge", "report", KeyboardInterrupt()),
        ("ppl.running.results.drawn_attributes", "drawn", MemoryError()),
        ("ppl.running.compiled.report", "report", ValueError("bad")),
        ("ppl.running.compiled.what_was_learnt", "adaptation", ValueError("bad")),
        ("ppl.running.results.flat_priors", "flat_priors", ValueError("bad")),
        ("ppl.running.results.versions", "versions", OSError("gone")),
        ("ppl.running.results.as_coordinate", "the labels of unit", TypeError("bad")),
        ("ppl.planning.plans.Plan.__str__", "plan", ValueError("bad")),
    ],
)
def test_what_is_made_of_the_draws(compiled, expected, monkeypatch, target, what, error):
    monkeypatch.setattr(target, raising(error))
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
    check(compiled.sample(**SETTINGS), expected, {what: reason})


def test_a_log_that_fails(compiled, expected, monkeypatch):
    monkeypatch.setattr("ppl.running.results.logger.warning", raising(OSError("gone")))
    monkeypatch.setattr(failing, "error", ValueError("odd"))
    check(compiled.sample(**SETTINGS), expected, {"odd": "ValueError"}, ("odd",))


def refusing(make, is_refused):
    def refuse(*args, **kwargs):
        if is_refused(*args, **kwargs):
            raise ValueError("refused")
        return make(*args, **kwargs)

    return refuse


def test_variables_that_xarray_refuses(compiled, expected, monkeypatch):
    has_odd = refusing(Dataset, lambda variables=(), **kwargs: "odd" in variables)
    monkeypatch.setattr("ppl.running.results.Dataset", has_odd)
    trace = compiled.sample(**SETTINGS)
    check(trace, expected, {"odd": "ValueError: refused"}, ("odd",))
    # It has no place among the groups, but is not lost.
    np.testing.assert_array_equal(trace.attrs["posterior_odd"], expected.posterior["odd"])
    assert trace.posterior["x"].dims == ("chain", "draw", "unit")


def test_labels_that_xarray_refuses(compiled, expected, monkeypatch):
    has_labels = refusing(Dataset, lambda variables=(), coords=(), **kwargs: "unit" in coords)
    monkeypatch.setattr("ppl.running.results.Dataset", has_labels)
    trace = compiled.sample(**SETTINGS)
    check(trace, expected, {"the dims of x": "ValueError: refused"})
    assert trace.posterior["x"].dims == ("chain", "draw", "x_dim_0")


def test_a_tree_that_xarray_refuses(compiled, expected, monkeypatch):
    whole = refusing(DataTree.from_dict, lambda datasets, **kwargs: True)
    monkeypatch.setattr("ppl.running.results.DataTree.from_dict", whole)
    trace = compiled.sample(**SETTINGS)
    check(trace, expected, {})
    assert trace.posterior["x"].dims == ("chain", "draw", "unit")


def test_a_shape_that_is_not_that_of_the_dims(compiled, expected):
    """Found at run time only: the array is kept under names of its own."""
    x = ppl.Normal("x", 0, 1)
    length = pt.switch(x > -1e9, 3, 2)
    long = ppl.Deterministic("long", pt.ones(length) * x, dims="unit")
    model = ppl.Model(x, long, coords={"unit": ["a", "b", "c"]})
    groups = {"posterior": {"x": np.ones((1, 4)), "long": np.ones((1, 4, 2))}}
    losses = ppl.running.losses.Losses()
    tree = ppl.running.results.to_datatree(model, groups, {}, losses=losses)
    assert tree.posterior["long"].dims == ("chain", "draw", "long_dim_0")
    assert list(losses.found) == ["the dims of long"]


def test_a_progress_bar_that_fails(compiled, expected, monkeypatch, caplog):
    monkeypatch.setattr("ppl.reporting.progress.ProgressBar._update", raising(BrokenPipeError("gone")))
    monkeypatch.setattr("ppl.reporting.live_table.Progress.stop", raising(BrokenPipeError("gone")))
    trace = compiled.sample(**{**SETTINGS, "progress": True})
    check(trace, expected, {})
    assert len([r for r in caplog.records if "progress bar has failed" in r.message]) == 1


class TestHeldInterrupts:
    def test_what_is_held_back_outside_comes_within(self) -> None:
        with HeldInterrupts() as outer:
            signal.raise_signal(signal.SIGINT)
            with HeldInterrupts() as inner:
                with pytest.raises(KeyboardInterrupt), inner.allowed():
                    pass
                with inner.allowed():
                    pass
            with outer.allowed():
                pass

    def test_threads_are_not_interrupted(self) -> None:
        with HeldInterrupts() as interrupts, ThreadPoolExecutor(1) as pool:
            signal.raise_signal(signal.SIGINT)

            def work() -> bool:
                with interrupts.allowed():
                    return True

            assert pool.submit(work).result()
            with pytest.raises(KeyboardInterrupt), interrupts.allowed():
                pass

    """Ctrl-C comes where it may."""

    def test_it_is_held_back_and_comes_later(self):
        with HeldInterrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(KeyboardInterrupt), interrupts.allowed():
                pytest.fail("it should have come before")
            with pytest.raises(KeyboardInterrupt), interrupts.allowed():
                os.kill(os.getpid(), signal.SIGINT)
            with interrupts.allowed():
                pass  # each came once
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_the_inner_one_holds_it_too(self):
        with HeldInterrupts(), HeldInterrupts():
            os.kill(os.getpid(), signal.SIGINT)

    def test_who_insists_may_leave(self):
        def insist():
            for _ in range(MOST_HELD + 1):
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt), HeldInterrupts():
            insist()

    def test_other_handlers_stay(self):
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with HeldInterrupts():
                assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, former)


def test_an_interrupt_between_the_run_and_its_result(compiled, expected, monkeypatch):
    """The worst moment: nothing holds the draws yet."""
    run = compiled._sweep.run

    def interrupted_at_last(*args, **kwargs):
        result = run(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(compiled._sweep, "run", interrupted_at_last)
    trace = compiled.sample(**SETTINGS)
    for name in ("x", "scale", "level"):
        np.testing.assert_array_equal(trace.posterior[name], expected.posterior[name])
