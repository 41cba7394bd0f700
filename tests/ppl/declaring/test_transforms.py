"""The image of a transform is the support: one that would leave a part of it out is refused.

Answers: the ends of supports, at points far out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms as tr
from pymc.logprob.transforms import IntervalTransform
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

import graphs
import ppl
from graphs.surgery.evaluating import evaluate
from ppl.declaring.declaration import declaration_of

ORDERED = tr.Ordered(positive=True)

ACCEPTED: dict[str, tuple[Callable[[], TensorVariable], tuple[float, float]]] = {
    "ordered in an interval": (lambda: ppl.Uniform("x", 0, 0.5, size=3, transform="ordered"), (0, 0.5)),
    "the whole chain": (
        lambda: ppl.Uniform("x", 0, 0.5, size=3, transform=tr.Chain([tr.Interval(0, 0.5), tr.ordered])),
        (0, 0.5),
    ),
    "the whole chain, said so": (
        lambda: ppl.Uniform(
            "x", 0, 0.5, size=3, transform=tr.Chain([tr.Interval(0, 0.5), tr.ordered]), default_transform=None
        ),
        (0, 0.5),
    ),
    "the same interval": (lambda: ppl.Uniform("x", -1, 2, size=3, transform=tr.Interval(-1, 2)), (-1, 2)),
    "log odds of a unit": (lambda: ppl.Uniform("x", 0, 1, size=3, transform="logodds"), (0, 1)),
    "another for positive ones": (lambda: ppl.HalfNormal("x", 1, size=3, transform="log_exp_m1"), (0, np.inf)),
    "ordered and positive": (lambda: ppl.Exponential("x", 1, size=3, transform=ORDERED), (0, np.inf)),
    "ordered, falling": (lambda: ppl.Beta("x", 2, 3, size=3, transform=tr.Ordered(ascending=False)), (0, 1)),
    "ordered numbers": (lambda: ppl.Normal("x", 0, 1, size=3, transform="ordered"), (-np.inf, np.inf)),
    "bounds that depend": (
        lambda: ppl.Uniform("x", 0.0, ppl.HalfNormal("b", 1), size=3, transform="ordered"),
        (0, 5),
    ),
    "another first": (lambda: ppl.Gamma("x", 2, 1, size=3, default_transform=tr.log_exp_m1), (0, np.inf)),
    "none": (lambda: ppl.Gamma("x", 2, 1, size=3, default_transform=None), (-np.inf, np.inf)),
    "a density of one's own": (
        lambda: ppl.CustomDist("x", 1.0, logp=lambda x, rate: -rate * x, size=3, transform="log"),
        (0, np.inf),
    ),
}

REFUSED: dict[str, Callable[[], Any]] = {
    "log of a unit": lambda: ppl.Uniform("x", 0, 1, size=2, transform="log"),
    "an interval twice": lambda: ppl.Uniform("x", 0, 0.5, size=2, transform=tr.Interval(0.1, 0.4)),
    "a narrow interval": lambda: ppl.Normal("x", 0, 1, transform=tr.Interval(-1, 1)),
    "log of a real": lambda: ppl.Normal("x", 0, 1, transform="log"),
    "log odds of a positive one": lambda: ppl.HalfNormal("x", 1, transform="logodds"),
    "simplex of reals": lambda: ppl.Normal("x", 0, 1, size=3, transform="simplex"),
    "simplex of units": lambda: ppl.Beta("x", 1, 1, size=3, transform="simplex"),
    "sum to one": lambda: ppl.HalfNormal("x", 1, size=3, transform=tr.SumTo1()),
    "ordered simplex": lambda: ppl.Dirichlet("x", np.ones(3), transform="ordered"),
    "angles of a real": lambda: ppl.Normal("x", 0, 1, transform="circular"),
    "ordered after a bound": lambda: ppl.HalfNormal("x", 1, size=3, transform=tr.Chain([tr.ordered, tr.log])),
    "bounds that are others": lambda: ppl.Uniform(
        "x", 0.0, ppl.HalfNormal("b", 1), transform=IntervalTransform(lambda *inputs: (inputs[-2], inputs[-1] / 2))
    ),
    "without the default": lambda: ppl.Uniform(
        "x", 0, 1, size=2, transform=tr.Interval(0.2, 1), default_transform=None
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_element_runs_through_the_support(name: str) -> None:
    """At points far out on both sides."""
    declare, (lower, upper) = ACCEPTED[name]
    rv = declare()
    transform = declaration_of(rv).transform
    inputs = {a: np.asarray(5.0) for a in ancestors(rv.owner.inputs) if declaration_of(a) is not None}
    for value, bound in ((-40.0, lower), (40.0, upper)):
        point = pt.constant(np.full(3, value))
        natural = point if transform is None else transform.backward(point, *rv.owner.inputs)
        [found] = evaluate([natural], inputs) or [None]
        is_near = np.abs(found).max() >= 40.0 if np.isinf(bound) else np.abs(found - bound).min() < 1e-6
        assert is_near


@pytest.mark.parametrize("name", REFUSED)
def test_a_part_of_the_support_is_refused(name: str) -> None:
    with pytest.raises(ppl.ModelError, match=r"of x reaches .* but x lies in .* default_transform=None"):
        REFUSED[name]()


def test_kinds_of_vectors_are_said_in_words() -> None:
    with pytest.raises(
        ppl.ModelError, match="reaches only some of the vectors of positive numbers that sum to one, but x"
    ):
        REFUSED["ordered simplex"]()
    with pytest.raises(ppl.ModelError, match=r"reaches vectors of positive .* one, but x lies in \(-inf, inf\)"):
        REFUSED["simplex of reals"]()
    with pytest.raises(ppl.ModelError, match="but z lies in vectors that sum to zero"):
        ppl.ZeroSumNormal("z", 1, dims={"g": 3}, transform="ordered")


def test_of_models_of_pymc() -> None:
    with pm.Model() as twice:
        pm.Uniform("u", 0, 0.5, shape=3, transform=tr.Chain([tr.Interval(0, 0.5), tr.ordered]))
    with pytest.raises(ppl.ModelError, match="of u reaches"):
        ppl.from_pymc(twice)
    with pm.Model() as whole:
        pm.Uniform("u", 0, 0.5, shape=3, transform=tr.Interval(0, 0.5), default_transform=None)
        pm.HalfNormal("s", 1, transform=tr.ordered, shape=2, default_transform=None)
    assert set(graphs.logprob(ppl.from_pymc(whole), space="unconstrained").natural) == {"u", "s"}
