"""A model, what is integrated out of it, and the log-density of the rest; and how far the derived one is from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor

import graphs
from graphs.compression import compressed
from graphs.integral import at_fixed_points, integrate_all
from graphs.joint.joint_logprob import LogProb
from graphs.surgery.evaluating import evaluate
from tests.graphs.integral.exact import values_and_slopes


@dataclass(frozen=True)
class Case:
    """A model with a known integral.

    Parameters
    ----------
    model : ppl.Model or mapping
        The model.
    names : sequence of str
        What is integrated out.
    exact : callable
        The log-density of the rest, of the rest by name, in numbers of mpmath.
    at : mapping of str to array
        Where; the rest in natural space.
    families : tuple of str
        The families of laws that are to be met, in order; any by default.
    apart : tuple of str, optional
        As for `graphs.logprob`: all other scalars of one form are taken together.
    is_compressed : bool
        Whether data become sufficient statistics first.
    """

    model: Any
    names: Sequence[str] | str
    exact: Callable[..., Any]
    at: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    apart: tuple[str, ...] | None = None
    is_compressed: bool = False


@dataclass(frozen=True)
class Errors:
    """How far a derived log-density is from the exact one, relative to that.

    Parameters
    ----------
    value : float
        Of the value; relative to one, where it is smaller.
    slope : float
        Largest one of the derivatives by logarithms of what is positive, and by what is not; relative to one, where
        they are smaller.
    """

    value: float
    slope: float


def interpreted(inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[..., Any]:
    """Return a function that evaluates graphs node by node in NumPy, as they are."""

    def function(*arrays: Any) -> Any:
        values = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
        assert values is not None
        return values

    return function


Compute = Callable[[Sequence[Any], Sequence[Any]], Callable[..., Any]]


def derived(case: Case) -> LogProb:
    """Return the log-density with the integrals taken, after checks of what was integrated out."""
    if case.is_compressed:
        whole, how = compressed(graphs.logprob(case.model, apart=case.apart))
        assert how, "nothing was compressed"
        joint = integrate_all(whole, list(case.names))
    else:
        joint = graphs.logprob(case.model, marginalize=case.names, apart=case.apart)
    assert set(joint.values) == set(case.at), f"left are {list(joint.values)}"
    if case.families:
        met = tuple(re.split(r"[\[^]", step.law.family)[0] for step in joint.integrals)
        assert met == case.families, f"laws of the families {met}"
    return joint


def errors(case: Case, points: Sequence[Mapping[str, Any]] = ({},), compute: Compute = interpreted) -> Errors:
    """Return how far value and gradient are from the exact ones, at the worst of some points.

    Both of the density whose points move with the rest, and of that where they are fixed.
    """
    joint = derived(case)
    smooth = [n for n, v in joint.values.items() if v.type.dtype.startswith("float")]
    functions = []
    for form in (joint, at_fixed_points(joint)):
        wanted = [joint.values[n] for n in smooth]
        gradients = pytensor.grad(form.total, wanted, disconnected_inputs="ignore") if wanted else []
        functions.append(compute(list(joint.values.values()), [form.total, *gradients]))
    found = []
    for point in points:
        at = {**case.at, **point}
        exact, slopes = values_and_slopes(case.exact, at, smooth)
        for function in functions:
            value, *rest = function(*(np.asarray(at[n], v.type.dtype) for n, v in joint.values.items()))
            found.append(Errors(_distance(value, exact), _farthest(at, dict(zip(smooth, rest, strict=True)), slopes)))
    return Errors(max(e.value for e in found), max(e.slope for e in found))


def _farthest(at: Mapping[str, Any], found: Mapping[str, Any], exact: Mapping[str, Any]) -> float:
    farthest = 0.0
    for name, slope in found.items():
        for x, a, b in zip(np.ravel(at[name]), np.ravel(slope), np.ravel(exact[name]), strict=True):
            unit = abs(float(x)) if x > 0 else 1.0
            farthest = max(farthest, _distance(a * unit, b * unit))
    return farthest


def _distance(found: Any, exact: Any) -> float:
    if not np.isfinite(float(found)):
        return float("inf")
    return float(abs(float(found) - exact) / max(abs(exact), 1))
