"""What draws from the prior show: rows that are impossible, predictions that are no numbers, or far from the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable

from graphs.errors import PPLError
from graphs.joint.drawing import with_draws
from graphs.joint.logprob import logprob
from graphs.surgery.interpreting import interpret, without_c
from graphs.surgery.rebuilding import substitute
from ppl.checking.concern import Concern
from ppl.declaring.flat import is_flat
from ppl.modelling.model import Model

NUM_DRAWS = 30
FAR = 1e3
"""Data so many times larger than all that the prior predicts, or smaller than the least."""
_FAR_POINTS = (1.0, 3.0, 10.0)
"""Standard deviations of points in unconstrained space."""
_MOST_ELEMENTS, _MOST_NODES = 30_000, 1500
"""Of a model whose prior is drawn from: each draw interprets every node, and a check takes no second."""


@dataclass(frozen=True, eq=False)
class PriorDraws:
    """Draws of everything from the prior; what has no proper prior is standard normal, or its exponential.

    Parameters
    ----------
    model : Model
        The model.
    """

    model: Model

    @cached_property
    def flat(self) -> tuple[str, ...]:
        """The variables without a proper prior."""
        return tuple(name for name, rv in self.model.latent.items() if is_flat(rv))

    @cached_property
    def is_small(self) -> bool:
        """Whether the model is evaluated in no time, node by node."""
        model = self.model
        drawn = [*model.latent.values(), *model.observed.values()]
        number = sum(int(np.prod([n or 1 for n in v.type.shape])) for v in drawn)
        if number > _MOST_ELEMENTS:
            return False
        return len(list(toposort([*drawn, *model.potentials.values()]))) <= _MOST_NODES

    @cached_property
    def draws(self) -> list[dict[str, NDArray]]:
        """Values of latent and observed variables by name, draw by draw."""
        model = self.model
        outputs: dict[str, TensorVariable] = {**model.latent, **model.observed}
        if not self.is_small:
            return []
        stand_ins: dict[Variable, Variable] = {}
        for name in self.flat:
            rv = model.latent[name]
            normal = pm.Normal.dist(0.0, 1.0, shape=rv.type.shape)
            stand_ins[rv] = normal if "Half" not in type(rv.owner.op).__name__ else pt.exp(normal)
        graphs: Any = substitute(list(outputs.values()), stand_ins)
        rng: Variable = pt.random.rng("rng")
        with without_c(), np.errstate(all="ignore"):
            function = interpret([rng], with_draws(graphs, rng))
            found = []
            for generator in np.random.default_rng(1).spawn(NUM_DRAWS):
                try:
                    found.append(dict(zip(outputs, map(np.asarray, function(generator)), strict=True)))
                except (ValueError, ArithmeticError, np.linalg.LinAlgError):
                    continue  # a distribution that refuses its parameters
        return found

    @cached_property
    def likelihoods(self) -> list[dict[str, NDArray]]:
        """Log-probabilities of the data, element by element where they have as many, by name, draw by draw."""
        if not self.draws:
            return []
        joint = logprob(self.model, marginalize=False)
        names = [name for name in self.model.observed if name in joint.terms]
        values = list(joint.values.items())
        if not names or not all(name in self.model.latent for name, _ in values):
            return []
        with without_c(), np.errstate(all="ignore"):
            function = interpret([v for _, v in values], [joint.terms[name] for name in names])
            found = []
            for draw in self.draws:
                terms = function(*(np.asarray(draw[n], v.type.dtype) for n, v in values))
                found.append(dict(zip(names, map(np.asarray, terms), strict=True)))
        return found

    def possible_somewhere(self, name: str, *, is_far: bool) -> NDArray[np.bool_]:
        """Return which rows of data are possible in some draw of what is left when discrete variables are summed out.

        Parameters
        ----------
        name : str
            The observed variable.
        is_far : bool
            Whether at points all over the space of the parameters, and not in draws from the prior.

        Returns
        -------
        array of bool
            Of one element where the rows cannot be told apart.
        """
        joint = logprob(self.model, space="unconstrained" if is_far else "natural")
        [term] = [t for n, t in joint.terms.items() if name in joint.members.get(n, (n,))]
        scales, rng = np.repeat(_FAR_POINTS, NUM_DRAWS // len(_FAR_POINTS)), np.random.default_rng(2)
        found = np.zeros(1, bool)
        with without_c(), np.errstate(all="ignore"):
            function = interpret(list(joint.values.values()), [term])
            for draw, scale in zip(self.draws, scales, strict=False):
                point = [
                    _far(rng, v, scale) if is_far else draw[n].astype(v.type.dtype) for n, v in joint.values.items()
                ]
                found = found | np.isfinite(np.asarray(function(*point)[0]))
        return found


def _far(rng: np.random.Generator, value: TensorVariable, scale: float) -> NDArray:
    """Return a point anywhere; of counts, which have no bounds here, from zero on."""
    point = rng.normal(0.0, scale, value.type.shape)
    return np.asarray(point if value.type.dtype == "float64" else np.abs(10 * point), value.type.dtype)


def impossible_rows(draws: PriorDraws) -> Iterator[Concern]:
    """Yield data that no draw from the prior allows."""
    likelihoods = draws.likelihoods
    for name in likelihoods[0] if likelihoods else ():
        impossible = np.all([~(each[name] > -np.inf) for each in likelihoods], axis=0)
        if not impossible.any():
            continue
        impossible, is_ever = _impossible(draws, name, impossible)
        if not impossible.any():
            continue
        where = np.argwhere(impossible)[0].tolist() if impossible.ndim else []
        count = int(impossible.sum())
        more = f" (and {count - 1} more)" if count > 1 else ""
        data = draws.model.observed_data.get(name)
        value = f" = {data[tuple(where)]}" if data is not None and where and data.shape == impossible.shape else ""
        what = f"{name}{where}{value}{more} has" if where else f"The data of {name} have"
        message = f"{what} probability zero in each of {len(likelihoods)} draws from the prior"
        yield Concern(
            "impossible-row",
            "warning" if is_ever else "error",
            (name,),
            f"{message}, but not for all parameters." if is_ever else f"{message}.",
            "Priors and data contradict each other: widen the priors, or look at these rows."
            if is_ever
            else "Look at these rows, at bounds of the support, and at the likelihood.",
        )


def _impossible(draws: PriorDraws, name: str, impossible: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], bool]:
    """Return which of some rows are impossible with discrete variables summed out, and whether only under the prior.

    A draw of a latent state may contradict a row that another state of it allows.
    """
    try:
        possible = draws.possible_somewhere(name, is_far=False)
        impossible = impossible & ~possible if possible.shape in (impossible.shape, (1,)) else impossible
        possible = draws.possible_somewhere(name, is_far=True)
        far = impossible & ~possible if possible.shape in (impossible.shape, (1,)) else impossible
    except (PPLError, ValueError, KeyError, ArithmeticError, np.linalg.LinAlgError):  # no sum, or no value there
        return impossible, False
    return (far, False) if far.any() else (impossible, True)


def predictions(draws: PriorDraws) -> Iterator[Concern]:
    """Yield what the prior predicts that is no number, or far from all data."""
    for name in draws.model.observed:
        data = draws.model.observed_data.get(name)
        found = [np.asarray(draw[name], np.float64) for draw in draws.draws]
        if data is None or not found or not data.size or any(each.size == 0 for each in found):
            continue
        wrong = sum(not np.isfinite(each).all() for each in found)
        if wrong > 0.2 * len(found):
            yield Concern(
                "prior-not-finite",
                "warning",
                (name,),
                f"In {wrong} of {len(found)} draws from the prior {name} is not finite.",
                "Narrow the priors: exponentials and powers of wide ones overflow.",
            )
        elif not draws.flat and np.asarray(data).dtype.kind == "f":
            yield from _far_from(name, np.asarray(data, np.float64), found)


def _far_from(name: str, data: NDArray[np.float64], found: list[NDArray[np.float64]]) -> Iterator[Concern]:
    size = float(np.nanmedian(np.abs(data)))
    sizes = [float(np.median(np.abs(each[np.isfinite(each)]))) for each in found if np.isfinite(each).any()]
    if not sizes or not size:
        return
    smallest, largest = min(sizes), max(sizes)
    if size > FAR * largest or size * FAR < smallest:
        yield Concern(
            "prior-far",
            "warning",
            (name,),
            f"The data of {name} are about {size:.2g} in size, what the prior predicts between {smallest:.2g} and "
            f"{largest:.2g}.",
            "Change the units of the data, or the priors.",
        )


def values_at(joint: Any, draw: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Return the values of a log-density's inputs in a draw, by the name of their variable."""
    return {name: np.asarray(draw[name], value.type.dtype) for name, value in joint.values.items()}
