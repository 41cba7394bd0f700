r"""Simulators among the data: tried once before particles are drawn, and the tolerances that temperatures mean.

A simulator's data are likely by a kernel of the distance of their summaries from those seen. At the temperature ``t``
the Gaussian kernel :math:`\exp(-d^2 / 2\epsilon^2)` is the one of the tolerance :math:`\epsilon / \sqrt t`, that of
Laplace, :math:`\exp(-d / \epsilon)`, of :math:`\epsilon / t`: particles come from the prior by tolerances that fall as
fast as their effective size allows [1]_.

References
----------
.. [1] Del Moral, Doucet and Jasra (2012). An adaptive sequential Monte Carlo method for approximate Bayesian
   computation. Statistics and Computing 22.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.simulator import gaussian, identity, laplace
from pytensor.graph.basic import Constant
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.joint.drawing import with_draws
from graphs.surgery.interpreting import interpret
from graphs.surgery.traces import untraced
from graphs.variables.simulators import is_simulator
from ppl.modelling.model import Model

_TRIALS = 3


def simulators_of(model: Model) -> dict[str, TensorVariable]:
    """Return the observed variables that are simulated."""
    return {name: rv for name, rv in model.observed.items() if is_simulator(rv)}


def check_simulators(model: Model) -> None:
    """Simulate a few times at draws from the prior, and measure how far from the data that is.

    Raises
    ------
    ModelError
        If a simulator fails, returns another shape than that of the data, or nothing but what is no number; names it.
    """
    for name, rv in simulators_of(model).items():
        rng: Any = pt.random.rng("rng")
        with untraced():
            parameters = with_draws([pt.as_tensor(v) for v in rv.owner.op.dist_params(rv.owner)], rng)
            drawn = interpret([rng], parameters)
        seen = np.asarray(model.observed_data[name])
        generator = np.random.default_rng(0)
        found = [_tried(name, rv, drawn(generator), generator) for _ in range(_TRIALS)]
        for simulated in found:
            if simulated.shape != seen.shape:
                raise ModelError(
                    f"The simulator {name} returns an array of shape {simulated.shape}; its data have shape "
                    f"{seen.shape}. Let it return as many numbers as its argument size says.",
                    name,
                )
        # A summary of the user's own may know what to do with what is no number; a distance does not.
        is_number = np.isfinite(found).any(axis=0)
        is_compared = getattr(type(rv.owner.op), "_sum_stat", None) is identity
        if not (is_number.all() if is_compared else is_number.any()):
            raise ModelError(
                f"The simulator {name} returned no number for {np.sum(~is_number)} of {is_number.size} elements "
                f"at {_TRIALS} draws from the prior: mend it, narrow the prior, or give a summary without these.",
                name,
            )


def _tried(name: str, rv: TensorVariable, parameters: list[NDArray], generator: np.random.Generator) -> NDArray:
    op, size = rv.owner.op, rv.owner.op.size_param(rv.owner)
    size = tuple(int(n) for n in size.data) if isinstance(size, Constant) and size.data is not None else None
    try:
        return np.asarray(op.rng_fn(generator, *parameters, size), float)
    except Exception as error:  # a simulator of users' own may raise anything
        raise ModelError(
            f"The simulator {name} fails at a draw from the prior: {type(error).__name__}: {error}.", name
        ) from error


def tolerances(model: Model, temperatures: list[float]) -> dict[str, NDArray[np.float64]]:
    """Return attributes of a trace: the tolerance of each simulator at each temperature above zero."""
    found = {}
    for name, rv in simulators_of(model).items():
        op = rv.owner.op
        power = {gaussian: 0.5, laplace: 1.0}.get(getattr(type(op), "_distance", None))
        epsilon = op.epsilon
        if power is None or not isinstance(epsilon, Constant) or np.size(epsilon.data) != 1:
            continue
        found[f"{name}_tolerances"] = float(np.ravel(epsilon.data)[0]) * np.array(temperatures[1:]) ** -power
    return found
