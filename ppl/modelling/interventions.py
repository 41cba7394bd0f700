"""New models from models: variables that somebody sets, or that are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppl.modelling.changing import with_constants, with_data
from ppl.modelling.model import Model, require_model


def do(model: Model, values: Mapping[str, Any]) -> Model:
    """Return the model in which somebody sets variables to values: an intervention.

    What a variable depended on does not matter to it any more, and says nothing about it; what depends on it sees the
    value. That is Pearl's do-operator; to *see* a value, which says something about what it depends on, is
    `ppl.observe`.

    Parameters
    ----------
    model : Model
        Not changed.
    values : mapping of str to array_like
        By the name of a random variable, latent or observed, of a deterministic, or of data (`ppl.Data`). Numbers of
        the shape of the variable, or that can be broadcast to it.

    Returns
    -------
    Model
        In which they are constant data.

    Raises
    ------
    ModelError
        If there is no such variable, or values are not finite, not of its type, or of another shape.

    References
    ----------
    .. [1] Pearl (2009). Causality: Models, Reasoning, and Inference. 2nd edition, chapter 3.

    Examples
    --------
    >>> import ppl
    >>> season = ppl.Bernoulli("season", 0.4)
    >>> rain = ppl.Bernoulli("rain", 0.1 + 0.5 * season)
    >>> wet = ppl.Bernoulli("wet", 0.05 + 0.9 * rain)
    >>> model = ppl.Model(wet)
    >>> ppl.do(model, {"rain": 1})
    Model(latent: season, wet)
    """
    require_model(model)
    return Model.from_parts(with_constants(model.parts, values))


def observe(model: Model, data: Mapping[str, Any]) -> Model:
    """Return the model with data for variables that had none, or had others.

    Parameters
    ----------
    model : Model
        Not changed.
    data : mapping of str to array_like
        By the name of a random variable, or of a deterministic that is a function of one, as `ppl.Model` takes them:
        NaN and masked elements are missing.

    Returns
    -------
    Model
        In which these variables are observed.

    Raises
    ------
    ModelError
        If there is no such variable, or the data do not fit it.

    Examples
    --------
    >>> import ppl
    >>> mu = ppl.Normal("mu", 0, 1)
    >>> model = ppl.Model(ppl.Normal("y", mu, 1, size=3))
    >>> ppl.observe(model, {"y": [0.3, 1.2, 0.5]})
    Model(latent: mu; observed: y)
    """
    require_model(model)
    return Model.from_parts(with_data(model.parts, data))
