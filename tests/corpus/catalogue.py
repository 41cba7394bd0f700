"""What a model of the corpus is: a function that writes it in PyMC, as a user would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
import pytensor.scalar.basic as ps


class Corpus(dict[str, Callable[[], pm.Model]]):
    """PyMC models by name; ``@MODELS.add`` puts one in."""

    def add(self, make: Callable[[], pm.Model]) -> Callable[[], pm.Model]:
        assert make.__name__ not in self
        self[make.__name__] = make
        return make


def generator(seed: int) -> np.random.Generator:
    """Return what a model simulates its data with."""
    return np.random.default_rng(seed)


@contextmanager
def in_double_precision() -> Iterator[None]:
    """Let Python numbers become float64 and int64 while a PyMC model is made and its log-density derived.

    By default PyTensor gives 36 the type int8, whose square is 16, and takes logarithms of 2 or 0.5 in single
    precision: PyMC's own log-densities are then right to 1e-8 only, or not at all. We compute in double precision
    whatever the types of constants are, and so has the reference to do.
    """
    casters: list[Any] = [ps.autocast_int, ps.autocast_float]
    before = [caster.dtypes for caster in casters]
    try:
        for caster, dtype in zip(casters, ("int64", "float64"), strict=True):
            caster.dtypes = (dtype,)
        yield
    finally:
        for caster, dtypes in zip(casters, before, strict=True):
            caster.dtypes = dtypes
