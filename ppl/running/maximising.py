"""Expectation-maximisation, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import samplers
from ppl.modelling.model import Model
from ppl.reporting.progress import BarOfStarts


def em(
    model: Model, latent: Sequence[str] | None = None, *, restarts: int = 1, progress: bool = True, **options: Any
) -> samplers.EMResult:
    """Find parameters of highest posterior density or likelihood, with latent variables summed or integrated out.

    Parameters
    ----------
    model : Model
        The model. Each parameter needs a full conditional of a known family given the others and the latent variables.
    latent : sequence of str, optional
        Variables to take the expectation over: all discrete ones by default; continuous ones have to be named.
    restarts : int, default 1
        Number of random starts, of which the best is returned.
    progress : bool, default True
        Show start, iteration and objective while it runs.
    **options
        As of `samplers.em`: ``objective="likelihood"`` for maximum likelihood, ``init``, ``max_iterations``,
        ``tolerance``, ``seed``, ``backend``, ``max_states``.

    Returns
    -------
    EMResult
        With ``point``, ``trace``, ``responsibilities``, ``means`` and ``dprint``.

    Raises
    ------
    DerivationError
        If a parameter, or a continuous latent variable, has no full conditional of a known family.
    SamplingError
        If no start gave finite parameters inside their supports.

    Examples
    --------
    >>> import numpy as np, ppl
    >>> v, lam = ppl.InverseGamma("v", 2, 2), ppl.Gamma("lam", 2, 2, size=5)
    >>> model = ppl.Model({ppl.Normal("y", 0, (v / lam) ** 0.5): np.array([-1.0, 0.2, 0.4, 1.1, 9.0])})
    >>> found = ppl.em(model, ["lam"], seed=1, progress=False)
    >>> bool(found.means["lam"][4] < found.means["lam"][0])
    True
    """
    with BarOfStarts(restarts, progress) as bar:
        return samplers.em(model, latent, restarts=restarts, report=bar, **options)
