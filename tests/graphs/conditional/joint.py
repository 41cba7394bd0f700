"""Joint log-densities of small models, for the tests of full conditionals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.basic import conditional_logp
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.supports import Support


def joint(
    latent: Mapping[str, tuple[TensorVariable, Support]],
    observed: Mapping[TensorVariable, Any],
    extra: float | TensorVariable = 0.0,
) -> LogDensity:
    """Return the joint log-density of latent variables, by name with their supports, and data."""
    values = {rv: rv.type(name) for name, (rv, _) in latent.items()}
    data = {rv: pt.constant(np.asarray(data, dtype=rv.type.dtype), name="data") for rv, data in observed.items()}
    terms = conditional_logp({**values, **data}, warn_rvs=False)
    total = pt.add(*[pt.sum(term) for term in terms.values()], pt.as_tensor(extra))
    supports = {values[rv]: support for rv, support in latent.values()}
    return LogDensity(pt.cast(total, "float64"), tuple(values.values()), supports)


def with_values(logdensity: LogDensity) -> dict[str, TensorVariable]:
    """Return the inputs by name."""
    return {str(v.name): v for v in logdensity.inputs}
