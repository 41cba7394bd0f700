"""Log-probabilities of some rows of the data, whose gradients are those of all in expectation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb, strip
from graphs.minibatch.factoring import factored
from graphs.minibatch.taking import Obstacle
from graphs.minibatch.wanted import Sizes, wanted_sizes
from graphs.surgery.random_graph import unused_name


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that are drawn together.

    Parameters
    ----------
    rows : TensorVariable
        Shape (size,), int64: their numbers, an input of the density.
    number : int
        Of how many rows, from 0 to ``number - 1``.
    size : int
        How many are drawn.
    terms : tuple of str
        What is computed of them.
    """

    rows: TensorVariable
    number: int
    size: int
    terms: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Minibatched:
    """A log-probability of some rows of the data.

    Parameters
    ----------
    logprob : LogProb
        With terms that are sums over some rows, scaled; the same values.
    batches : tuple of Batch
        The rows. Drawn uniformly, with or without replacement, they make value and gradient unbiased.
    """

    logprob: LogProb
    batches: tuple[Batch, ...]

    @cached_property
    def density(self) -> LogDensity:
        """The sum of all terms as a function of all values and of the numbers of rows."""
        return self.logprob.logdensity


def minibatched(logprob: LogProb, sizes: Sizes) -> Minibatched:
    """Compute the terms of observed variables from some of their rows.

    The term of ``n`` rows becomes ``n / size`` times the sum over the rows that are drawn, all arrays of data being read
    at these alone: a step takes time for the rows of a batch.

    Parameters
    ----------
    logprob : LogProb
        Data not compressed, discrete variables summed out; in natural or unconstrained space.
    sizes : int or mapping of str to int
        How many rows are drawn: of every observed variable and potential that has more, or by name, all others being
        computed in full.

    Returns
    -------
    Minibatched

    Raises
    ------
    ModelError
        If a size is no positive whole number, a name is not that of an observed variable or potential, or nothing has
        more rows.
    DerivationError
        If a term does not factor over its rows: names it, and why.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from graphs.joint.logprob import logprob
    >>> mean = pm.Normal.dist(0.0, 1.0)
    >>> mean.name = "mean"
    >>> y = pm.Normal.dist(mean, 1.0, size=3)
    >>> y.name = "y"
    >>> joint = logprob({y: np.array([0.5, 1.0, 3.0])})
    >>> found = minibatched(joint, 1)
    >>> [batch] = found.batches
    >>> each = [found.density.total.eval({joint.values["mean"]: 0.2, batch.rows: [i]}) for i in range(3)]
    >>> bool(np.isclose(np.mean(each), joint.total.eval({joint.values["mean"]: 0.2})))
    True
    """
    wanted = wanted_sizes(logprob, sizes)
    stripped = strip(logprob, [n for n in logprob.values if not logprob.supports[n].is_discrete])
    drawn: dict[tuple[int, int], TensorVariable] = {}
    used: dict[tuple[int, int], list[str]] = {}
    terms = dict(logprob.terms)
    for name, size in wanted.items():

        def rows_of(number: int, size: int = size, name: str = name) -> TensorVariable:
            if (number, size) not in drawn:
                taken = [*logprob.values, *(v.name for v in drawn.values())]
                label = unused_name(f"rows_of_{name}", taken)
                drawn[number, size] = pt.tensor(label, shape=(size,), dtype="int64")
            return drawn[number, size]

        found = factored(stripped.terms[name], size, rows_of) or _of_one_number(logprob, name, size)
        if isinstance(found, Obstacle):
            raise DerivationError(
                f"The term of {name} cannot be computed of {size} rows: it does not factor over its rows, as "
                f"{found.reason}. Leave {name} out (minibatch={{...}} with the names of others), or take all rows.",
                name,
            )
        if found is not None:
            terms[name] = found.total
            used.setdefault((found.number, size), []).append(name)
    if not used:
        raise ModelError(
            f"minibatch={sizes!r}: no observed variable has more rows than that: leave minibatch out, or draw fewer."
        )
    batches = tuple(Batch(drawn[key], *key, tuple(names)) for key, names in used.items())
    return Minibatched(replace(logprob, terms=terms), batches)


def _of_one_number(logprob: LogProb, term: str, size: int) -> Obstacle | None:
    """Return why a term of one number is not computed of rows, None if its data are no more than a batch."""
    _, value = logprob.graph.observed.get(term, (None, None))
    is_long = value is not None and max([0, *(n or 0 for n in value.type.shape)]) > size
    if is_long and logprob.terms[term].type.ndim == 0:
        return Obstacle("all its elements have one density together")
    return None
