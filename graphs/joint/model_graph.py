"""A model as graphs see it: random variables, some of them with a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.fixing import with_fixed_arrays
from graphs.surgery.pickling import PartsFirst
from graphs.surgery.random_graph import find_consumed, find_random_variables, name_variables, static_shape
from graphs.surgery.rebuilding import substitute
from graphs.variables.opening import open_distributions
from graphs.variables.sequence.scans import take_out_of_scans


@dataclass(frozen=True, eq=False)
class ModelGraph(PartsFirst):
    """A model as graphs see it: random variables, some of them with a value.

    Parameters
    ----------
    latent : mapping of str to TensorVariable
        Random variables without a value, parents first.
    observed : mapping of str to (TensorVariable, Variable)
        Random variables, or measurable functions of them, with their values.
    potentials : mapping of str to TensorVariable
        Further terms of the joint log-probability.
    transforms : mapping of str to Transform or None
        The transforms that were chosen; the others are PyMC's defaults.
    """

    latent: Mapping[str, TensorVariable]
    observed: Mapping[str, tuple[TensorVariable, Variable]]
    potentials: Mapping[str, TensorVariable] = field(default_factory=dict)
    transforms: Mapping[str, Transform | None] = field(default_factory=dict)


def as_model_graph(model: Any) -> ModelGraph:
    """Read a model from a ModelGraph, from anything with a ``graph``, or from a mapping of variables to values.

    Raises
    ------
    ModelError
        If it is none of these.
    """
    model = getattr(model, "graph", model)
    if isinstance(model, ModelGraph):
        return model
    if not isinstance(model, Mapping):
        raise ModelError(f"A model or a mapping from random variables to values is needed, not {type(model).__name__}.")
    return graph_of_values(model)


def graph_of_values(values: Mapping[TensorVariable, Any]) -> ModelGraph:
    """Return the model that a mapping from random variables to values stands for."""
    for rv in values:
        if not isinstance(rv, TensorVariable):
            raise ModelError(f"{rv!r} is not a random variable; the keys are random variables, the values their data.")
    values = dict(zip(with_fixed_arrays(list(values)), values.values(), strict=True))
    inner = open_distributions(list(values), values)
    if inner:
        values = dict(zip(substitute(list(values), inner), values.values(), strict=True))
    opened = take_out_of_scans(list(values))
    if opened:
        values = dict(zip(substitute(list(values), opened), values.values(), strict=True))
    consumed = {rv for outcome in values for rv in find_consumed(outcome)}
    latent = [rv for rv in find_random_variables(values) if rv not in consumed and rv not in values]
    names = name_variables([*latent, *values])
    observed = {names[rv]: (rv, _as_value(rv, value, names[rv])) for rv, value in values.items()}
    return ModelGraph({names[rv]: rv for rv in latent}, observed)


def _as_value(rv: TensorVariable, value: Any, name: str) -> Variable:
    if isinstance(value, Variable):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ModelError(f"The value of {name} is {value!r}; a number, an array or a variable is needed.", name)
    if str(rv.type.dtype).startswith("float"):
        array = array.astype("float64")
    elif array.dtype.kind == "f":
        raise ModelError(f"{name} is discrete but its value is a float ({value!r}).", name)
    shape = static_shape(rv)
    if array.shape != shape:
        raise ModelError(f"The value of {name} has shape {array.shape}, but {name} has shape {shape}.", name)
    return pt.constant(array, name=name)
