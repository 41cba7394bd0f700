r"""Partial centring: the density of a variable in coordinates between itself and its distance from its location.

A variable :math:`x = \mu + \sigma u`, with :math:`u` of location zero and scale one, is seen in coordinates :math:`z`,
element by element:

.. math:: x = \mu + k^2 (h - \lambda \mu) + k z, \quad k = \sigma / d, \quad d^2 = (1 - \lambda) s^2 + \lambda \sigma^2.

At :math:`\lambda = 1, h = 0` they are the variable itself (centred), at :math:`\lambda = 0, h = 0` they are :math:`s u`
(not centred). The scale :math:`s` and the pull :math:`h` are numbers, as is :math:`\lambda`. Where data say of a normal
variable what a normal observation :math:`y` of precision :math:`I` would, its mean and variance given location and
scale are those of :math:`x` above at :math:`\lambda = I s^2 / (1 + I s^2)`, :math:`h = \lambda y` and a coordinate of
mean zero and constant variance: coordinates depend on neither location nor scale, whatever these are. Powers of the
scale, :math:`z = \lambda \mu + (x - \mu) \sigma^{\lambda - 1}` as Gorinova et al. [1]_ have them, do so at one scale
only: where it moves over orders of magnitude, as that of few groups does, variables are rather centred at its one end
and not at the other. :math:`\lambda` is one minus the pivotal quantity of [2]_, at the scale :math:`s`.

In these coordinates the term of the variable and the log-Jacobian are together :math:`p(u) - \log d` with
:math:`u = (k (h - \lambda \mu) + z) / d`: nothing is subtracted that was added before, as it is where a scale is small.

References
----------
.. [1] Gorinova, Moore and Hoffman (2020), Automatic reparameterisation of probabilistic programs.
.. [2] Papaspiliopoulos, Roberts and Skoeld (2007), A general framework for the parametrization of hierarchical models.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.bounds.guards import strip_guards
from graphs.centring.families import Located, is_exponential, is_located, located, standard_logprob
from graphs.centring.parents import is_located_by, levels_of, without_circles
from graphs.centring.reasons import why_not_located
from graphs.centring.recursions import in_steps, of_coordinates
from graphs.centring.sequences import in_chains, located_sequence, random_point
from graphs.density import LogDensity
from graphs.joint.joint_logprob import LogProb
from graphs.joint.preparation import widen
from graphs.limits.masked_slopes import with_masked_branches
from graphs.roots import log_sqrt, reciprocal_sqrt
from graphs.supports import REAL, Support
from graphs.surgery.evaluating import evaluate
from graphs.surgery.printing import dprint
from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import substitute

_AGREEMENT = 1e-8


@dataclass(frozen=True, eq=False)
class PartialCentring:
    r"""The density of some variables in partially centred coordinates.

    Parameters
    ----------
    names : tuple of str
        The variables that have such coordinates, in order.
    values : tuple of TensorVariable
        Their values.
    levels : tuple of int
        How many of the others are above each, one above the other: coordinates are taken back in this order.
    located : tuple of Located
        Location and scale of each, as graphs of values.
    coordinates : mapping of TensorVariable to TensorVariable
        Of the values, what stands for them in the density.
    undone : mapping of TensorVariable to TensorVariable
        The values as graphs of coordinates.
    logdensity : LogDensity
        Of coordinates and of all other values, and of the data; with the log-Jacobian.
    scores : tuple of TensorVariable
        Of each variable the derivative of its own term, element by element, as graphs of values.
    data : tuple of TensorVariable
        What coordinates depend on besides, each of shape (k,), all elements of one variable after the other: the share
        :math:`\lambda`, the floor :math:`s^2 (1 - \lambda)` and the pull :math:`h`.
    """

    names: tuple[str, ...]
    values: tuple[TensorVariable, ...]
    levels: tuple[int, ...]
    located: tuple[Located, ...]
    coordinates: Mapping[TensorVariable, TensorVariable]
    undone: Mapping[Variable, Variable]
    logdensity: LogDensity
    scores: tuple[TensorVariable, ...]
    data: tuple[TensorVariable, ...]

    @property
    def parameters(self) -> tuple[TensorVariable, ...]:
        """Locations of all variables, then scales, then scores, then ratios; in the `orders` of their elements."""
        kinds = [[one.location for one in self.located], [one.scale for one in self.located]]
        kinds += [list(self.scores), [one.ratio for one in self.located]]
        return tuple(
            self._in_order(graph, value, one)
            for kind in kinds
            for graph, value, one in zip(kind, self.values, self.located, strict=True)
        )

    @staticmethod
    def _in_order(graph: TensorVariable, value: TensorVariable, one: Located) -> TensorVariable:
        shape = value.type.shape
        whole = graph if graph.type.shape == shape else pt.broadcast_to(graph, shape)
        return whole if one.rows is None else in_steps(whole, one.rows.reshape(1, -1))

    @property
    def orders(self) -> tuple[NDArray[np.int64], ...]:
        """Of each variable its elements, in C order, as data of coordinates and `parameters` have them."""
        return tuple(one.order(size) for one, size in zip(self.located, self.sizes, strict=True))

    @property
    def described(self) -> str:
        """The map, with locations and scales."""
        lines = [
            "coordinates z, with shares c (0: not centred, 1: as declared), scales s and pulls h that are learnt:",
            "x = location + k^2 (h - c location) + k z,  k^2 = scale^2 / ((1 - c) s^2 + c scale^2)",
        ]
        for name, one in zip(self.names, self.located, strict=True):
            lines += [f"{name}, location:", str(dprint(one.location, file="str"))]
            lines += [f"{name}, scale:", str(dprint(one.scale, file="str"))]
        return "\n".join(line.rstrip() for line in lines)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each variable."""
        return tuple(prod(value.type.shape) for value in self.values)


def partial_centring(
    logprob: LogProb,
    names: Sequence[str],
    moved: Sequence[str],
    *,
    always: Container[str] = (),
    natural: Mapping[str, TensorVariable] | None = None,
) -> PartialCentring | None:
    """Return the density in partially centred coordinates; None where there is nothing to centre.

    Parameters
    ----------
    logprob : LogProb
        What moves the variables sees.
    names : sequence of str
        Variables that may have such coordinates.
    moved : sequence of str
        All that are moved together with them.
    always : container of str
        Those that count even if location and scale depend on nothing that is moved.
    natural : mapping of str to TensorVariable, optional
        The values before some were taken to the real line: variables that were declared one by one depend on these.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from graphs.joint.logprob import logprob, unconstrain
    >>> mu = pm.Normal.dist()
    >>> mu.name = "mu"
    >>> x = pm.Normal.dist(mu, 2.0)
    >>> x.name = "x"
    >>> joint = unconstrain(logprob({pm.Poisson.dist(pm.math.exp(x)): 3}))
    >>> partial_centring(joint, ["x"], ["mu", "x"]).logdensity.inputs
    (mu, x, centring, centring_floor, centring_pull)
    """
    found: dict[str, Located] = {}
    inputs_of: dict[str, list[Variable]] = {}
    stand_ins: dict[Variable, Variable] = {
        rv: logprob.natural[name] for name, rv in logprob.graph.latent.items() if name in logprob.natural
    }
    stand_ins |= dict(logprob.graph.observed.values())
    stand_ins |= {value: logprob.natural[name] for name, value in (natural or {}).items() if name in logprob.natural}
    others = [logprob.values[name] for name in moved]
    for name in names:
        rv, value = logprob.graph.latent[name], logprob.values[name]
        if why_not_located(logprob, name) or 0 in value.type.shape:
            continue
        inputs = substitute(rv.owner.inputs, stand_ins) if is_located(rv) or is_exponential(rv) else []
        one = located(rv, inputs) if inputs else located_sequence(rv, stand_ins, value.type.shape)
        location, scale, ratio = strip_guards(widen(one.graphs), _supports(logprob))
        one = one._replace(location=location, scale=scale, ratio=ratio)
        if is_located_by(one, [value]):
            chained = in_chains(one, value, list(logprob.values.values()))
            if chained is None:
                continue
            one, inputs = chained, []
        if name in always or is_located_by(one, others):
            found[name], inputs_of[name] = one, inputs
    found = without_circles(found, logprob)
    levels = levels_of(found, logprob)
    found = {name: found[name] for name in sorted(found, key=levels.__getitem__)}
    return _of(logprob, found, inputs_of, levels) if found else None


def _supports(logprob: LogProb) -> dict[Variable, Support]:
    return {
        value: REAL if logprob.natural[name] is not value else logprob.supports[name]
        for name, value in logprob.values.items()
    }


def _of(
    logprob: LogProb,
    found: Mapping[str, Located],
    inputs_of: Mapping[str, Sequence[Variable]],
    levels: Mapping[str, int],
) -> PartialCentring | None:
    """Return the density in coordinates of variables, parents first; None if it is not that of the variables."""
    shapes = {name: logprob.values[name].type.shape for name in found}
    size = sum(map(prod, shapes.values()))
    data = tuple(named_input(name, (size,)) for name in ("centring", "centring_floor", "centring_pull"))
    coordinates: dict[TensorVariable, TensorVariable] = {}
    undone: dict[Variable, Variable] = {}
    terms: dict[str, TensorVariable] = {}
    jacobians: dict[str, TensorVariable] = {}
    first = 0
    for name, one in found.items():
        value, stop = logprob.values[name], first + prod(shapes[name])
        share, floor, pull = (v[first:stop] for v in data)
        first = stop
        location, scale, ratio, *inputs = substitute([*one.graphs, *inputs_of[name]], undone)
        here = one._replace(location=location, scale=scale, ratio=ratio)
        coordinate = coordinates[value] = value.type(name=value.name)
        if one.rows is not None:
            undone[value], jacobians[name] = of_coordinates(coordinate, here, one.rows, share, floor, pull)
            continue
        share, floor, pull = (pt.reshape(v, shapes[name]) for v in (share, floor, pull))
        square = floor + share * scale**2
        inverse = reciprocal_sqrt(square)
        standard = (coordinate + scale * inverse * (pull - share * location)) * inverse
        density = standard_logprob(logprob.graph.latent[name], inputs, standard)
        terms[name] = density - log_sqrt(square)
        jacobians[name] = pt.log(scale * inverse)
        undone[value] = location + scale * standard
    supports = _supports(logprob) | dict.fromkeys(coordinates.values(), REAL)
    terms = dict(zip(terms, widen(strip_guards(list(terms.values()), supports)), strict=True))
    # Slopes are masked down to the variables: coordinates have finite ones.
    masked = dict(zip(logprob.terms, with_masked_branches(list(logprob.terms.values())), strict=True))
    everything = replace(logprob, terms=masked).replace(undone)
    inputs = [*(coordinates.get(v, v) for v in logprob.logdensity.inputs), *data]
    for name in jacobians.keys() - terms.keys():
        terms[name] = pt.sum(everything.terms[name]) + pt.sum(jacobians[name])
    for name, term in terms.items():
        if not _are_equal(term, pt.sum(everything.terms[name]) + pt.sum(jacobians[name]), inputs):
            return None
    total = pt.add(*(pt.sum(term) for term in {**everything.terms, **terms}.values()), 0.0)
    return PartialCentring(
        tuple(found),
        tuple(coordinates),
        tuple(levels[name] for name in found),
        tuple(found.values()),
        coordinates,
        undone,
        LogDensity(total, tuple(inputs)),
        tuple(_score(logprob, name, one, inputs_of[name]) for name, one in found.items()),
        data,
    )


def _score(logprob: LogProb, name: str, one: Located, inputs: Sequence[Variable]) -> TensorVariable:
    """Return the derivative of the term of a variable with respect to its value, element by element."""
    value = logprob.values[name]
    if not inputs:
        return pt.as_tensor(pytensor.grad(pt.sum(logprob.terms[name]), value))
    stand_in = value.type()
    term = standard_logprob(logprob.graph.latent[name], inputs, stand_in)
    [slope] = widen(strip_guards([pytensor.grad(pt.sum(term), stand_in)], _supports(logprob) | {stand_in: REAL}))
    [score] = substitute([slope], {stand_in: (value - one.location) / one.scale})
    return pt.as_tensor(score / one.scale)


def _are_equal(one: TensorVariable, other: TensorVariable, inputs: Sequence[TensorVariable]) -> bool:
    """Return whether the sums of two terms are the same at some point: what rewrote a term may have changed it."""
    found = evaluate([pt.sum(one), pt.sum(other)], random_point(inputs, 0))
    return found is not None and bool(np.isclose(found[0], found[1], rtol=_AGREEMENT, atol=_AGREEMENT))
