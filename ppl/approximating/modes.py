"""The mode of a posterior."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from xarray import DataTree

from graphs.backends import BackendName
from graphs.errors import ModelError
from graphs.joint.logprob import Marginalize
from ppl.approximating.density import ModelDensity, Space
from ppl.approximating.optimising import Peak, different, modes_from
from ppl.modelling.bad_constants import explained
from ppl.modelling.model import Model
from ppl.running.results import to_datatree, versions
from ppl.stopping.counts import checked_seed

logger = logging.getLogger("rvgraph")
_OTHER = 3


@explained
def find_map(
    model: Model,
    *,
    space: Space = "natural",
    marginalize: Marginalize = "auto",
    starts: int = 4,
    init: Any = None,
    seed: int | None = None,
    backend: BackendName = "numba",
) -> DataTree:
    """Find the values of highest posterior density.

    Searches by L-BFGS from several starts, then by Newton's steps, with exact second derivatives (differences of
    gradients where operations have none). Discrete variables are summed out; the mode is that of the others.

    Parameters
    ----------
    model : Model
        The model.
    space : {"natural", "unconstrained"}
        Of which space the density is: of the parameters as they were declared, what is usually called maximum a
        posteriori; or of the real line that samplers work on, which has log-Jacobians and no mode at the bounds. The
        two modes differ.
    marginalize
        As of `ppl.plan`; continuous variables that are named are integrated out, and drawn back given the mode.
    starts : int
        Searches, from different points.
    init
        Where they begin: as of `ppl.sample`.
    seed : int, optional
        Of the starts, and of what is drawn back.
    backend : {"numba", "c", "jax"}
        What compiles the density.

    Returns
    -------
    DataTree
        As of `ppl.sample`, with one draw: ``posterior`` at the mode, ``sample_stats.lp`` the log-density; attributes
        ``space``, ``log_density``, ``slope`` (largest element of the gradient), ``converged``, ``starts_at_mode``, and,
        where there are any, ``at_bound``, ``flat`` and ``other_modes``, which are logged.

    Raises
    ------
    ModelError
        If a variable is discrete and not summed out, or has no gradient; names it.
    SamplingError
        If no search gets anywhere.

    Examples
    --------
    >>> import ppl
    >>> p = ppl.Beta("p", 2, 2)
    >>> mode = ppl.find_map(ppl.Model({ppl.Binomial("k", 10, p): 7}), seed=1)
    >>> round(float(mode.posterior["p"].item()), 6)  # (2 + 7 - 1) / (4 + 10 - 2)
    0.666667
    """
    if not isinstance(starts, int | np.integer) or starts < 1:
        raise ModelError(f"starts is {starts!r}; it must be a whole number, at least 1.")
    seed = checked_seed(seed)
    begin = time.perf_counter()
    density = ModelDensity(model, "a mode", marginalize, backend, space)
    found = modes_from(density, density.starts(init, int(starts), seed))
    best = found[0]
    # Towards a bound, or along a ridge, each search ends somewhere else.
    others = [] if best.at_bound or best.flat else different(found)[1:]
    attributes = {
        "inference_library": "rvgraph",
        "method": "find_map",
        "backend": backend,
        "space": space,
        "seed": seed,
        "log_density": best.value,
        "slope": best.slope,
        "converged": best.is_converged,
        "starts_at_mode": sum(mode.is_same(best) for mode in found),
        "seconds": time.perf_counter() - begin,
        "plan": str(density.plan),
        "versions": versions(),
        **_noted(best, others),
    }
    for sentence in _said(best, others, space):
        logger.warning("%s", sentence)
    values = density.named(best.position[None, None], seed)
    groups = {"posterior": values, "sample_stats": {"lp": np.full((1, 1), best.value)}}
    return to_datatree(model, groups, attributes)


def _noted(best: Peak, others: list[Peak]) -> dict[str, Any]:
    """Return what is unusual about a mode."""
    found: dict[str, Any] = {}
    if best.at_bound:
        found["at_bound"] = ", ".join(best.at_bound)
    if best.flat:
        found["flat"] = ", ".join(best.flat)
    if others:
        found["other_modes"] = ", ".join(f"{mode.value:.6g}" for mode in others[:_OTHER])
    return found


def _said(best: Peak, others: list[Peak], space: Space) -> list[str]:
    """Return what is unusual about a mode, in words."""
    found = []
    if best.at_bound:
        instead = "take the mode on the real line (space='unconstrained')" if space == "natural" else "use ppl.sample"
        found.append(
            f"The density rises towards a bound of {', '.join(best.at_bound)}: there is no mode inside. Integrate out "
            f"what depends on it (marginalize=[...]), or {instead}."
        )
    if best.flat:
        found.append(
            f"The density is flat along {', '.join(best.flat)}: the mode is one of many. Data and priors do not tell "
            "these apart."
        )
    if others:
        values = ", ".join(f"{mode.value:.6g}" for mode in others[:_OTHER])
        found.append(
            f"Searches ended in {len(others) + 1} places, of log-density {best.value:.6g} and {values}: the highest is "
            "returned; ask for more starts."
        )
    if not best.is_converged and not (best.at_bound or best.flat):
        found.append(f"The search did not converge: the gradient is {best.slope:.3g} at its end.")
    return found
