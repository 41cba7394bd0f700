"""Mass and density in one mixture: where some component has mass, a density counts nothing.

``switch(z, Exponential, 0)`` is zero with a probability and has a density elsewhere. Both are densities with respect
to one measure, Lebesgue's plus a point mass at every atom, and the density of a continuous component is zero at the
atoms. Added up as plain numbers they would mean nothing: a probability is no multiple of a density.

References
----------
Wu, Srivastava, Hay, Du, Russell (2018), Discrete-continuous mixtures in probabilistic programming: generalized
semantics and inference algorithms, ICML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.censored import CensoredRV
from pymc.distributions.distribution import DiracDeltaRV
from pymc.distributions.mixture import _BaseMixtureRV, _HurdleRV
from pymc.logprob.abstract import MeasurableOp, _logprob, _logprob_helper
from pymc.logprob.censoring import MeasurableClip
from pymc.logprob.mixture import MeasurableIfElse, MeasurableSwitchMixture
from pymc.logprob.transforms import MeasurableTransform
from pymc.logprob.utils import DiracDelta
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from graphs.errors import DerivationError
from graphs.limits.infinite_parameters import AtLimits
from graphs.marginal.finite import finite_states
from graphs.marginal.lifting import MixingError, lift, of_states
from graphs.surgery.random_graph import components_of
from graphs.surgery.rebuilding import rebuild


class OffAtoms(MeasurableOp, Op):
    """``(component, *others) -> component``, without its density where the others have mass and it has none."""

    __props__ = ()

    def make_node(self, component: Variable, *others: Variable) -> Apply:
        """Return a stand-in: it is only asked for its log-probability."""
        return Apply(self, [component, *others], [component.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list) -> None:
        """Raise: nothing draws from the intermediate form of a log-probability."""
        raise NotImplementedError("A stand-in for its log-probability.")


class IsAtom(Op):
    """``(value, position) -> bool``: whether the value is at an atom, for any states of discrete variables."""

    __props__ = ()

    def make_node(self, value: Any, position: Any) -> Apply:
        """Compare element by element."""
        return Apply(self, [pt.as_tensor(value), pt.as_tensor(position)], [pt.eq(value, position).type()])

    def perform(self, node: Apply, inputs: Sequence[NDArray], output_storage: list) -> None:
        """Compare with the position as it is."""
        output_storage[0][0] = np.asarray(inputs[0] == inputs[1])


@_logprob.register(OffAtoms)
def _logprob_off_atoms(
    op: OffAtoms, values: Sequence[TensorVariable], component: TensorVariable, *others: TensorVariable, **kwargs: Any
) -> TensorVariable:
    [value] = values
    own = mass_at(component, value)
    is_elsewhere = reduce(pt.or_, [m for m in (mass_at(other, value) for other in others) if m is not None])
    is_impossible = is_elsewhere if own is None else is_elsewhere & ~own
    density: TensorVariable = pt.switch(is_impossible, -np.inf, _logprob_helper(component, value))
    return density


def mass_at(variable: Variable, value: TensorVariable) -> TensorVariable | None:
    """Return where values have mass under a measurable variable; None if they have none anywhere."""
    node = variable.owner
    op = None if node is None else node.op
    if isinstance(op, DiracDelta | DiracDeltaRV):
        return IsAtom()(value, node.inputs[-1])
    if isinstance(op, MeasurableClip | CensoredRV):
        base, *bounds = node.inputs[:3]
        return reduce(pt.or_, [IsAtom()(value, bound) for bound in bounds if bound is not base])
    if str(variable.type.dtype)[:3] in ("int", "uin", "boo"):
        return pt.gt(_logprob_helper(variable, value), -np.inf)
    masses = [mass_at(part, value) for part in _parts(node)]
    found = [mass for mass in masses if mass is not None]
    return reduce(pt.or_, found) if found else None


def _parts(node: Apply | None) -> list[Variable]:
    """Return the components of a mixture, and what a measurable function is applied to."""
    if node is None:
        return []
    if isinstance(node.op, MeasurableSwitchMixture | MeasurableIfElse):
        return node.inputs[1:]
    if isinstance(node.op, _BaseMixtureRV):
        return components_of(node)
    return node.inputs[:1] if isinstance(node.op, OffAtoms | AtLimits) or _is_function(node.op) else []


def _is_function(op: Op) -> bool:
    return isinstance(op, MeasurableOp) and type(op).__module__ == "pymc.logprob.tensor"


def has_atoms(variable: Variable) -> bool:
    """Whether a continuous variable has single values of positive probability."""
    return not is_discrete(variable) and mass_at(variable, variable.type()) is not None


def is_discrete(variable: Variable) -> bool:
    """Whether a variable has no density anywhere."""
    node = variable.owner
    if str(variable.type.dtype)[:3] in ("int", "uin", "boo"):
        return True
    if node is not None and isinstance(node.op, DiracDelta | DiracDeltaRV):
        return True
    parts = _parts(node)
    return bool(parts) and all(is_discrete(part) for part in parts)


class SeparateMeasures(GraphRewriter):
    """Take densities from where other components of the same mixture have mass, in PyMC's intermediate form.

    Parameters
    ----------
    names : sequence of str
        What the outputs of the graph are called.
    """

    def __init__(self, names: Sequence[str]):
        self.names = names

    def apply(self, fgraph: FunctionGraph) -> None:
        """Rewrite a graph of measurable variables.

        Raises
        ------
        DerivationError
            If it cannot be told where a variable has mass.
        """
        for node in fgraph.toposort():
            if isinstance(node.op, MeasurableTransform) and any(has_atoms(i) for i in node.inputs):
                raise DerivationError(
                    f"{self._name(fgraph, node)} is a transform of a variable with single values of positive "
                    "probability: densities change with the slope of a transform, probabilities do not. Transform its "
                    "branches one by one, as in pt.switch(z, pt.exp(x), pt.exp(0.0)).",
                    self._name(fgraph, node),
                )
            if not isinstance(node.op, MeasurableSwitchMixture | MeasurableIfElse | _BaseMixtureRV):
                continue
            if _separate(fgraph, node) is None:
                raise DerivationError(
                    f"{self._name(fgraph, node)} is a mixture of vectors, some of positive probability and some with a "
                    "density. Mix its elements one by one, or declare which component each is from and observe that.",
                    self._name(fgraph, node),
                )

    def _name(self, fgraph: FunctionGraph, node: Apply) -> str:
        of = [
            name for name, out in zip(self.names, fgraph.outputs, strict=True) if node in map(_owner, ancestors([out]))
        ]
        return of[0] if of else "A variable"


def _owner(variable: Variable) -> Apply | None:
    return variable.owner


_EXACT = DiracDelta(rtol=0.0, atol=0.0)


def _separate(fgraph: FunctionGraph, node: Apply) -> bool | None:
    """Return whether a mixture has been changed, None if it cannot be."""
    components = _parts(node)
    massive = [c for c in components if mass_at(c, c.type()) is not None]
    if isinstance(node.op, _HurdleRV) or not massive or all(is_discrete(c) for c in components):
        return False
    if any(getattr(c.owner.op, "ndim_supp", 0) for c in components):
        return None
    for place, variable in enumerate(node.inputs):
        if variable not in components:
            continue
        others = [c for c in massive if c is not variable]
        if isinstance(variable.owner.op, DiracDelta):
            # PyMC's own compares with a tolerance, within which the others have mass.
            fgraph.change_node_input(node, place, _EXACT(*variable.owner.inputs), import_missing=True)
        elif others and not is_discrete(variable):
            fgraph.change_node_input(node, place, OffAtoms()(variable, *others), import_missing=True)
    return True


def at_all_states(
    graphs: Sequence[TensorVariable], values: Mapping[str, TensorVariable], latent: Mapping[str, TensorVariable]
) -> list[TensorVariable]:
    """Return log-probabilities in which an atom counts wherever discrete variables may move it.

    Parameters
    ----------
    graphs : sequence of TensorVariable
        Log-probabilities.
    values : mapping of str to TensorVariable
        The values of latent variables.
    latent : mapping of str to TensorVariable
        The variables.

    Raises
    ------
    DerivationError
        If an atom moves with a variable of infinitely many values: then no measure is common to all of them.
    """

    def rewrite(node: Apply, inputs: list[Variable]) -> list[Variable] | None:
        if not isinstance(node.op, IsAtom):
            return None
        value, position = map(pt.as_tensor, inputs)
        return [_at_any_state(value, position, values, latent)]

    memo = rebuild(graphs, rewrite)
    return [memo.get(g, g) for g in graphs]


def _at_any_state(
    value: TensorVariable,
    position: TensorVariable,
    values: Mapping[str, TensorVariable],
    latent: Mapping[str, TensorVariable],
) -> TensorVariable:
    above = set(ancestors([position]))
    moving = [name for name, v in values.items() if v in above]
    if not moving:
        return pt.eq(value, position)
    states = {name: finite_states(latent[name]) for name in moving}
    for name in moving:
        if states[name] is None:
            raise _moving(name)
    bindings, count = {}, 0
    for name in moving:
        shape = tuple(int(n) for n in values[name].type.shape)
        atoms = np.arange(count, count + int(np.prod(shape))).reshape(shape)
        bindings[values[name]] = of_states(values[name], states[name], atoms)  # type: ignore[arg-type]
        count += atoms.size
    [lifted] = lift([position], bindings)
    if isinstance(lifted, MixingError):
        raise _moving(moving[0]) from lifted
    num_slots = len(lifted.slots)
    missing = max(0, value.type.ndim - len(lifted.shape))
    positions = lifted.value.dimshuffle(
        [*range(num_slots), *["x"] * missing, *range(num_slots, lifted.value.type.ndim)]
    )
    found: TensorVariable = pt.any(pt.eq(value, positions), axis=tuple(range(num_slots)))
    return found


def _moving(name: str) -> DerivationError:
    return DerivationError(
        f"A value of positive probability lies at a place that depends on {name}, beside a density: probabilities and "
        "densities at moving places cannot be compared. Fix the place, or give what lies there a small spread.",
        name,
    )
