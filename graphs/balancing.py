"""Draws from laws that are made again and again, in balance: means of what follows from them err less.

What is drawn from its law, given draws of the rest, feeds back into nothing. The normal numbers that it is made of may
therefore depend on each other from row to row, as long as those of each row are independent. Their magnitudes are
independent. Of their signs, the second row of each pair has the opposite ones of the first; over a set of pairs, which
are in random order, those of each number are a Walsh function of its own, times a sign at random, so that the product
of two signs is zero on average, too. Where there are more numbers than functions, those that share one differ by signs
at random, pair by pair.

Averages of `n` draws of a normal number have the error that `1 / (1 - 2 / pi)`, 2.75 times, as many independent draws
leave; those of its square, of its tails, and over whole sets of products of two such numbers have no larger ones than
independent draws. Gamma numbers are made of normal ones (Marsaglia and Tsang), and beta and Dirichlet ones of gamma
ones: the first normal number is taken in 19 of 20 cases or more, and what is drawn where it is not depends on nothing.

The first row is the second of a pair: chains that go through images of what they propose change sides with every second
row (`samplers.tables.orbits`), and products of what they draw and of what is drawn here would be the same in both.

References
----------
Art B. Owen, "Monte Carlo theory, methods and examples", 2013, chapter 8 (antithetic sampling).
Tom Beer, "Walsh transforms", American Journal of Physics 49, 1981.
George Marsaglia and Wai Wan Tsang, "A simple method for generating gamma variables", ACM Transactions on Mathematical
Software 26, 2000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.random.basic import normal
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.surgery.random_graph import named_input
from graphs.surgery.rebuilding import rebuild

LEAST_ROWS, MOST_ROWS = 16, 512
"""Rows of a set, a power of two: more than twice as many as there are numbers, so that each has a function of its own,
if there are not too many; such sets would be longer than ordinary runs."""

type Shape = tuple[int, ...]


class SignedLogGammaRV(RandomVariable):
    """Logarithms of gamma draws of scale one, of which the first normal number has a given sign.

    Parameters of the node: the shape, and whether the number is positive. If that is as often so as not, the draw is
    from the gamma distribution.
    """

    name = "signed_log_gamma"
    signature = "(),()->()"
    dtype = "float64"
    _print_name = ("SignedLogGamma", "\\operatorname{SignedLogGamma}")

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> NDArray[np.float64]:
        """Draw by NumPy."""
        shape, is_positive, size = arguments
        size = np.broadcast_shapes(np.shape(shape), np.shape(is_positive)) if size is None else tuple(size)
        with np.errstate(all="ignore"):
            signed = np.where(is_positive, 1.0, -1.0) * abs(rng.normal(size=size))
            increased, first, is_such = first_of_gamma(np, shape, signed, rng.random(size))
            others = rng.standard_gamma(np.where(increased > 0.0, increased, 1.0), size)
            found = np.log(np.where(is_such, first, others))
            found = np.where(increased > shape, found + np.log1p(-rng.random(size)) / shape, found)
            return np.where(np.asarray(shape) > 0.0, found, np.where(np.asarray(shape) == 0.0, -np.inf, np.nan))


def first_of_gamma(numbers: Any, shape: Any, normal_number: Any, uniform_number: Any) -> tuple[Any, Any, Any]:
    """Return what a gamma draw is first tried with.

    Parameters
    ----------
    numbers : module
        NumPy, or JAX's.
    shape, normal_number, uniform_number : array
        Of the distribution, and what is drawn.

    Returns
    -------
    increased : array
        The shape of the distribution of what is tried: one more than was asked for, where that is below one.
    first : array
        What is tried.
    is_such : array of bool
        Whether it is taken: given that it is, it has the gamma distribution.
    """
    increased = numbers.where(shape < 1.0, shape + 1.0, shape)
    away = increased - 1.0 / 3.0
    root = 1.0 + normal_number / numbers.sqrt(9.0 * away)
    cube = root**3
    bound = 0.5 * normal_number**2 + away * (1.0 - cube + numbers.log(cube))
    return increased, away * cube, (root > 0.0) & (numbers.log(uniform_number) < bound)


signed_log_gamma = SignedLogGammaRV()


@dataclass
class _SignedNumbers:
    """Numbers of one row that are drawn one array after the other.

    Parameters
    ----------
    rng : Variable
        The generator of the next.
    signs : list of TensorVariable
        Inputs for the signs of normal numbers.
    """

    rng: Variable
    signs: list[TensorVariable] = field(default_factory=list)

    def drawn(self, op: RandomVariable, size: Variable, *parameters: Variable) -> TensorVariable:
        """Return what an operation draws."""
        self.rng, draw = op.make_node(self.rng, size, *parameters).outputs
        return draw

    def are_positive(self, shape: Shape) -> TensorVariable:
        """Return signs that are given."""
        sign = named_input(f"signs_{len(self.signs)}", shape, "bool")
        self.signs.append(sign)
        return sign

    def log_gamma(self, alpha: Variable, shape: Shape) -> TensorVariable:
        """Return logarithms of gamma numbers of scale one, made of normal ones whose signs are given."""
        return self.drawn(signed_log_gamma, pt.constant(np.array(shape, int)), alpha, self.are_positive(shape))


def _normal(numbers: _SignedNumbers, shape: Shape, loc: Variable, scale: Variable) -> TensorVariable:
    standard = numbers.drawn(normal, pt.constant(np.array(shape, int)), pt.constant(0.0), pt.constant(1.0))
    size = abs(standard)
    return loc + scale * pt.switch(numbers.are_positive(shape), size, -size)


def _gamma(numbers: _SignedNumbers, shape: Shape, alpha: Variable, scale: Variable) -> TensorVariable:
    return scale * pt.exp(numbers.log_gamma(alpha, shape))


def _beta(numbers: _SignedNumbers, shape: Shape, alpha: Variable, beta: Variable) -> TensorVariable:
    return pt.sigmoid(numbers.log_gamma(alpha, shape) - numbers.log_gamma(beta, shape))


def _dirichlet(numbers: _SignedNumbers, shape: Shape, alpha: Variable) -> TensorVariable:
    return pt.special.softmax(numbers.log_gamma(alpha, shape), axis=-1)


_BALANCED: dict[str, Callable[..., TensorVariable]] = {
    "normal": _normal,
    "gamma": _gamma,
    "beta": _beta,
    "dirichlet": _dirichlet,
}


def with_given_signs(draws: Sequence[TensorVariable]) -> tuple[list[TensorVariable], list[TensorVariable]]:
    """Return graphs of draws whose normal numbers have signs that are given, and these signs.

    Parameters
    ----------
    draws : sequence of TensorVariable
        Graphs of draws.

    Returns
    -------
    graphs : list of TensorVariable
        Of draws from the same laws: normal, gamma, beta and Dirichlet ones of static shape are made of such numbers.
    signs : list of TensorVariable
        Inputs, of the shapes of the arrays of normal numbers: whether each is positive.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> rng = pt.random.rng("rng")
    >>> _, draw = rng.normal(1.0, 2.0, size=(3,))
    >>> [graph], [signs] = with_given_signs([draw])
    >>> signs.type.shape
    (3,)
    """
    signs: list[TensorVariable] = []

    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        make = _BALANCED.get(str(node.op.name)) if isinstance(node.op, RandomVariable) else None
        shape = getattr(node.outputs[-1].type, "shape", (None,))
        if make is None or None in shape:
            return None
        numbers = _SignedNumbers(inputs[0], signs)
        found = make(numbers, shape, *inputs[2:])
        return [numbers.rng, found if found.type.shape == shape else pt.specify_shape(found, shape)]

    memo = rebuild(list(draws), rewrite)
    return [memo.get(draw, draw) for draw in draws], signs


def balanced_signs(shapes: Sequence[Shape], num_rows: int, rng: np.random.Generator) -> list[NDArray]:
    """Return signs for rows that are drawn one after the other.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the arrays of normal numbers of one row.
    num_rows : int
        How many rows there are: those of fewer are the first of more.
    rng : numpy.random.Generator
        What is at random.

    Returns
    -------
    list of (num_rows, ...) bool arrays
        Whether numbers are positive.

    Examples
    --------
    >>> [signs] = balanced_signs([(3,)], 101, np.random.default_rng(1))
    >>> signs.shape, signs[1:].sum(axis=0).tolist()
    ((101, 3), [50, 50, 50])
    """
    if not shapes:
        return []
    sizes = [prod(shape) for shape in shapes]
    size, num_pairs = sum(sizes), rows_of_set(sum(sizes)) // 2
    functions = _balanced_functions(num_pairs)
    num_sets = -(-(num_rows + 1) // (2 * num_pairs))
    of_functions, of_pairs, of_sets, of_rounds = rng.spawn(4)
    order = of_pairs.permuted(np.tile(np.arange(num_pairs), (num_sets, 1)), axis=1)
    per_set = of_sets.random((num_sets, 1, size)) < 0.5
    found = np.empty((num_sets, num_pairs, 2, size), bool)
    # Functions are given out in rounds; those of later ones differ pair by pair.
    for first in range(0, size, len(functions)):
        own = functions[of_functions.permutation(len(functions))[: size - first]].T
        some = slice(first, first + own.shape[1])
        found[:, :, 0, some] = own[order] ^ per_set[:, :, some]
        if first:
            found[:, :, 0, some] ^= of_rounds.spawn(1)[0].random((num_sets, num_pairs, 1)) < 0.5
    np.logical_not(found[:, :, 0], out=found[:, :, 1])
    rows = found.reshape(2 * num_sets * num_pairs, size)[1 : num_rows + 1]
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    return [part.reshape(num_rows, *shape) for part, shape in zip(parts, shapes, strict=True)]


def rows_of_set(num_numbers: int) -> int:
    """Return how many rows balance each other where each row has so many normal numbers."""
    return min(max(LEAST_ROWS, 2 << num_numbers.bit_length()), MOST_ROWS)


@cache
def _balanced_functions(length: int) -> NDArray[np.bool_]:
    """Return where Walsh functions of so many numbers are -1, all but the constant one; (length - 1, length)."""
    numbers = np.arange(length)
    return np.bitwise_count(numbers[1:, None] & numbers) % 2 == 1
