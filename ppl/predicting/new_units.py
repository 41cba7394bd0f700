"""Predict units that a model has not seen: the axes of its variables get other labels than where it was declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.shape_utils import change_dist_size
from pytensor.graph.basic import Variable
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.surgery.random_graph import is_random, static_shape
from graphs.surgery.rebuilding import substitute
from ppl.declaring.flat import is_flat
from ppl.modelling.model import Model
from ppl.reading.alignment import own_dims
from ppl.reading.labels import Labels, read_labels


@dataclass(frozen=True, eq=False)
class NewUnits:
    """The labels that axes get, and which of them the model knows.

    Parameters
    ----------
    model : Model
        The model that was sampled.
    labels : mapping of str to tuple
        New labels by dim.
    positions : mapping of str to array of int
        Where each label was; -1 where it is new.
    """

    model: Model
    labels: Mapping[str, Labels]
    positions: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, model: Model, coords: Mapping[str, Sequence[Any]], data: Mapping[str, Any]) -> NewUnits:
        """Read the labels of axes from ``coords``, and those that new data bring with them.

        Raises
        ------
        ModelError
            If the model has no such dim, or its labels are not unique.
        """
        drawn = {d for n in (*model.latent, *model.observed) for d in model.dims.get(n, ())}
        for dim in coords:
            if dim not in drawn:
                known = ", ".join(sorted(drawn)) or "none"
                raise ModelError(f"coords names {dim!r}; the dims of the model's variables are {known}.")
        brought: dict[str, Any] = {}
        for array in data.values():
            own = own_dims(array)
            if isinstance(own, Mapping):
                brought |= {d: v for d, v in own.items() if d in drawn and not isinstance(v, int)}
        labels = {d: read_labels(v, d) for d, v in {**brought, **coords}.items()}
        changed = {d: v for d, v in labels.items() if v != _known(model, d)}
        return cls(model, changed, {d: _positions(_known(model, d), v, d) for d, v in changed.items()})

    def variables(self) -> list[str]:
        """Return the names of the latent variables along an axis with other labels."""
        return [n for n in self.model.latent if set(self.model.dims.get(n, ())) & set(self.labels)]

    def replacements(
        self, given: Mapping[TensorVariable, Variable], stand_ins: Mapping[Variable, Variable]
    ) -> dict[Variable, Variable]:
        """Return what takes the place of each random variable along a new axis.

        Of labels that the model knows the values are those that are given; at others they are drawn from the
        distribution of the variable, given its parents: new groups follow from their hyperparameters.

        Parameters
        ----------
        given : mapping of TensorVariable to Variable
            What stands for the draws of a trace.
        stand_ins : mapping of Variable to Variable
            What takes the place of data.

        Raises
        ------
        ModelError
            If a variable cannot be drawn for new units alone.
        """
        replaced: dict[Variable, Variable] = {**stand_ins, **given}
        for name, rv in {**self.model.latent, **self.model.observed}.items():
            axes = {i: d for i, d in enumerate(self.model.dims.get(name, ())) if d in self.labels}
            if not axes or rv in stand_ins:
                continue
            where = {i: self.positions[d] for i, d in axes.items()}
            replaced[rv] = self._of_units(name, rv, where, given.get(rv), replaced)
        return replaced

    def _of_units(
        self,
        name: str,
        rv: TensorVariable,
        where: Mapping[int, NDArray[np.int64]],
        given: Variable | None,
        replaced: Mapping[Variable, Variable],
    ) -> TensorVariable:
        known: Any = given
        is_known = np.ones((), bool)
        for axis, positions in where.items() if given is not None else ():
            known = pt.take(known, np.maximum(positions, 0), axis=axis)
            is_known = is_known & np.expand_dims(positions >= 0, tuple(range(1, rv.type.ndim - axis)))
        if given is not None and is_known.all():
            return known
        if is_flat(rv):
            raise ModelError(f"The prior of {name} is improper, so that nothing can be drawn for new units.", name)
        fresh = _resized(name, rv, {axis: len(p) for axis, p in where.items()}, replaced)
        return fresh if given is None else pt.switch(pt.constant(is_known), known, fresh)


def _known(model: Model, dim: str) -> Labels:
    """Return the labels of a dim: its positions, where the model has none."""
    if dim in model.coords:
        return tuple(model.coords[dim])
    variables = {**model.latent, **model.observed}
    name, axis = next((n, axes.index(dim)) for n, axes in model.dims.items() if n in variables and dim in axes)
    return tuple(range(static_shape(variables[name])[axis]))


def _positions(known: Labels, labels: Labels, dim: str) -> NDArray[np.int64]:
    if len(set(known)) < len(known) or len(set(labels)) < len(labels):
        raise ModelError(f"The labels of {dim!r} are not unique, so that known units cannot be told from new ones.")
    found = {label: i for i, label in enumerate(known)}
    return np.array([found.get(label, -1) for label in labels], dtype="int64")


def _resized(
    name: str, rv: TensorVariable, lengths: Mapping[int, int], replaced: Mapping[Variable, Variable]
) -> TensorVariable:
    """Return a random variable with other lengths along some axes, and with its parents replaced."""
    node = rv.owner
    num_batch = rv.type.ndim - node.op.ndim_supp if node is not None and is_random(rv) else 0
    if node is None or any(axis >= num_batch for axis in lengths):
        raise ModelError(
            f"{name} cannot be drawn for new units: its elements along that axis depend on each other. Declare the "
            "model again with all units, leave the outcome unobserved, and predict from that.",
            name,
        )
    shape = [lengths.get(axis, length) for axis, length in enumerate(static_shape(rv)[:num_batch])]
    inputs = substitute(node.inputs, replaced)
    try:
        if isinstance(node.op, RandomVariable):
            return node.op.make_node(inputs[0], pt.constant(shape, dtype="int64"), *inputs[2:]).outputs[1]
        resized: TensorVariable = change_dist_size(rv, shape)
        return substitute([resized], replaced)[0]
    except (ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{name} cannot be drawn for new units, because its parameters have a length of their own ({reason}): make "
            "them ppl.Data with that dim, and give new data.",
            name,
        ) from error
