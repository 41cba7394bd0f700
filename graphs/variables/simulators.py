"""Simulators, whose log-density is random: each evaluation simulates data and measures how far they are from the seen.

The density of the data that this stands for is the mean of its exponential over the noise of the simulator. That is not
computed: the noise becomes a variable of the joint log-density, as the seed of a generator. Given the seed the
simulation is a function of the parameters, and any step that leaves the joint distribution of parameters and noise
invariant samples the right posterior of the parameters: a seed proposed anew and accepted or not [1]_, and slice
sampling of the parameters given the seed [2]_.

References
----------
.. [1] Andrieu, Roberts (2009). The pseudo-marginal approach for efficient Monte Carlo computations. Annals of
   Statistics 37.
.. [2] Murray, Graham (2016). Pseudo-marginal slice sampling. AISTATS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.simulator import SimulatorRV
from pymc.logprob.abstract import _logprob
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import random_generator_type
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.supports import Support, integers
from graphs.surgery.random_graph import unused_name, value_variable
from graphs.surgery.rebuilding import rebuild

NUM_SEEDS = 2**53
"""So many integers a float64 tells apart; joint states are float64."""


class NoiseRV(RandomVariable):
    """Seeds, each as probable as any other; the parameter of the node is how many there are."""

    name = "noise"
    signature = "()->()"
    dtype = "int64"
    _print_name = ("Noise", "\\operatorname{Noise}")

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> NDArray[np.int64]:
        """Draw by NumPy."""
        number, size = arguments
        return np.asarray(rng.integers(0, number, size=size))


@_logprob.register(NoiseRV)
def _noise_logprob(op: NoiseRV, values: Any, *inputs: Variable, **kwargs: Any) -> TensorVariable:
    return pt.zeros_like(values[0], dtype="float64")


class SeededDraw(Op):
    """A draw of a random variable as a function of a seed and its parameters.

    Parameters
    ----------
    rv_op : RandomVariable
        What draws.
    """

    __props__ = ("rv_op",)

    def __init__(self, rv_op: RandomVariable):
        self.rv_op = rv_op

    def __str__(self) -> str:
        return str(self.rv_op.name)

    def make_node(self, seed: Variable, *inputs: Variable) -> Apply:
        """Make a node of a seed, and what a node of the random variable has besides its generator."""
        drawn = self.rv_op.make_node(random_generator_type(), *inputs).outputs[1]
        return Apply(self, [seed, *inputs], [drawn.type()])

    def perform(self, node: Apply, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        """Draw by NumPy."""
        seed, size, *parameters = inputs
        drawn = self.rv_op.rng_fn(np.random.default_rng(int(seed)), *parameters, None if size is None else tuple(size))
        output_storage[0][0] = np.asarray(drawn, dtype=node.outputs[0].type.dtype)


@dataclass(frozen=True)
class Noise:
    """The noise of a simulator as a variable of the joint log-density.

    Parameters
    ----------
    rv : TensorVariable
        Shape (), int64.
    value : TensorVariable
        Its value.
    support : Support
        Where it lies.
    """

    rv: TensorVariable
    value: TensorVariable
    support: Support


def is_simulator(rv: Variable) -> bool:
    """Whether a variable is simulated."""
    return rv.owner is not None and isinstance(rv.owner.op, SimulatorRV)


def with_noise(
    terms: Mapping[str, TensorVariable],
    latent: Mapping[str, TensorVariable],
    observed: Mapping[str, tuple[TensorVariable, Variable]],
) -> tuple[dict[str, TensorVariable], dict[str, Noise]]:
    """Let simulators draw with seeds that are variables.

    Parameters
    ----------
    terms : mapping of str to TensorVariable
        Log-probabilities, of the observed variables among others.
    latent : mapping of str to TensorVariable
        Variables without data.
    observed : mapping of str to (TensorVariable, Variable)
        Variables with data.

    Returns
    -------
    terms : dict of str to TensorVariable
        Without random numbers.
    noise : dict of str to Noise
        The seeds.

    Raises
    ------
    DerivationError
        If a simulator has no data.
    """
    for name, rv in latent.items():
        if is_simulator(rv):
            raise DerivationError(
                f"{name} is simulated and has no data: its density is not known, so that its values cannot be sampled. "
                "Observe it, or declare it by a distribution.",
                name,
                rv,
            )
    new = dict(terms)
    noise: dict[str, Noise] = {}
    for name, (rv, _) in observed.items():
        if not is_simulator(rv):
            continue
        _, seed = NoiseRV()(NUM_SEEDS, rng=pt.random.shared_rng(seed=0), return_next_rng=True)
        own = unused_name(f"{name}_noise", {**terms, **noise})
        noise[own] = Noise(seed, value_variable(seed, own), integers(0, NUM_SEEDS - 1))
        new[name] = _seeded(terms[name], noise[own].value)
    return new, noise


def _seeded(term: TensorVariable, seed: TensorVariable) -> TensorVariable:
    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if not isinstance(node.op, SimulatorRV):
            return None
        return [node.outputs[0], *SeededDraw(node.op).make_node(seed, *inputs[1:]).outputs]

    return rebuild([term], rewrite)[term]
