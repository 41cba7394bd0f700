"""The values of graphs of constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Constant, Variable
from pytensor.scalar.basic import ScalarConstant

from graphs.surgery.random_graph import has_random


def known_value(variable: Any) -> NDArray | None:
    """Return the value of a graph of constants, ``None`` of any other."""
    # The bounds of slices are scalar constants: as tensors they would have to be folded.
    variable = variable if isinstance(variable, ScalarConstant) else pt.as_tensor(variable)
    if isinstance(variable, Constant):
        return np.asarray(variable.data)
    # Before it folds, PyTensor copies the whole graph.
    if has_random(variable):
        return None
    [value] = constant_fold([variable], raise_not_constant=False)
    return None if isinstance(value, Variable) else np.asarray(value)
