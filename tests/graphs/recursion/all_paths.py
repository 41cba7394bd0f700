"""All paths of small chains, enumerated: what the forward recursion is compared with."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from scipy.special import softmax


@dataclass(frozen=True)
class Case:
    """Sizes, and which of the axes of steps and series the potentials have."""

    steps: int
    series: int
    states: int
    width: int = 1
    transition: tuple[bool, bool] = (False, False)
    emission: tuple[bool, bool] = (True, True)

    def __str__(self) -> str:
        axes = "".join(n if has else "1" for n, has in zip("tbtb", (*self.transition, *self.emission), strict=True))
        return f"{self.steps}-{self.series}-{self.states}-{self.width}-{axes}"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the three inputs."""
        k, carried = self.states, self.states ** (self.width - 1)
        leads = [
            tuple(n if has else 1 for n, has in zip((self.steps, self.series), axes, strict=True))
            for axes in (self.transition, self.emission)
        ]
        return [(self.series, k * carried), (*leads[0], k, carried, k), (*leads[1], k)]

    @property
    def inputs(self) -> list[pt.TensorVariable]:
        """Variables of these shapes."""
        names = ("log_initial", "log_transition", "log_emission")
        return [pt.tensor(n, shape=shape, dtype="float64") for n, shape in zip(names, self.shapes, strict=True)]


PATTERNS = list(itertools.product([False, True], repeat=4))
CASES = [
    *(Case(4, 2, 2, 1, axes[:2], axes[2:]) for axes in PATTERNS),
    Case(3, 2, 3),
    Case(3, 1, 3, 1, (True, False), (True, False)),
    Case(1, 2, 3, 1, (True, True)),
    Case(0, 2, 3, 1, (False, False), (False, False)),
    Case(2, 1, 5, 1, (False, False), (True, False)),
    Case(2, 1, 1),
    Case(3, 2, 2, 2),
    Case(3, 2, 2, 3, (True, True)),
    Case(2, 1, 3, 2, (True, False), (False, False)),
    Case(2, 3, 3, 2, (False, True), (False, True)),
]


def potentials(kind: str, case: Case, seed: int = 3) -> list[np.ndarray]:
    """Return generic potentials of one kind of difficulty."""
    rng = np.random.default_rng([seed, len(kind)])
    initial, transition, emission = (rng.normal(size=shape) for shape in case.shapes)
    if kind == "impossible":
        for array in (transition, emission):
            array[rng.uniform(size=array.shape) < 0.25] = -np.inf
        initial[:, 0] = -np.inf
    elif kind == "low":
        initial, transition, emission = initial - 1e4, transition - 1e4, emission - 1e4
    elif kind == "high":
        initial, transition, emission = initial + 1e4, transition + 800.0, emission + 1e3
    elif kind == "spread":
        initial, transition, emission = initial * 400, transition * 400, emission * 400
    elif kind == "left_right":
        # No way back; the last state is all but impossible, and then the only one that explains the end.
        later = np.arange(case.states)[:, None, None] > np.arange(case.states)
        transition = np.where(later, -np.inf, transition)
        transition[..., 0, :, 1:] -= 1e3
        emission[..., -1] += 5e3
        initial[:, 1:] -= 2e3
    elif kind == "nothing":
        initial[0] = -np.inf
    elif kind == "dead_column":
        transition[..., -1] = -np.inf
        emission[..., -1] += 300.0
    elif kind == "uneven":
        # What has underflowed relative to the largest is brought up again by a large transition.
        initial[:, -1] -= 740.0
        transition[..., -1, :, :] += 700.0
    return [initial, transition, emission]


def enumerate_paths(case: Case, arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[list[tuple]]]:
    """Return all paths, their scores (B, number of paths), and which entries of the inputs each one adds up."""
    k, width = case.states, case.width
    paths = np.array(list(itertools.product(range(k), repeat=case.steps + width)))
    scores = np.zeros((case.series, len(paths)))
    entries = []
    for b in range(case.series):
        terms = [(0, (b, paths[:, :width] @ k ** np.arange(width)[::-1]))]
        for t in range(case.steps):
            carried = paths[:, t + 1 : t + width] @ k ** np.arange(width - 1)[::-1]
            tie = [t * case.transition[0], b * case.transition[1], paths[:, t], carried, paths[:, t + width]]
            terms += [
                (1, tuple(np.broadcast_arrays(*tie))),
                (2, (t * case.emission[0], b * case.emission[1], paths[:, t + width])),
            ]
        for which, index in terms:
            scores[b] += arrays[which][index]
        entries.append(terms)
    return paths, scores, entries


def expected_gradients(case: Case, arrays: list[np.ndarray], outer: np.ndarray) -> list[np.ndarray]:
    """Return how often a path uses each entry, on average."""
    _, scores, entries = enumerate_paths(case, arrays)
    gradients = [np.zeros(array.shape) for array in arrays]
    for b in range(case.series):
        if np.any(scores[b] > -np.inf):
            for which, index in entries[b]:
                np.add.at(gradients[which], index, outer[b] * softmax(scores[b]))
    return gradients
