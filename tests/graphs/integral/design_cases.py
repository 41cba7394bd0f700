"""Models whose integrals are normal and hard to compute: designs of large condition numbers, groups of one."""

from __future__ import annotations

from typing import Any

import numpy as np

import ppl
from tests.graphs.integral.exact import diagonal, linear_normal, mv_normal, number
from tests.graphs.integral.normal_cases import Y, _half_normals, _scales
from tests.laws.integrals import Case


def columns_alike() -> Case:
    """A design of the condition number 1e8."""
    s, e = _half_normals("s", "e")
    rng = np.random.default_rng(1)
    left_vectors, right_vectors = (np.linalg.qr(rng.normal(size=shape))[0] for shape in ((9, 4), (4, 4)))
    design = left_vectors @ np.diag([1.0, 1e-2, 1e-5, 1e-8]) @ right_vectors
    y = ppl.Normal("y", design @ ppl.Normal("b", 0, s, size=4), e)

    def left(s: Any, e: Any, design: Any = design) -> Any:
        return _scales(s=s, e=e) + linear_normal(Y, design, np.zeros(4), diagonal([s**2] * 4), e)

    return Case(ppl.Model({y: Y}), ["b"], left, {"s": 1.4, "e": 0.6})


def columns_of_other_scales() -> Case:
    """A design of the condition number 1e8, by its units."""
    s, e = _half_normals("s", "e")
    design = np.random.default_rng(1).normal(size=(9, 4)) * np.array([1.0, 1e-3, 1e4, 1e-4])
    y = ppl.Normal("y", design @ ppl.Normal("b", 0, s, size=4), e)

    def left(s: Any, e: Any) -> Any:
        return _scales(s=s, e=e) + linear_normal(Y, design, np.zeros(4), diagonal([s**2] * 4), e)

    return Case(ppl.Model({y: Y}), ["b"], left, {"s": 1.4, "e": 0.6})


def one_observation_each() -> Case:
    mu, (tau, e) = ppl.Normal("mu", 0, 5), _half_normals("tau", "e")
    y = ppl.Normal("y", ppl.Normal("theta", mu, tau, size=9), e)

    def left(tau: Any, e: Any) -> Any:
        cov = number(np.ones((9, 9))) * 25 + diagonal([tau**2 + e**2] * 9)
        return _scales(tau=tau, e=e) + mv_normal(Y, 0, cov)

    return Case(ppl.Model({y: Y}), ["theta", "mu"], left, {"tau": 1.2, "e": 0.7})


ALL = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__ and f.__name__[0] != "_"]
