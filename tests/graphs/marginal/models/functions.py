"""Functions of short discrete vectors: reductions, orders, joins, indices of indices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

import ppl
from tests.graphs.marginal.models.catalogue import MU, Case, Catalogue, P, W, Y

MODELS = Catalogue()
CHANCES = np.array([0.31, 0.62, 0.44, 0.73])
Function = Callable[[TensorVariable, TensorVariable], TensorVariable]

# From four categorical variables k and three parameters mu to means.
FUNCTIONS: dict[str, Function] = {
    "softmax": lambda k, mu: pt.special.softmax(mu[k]),
    "log_softmax": lambda k, mu: pt.special.log_softmax(0.4 * k) * mu[0],
    "sort": lambda k, mu: pt.sort(mu[k]),
    "argsort": lambda k, mu: mu[pt.argsort(k, stable=True)[:3] % 3],
    "cumsum": lambda k, mu: pt.cumsum(mu[k]),
    "cumprod": lambda k, mu: pt.cumprod(1.2 + mu[k]),
    "max": lambda k, mu: mu[pt.max(k)] + 0.3 * pt.min(k),
    "argmax": lambda k, mu: mu[pt.argmax(k) % 3],
    "any_and_all": lambda k, mu: mu[0] * pt.any(pt.eq(k, 2)) + mu[1] * pt.all(k > 0),
    "variance": lambda k, mu: pt.var(mu[k]) + pt.mean(k),
    "norm": lambda k, mu: pt.sqrt(0.1 + pt.sum(mu[k] ** 2)),
    "logsumexp": lambda k, mu: pt.logsumexp(mu[k]),
    "differences": lambda k, mu: pt.diff(mu[k]),
    "rolled": lambda k, mu: mu[k] - 0.4 * mu[pt.roll(k, 2)],
    "flipped": lambda k, mu: mu[k] + 0.3 * pt.flip(k),
    "outer": lambda k, mu: pt.outer(mu[k][:2], mu[k][2:]).ravel(),
    "pairs": lambda k, mu: (mu[k][:, None] - mu[k][None, :]).sum(axis=1),
    "reshaped": lambda k, mu: pt.dot(mu[k].reshape((2, 2)), mu[:2]),
    "transposed": lambda k, mu: mu[k.reshape((2, 2)).T].ravel() * np.array([1.0, 2.0, 0.4, -1.3]),
    "joined": lambda k, mu: pt.concatenate([mu[k[2:]], k[:1] * 0.7, [0.3], mu[k[1:2]]]),
    "stacked": lambda k, mu: pt.stack([mu[k[3]], 0.2 * k[0], mu[k[1]] * k[2]]),
    "stacked_rows": lambda k, mu: pt.stack([mu[k], 0.4 * k], axis=1).ravel(),
    "tiled": lambda k, mu: pt.tile(mu[k], 2) * np.arange(1, 9) / 5,
    "repeated": lambda k, mu: pt.repeat(mu[k], 2) * np.arange(1, 9) / 5,
    "clipped": lambda k, mu: mu[pt.clip(k + 1, 0, 2)],
    "remainders": lambda k, mu: mu[(2 * k + 1) % 3] + k // 2,
    "powers": lambda k, mu: pt.exp(0.2 * mu[0] * k) + 1.3**k + 0.1 * k**2,
    "bits": lambda k, mu: mu[pt.bitwise_xor(k[0], k[1]) % 3] + 0.3 * pt.bitwise_and(k[2], k[3]),
    "digits": lambda k, mu: mu[0] * pt.dot(k, np.array([27, 9, 3, 1])) / 20,
    "set": lambda k, mu: pt.set_subtensor(pt.zeros(6)[np.array([4, 1, 2, 5])], mu[k]),
    "set_part": lambda k, mu: pt.set_subtensor(mu[k][1:3], 0.3 * k[2:]),
    "increased": lambda k, mu: pt.inc_subtensor(mu[k][1:3], 0.3 * k[:2]),
    "scattered": lambda k, mu: pt.inc_subtensor(pt.zeros(3)[np.array([0, 1, 1, 0])], mu[k]),
    "diagonal": lambda k, mu: pt.dot(pt.diag(mu[k]), np.array([0.4, 1.3, -0.6, 0.9])),
    "counted": lambda k, mu: pt.dot(pt.stack([pt.eq(k, i).sum() for i in range(3)]), mu),
    "every_other": lambda k, mu: mu[k[::2]] * (1 + k[1::2]),
    "masked": lambda k, mu: mu[k[np.array([True, False, True, True])]],
    "product": lambda k, mu: pt.prod(0.6 + 0.2 * k) * mu[:2],
    "quadratic_form": lambda k, mu: pt.dot(mu[k], pt.dot(np.diag(CHANCES) + 0.1, mu[k])),
    "einsum": lambda k, mu: pt.einsum("i,j->ij", mu[k][:2], k[1:3].astype("float64")).ravel(),
    "convolved": lambda k, mu: sum(c * mu[k][i : i + 3] for i, c in enumerate([0.7, -0.4])),
    "one_hot": lambda k, mu: pt.dot(pt.eq(k[:, None], np.arange(3)).sum(axis=0), mu),
    "solved": lambda k, mu: pt.linalg.solve(np.diag(CHANCES) + 0.2, mu[k]),
    "determinant": lambda k, mu: pt.linalg.det(pt.eye(2) + 0.2 * mu[k].reshape((2, 2))),
    "swapped_once": lambda k, mu: pt.switch(pt.eq(k[0], k[3]), mu[k], mu[k[::-1]]),
    "filtered": lambda k, mu: mu[pt.concatenate([k[:1], pt.maximum(k[1:], k[:-1])])],
}


def of_function(name: str, function: Function) -> Callable[[], Case]:
    def case() -> Case:
        k = ppl.Categorical("k", np.stack([W, W[::-1], P[0], P[2]]))
        mu = ppl.Normal("mu", 0, 2, size=3)
        mean = function(k, mu)
        y = ppl.Normal("y", mean, 1.1)
        [length] = y.shape.eval() if y.ndim else [0]
        return ppl.Model({y: np.resize(Y, length) if length else 0.74}), {"mu": MU}

    case.__name__ = name
    return case


for _name, _function in FUNCTIONS.items():
    MODELS.add(of_function(_name, _function))


@MODELS.add
def sum_of_effects() -> Case:
    z = ppl.Bernoulli("z", CHANCES)
    b = ppl.Normal("b", 0, 1, size=4)
    return ppl.Model({ppl.Normal("y", (z * b).sum(), 0.9): 0.74}), {"b": Y[:4]}


@MODELS.add
def index_of_an_index() -> Case:
    x, k = ppl.Categorical("x", W, size=3), ppl.Categorical("k", P[0], size=2)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[x[k]], 0.7): Y[:2]}), {"mu": MU}


@MODELS.add
def index_into_itself() -> Case:
    """A random function of three points, applied twice."""
    f = ppl.Categorical("f", P)
    mu = ppl.Normal("mu", 0, 2, size=3)
    return ppl.Model({ppl.Normal("y", mu[f[f]], 0.7): Y[:3]}), {"mu": MU}


@MODELS.add
def pointer_to_a_time() -> Case:
    """A latent delay: which of the earlier states is seen."""
    z, delay = ppl.Bernoulli("z", CHANCES), ppl.Categorical("delay", W)
    m = ppl.Normal("m", 0, 1)
    y = ppl.Normal("y", m * z[np.arange(2, 4) - delay], 0.7)
    return ppl.Model({y: Y[:2]}), {"m": 1.4}


@MODELS.add
def matching() -> Case:
    """Records linked one to one: who is linked twice is impossible."""
    link = ppl.Categorical("link", np.full((3, 3), 1 / 3))
    i, j = np.triu_indices(3, 1)
    once = ppl.Potential("once", pt.switch(pt.eq(link[i], link[j]), -np.inf, 0.0))
    sigma = ppl.HalfNormal("sigma", 1)
    y = ppl.Normal("y", pt.constant(MU)[link], sigma)
    return ppl.Model({y: np.array([1.13, 0.36, -0.92])}, once), {"sigma": 0.37}


@MODELS.add
def ranks() -> Case:
    """Which of two latent scores is larger."""
    score = ppl.DiscreteUniform("score", 0, 4, size=4)
    i, j = np.array([0, 0, 1, 2]), np.array([1, 2, 3, 3])
    beta = ppl.HalfNormal("beta", 1)
    won = ppl.Bernoulli("won", logit_p=beta * (score[i] - score[j]))
    return ppl.Model({won: np.array([1, 0, 1, 1])}), {"beta": 0.64}
