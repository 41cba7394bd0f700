"""Log-probabilities of some rows of the data, whose gradients are those of all in expectation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity
from graphs.errors import DerivationError, ModelError
from graphs.joint.joint_logprob import LogProb, strip
from graphs.minibatch.factoring import factored_over_rows
from graphs.minibatch.taking import RowObstacle
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
    is_shuffled : bool
        Whether the rows of the data were put into a random order: rows that follow each other, the first after the
        last, are a batch like any other then, and are read ten times as fast as such as lie here and there.
    """

    rows: TensorVariable
    number: int
    size: int
    terms: tuple[str, ...]
    is_shuffled: bool = False


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
        """The sum of all terms as a function of all values; it depends on the numbers of rows besides."""
        whole = self.logprob.logdensity
        rows = [batch.rows for batch in self.batches]
        return LogDensity(whole.total, tuple(v for v in whole.inputs if v not in rows), whole.supports)


def minibatched(logprob: LogProb, sizes: Sizes, seed: int | None = None) -> Minibatched:
    """Compute the terms of observed variables from some of their rows.

    The term of ``n`` rows becomes ``n / size`` times the sum over the rows that are drawn, all arrays of data being
    read at these alone: a step takes time for the rows of a batch.

    Parameters
    ----------
    logprob : LogProb
        Data not compressed, discrete variables summed out; in natural or unconstrained space.
    sizes : int or mapping of str to int
        How many rows are drawn: of every observed variable and potential that has more, or by name, all others being
        computed in full.
    seed : int, optional
        Of a random order into which the rows of the data are put, as copies; by default they stay where they are.

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
    drawn = _Drawn(logprob, seed)
    terms = dict(logprob.terms)
    stripped = strip(logprob, [n for n in logprob.values if not logprob.supports[n].is_discrete])
    for name, size in wanted_sizes(logprob, sizes).items():
        found = factored_over_rows(stripped.terms[name], size, partial(drawn.of, name, size))
        found = found or _of_one_number(logprob, name, size)
        if isinstance(found, RowObstacle):
            raise DerivationError(
                f"The term of {name} cannot be computed of {size} rows, as it does not factor over its rows: "
                f"{found.reason}. Leave {name} out (minibatch={{...}} with the names of others), or take all rows.",
                name,
            )
        if found is not None:
            terms[name] = found.total
            drawn.use(name, found.number, size)
    if not drawn.batches:
        raise ModelError(
            f"minibatch={sizes!r}: no observed variable has more rows than that: leave minibatch out, or draw fewer."
        )
    return Minibatched(replace(logprob, terms=terms), drawn.batches)


class _Drawn:
    """The batches so far: terms of as many rows have the same."""

    def __init__(self, logprob: LogProb, seed: int | None):
        self._names = [str(v.name) for v in logprob.values.values()]
        self._seed = seed
        self._known: dict[tuple[int, int], tuple[TensorVariable, NDArray[np.int64] | None]] = {}
        self._terms: dict[tuple[int, int], list[str]] = {}

    def of(self, name: str, size: int, number: int) -> tuple[TensorVariable, NDArray[np.int64] | None]:
        """Return the numbers of rows, and the order of the data."""
        if (number, size) not in self._known:
            label = unused_name(f"rows_of_{name}", [*self._names, *(str(v.name) for v, _ in self._known.values())])
            rows = pt.tensor(label, shape=(size,), dtype="int64")
            order = None if self._seed is None else np.random.default_rng([self._seed, number]).permutation(number)
            self._known[number, size] = rows, order
        return self._known[number, size]

    def use(self, name: str, number: int, size: int) -> None:
        """Note that a term is computed of rows."""
        self._terms.setdefault((number, size), []).append(name)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """Those that are used."""
        return tuple(
            Batch(self._known[key][0], *key, tuple(names), self._seed is not None) for key, names in self._terms.items()
        )


def _of_one_number(logprob: LogProb, term: str, size: int) -> RowObstacle | None:
    """Return why a term of one number is not computed of rows, None if its data are no more than a batch."""
    _, value = logprob.graph.observed.get(term, (None, None))
    is_long = value is not None and max([0, *(n or 0 for n in value.type.shape)]) > size
    if is_long and all(n == 1 for n in logprob.terms[term].type.shape):
        return RowObstacle("all its elements have one density together")
    return None
