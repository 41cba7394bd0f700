"""Expectation-maximisation, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import samplers
from graphs.backends import BackendName
from graphs.marginal.lifting import MOST_STATES
from ppl.modelling.model import Model
from ppl.reporting.progress import BarOfStarts


def em(
    model: Model,
    latent: Sequence[str] | None = None,
    *,
    objective: Literal["posterior", "likelihood"] = "posterior",
    init: Mapping[str, Any] | None = None,
    restarts: int = 1,
    max_iterations: int = 1000,
    tolerance: float = 1e-10,
    seed: int | None = None,
    backend: BackendName = "numba",
    max_states: int = MOST_STATES,
    progress: bool = True,
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
    objective : {"posterior", "likelihood"}
        What is maximised: with the priors of the parameters, or without.
    init : mapping of str to array, optional
        Values of all parameters to start from; by default latent variables are drawn at random.
    max_iterations, tolerance
        Most iterations of each start, which ends when one raises the objective by less than this, relative to one plus
        its magnitude.
    seed : int, optional
        Of the random starts.
    backend : {"numba", "c", "jax"}
        What makes machine code.
    max_states : int
        Most joint states of what one factor depends on.

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
        return samplers.em(
            model,
            latent,
            objective=objective,
            init=init,
            restarts=restarts,
            max_iterations=max_iterations,
            tolerance=tolerance,
            seed=seed,
            backend=backend,
            report=bar,
            max_states=max_states,
        )
