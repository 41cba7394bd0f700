"""A random variable some of whose elements are observed, where these are not independent of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.censored import CensoredRV
from pymc.distributions.distribution import DiracDeltaRV, PartialObservedRV, create_partial_observed_rv
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.logprob.abstract import _logprob
from pymc.logprob.basic import logp
from pymc.logprob.transforms import IntervalTransform, LogTransform, Transform
from pytensor.graph.basic import Constant
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.signs import Signs
from graphs.errors import ModelError
from graphs.joint.supports_of import support_of
from graphs.surgery.random_graph import components_of, find_random_variables, is_random, value_variable
from graphs.surgery.rebuilding import substitute


class PartlyObservedRV(PartialObservedRV):
    """The observed and the missing elements of a random variable, from that variable and a mask.

    The log-probability of all of them is the term of the observed elements; that of the missing ones is zero.

    Parameters
    ----------
    transform : Transform, optional
        Of the elements of a function of random variables, which has none of its own.
    """

    def __init__(self, *args: Any, transform: Transform | None = None, **kwargs: Any):
        self.transform = transform
        super().__init__(*args, **kwargs)


@dataclass(frozen=True, eq=False)
class Split:
    """A variable in two parts.

    Parameters
    ----------
    observed, missing : TensorVariable
        The elements, or rows, with data, and those without.
    joined : TensorVariable
        Both in one array, as the variable was.
    is_missing : array of bool
        Which elements or rows these are.
    """

    observed: TensorVariable
    missing: TensorVariable
    joined: TensorVariable
    is_missing: NDArray[np.bool_]


def split(rv: TensorVariable, mask: NDArray[np.bool_], transform: Transform | None = None) -> Split:
    """Split off the missing elements of a variable.

    Elements, or rows, that are independent given the parameters become two variables of the same distribution; of all
    others the two are outputs of one node.

    Parameters
    ----------
    rv : TensorVariable
        A random variable, or a function of some that has a density.
    mask : array of bool
        Where elements are missing.
    transform : Transform, optional
        Of the elements of a function of random variables.
    """
    ndim_core = getattr(rv.owner.op, "ndim_supp", rv.type.ndim)
    core = tuple(range(-ndim_core, 0))
    if isinstance(rv.owner.op, RandomVariable) and (mask.any(core) == mask.all(core)).all():
        rows = mask.any(core)
        (observed, _), (missing, _), joined = create_partial_observed_rv(rv, rows)
        return Split(observed, missing, joined, rows)
    whole, where = rv.type(), pt.as_tensor(mask).type()
    op = PartlyObservedRV(
        inputs=[whole, where], outputs=[whole[~where], whole[where]], ndim_supp=ndim_core, transform=transform
    )
    observed, missing = op(rv, mask)
    return Split(observed, missing, join(mask, observed, missing), mask)


def has_mass(rv: TensorVariable) -> bool:
    """Whether a continuous variable has values of positive probability: it is censored, or an atom is mixed in."""
    if not str(rv.type.dtype).startswith("float") or not is_random(rv):
        return False
    if isinstance(rv.owner.op, _BaseMixtureRV):
        return any(has_mass(c) for c in components_of(rv.owner) if isinstance(c, TensorVariable))
    return isinstance(rv.owner.op, CensoredRV | DiracDeltaRV)


def transform_of_function(variable: TensorVariable, name: str) -> Transform | None:
    """Return the transform of a function of random variables, from the bounds that its graph tells.

    Raises
    ------
    ModelError
        If it may lie on its bounds, as after clipping, where there is a probability and no density.
    """
    stand_ins = {rv: value_variable(rv, "") for rv in find_random_variables([variable])}
    [graph] = substitute([variable], stand_ins)
    bounds = Signs({value: support_of(rv) for rv, value in stand_ins.items()}).of(graph)
    lower = None if bounds.lower == -inf else bounds.lower
    upper = None if bounds.upper == inf else bounds.upper
    if (lower is not None and not bounds.lower_open) or (upper is not None and not bounds.upper_open):
        raise ModelError(
            f"{name} has missing elements that may lie on its bounds, where there is a probability and no density: "
            "leave them out of the data.",
            name,
        )
    if lower is None and upper is None:
        return None
    return LogTransform() if (lower, upper) == (0.0, None) else IntervalTransform(lambda *inputs: (lower, upper))


def join(mask: NDArray[np.bool_], observed: TensorVariable, missing: TensorVariable) -> TensorVariable:
    """Return observed and missing elements in one array."""
    joined = pt.set_subtensor(pt.empty(mask.shape, dtype=missing.type.dtype)[mask], missing)
    return pt.set_subtensor(joined[~mask], observed)


@_logprob.register(PartlyObservedRV)
def partly_observed_logprob(
    op: PartlyObservedRV, values: Sequence[TensorVariable], whole: TensorVariable, mask: Constant, **kwargs: Any
) -> tuple[TensorVariable, TensorVariable]:
    """Return the log-probability of all elements, row by row or however it comes, and none."""
    observed, missing = values
    is_missing = np.asarray(mask.data)
    term = logp(whole, join(is_missing, pt.cast(observed, missing.type.dtype), missing))
    if op.ndim_supp:
        return term, pt.zeros_like(missing, dtype=term.type.dtype)
    return term[~is_missing], term[is_missing]
