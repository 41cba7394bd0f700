"""Graphs of random variables as functions of one generator: draws forward, parents before their children."""

from __future__ import annotations

from collections.abc import Sequence

from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.truncated import TruncatedRV
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.joint.preparation import prepare
from graphs.surgery.rebuilding import opened, rebuild
from graphs.surgery.traces import untraced
from graphs.variables.exact_draws import exact_node
from graphs.variables.markov_chain import MarkovChainRV
from graphs.variables.sequence.simulation import forward_path
from graphs.variables.truncated_draws import truncated_draw, without_checks


def with_draws(outputs: Sequence[TensorVariable], rng: Variable) -> list[TensorVariable]:
    """Return outputs in which every random variable is drawn from one generator, one after the other.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs of random variables and values.
    rng : Variable
        The generator.

    Returns
    -------
    list of TensorVariable
        In which the generator that each random operation leaves goes to the next one; distributions that are made of
        others are taken apart.

    Raises
    ------
    DerivationError
        If an operation draws from several generators.

    Examples
    --------
    >>> import pymc as pm, pytensor.tensor as pt
    >>> x = pm.Normal.dist(size=2)
    >>> [drawn] = with_draws([x + pm.Weibull.dist(2, pt.exp(x))], pt.random.rng("rng"))
    >>> drawn.type.shape
    (2,)
    """
    memo = prepare(list(outputs))
    current = rng

    def threaded(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        nonlocal current
        places = [i for i, v in enumerate(node.inputs) if isinstance(v.type, RandomGeneratorType)]
        left = [i for i, v in enumerate(node.outputs) if isinstance(v.type, RandomGeneratorType)]
        if not places:
            return without_checks(node, inputs)
        if len(places) > 1 or len(left) != 1:
            raise DerivationError(f"{node.op} draws from its generators in a way that cannot be followed.")
        new = list(inputs)
        new[places[0]] = current
        if isinstance(node.op, MarkovChainRV):
            current, path = forward_path(node, new)
            return [current, path]
        if isinstance(node.op, TruncatedRV):
            made = truncated_draw(node, new)
            if made is not None:
                current = made[left[0]]
                return made
        if isinstance(node.op, SymbolicRandomVariable):
            inner = opened(node.op.inner_outputs, dict(zip(node.op.inner_inputs, new, strict=True)))
            # What is above has its generators already.
            remade = rebuild(inner, threaded, {v: v for v in new})
            return [remade.get(v, v) for v in inner]
        outputs = list(exact_node(node.op, new).outputs)
        current = outputs[left[0]]
        return outputs

    ready = [memo.get(v, v) for v in outputs]
    with untraced():
        drawn = rebuild(ready, threaded)
    return [drawn.get(v, v) for v in ready]
