"""What a change of variables reaches, next to where a random variable lies: what it leaves out is never drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.custom import CustomDistRV, CustomSymbolicDistRV
from pymc.distributions.simulator import SimulatorRV
from pymc.distributions.transforms import Ordered
from pymc.logprob.transforms import ChainedTransform, CircularTransform, Transform
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.evaluating import evaluate
from graphs.variables.transforms import default_transform

_TOLERANCE = 1e-6
"""Of bounds, relative: numbers may have been kept in single precision."""


@dataclass(frozen=True)
class Image:
    """What a change of variables takes the real numbers to.

    Parameters
    ----------
    lower, upper : array, float64
        The interval that each element runs through.
    vectors : tuple of type
        Transforms of whole vectors, such as to the simplex, that this is the image of.
    is_partial : bool
        Whether it is less than these say: increments that are bounded, ordered logits of a simplex.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    vectors: tuple[type, ...] = ()
    is_partial: bool = False

    def covers(self, other: Image) -> bool:
        """Whether nothing of the other is left out."""
        if self.is_partial or self.vectors != other.vectors:
            return False
        return bool(self.vectors) or (_all_below(self.lower, other.lower) and _all_below(other.upper, self.upper))

    def __str__(self) -> str:
        words = " of ".join(_WORDS.get(kind.__name__, f"values of {kind.__name__}") for kind in self.vectors)
        return words or f"({np.min(self.lower):g}, {np.max(self.upper):g})"


_WORDS = {
    "SimplexTransform": "vectors of positive numbers that sum to one",
    "SumTo1": "vectors of positive numbers that sum to one",
    "ZeroSumTransform": "vectors that sum to zero",
    "CholeskyCovPacked": "packed Cholesky factors of covariance matrices",
    "CholeskyCovTransform": "positive definite matrices",
    "CholeskyCorrTransform": "Cholesky factors of correlation matrices",
}
"""What transforms of whole vectors reach."""


def image_of(transform: Transform | None, rv: TensorVariable) -> Image | None:
    """Return what a transform takes the real numbers to; None where that cannot be told.

    Ordered vectors count as those of which each element runs through its whole interval.

    Parameters
    ----------
    transform : Transform or None
        None takes each number to itself.
    rv : TensorVariable
        What it is a transform of: parameters may be its bounds.
    """
    shape = (1,) * rv.type.ndim
    ends = [pt.constant(np.full(shape, end)) for end in (-np.inf, np.inf)]
    vectors: list[type] = []
    is_ordered, is_partial, is_real = False, False, True
    for step in reversed(_steps(transform)):
        if isinstance(step, Ordered):
            is_partial |= not is_real
            ends = [pt.zeros(shape), ends[1]] if step.positive else ends
            is_ordered, is_real = True, is_real and not step.positive
        elif isinstance(step, CircularTransform):
            is_partial |= not is_real
            ends, is_real = [pt.constant(np.full(shape, end)) for end in (-np.pi, np.pi)], False
        elif step.ndim_supp == 0 and not vectors:
            ends, is_real = [_backward(step, end, rv) for end in ends], False
        elif not type(step).__module__.startswith("pymc."):
            return None
        else:
            is_partial |= is_ordered or not (is_real or vectors)
            vectors.append(type(step))
    values = evaluate(ends, _stand_ins(rv))
    if values is None or any(np.any(np.isnan(value)) for value in values):
        return None
    low, high = (np.asarray(value, dtype="float64") for value in values)
    return Image(np.minimum(low, high), np.maximum(low, high), tuple(vectors), is_partial)


def puts_in_order(transform: Transform | None) -> bool:
    """Whether the elements that a transform reaches increase along their last axis.

    Parameters
    ----------
    transform : Transform or None
        Of a variable; those of users are told by their name.
    """
    return any(isinstance(step, Ordered) or "ordered" in type(step).__name__.lower() for step in _steps(transform))


def can_be_put_in_order(rv: TensorVariable) -> bool:
    """Whether the elements of a random variable, or of each of its vectors, may be made to increase.

    Not those of what is transformed as a whole: probabilities, matrices.

    Parameters
    ----------
    rv : TensorVariable
        A continuous random variable.
    """
    return rv.type.ndim > 0 and all(step.ndim_supp == 0 for step in _steps(default_transform(rv)))


def support_image(rv: TensorVariable) -> Image | None:
    """Return where the values of a random variable lie; None where its distribution does not tell."""
    default = default_transform(rv)
    if default is None and isinstance(rv.owner.op, CustomDistRV | CustomSymbolicDistRV | SimulatorRV):
        return None
    return image_of(default, rv)


def _steps(transform: Transform | None) -> list[Transform]:
    if transform is None:
        return []
    if isinstance(transform, ChainedTransform):
        return [step for part in transform.transform_list for step in _steps(part)]
    return [transform]


def _backward(transform: Transform, value: TensorVariable, rv: TensorVariable) -> TensorVariable:
    natural = transform.backward(value, *rv.owner.inputs)
    return pt.as_tensor(np.nan) if isinstance(natural, tuple) else natural


def _stand_ins(rv: TensorVariable) -> dict[Variable, NDArray]:
    """Return increasing numbers for the parameters that are not known: lower bounds come before upper ones."""
    unknown = [
        (i, parameter)
        for i, parameter in enumerate(rv.owner.inputs)
        if isinstance(parameter, TensorVariable)
        and not all(isinstance(v, Constant) for v in explicit_graph_inputs([parameter]))
    ]
    return {
        parameter: np.full([length or 1 for length in parameter.type.shape], 0.5 + i).astype(parameter.type.dtype)
        for i, parameter in unknown
    }


def _all_below(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.all((a <= b) | (np.isfinite(a) & (np.abs(a - b) <= _TOLERANCE * (1.0 + np.abs(a))))))
