"""How flat draws become named values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.errors import ModelError
from graphs.jacobians import unconstrained_total
from graphs.layout import Layout
from graphs.random_graph import depends_on
from graphs.rebuilding import substitute
from ppl.plans import Plan
from samplers.blocks import NUTSBlock

# Among the values of a draw; no variable can have this name.
LOGDENSITY = ""
ROWS_AT_ONCE = 2**14


@dataclass(frozen=True, eq=False)
class Expansion:
    """How the flat draws of a sweep become named values.

    Parameters
    ----------
    layout : Layout
        The variables of the sweep that have to be recorded.
    names : mapping of str to str
        Every value by name, in order, with the variable of the sweep that it is, or "" where it has to be computed.
    computed : sequence of str
        What the function returns.
    room : mapping of str to str
        Of the computed ones, those that are as large as the recorded variable that they come from, which nobody needs
        afterwards: a long run has no second copy of its draws.
    function : callable
        Of the recorded variables, over a leading axis.
    is_logdensity_given : bool
        Whether the sampler itself gives the log-density of its draws: where NUTS moves everything.
    """

    layout: Layout
    names: Mapping[str, str]
    computed: Sequence[str]
    room: Mapping[str, str]
    function: Callable[..., list[NDArray]]
    is_logdensity_given: bool

    @classmethod
    def of(cls, plan: Plan, backend: str, var_names: Sequence[str] | None = None) -> Expansion:
        """Compile the expansion of a plan.

        Parameters
        ----------
        plan : Plan
            What is sampled.
        backend : {"numba", "c", "jax"}
            What computes the values.
        var_names : sequence of str, optional
            Variables and deterministics to keep; all by default.

        Raises
        ------
        ModelError
            If a name is unknown, or its values are not known while sampling.
        """
        outputs = _outputs(plan)
        if var_names is not None:
            outputs = _chosen(plan, outputs, var_names)
        order = [n for n in (*plan.model.latent, *plan.model.deterministics, LOGDENSITY) if n in outputs]
        variables = list(plan.sweep.variables)
        if var_names is not None:
            # One at least: where a chain stopped is seen in what was recorded.
            variables = [v for v in variables if any(depends_on(outputs[n], [v]) for n in order)] or variables[:1]
        names = {n: str(outputs[n].name) if outputs[n] in variables else "" for n in order}
        computed = [n for n in order if not names[n]]
        graphs = [pt.as_tensor(outputs[n]) for n in computed]
        function = get_backend(backend).map(variables, graphs) if computed else _compute_nothing
        room = _room(plan, variables, dict(zip(computed, graphs, strict=True)))
        return cls(Layout.of(variables), names, computed, room, function, _is_logdensity_given(plan))

    def __call__(self, draws: NDArray[np.float64], *, in_place: bool = False) -> dict[str, NDArray]:
        """Return the named values in natural space of flat draws, shape (chains, draws, size).

        With ``in_place`` the draws are overwritten by values that are as large.
        """
        rows = draws.reshape(-1, self.layout.size)
        # Where a chain stopped, there is no number in the whole row; integers could not say so.
        missing = np.isnan(rows[:, 0])
        if missing.any():
            rows = np.where(missing[:, None], 1.0 if missing.all() else rows[~missing][0], rows)
        elif not in_place and self.room:
            rows = rows.copy()
        values = self._values(rows)
        if missing.any():
            values = {name: _without(np.asarray(array), missing) for name, array in values.items()}
        return {n: np.asarray(array).reshape(draws.shape[:2] + np.shape(array)[1:]) for n, array in values.items()}

    def _values(self, rows: NDArray[np.float64]) -> dict[str, NDArray]:
        """Return the values of draws (number, size), which are overwritten where there is room."""
        new: dict[str, NDArray] = {}
        for first in range(0, max(len(rows), 1), ROWS_AT_ONCE) if self.computed else ():
            part = rows[first : first + ROWS_AT_ONCE]
            flat = self.layout.unpack(part, copy=False)
            arrays = self.function(*(flat[name] for name in self.layout.names))
            for name, array in zip(self.computed, arrays, strict=True):
                if name in self.room:
                    slot = part[:, self.layout.slice_of(self.room[name])]
                    slot[:] = np.reshape(array, slot.shape)
                elif len(part) == len(rows):
                    new[name] = array
                else:
                    whole = new.setdefault(name, np.empty((len(rows), *np.shape(array)[1:]), np.asarray(array).dtype))
                    whole[first : first + len(part)] = array
        flat = self.layout.unpack(rows, copy=False)
        return {
            name: new[name] if name in new else flat[drawn or self.room[name]] for name, drawn in self.names.items()
        }


def _room(plan: Plan, variables: Sequence[TensorVariable], computed: Mapping[str, TensorVariable]) -> dict[str, str]:
    """Return the computed values that fit where their own variable was recorded, and are floats as it is."""
    recorded = {str(v.name): v for v in variables}
    found = {}
    for name, graph in computed.items():
        value = plan.mixed.values.get(name)
        variable = recorded.get(str(value.name)) if value is not None else None
        if variable is None or {variable.dtype, graph.dtype} != {"float64"}:
            continue
        if variable.type.shape == graph.type.shape:
            found[name] = str(variable.name)
    return found


def _compute_nothing(*arrays: NDArray) -> list[NDArray]:
    return []


def _outputs(plan: Plan) -> dict[str, TensorVariable]:
    """Return the graph of every value that is known while sampling."""
    outputs: dict[str, TensorVariable] = dict(plan.mixed.natural)
    stand_ins = {plan.model.latent[n]: v for n, v in plan.mixed.natural.items()}
    stand_ins |= dict(plan.model.graph.observed.values())
    known = {n: d for n, d in plan.model.deterministics.items() if n not in plan.later}
    outputs |= dict(zip(known, substitute(list(known.values()), stand_ins), strict=True))
    if not _is_logdensity_given(plan):
        in_natural_space = [a.name for a in plan.assignments if a.method == "gibbs" and not a.support.is_discrete]
        outputs[LOGDENSITY] = unconstrained_total(plan.sampled, in_natural_space)
    return outputs


def _is_logdensity_given(plan: Plan) -> bool:
    return all(isinstance(block, NUTSBlock) for block in plan.sweep.blocks)


def _chosen(plan: Plan, outputs: Mapping[str, TensorVariable], var_names: Sequence[str]) -> dict[str, TensorVariable]:
    """Return some of the values; not the log-density, for which everything would have to be recorded."""
    if isinstance(var_names, str):
        raise ModelError(f"var_names is a list of names: [{var_names!r}].")
    if not var_names:
        raise ModelError("var_names is empty: there would be nothing to keep.")
    known = [name for name in outputs if name != LOGDENSITY]
    for name in var_names:
        if name in known:
            continue
        if name in plan.model.latent or name in plan.later:
            raise ModelError(
                f"var_names asks for {name}, which depends on what is summed out: keep the variables that are drawn, "
                "and ppl.recover computes it.",
                name,
            )
        raise ModelError(f"var_names asks for {name!r}; the model has {', '.join(known)}.", name)
    return {name: outputs[name] for name in known if name in set(var_names)}


def _without(array: NDArray, missing: NDArray[np.bool_]) -> NDArray:
    """Return the array, of floats, without the rows that are missing."""
    return np.where(missing.reshape(-1, *[1] * (array.ndim - 1)), np.nan, array)
