"""Chances that reach zero and one, as people write them, with what they are in mpmath's numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

mp: Any = pytest.importorskip("mpmath")

S, S_EXACT = pt.sigmoid, lambda x: 1 / (1 + mp.exp(-x))


def three(x: Any) -> Any:
    return pt.stack([x, 0.3 * x, 1.0 - x])


def exact_share(x: Any, k: int) -> Any:
    parts = [mp.exp(x), mp.exp(mp.mpf("0.3") * x), mp.exp(1 - x)]
    return parts[k] / sum(parts)


def normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def weighted(f: Callable[[Any], Any], *weights: Any) -> Callable[[Any], Any]:
    """Return ``sum_k w_k f(x - k)``."""
    return lambda x: sum((w(x) if callable(w) else mp.mpf(w)) * f(x - k) for k, w in enumerate(weights))


def shifted(x: Any) -> Any:
    return S(pt.stack([x, x - 1]))


def opposite(x: Any) -> Any:
    return 1 - S_EXACT(x)


def both(x: Any) -> Any:
    """The chance of one of two, ``1 - s(x) s(x + 1)``."""
    return 1 - S_EXACT(x) * S_EXACT(x + 1)


def either(x: Any) -> Any:
    return 1 - S(x) * S(x + 1)


type Spelling = tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]


SPELLINGS: dict[str, Spelling] = {
    "one minus softmax": (
        lambda x: 1 - pt.special.softmax(three(x))[1],
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "share of exponentials": (
        lambda x: (pt.exp(three(x)) / pt.exp(three(x)).sum())[0],
        lambda x: exact_share(x, 0),
        lambda x: exact_share(x, 1) + exact_share(x, 2),
    ),
    "exponential of a log share": (
        lambda x: pt.exp(three(x) - pt.log(pt.exp(three(x)).sum()))[0],
        lambda x: exact_share(x, 0),
        lambda x: exact_share(x, 1) + exact_share(x, 2),
    ),
    "ones times": (lambda x: (pt.ones(3) * S(x))[0], S_EXACT, lambda x: S_EXACT(-x)),
    "product": (lambda x: S(x) * S(x + 1), lambda x: S_EXACT(x) * S_EXACT(x + 1), both),
    "one minus a product": (either, both, lambda x: S_EXACT(x) * S_EXACT(x + 1)),
    "square": (lambda x: 1 - S(x) ** 2, lambda x: S_EXACT(-x) * (1 + S_EXACT(x)), lambda x: S_EXACT(x) ** 2),
    "root": (lambda x: pt.sqrt(S(x)), lambda x: mp.sqrt(S_EXACT(x)), lambda x: S_EXACT(-x) / (1 + mp.sqrt(S_EXACT(x)))),
    "noisy or": (
        lambda x: 1 - pt.prod(1 - S(pt.stack([x, x + 1]))),
        lambda x: S_EXACT(x) + S_EXACT(-x) * S_EXACT(x + 1),
        lambda x: S_EXACT(-x) * S_EXACT(-x - 1),
    ),
    "hyperbolic": (lambda x: 0.5 * (1 + pt.tanh(x / 2)), S_EXACT, lambda x: S_EXACT(-x)),
    "odds": (lambda x: pt.exp(x) / (1 + pt.exp(x)), S_EXACT, lambda x: S_EXACT(-x)),
    "reciprocal": (lambda x: 1 / (1 + pt.exp(-x)), S_EXACT, lambda x: S_EXACT(-x)),
    "probit by erf": (lambda x: 0.5 * (1 + pt.erf(x / sqrt(2))), normal, lambda x: normal(-x)),
    "probit by erfc": (lambda x: 0.5 * pt.erfc(-x / sqrt(2)), normal, lambda x: normal(-x)),
    "probit by name": (lambda x: 1 - pm.math.invprobit(x), lambda x: normal(-x), normal),
    "complementary log-log": (
        lambda x: 1 - pt.exp(-pt.exp(x)),
        lambda x: -mp.expm1(-mp.exp(x)),
        lambda x: mp.exp(-mp.exp(x)),
    ),
    "mixture": (
        lambda x: 0.3 * S(x) + 0.7 * S(x - 1),
        lambda x: mp.mpf("0.3") * S_EXACT(x) + mp.mpf("0.7") * S_EXACT(x - 1),
        lambda x: mp.mpf("0.3") * S_EXACT(-x) + mp.mpf("0.7") * S_EXACT(1 - x),
    ),
    "mixture with a weight": (
        lambda x: S(x + 3) * S(x) + (1 - S(x + 3)) * S(x - 1),
        lambda x: S_EXACT(x + 3) * S_EXACT(x) + S_EXACT(-x - 3) * S_EXACT(x - 1),
        lambda x: S_EXACT(x + 3) * S_EXACT(-x) + S_EXACT(-x - 3) * S_EXACT(1 - x),
    ),
    "guess": (
        lambda x: 0.2 + 0.8 * S(x),
        lambda x: mp.mpf("0.2") + mp.mpf("0.8") * S_EXACT(x),
        lambda x: mp.mpf("0.8") * S_EXACT(-x),
    ),
    "stick": (
        lambda x: (S(three(x)) * pt.concatenate([[1.0], pt.cumprod(1 - S(three(x)))[:-1]]))[1],
        lambda x: S_EXACT(-x) * S_EXACT(mp.mpf("0.3") * x),
        lambda x: S_EXACT(x) + S_EXACT(-x) * S_EXACT(mp.mpf("-0.3") * x),
    ),
    "difference": (
        lambda x: S(1.5 - x) - S(-1.0 - x),
        lambda x: S_EXACT(mp.mpf(1.5) - x) - S_EXACT(-1 - x),
        lambda x: S_EXACT(x - mp.mpf(1.5)) + S_EXACT(-1 - x),
    ),
    "dot": (
        lambda x: pt.dot(np.array([0.3, 0.7]), shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "matrix product": (
        lambda x: (pt.as_tensor(np.array([[0.5, 0.5], [0.3, 0.7]])) @ shifted(x))[1],
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "dot with weights": (
        lambda x: pt.dot(shifted(x), pt.special.softmax(pt.stack([x, 0.0]))),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "dot with a weight and its complement": (
        lambda x: pt.stack([S(x), 1 - S(x)]) @ shifted(x),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "sum of weights": (
        lambda x: pt.sum(np.array([0.3, 0.7]) * shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "weights below one": (
        lambda x: pt.dot(shifted(x), np.array([0.25, 0.5])),
        weighted(S_EXACT, "0.25", "0.5"),
        lambda x: mp.mpf("0.25") + weighted(opposite, "0.25", "0.5")(x),
    ),
    "mean": (lambda x: pt.mean(shifted(x)), weighted(S_EXACT, "0.5", "0.5"), weighted(opposite, "0.5", "0.5")),
    "two shares of three": (
        lambda x: pt.special.softmax(three(x))[0] + pt.special.softmax(three(x))[2],
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "one minus two shares": (
        lambda x: 1 - (pt.special.softmax(three(x))[0] + pt.special.softmax(three(x))[1]),
        lambda x: exact_share(x, 2),
        lambda x: exact_share(x, 0) + exact_share(x, 1),
    ),
    "one minus one after the other": (
        lambda x: 1 - pt.special.softmax(three(x))[0] - pt.special.softmax(three(x))[2],
        lambda x: exact_share(x, 1),
        lambda x: exact_share(x, 0) + exact_share(x, 2),
    ),
    "first shares": (
        lambda x: pt.sum(pt.special.softmax(three(x))[:2]),
        lambda x: exact_share(x, 0) + exact_share(x, 1),
        lambda x: exact_share(x, 2),
    ),
    "cumulative shares": (
        lambda x: pt.cumsum(pt.special.softmax(three(x)))[1],
        lambda x: exact_share(x, 0) + exact_share(x, 1),
        lambda x: exact_share(x, 2),
    ),
    "shares as weights": (
        lambda x: (
            pt.special.softmax(pt.stack([x, 0.0]))[0] * S(x) + pt.special.softmax(pt.stack([x, 0.0]))[1] * S(x - 1)
        ),
        weighted(S_EXACT, S_EXACT, opposite),
        weighted(opposite, S_EXACT, opposite),
    ),
    "normalised exponentials as weights": (
        lambda x: pt.dot(pt.exp(three(x)) / pt.exp(three(x)).sum(), S(pt.stack([x, x - 1, x - 2]))),
        lambda x: sum(exact_share(x, k) * S_EXACT(x - k) for k in range(3)),
        lambda x: sum(exact_share(x, k) * S_EXACT(k - x) for k in range(3)),
    ),
    "shares of states": (
        lambda x: pt.dot(pt.special.softmax(three(x)), np.array([1.0, 0.0, 1.0])),
        lambda x: exact_share(x, 0) + exact_share(x, 2),
        lambda x: exact_share(x, 1),
    ),
    "mean of two scalar products": (
        lambda x: 0.5 * pt.dot(np.array([0.3, 0.7]), shifted(x)) + 0.5 * S(x),
        weighted(S_EXACT, "0.65", "0.35"),
        weighted(opposite, "0.65", "0.35"),
    ),
    "einsum": (
        lambda x: pt.einsum("i,i->", np.array([0.3, 0.7]), shifted(x)),
        weighted(S_EXACT, "0.3", "0.7"),
        weighted(opposite, "0.3", "0.7"),
    ),
    "competing rates": (
        lambda x: pt.exp(x) / (pt.exp(x) + pt.exp(2 * x) + 1),
        lambda x: mp.exp(x) / (mp.exp(x) + mp.exp(2 * x) + 1),
        lambda x: (mp.exp(2 * x) + 1) / (mp.exp(x) + mp.exp(2 * x) + 1),
    ),
    "difference of an exponential": (
        lambda x: -pt.expm1(-pt.exp(x)),
        lambda x: -mp.expm1(-mp.exp(x)),
        lambda x: mp.exp(-mp.exp(x)),
    ),
    "any of a negative binomial": (
        lambda x: 1 - (1 + pt.exp(x) / 2.5) ** -2.5,
        lambda x: 1 - (1 + mp.exp(x) / 2.5) ** -2.5,
        lambda x: (1 + mp.exp(x) / 2.5) ** -2.5,
    ),
    "largest share": (
        lambda x: pt.max(pt.special.softmax(three(x))),
        lambda x: max(exact_share(x, k) for k in range(3)),
        lambda x: 1 - max(exact_share(x, k) for k in range(3)),
    ),
    "exponential of a logarithm": (lambda x: pt.exp(-pt.softplus(-x)), S_EXACT, lambda x: S_EXACT(-x)),
    "set": (lambda x: pt.set_subtensor(pt.ones(2)[0], either(x))[0], both, lambda x: 1 - both(x)),
    "stack": (lambda x: pt.stack([either(x), S(x)])[0], both, lambda x: 1 - both(x)),
    "reshaped": (lambda x: (pt.ones((2, 3)) * either(x)).reshape((6,))[4], both, lambda x: 1 - both(x)),
    "repeated": (lambda x: pt.repeat(pt.stack([either(x)]), 3)[0], both, lambda x: 1 - both(x)),
    "where": (lambda x: pt.where(np.array([True, False]), either(x), 0.5)[0], both, lambda x: 1 - both(x)),
}
"""Spellings, what their chances are, and one minus that, such that nothing cancels."""
