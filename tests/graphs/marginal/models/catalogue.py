"""What a model of these tests is, and a list of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Case = tuple[Any, dict[str, Any]]
"""A model, and the values of its continuous variables at which the sum is compared with the enumeration."""


class Catalogue(list[Callable[[], Case]]):
    """Functions that declare a model; ``@MODELS.add`` puts one in."""

    def add(self, case: Callable[[], Case]) -> Callable[[], Case]:
        self.append(case)
        return case


# All numbers are different, and none is 0, 1 or a half: nothing may be right by accident.
W = np.array([0.21, 0.47, 0.32])
MU = np.array([0.13, -0.84, 1.27])
SIGMA = np.array([0.63, 1.71, 2.34])
P = np.array([[0.68, 0.21, 0.11], [0.16, 0.53, 0.31], [0.27, 0.29, 0.44]])
SWITCHING = np.array([[0.83, 0.17], [0.28, 0.72]])
Y = np.array([-1.31, 0.42, 2.23, 0.74, -0.26, 1.65, 0.97, -0.58])
COUNTS = np.array([2, 0, 5, 1, 3, 7, 4, 6])
X = np.array([[0.31, -0.62], [1.23, 0.44], [-0.72, 0.81], [0.53, 1.14], [-1.46, -0.27], [0.95, -1.38]])
