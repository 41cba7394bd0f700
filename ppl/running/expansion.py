"""How flat draws become named values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import prod

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray

from graphs.backends import get_backend
from graphs.backends.base import SharedMap
from graphs.layout import Layout
from graphs.surgery.random_graph import depends_on, static_shape
from ppl.planning.plans import Plan
from ppl.predicting.flat_draws import in_one_row
from ppl.running.drawing_back import DrawingBack, Place, Seed, draws_of_integrals
from ppl.running.losses import Losses
from ppl.running.memory import bytes_of_draw
from ppl.running.some_rows import put_rows, without_rows
from ppl.running.wanted import LOGDENSITY, asked_for, elements_of, is_logdensity_given, outputs_of, room_of

logger = logging.getLogger("rvgraph")
ROWS_AT_ONCE = 2**14


@dataclass(frozen=True, eq=False)
class DrawExpansion:
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
    sources : mapping of str to str
        Of the computed ones that are latent variables, the recorded variable that they come from.
    function : callable
        Of the recorded variables, over a leading axis.
    new_bytes : mapping of str to int
        Of the computed ones for which there is no room, how much memory one draw takes.
    is_logdensity_given : bool
        Whether the sampler itself gives the log-density of its draws: where NUTS moves everything.
    function_of : callable
        Compiles, of the name of a computed value, the function of that value alone.
    elements : mapping of str to (str, int)
        Of values that are elements of an array, the name of the array and which element; ``names`` has the array.
    order : sequence of str
        What is returned.
    drawing_back : DrawingBack, optional
        Draws what was integrated out, where that is wanted.
    num_threads : int
        How many threads may share the draws.
    """

    layout: Layout
    names: Mapping[str, str]
    computed: Sequence[str]
    room: Mapping[str, str]
    sources: Mapping[str, str]
    function: SharedMap
    new_bytes: Mapping[str, int]
    is_logdensity_given: bool
    function_of: Callable[[str], SharedMap]
    elements: Mapping[str, tuple[str, int]]
    order: Sequence[str]
    drawing_back: DrawingBack | None = None
    num_threads: int = 1

    @classmethod
    def of(cls, plan: Plan, backend: str, var_names: Sequence[str] | None = None) -> DrawExpansion:
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
        outputs = outputs_of(plan)
        elements = elements_of(plan, outputs)
        if var_names is not None:
            chosen = set(var_names)
            elements = {n: element for n, element in elements.items() if n in chosen}
            outputs = asked_for(plan, outputs, var_names)
        known = {*outputs, *elements}
        wanted = [n for n in (*plan.model.latent, *plan.model.deterministics, LOGDENSITY) if n in known]
        order = list(dict.fromkeys(elements[n][0] if n in elements else n for n in wanted))
        variables = list(plan.sweep.variables)
        wanted_graphs = {n: outputs[n] for n in order}
        rng, draws = draws_of_integrals(plan, list(wanted_graphs.values()))
        if var_names is not None:
            kept = [*wanted_graphs.values(), *draws.values()]
            needed = {v for v in variables if any(depends_on(graph, [v]) for graph in kept)}
            # One number at least: where a chain stopped is seen in what was recorded.
            numbers = [v for v in variables if prod(static_shape(v))]
            needed |= set() if needed.intersection(numbers) else set(numbers[:1])
            variables = [v for v in variables if v in needed]
        back = DrawingBack.of(variables, draws, rng, backend, wanted_graphs) if draws else None
        layout = Layout.of(variables)
        drawn_back = [] if back is None else [v for v in draws if str(v.name) in back.drawn.names]
        variables = [*variables, *drawn_back]
        drawn = set(variables)
        names = {n: str(outputs[n].name) if outputs[n] in drawn else "" for n in order}
        computed = [n for n in order if not names[n]]
        graphs = [pt.as_tensor(outputs[n]) for n in computed]
        by_name = dict(zip(computed, graphs, strict=True))
        compiler = get_backend(backend)
        function = compiler.shared_map(variables, graphs) if computed else lambda arrays, num_threads: []
        room = room_of(plan, variables, by_name)
        recorded = {str(v.name) for v in variables}
        sources = {n: str(v.name) for n, v in plan.mixed.values.items() if n in by_name and str(v.name) in recorded}
        one = cache(lambda name: compiler.shared_map(variables, [by_name[name]]))
        beside = {str(v.name): v for v in drawn_back}
        new = bytes_of_draw({n: graph for n, graph in by_name.items() if n not in room} | beside)
        given = is_logdensity_given(plan)
        return cls(layout, names, computed, room, sources, function, new, given, one, elements, wanted, back)

    def __call__(
        self,
        draws: NDArray[np.float64],
        *,
        in_place: bool = False,
        losses: Losses | None = None,
        seed: Seed = (0,),
        place: Place = (0, 0),
    ) -> dict[str, NDArray]:
        """Return the named values in natural space of flat draws, shape (chains, draws, size).

        What was integrated out is drawn with the seed. With ``in_place`` the draws are overwritten by values that are
        as large. With ``losses`` nothing is raised: what cannot be computed is left out, and noted there.
        """
        rows = in_one_row(draws)
        # Where a chain stopped, there is no number in the whole row; integers could not say so.
        missing = np.isnan(rows[:, :1]).any(axis=1)
        if missing.any():
            rows = np.where(missing[:, None], 1.0 if missing.all() else rows[~missing][0], rows)
        elif not in_place and self.room:
            rows = rows.copy()
        values = self._values(rows, self._drawn_back(rows, len(draws), seed, losses, place), losses)

        def shaped(array: NDArray) -> NDArray:
            whole = without_rows(np.asarray(array), missing) if missing.any() else np.asarray(array)
            return whole.reshape(draws.shape[:2] + whole.shape[1:])

        if losses is None:
            return self._declared({name: shaped(array) for name, array in values.items()})
        losses.unconstrained = {name: shaped(array) for name, array in losses.unconstrained.items()}
        found = {name: losses.attempt(shown(name), partial(shaped, array), None) for name, array in values.items()}
        return self._declared({name: array for name, array in found.items() if array is not None})

    def _drawn_back(
        self, rows: NDArray[np.float64], chains: int, seed: Seed, losses: Losses | None, place: Place
    ) -> NDArray[np.float64] | None:
        """Return a draw of what was integrated out for each row (number, size); None where there is none."""
        back = self.drawing_back
        if back is None:
            return None
        if losses is None:
            return back(rows, chains, seed, self.num_threads, place)
        try:
            with losses.interrupts.allowed():
                return back(rows, chains, seed, self.num_threads, place)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):
                self._lose_what_is_computed(losses, error)
            for name in back.dependent:
                losses.add(shown(name), error)
            return None

    def _lose_what_is_computed(self, losses: Losses, error: KeyboardInterrupt) -> None:
        """Who does not want to wait for what is computed does want what was drawn."""
        for name in self.computed:
            if name not in self.sources and shown(name) not in losses.found:
                losses.add(shown(name), error)

    def recorded(self, draws: NDArray[np.float64], losses: Losses) -> dict[str, NDArray]:
        """Return the values that are drawn in natural space as they are; the others are noted without a transform."""
        flat = self.layout.unpack(draws, copy=False)
        losses.unconstrained |= {source: flat[source] for source in self.sources.values()}
        return self._declared({name: flat[drawn] for name, drawn in self.names.items() if drawn in flat})

    def _declared(self, values: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Return values (chains, draws, ...) by the names that were declared: elements of arrays one by one."""
        found = {name: values[name] for name in self.order if name in values}
        for name, (array, index) in self.elements.items():
            if array in values:
                found[name] = values[array][:, :, index]
        return {name: found[name] for name in self.order if name in found}

    def _flat(self, rows: NDArray[np.float64], drawn: NDArray[np.float64] | None) -> dict[str, NDArray]:
        """Return the recorded variables of some rows, and what was drawn beside them."""
        flat = self.layout.unpack(rows, copy=False)
        if self.drawing_back is None or drawn is None:
            return flat
        return flat | self.drawing_back.drawn.unpack(drawn, copy=False)

    def _values(
        self, rows: NDArray[np.float64], drawn: NDArray[np.float64] | None, losses: Losses | None
    ) -> dict[str, NDArray]:
        """Return the values of draws (number, size), which are overwritten where there is room."""
        new: dict[str, NDArray] = {}
        first_lost: dict[str, int] = {}
        for first in range(0, max(len(rows), 1), ROWS_AT_ONCE) if self.computed else ():
            some = slice(first, first + ROWS_AT_ONCE)
            part = rows[some]
            arrays = self._arrays(part, None if drawn is None else drawn[some], losses)
            for name in [n for n in arrays if n not in self.room]:
                put = partial(put_rows, new, name, arrays[name], first, len(rows))
                if not (put() if losses is None else losses.attempt(shown(name), put, False)):
                    del arrays[name]
            # At last, for everything is computed of what is overwritten here.
            for name in [n for n in arrays if n in self.room]:
                slot = part[:, self.layout.slice_of(self.room[name])]
                slot[:] = np.reshape(arrays[name], slot.shape)
            first_lost = {**dict.fromkeys(set(self.computed) - set(arrays), first), **first_lost}
        flat = self._flat(rows, drawn)
        values = {
            name: new[name] if name in new else flat[source or self.room[name]]
            for name, source in self.names.items()
            if name not in first_lost and (name in new or (source or self.room[name]) in flat)
        }
        return values if losses is None else values | self._halves(flat, first_lost, losses)

    def _halves(self, flat: Mapping[str, NDArray], first_lost: Mapping[str, int], losses: Losses) -> dict[str, NDArray]:
        """Keep what was drawn of variables whose values could not be computed from some row on.

        Before that row room was overwritten: there are the values, and after it what was drawn.
        """
        halves = {}
        for name in [n for n in self.sources if n in first_lost]:
            source, first = self.sources[name], first_lost[name]
            drawn = np.array(flat[source])
            if name in self.room and first:
                halves[name] = drawn.copy()
                halves[name][first:] = np.nan
                drawn[:first] = np.nan
            losses.unconstrained[source] = drawn
        return halves

    def _arrays(
        self, part: NDArray[np.float64], drawn: NDArray[np.float64] | None, losses: Losses | None
    ) -> dict[str, NDArray]:
        """Return what is computed of some draws, by name; nothing is overwritten yet."""
        flat, back = self._flat(part, drawn), self.drawing_back
        if back is not None and drawn is None:
            # Nothing that is still wanted depends on it.
            flat |= back.drawn.unpack(np.zeros((len(part), back.drawn.size)), copy=False)
        arguments = list(flat.values())
        if losses is None:
            return dict(zip(self.computed, self.function(arguments, self.num_threads), strict=True))
        wanted = [n for n in self.computed if shown(n) not in losses.found]
        if len(wanted) == len(self.computed):
            try:
                with losses.interrupts.allowed():
                    return dict(zip(wanted, self.function(arguments, self.num_threads), strict=True))
            except KeyboardInterrupt as error:
                self._lose_what_is_computed(losses, error)
                wanted = [name for name in wanted if name in self.sources]
            except Exception as error:  # whose it is, each alone tells
                logger.debug("The values of draws cannot be computed together: %r", error)
        found = {n: losses.attempt(shown(n), partial(self._alone, n, arguments), None, is_long=True) for n in wanted}
        return {name: array for name, array in found.items() if array is not None}

    def _alone(self, name: str, arguments: Sequence[NDArray]) -> NDArray:
        return np.asarray(self.function_of(name)(arguments, self.num_threads)[0])


def shown(name: str) -> str:
    """Return how a value is called in the trace."""
    return name or "lp"
