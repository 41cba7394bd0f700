"""Data of the examples."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


def faithful() -> dict[str, NDArray[np.float64]]:
    """Return 272 eruptions of the Old Faithful geyser, in Yellowstone, in August 1985.

    Returns
    -------
    dict of str to array, shape (272,), float64
        ``eruption_minutes``: how long each took; ``waiting_minutes``: the time until the next one.

    References
    ----------
    Azzalini, A. and Bowman, A. W. (1990), A look at some data on the Old Faithful geyser, Applied Statistics 39,
    357-365.

    Examples
    --------
    >>> float(faithful()["waiting_minutes"].mean().round(3))
    70.897
    """
    with files(__name__).joinpath("faithful.csv").open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        return dict(zip(names, np.loadtxt(file, delimiter=",", unpack=True), strict=True))
