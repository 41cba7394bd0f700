"""The terms of a log-density one by one, to tell which one is not finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from math import nan
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs.backends.failures import checked
from graphs.joint.joint_logprob import finite_of, strip
from graphs.joint.logprob import logprob
from graphs.marginal.elimination.pointwise import best_over_states
from graphs.surgery.interpreting import interpret, without_c
from ppl.planning.plans import Plan


class LogTerms:
    """The terms of a plan's log-density, interpreted.

    Parameters
    ----------
    plan : Plan
        What is sampled.
    is_often : bool
        Whether they are evaluated often: loops in them are then compiled to C, which takes seconds.
    """

    def __init__(self, plan: Plan, is_often: bool = True):
        self._compiling: Callable[[], AbstractContextManager[Any]] = nullcontext if is_often else without_c
        self.names = list(plan.mixed.terms)
        self.inputs: list[TensorVariable] = list(plan.mixed.values.values())
        self.terms = list(plan.mixed.terms.values())
        self.plan = plan

    @cached_property
    def _sums(self) -> Callable[..., Any]:
        with self._compiling():
            return checked(interpret(self.inputs, [pt.sum(t) for t in self.terms]))

    @cached_property
    def _sums_sampled(self) -> Callable[..., Any]:
        with self._compiling():
            return checked(interpret(self.inputs, [pt.sum(t) for t in self.plan.sampled.terms.values()]))

    def total(self, values: Mapping[str, NDArray]) -> float:
        """Return the sum of the terms at a point; not a number unless each is finite."""
        terms = np.asarray(self._sums_sampled(*self._arguments(values)), np.float64)
        return float(terms.sum()) if np.isfinite(terms).all() else nan

    def _arguments(self, values: Mapping[str, NDArray]) -> list[NDArray]:
        return [np.asarray(values[str(v.name)], v.type.dtype) for v in self.inputs]

    def failure(self, values: Mapping[str, NDArray]) -> str | None:
        """Say which term is not finite at a point, and where; None if all are."""
        arguments = self._arguments(values)
        sums = self._sums(*arguments)
        for name, term, total in zip(self.names, self.terms, sums, strict=True):
            if np.isfinite(total):
                continue
            impossible = self._impossible_data(arguments)
            if impossible is not None:
                return impossible
            elements = np.asarray(interpret(self.inputs, term)(*arguments))
            bad = np.argwhere(~np.isfinite(elements))
            where = f" (element {tuple(int(i) for i in bad[0])})" if elements.ndim and bad.size else ""
            return (
                f"The log-probability of {name}{where} is {float(total)} at the initial point: the data may be "
                "impossible under the model, or the starting values lie outside a support. Check the data, or give "
                "starting values with init={...}."
            )
        return None

    def without_gradient(self, values: Mapping[str, NDArray]) -> str:
        """Name the term whose gradient is not finite at a point; empty if each is."""
        moved = [v for v in self.inputs if v.type.dtype.startswith("float")]
        for name, term in zip(self.names, self.terms, strict=True):
            gradients = pytensor.grad(pt.sum(term), moved, disconnected_inputs="ignore")
            for found in interpret(self.inputs, gradients)(*self._arguments(values)):
                if not np.isfinite(found).all():
                    return name
        return ""

    def holding(self, op: str) -> list[str]:
        """Name the terms in which an operation occurs, given by what it calls itself."""
        return [
            name
            for name, term in zip(self.names, self.terms, strict=True)
            if any(str(node.op) == op for node in toposort([term]))
        ]

    def _impossible_data(self, arguments: list[NDArray]) -> str | None:
        """Name the first observation that is impossible under every state of what was summed out."""
        summed = self.plan.natural.summed
        if not summed or self.plan.natural.integrals:
            return None
        joint = strip(logprob(self.plan.model, marginalize=False, apart=self.plan.natural.apart), summed)
        natural = [self.plan.mixed.natural[name] for name in self.plan.natural.values]
        point = interpret(self.inputs, natural)(*arguments)
        best = best_over_states(
            joint.terms,
            [name for name in self.plan.model.observed if name in joint.terms],
            [finite_of(joint, name) for name in summed],
        )
        values = [joint.values[name] for name in self.plan.natural.values]
        found = interpret(values, list(best.values()))(*point)
        for name, elements in zip(best, found, strict=True):
            bad = np.argwhere(~np.isfinite(elements))
            if bad.size:
                where = bad[0].tolist() if np.ndim(elements) else ""
                return (
                    f"The data of {name}{where} are impossible under every state of {', '.join(summed)} at the initial "
                    "point. Check that row, or give starting values with init={...}."
                )
        return None
