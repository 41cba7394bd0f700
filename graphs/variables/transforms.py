"""The change of variables that takes each support to the whole real line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.continuous import WaldRV
from pymc.distributions.custom import CustomSymbolicDistRV
from pymc.distributions.distribution import PartialObservedRV
from pymc.distributions.mixture import MixtureTransformWarning, _BaseMixtureRV
from pymc.distributions.transforms import _default_transform
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.transforms import CircularTransform, IntervalTransform, LogOddsTransform, LogTransform, Transform
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.warned import filtered

LOGIT_NORMAL = "LogitNormal"


def default_transform(rv: TensorVariable) -> Transform | None:
    """Return PyMC's default transform of a random variable, ``None`` if its support is the real line or discrete.

    PyMC takes the logarithm of a Wald variable whatever its shift; here it is that of the distance from the shift. It
    has none for a logit-normal variable, which is a custom distribution there. Of truncated variables it sees the
    bounds alone: a gamma variable below 5 lies above zero all the same. Where the components of a mixture are one array
    it takes the bounds of these for those of the elements of the mixture, which lie where any component does.
    """
    if rv.owner is None or not str(rv.type.dtype).startswith("float"):
        return None
    if isinstance(rv.owner.op, WaldRV) and not _is_zero(rv.owner.inputs[-1]):
        return IntervalTransform(lambda *inputs: (inputs[-1], None))
    if is_logit_normal(rv):
        return LogOddsTransform()
    if isinstance(rv.owner.op, PartialObservedRV):
        return _of_some_elements(rv)
    if isinstance(rv.owner.op, TruncatedRV):
        return _of_truncated(rv)
    if isinstance(rv.owner.op, _BaseMixtureRV):
        return _of_mixture(rv)
    transform: Transform | None = _default_transform(rv.owner.op, rv)
    return transform


def restriction_of(rv: TensorVariable, chosen: Transform | None) -> str:
    """Return how a transform of someone's own restricts a variable, in words; empty if none does."""
    if chosen is None or type(chosen) is type(default_transform(rv)):
        return ""
    return f"its transform ({getattr(chosen, 'name', chosen)}) restricts it, which a law would not know"


def _of_some_elements(rv: TensorVariable) -> Transform | None:
    """Return the transform of all elements of a variable, at the bounds of the missing ones, or of the others."""
    own: Transform | None = getattr(rv.owner.op, "transform", None)
    transform = own or default_transform(rv.owner.inputs[0])
    if own is not None or not isinstance(transform, IntervalTransform):
        return transform
    is_missing = rv.owner.outputs.index(rv) == 1

    def bounds(whole: TensorVariable, mask: TensorVariable) -> list[Variable | None]:
        selected = mask if is_missing else ~mask
        return [
            None if bound is None else pt.broadcast_to(bound, mask.shape)[selected]
            for bound in transform.args_fn(*whole.owner.inputs)
        ]

    return IntervalTransform(bounds)


def _of_truncated(rv: TensorVariable) -> Transform | None:
    """Return the transform of the interval in which a variable is possible and not cut off."""
    own: Transform | None = _default_transform(rv.owner.op, rv)
    base = rv.owner.op.base_rv_op.make_node(*rv.owner.inputs[:-2]).default_output()
    limits = _limits_of(default_transform(base))
    if not isinstance(own, IntervalTransform) or limits is None:
        return own

    def bounds(*inputs: Variable) -> list[Variable | None]:
        pairs = zip((pt.maximum, pt.minimum), limits(*inputs[:-2]), own.args_fn(*inputs), strict=True)
        return [(a if b is None else b if a is None else tighter(a, b)) for tighter, a, b in pairs]

    return IntervalTransform(bounds)


def _of_mixture(rv: TensorVariable) -> Transform | None:
    """Return the transform of the interval from the least to the greatest bound of the components."""
    # Components of several supports, as of a hurdle, have no transform together: of data none is needed.
    with filtered("ignore", category=MixtureTransformWarning):
        own: Transform | None = _default_transform(rv.owner.op, rv)
    _, _, *components = rv.owner.inputs
    if not isinstance(own, IntervalTransform) or len(components) > 1:
        return own
    transform = default_transform(components[0])
    inner = transform if isinstance(transform, IntervalTransform) else own

    def bounds(*inputs: Variable) -> list[Variable | None]:
        found = inner.args_fn(*(inputs[2].owner.inputs if inner is transform else inputs))
        ends = [None if bound is None else pt.as_tensor(bound) for bound in found]
        return [
            end if end is None or not end.type.ndim else outermost(end, axis=-1)
            for outermost, end in zip((pt.min, pt.max), ends, strict=True)
        ]

    return IntervalTransform(bounds)


def _limits_of(transform: Transform | None) -> Callable[..., Sequence[Variable | float | None]] | None:
    """Return the function of a variable's parameters that gives the ends of its support; None where it has none."""
    if isinstance(transform, IntervalTransform):
        limits: Callable[..., Sequence[Variable | float | None]] = transform.args_fn
        return limits
    for kind, ends in _ENDS.items():
        if isinstance(transform, kind):
            return lambda *inputs, ends=ends: ends
    return None


_ENDS: dict[type[Transform], tuple[float, float | None]] = {
    LogTransform: (0.0, None),
    LogOddsTransform: (0.0, 1.0),
    CircularTransform: (-np.pi, np.pi),
}


def is_logit_normal(rv: TensorVariable) -> bool:
    """Whether a random variable is PyMC's logit-normal one."""
    return isinstance(rv.owner.op, CustomSymbolicDistRV) and type(rv.owner.op).__name__ == LOGIT_NORMAL


def _is_zero(variable: Variable) -> bool:
    return isinstance(variable, Constant) and not np.any(np.asarray(variable.data))


def constrain(transform: Transform, value: TensorVariable, inputs: Sequence[Variable]) -> TensorVariable:
    """Return the natural value of an unconstrained one; ``inputs`` are those of the random variable's node."""
    backward = _undone(transform, value, inputs)
    if isinstance(backward, tuple):
        raise DerivationError(f"The transform {transform} of {value.name} is not one-to-one.", value.name)
    return backward


def _undone(transform: Transform, value: TensorVariable, inputs: Sequence[Variable]) -> Any:
    try:
        return transform.backward(value, *inputs)
    except Exception as error:  # PyMC's are written for the shapes that occur in practice
        raise _failure(transform, value, error) from error


def _on_the_real_line(transform: Transform, value: TensorVariable, inputs: Sequence[Variable]) -> TensorVariable:
    """Return what stands for a natural value there: of a matrix it is a vector, whose length transforms look at."""
    try:
        return pt.as_tensor(transform.forward(value, *inputs)).type(name=value.name)
    except Exception as error:  # as in `_undone`
        raise _failure(transform, value, error) from error


def _failure(transform: Transform, value: TensorVariable, error: Exception) -> DerivationError:
    return DerivationError(
        f"The transform {transform} of {value.name}, of shape {value.type.shape}, fails: "
        f"{' '.join(str(error).split())}. Give another one, or leave the variable out if it has one value only.",
        value.name,
    )


def log_jacobian(
    transform: Transform, value: TensorVariable, inputs: Sequence[Variable], term: TensorVariable | None
) -> tuple[TensorVariable, TensorVariable | None]:
    """Return the log-Jacobian of ``constrain`` and ``term``, both reduced to the same number of axes.

    A transform of whole vectors (ordered, simplex) ties elements that the log-probability ``term`` has one by one;
    these are summed.
    """
    jacobian = transform.log_jac_det(value, *inputs)
    if term is None:
        return jacobian, None
    extra = term.type.ndim - jacobian.type.ndim
    if extra < 0:
        raise DerivationError(
            f"The transform {transform} works element by element, but the distribution of {value.name} does not.",
            value.name,
        )
    if extra:
        term = pt.sum(term, axis=tuple(range(-extra, 0)))
    return jacobian, term


def transforms_of(rvs: Mapping[str, TensorVariable], chosen: Mapping[str, Transform | None]) -> dict[str, Transform]:
    """Return the transform of each variable that has one: the chosen one, else PyMC's default.

    What has no elements needs none; those of PyMC's that put elements in order look for the first.
    """
    moved = {name: rv for name, rv in rvs.items() if 0 not in rv.type.shape}
    found = {name: chosen[name] if name in chosen else default_transform(rv) for name, rv in moved.items()}
    return {name: transform for name, transform in found.items() if transform is not None}


def bounding_variables(
    rvs: Mapping[str, TensorVariable],
    values: Mapping[str, TensorVariable],
    chosen: Mapping[str, Transform | None],
    names: Iterable[str],
) -> dict[str, str]:
    """Return which of some variables the transform of another one depends on, and of which.

    Parameters
    ----------
    rvs, values : mapping of str to TensorVariable
        Random variables and their values in natural space.
    chosen : mapping of str to Transform or None
        Transforms that were chosen instead of the default ones.
    names : iterable of str
        The variables in question.
    """
    found: dict[str, str] = {}
    for other, transform in transforms_of(rvs, chosen).items():
        inputs = rvs[other].owner.inputs
        backward = _undone(transform, _on_the_real_line(transform, values[other], inputs), inputs)
        if isinstance(backward, TensorVariable):
            above = set(ancestors([backward]))
            found |= {name: other for name in names if rvs[name] in above or values[name] in above}
    return found
