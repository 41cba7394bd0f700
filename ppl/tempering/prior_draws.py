"""Draws from the prior as points of the space in which a plan samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.errors import ModelError
from graphs.joint.drawing import with_draws
from graphs.layout import Layout
from graphs.surgery.rebuilding import substitute
from graphs.surgery.traces import untraced
from graphs.variables.simulators import NUM_SEEDS, NoiseRV
from graphs.variables.transforms import transforms_of
from ppl.declaring.flat import is_flat
from ppl.modelling.model import Model
from ppl.planning.plans import Plan
from ppl.predicting.missing_draws import NUMBER

type Matrix = NDArray[np.float64]

_MOST_ROUNDS = 20
_MOST_AT_ONCE = 100
"""Draws are made anew where transforms do not reach, such as those out of order: so many times as many at once."""


def check_proper(model: Model) -> None:
    """Raise on a variable whose prior nothing can be drawn from.

    Raises
    ------
    ModelError
        Names it.
    """
    for name, rv in model.latent.items():
        if is_flat(rv):
            raise ModelError(
                f"The prior of {name} is improper: nothing can be drawn from it, and there is no evidence. Give it a "
                "distribution, or use ppl.sample.",
                name,
            )


class FirstParticles:
    """Draws of a plan's variables from the prior.

    Parameters
    ----------
    plan : Plan
        Of the posterior.
    backend : {"numba", "c"}
        What draws.
    """

    def __init__(self, plan: Plan, backend: str):
        self.plan = plan
        self.backend = backend
        mixed = plan.mixed
        mixed = plan.mixed
        self._seeds = [n for n in mixed.values if isinstance(mixed.graph.latent[n].owner.op, NoiseRV)]
        with untraced():
            rng: Variable = pt.random.rng("rng")
            graphs = self._positions(self._drawn_values(rng))
        try:
            self._map = get_backend(backend).map([NUMBER], graphs, rng=rng)
        except NotImplementedError as error:
            # Of distributions that were given by a density alone.
            raise ModelError(f"A distribution of the model cannot be drawn from: {error}.") from error

    def _drawn_values(self, rng: Variable) -> dict[Variable, Variable]:
        """Return draws in natural space of the values of the plan, all from one generator."""
        mixed, latent = self.plan.mixed, self.plan.model.latent
        members = {n: mixed.plates.get(n, (n,)) for n in mixed.values if n not in self._seeds}
        names = [m for n in members for m in members[n]]
        drawn = dict(zip(names, with_draws([latent[m] for m in names], rng), strict=True))
        found: dict[Variable, Variable] = {}
        for name, each in members.items():
            value = self.plan.natural.values[name]
            graph = drawn[name] if name not in mixed.plates else pt.stack([drawn[m] for m in each])
            found[value] = pt.cast(pt.specify_shape(graph, value.type.shape), value.type.dtype)
        return found

    def _positions(self, drawn: Mapping[Variable, Variable]) -> list[TensorVariable]:
        """Return draws as points of the space that is sampled."""
        mixed, natural = self.plan.mixed, self.plan.natural
        moved = [n for n in mixed.values if mixed.natural[n] is not mixed.values[n]]
        rvs = {n: mixed.graph.latent[n] for n in moved}
        transforms = transforms_of(rvs, mixed.graph.transforms)
        known: dict[Variable, Variable] = {
            rv: natural.values[n] for n, rv in natural.graph.latent.items() if n in natural.values
        }
        known |= dict(natural.graph.observed.values())
        found = []
        for name in mixed.values:
            if name in self._seeds:
                continue
            value = natural.values[name]
            if name in moved:
                inputs = substitute(rvs[name].owner.inputs, known)
                value = pt.as_tensor(transforms[name].forward(value, *inputs))
            found.append(pt.cast(value, "float64"))
        return [pt.as_tensor(graph) for graph in substitute(found, drawn)]

    def __call__(self, number: int, seed: np.random.SeedSequence, variables: tuple[TensorVariable, ...]) -> Matrix:
        """Return so many draws (number, size), in the order of the variables, laid out side by side.

        What a transform does not reach is drawn again: the prior is that of the space that is sampled.

        Raises
        ------
        ModelError
            If hardly any draw is inside; names the variable.
        """
        found: list[Matrix] = []
        wanted, times, rounds = number, 1, 0
        while wanted > 0:
            [word] = seed.spawn(1)[0].generate_state(1)
            rows, outside = self._drawn(wanted * times, int(word), variables)
            found.append(rows[:wanted])
            wanted -= len(found[-1])
            times = min(_MOST_AT_ONCE, int(2 * times * max(wanted, 1) / max(len(rows), 1)) + 1)
            rounds += 1
            if rounds > _MOST_ROUNDS:
                raise ModelError(
                    f"Hardly any draw from the prior of {outside} is where its transform leads: draws cannot be made "
                    "by trial and error. Declare it by a distribution with this support.",
                    outside,
                )
        return np.concatenate(found)

    def _drawn(self, number: int, seed: int, variables: tuple[TensorVariable, ...]) -> tuple[Matrix, str]:
        """Return draws that lie inside, and the variable that most often does not."""
        generator = np.random.default_rng(seed)
        try:
            with np.errstate(all="ignore"):
                positions = iter(self._map(generator, np.zeros(number)))
        except NotImplementedError as error:
            raise ModelError(f"A distribution of the model cannot be drawn from: {error}.") from error
        by_name = {}
        is_inside, worst, outside = np.ones(number, bool), 0, ""
        for name, variable in self.plan.mixed.values.items():
            array = generator.integers(NUM_SEEDS, size=number) if name in self._seeds else next(positions)
            rows = np.asarray(array, np.float64).reshape(number, -1)
            by_name[str(variable.name)] = rows
            fits = np.isfinite(rows).all(axis=1)
            if (lost := int((~fits).sum())) > worst:
                worst, outside = lost, name
            is_inside &= fits
        layout = Layout.of(variables)
        rows = np.concatenate([np.zeros((number, 0)), *(by_name[name] for name in layout.names)], axis=1)
        return np.ascontiguousarray(rows[is_inside]), outside
