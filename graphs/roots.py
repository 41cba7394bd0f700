"""Reciprocals and logarithms of square roots, whose slopes take no further division.

PyTensor has each slope of ``1 / sqrt(x)`` divide again, in whatever form it is written: six divisions an element, which
took most of the time of partially centred coordinates, where one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.scalar.basic import ScalarVariable, UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import Elemwise


class ReciprocalSqrt(UnaryScalarOp):
    """``1 / sqrt(x)``."""

    def impl(self, x: Any) -> Any:
        """Return the value."""
        return 1.0 / np.sqrt(x)

    def pullback(
        self, inputs: Sequence[ScalarVariable], outputs: Sequence[ScalarVariable], gout: Sequence[ScalarVariable]
    ) -> list[ScalarVariable]:
        """Return the slope."""
        own = _reciprocal_sqrt(inputs[0])
        return [-0.5 * gout[0] * own * own * own]

    def c_code(self, node: Any, name: str, inputs: Sequence[str], outputs: Sequence[str], sub: Any) -> str:
        """Return C code."""
        return f"{outputs[0]} = 1.0 / sqrt({inputs[0]});"


class LogSqrt(UnaryScalarOp):
    """``log(sqrt(x))``."""

    def impl(self, x: Any) -> Any:
        """Return the value."""
        return 0.5 * np.log(x)

    def pullback(
        self, inputs: Sequence[ScalarVariable], outputs: Sequence[ScalarVariable], gout: Sequence[ScalarVariable]
    ) -> list[ScalarVariable]:
        """Return the slope."""
        root = _reciprocal_sqrt(inputs[0])
        return [0.5 * gout[0] * root * root]

    def c_code(self, node: Any, name: str, inputs: Sequence[str], outputs: Sequence[str], sub: Any) -> str:
        """Return C code."""
        return f"{outputs[0]} = 0.5 * log({inputs[0]});"


_reciprocal_sqrt = ReciprocalSqrt(upgrade_to_float, name="reciprocal_sqrt")
reciprocal_sqrt = Elemwise(_reciprocal_sqrt)
log_sqrt = Elemwise(LogSqrt(upgrade_to_float, name="log_sqrt"))
