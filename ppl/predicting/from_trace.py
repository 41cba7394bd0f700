"""A model whose variables are drawn from a trace: what one analysis found is where the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from xarray import DataTree

from graphs.errors import ModelError
from ppl.declaring.declare import Deterministic
from ppl.modelling.model import Model, require_model
from ppl.predicting.flat_draws import in_one_row
from ppl.predicting.posterior import check_trace, posterior_of

DRAW_OF_TRACE = "draw_of_trace"
"""The variable that says which draw it is."""


def condition_on_trace(model: Model, trace: DataTree, var_names: Sequence[str] | None = None) -> Model:
    """Return the model in which variables are drawn from a trace, all from the same draw.

    Their prior is what the trace has found: the posterior of another analysis, of the same variables. What had data
    that the trace has seen is to be left without them, or is counted twice: set it (`ppl.do`), or declare the model
    without data. With nothing observed, `ppl.prior_predictive` of the result is a posterior predictive distribution,
    under interventions, too: ``ppl.do(ppl.condition_on_trace(model, trace), {"x": 1})``.

    Parameters
    ----------
    model : Model
        Not changed.
    trace : DataTree
        Of `ppl.sample` or ArviZ, with the draws of the variables in its group ``posterior``.
    var_names : sequence of str, optional
        Which variables; all latent ones of which the trace has draws by default.

    Returns
    -------
    Model
        With one latent variable more, ``draw_of_trace``, uniform on the numbers of the draws, chains one after the
        other; the variables are deterministics of it.

    Raises
    ------
    ModelError
        If the trace has no draws of a variable, or of another shape.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> y = ppl.Normal("y", mu, 0.1)
    >>> trace = ppl.sample(ppl.Model({y: 0.8}), draws=200, chains=2, seed=1, progress=False)
    >>> known = ppl.condition_on_trace(ppl.Model(y), trace)
    >>> known
    Model(latent: draw_of_trace, y; deterministic: mu)
    """
    require_model(model)
    if isinstance(var_names, str):
        raise ModelError(f"var_names is a list of names: [{var_names!r}].")
    posterior = posterior_of(trace)
    names = [n for n in model.latent if n in posterior] if var_names is None else list(var_names)
    unknown = [name for name in names if name not in model.latent]
    if unknown:
        raise ModelError(f"var_names asks for {unknown[0]!r}; latent are {', '.join(model.latent)}.", unknown[0])
    if not names:
        raise ModelError(
            f"The trace has draws of no variable of the model, of which {', '.join(model.latent)} are latent."
        )
    check_trace({name: model.latent[name] for name in names}, posterior, model)
    draws: Any = {name: in_one_row(posterior[name].to_numpy()) for name in names}
    which = pm.DiscreteUniform.dist(0, len(draws[names[0]]) - 1)
    which.name = DRAW_OF_TRACE
    variables = {}
    for name in names:
        dtype = model.latent[name].type.dtype
        variables[name] = Deterministic(name, pt.constant(np.asarray(draws[name], dtype))[which])
    return model.replace(variables)
