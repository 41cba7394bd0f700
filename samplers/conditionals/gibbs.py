"""Gibbs sampling: draw each variable from its law given all the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.math import All
from pytensor.tensor.variable import TensorVariable

from graphs.conditional import (
    JointNormal,
    Law,
    find_conditional,
    find_joint_blocks,
    is_normal,
    joint_normal,
)
from graphs.conditional.families.counts import CountLaw
from graphs.density import LogDensity, as_logdensity
from graphs.errors import DerivationError, SamplingError
from graphs.step import StepGraph
from graphs.surgery.rebuilding import substitute
from samplers.blocks import DrawBlock
from samplers.kernel import Kernel

Order = str | Sequence[str | TensorVariable]


class GibbsState(NamedTuple):
    """State of a chain."""

    position: dict[str, NDArray]  # each of its own shape


class GibbsInfo(NamedTuple):
    """Diagnostics of one sweep."""

    is_proper: NDArray[np.bool_]  # (): whether every law was proper when it was drawn from


class GibbsKernel(Kernel):
    """Draw every variable from its law, one after the other; each law sees the values drawn before it.

    Parameters
    ----------
    laws : sequence of Law
        In the order of a sweep.
    is_random : bool
        Whether every sweep takes them in an order of its own. Each place of the sweep then computes the draws of all
        laws and keeps one: the time of a sweep grows with the square of their number.
    """

    name: ClassVar[str] = "gibbs"
    state_type: ClassVar[Any] = GibbsState
    info_type: ClassVar[Any] = GibbsInfo

    def __init__(self, laws: Sequence[Law], is_random: bool = False):
        self.laws = tuple(laws)
        self.is_random = is_random
        self.variables = tuple(v for law in self.laws for v in variables_of(law))

    def graph(self) -> StepGraph:
        """Return the sweep as one graph.

        Raises
        ------
        SamplingError
            If a law depends on a variable that no law draws.
        """
        self._check_inputs()
        rng = pt.random.rng("rng")
        draw = _draw_in_random_order if self.is_random else _draw_in_turn
        next_rng, draws, is_proper = draw(self.laws, rng)
        return StepGraph(rng, self.variables, next_rng, draws, {"is_proper": pt.all(pt.stack(is_proper))})

    def _check_inputs(self) -> None:
        for law in self.laws:
            for given in explicit_graph_inputs(list(law.parameters.values())):
                is_held = isinstance(given, TensorVariable) and not isinstance(given, Constant)
                if is_held and given not in self.variables:
                    raise SamplingError(
                        f"The law of {law.variable.name} depends on {given.name or given}, which no law draws: give a "
                        "law for it too, or put the laws into a sweep that moves it (gibbs_blocks)."
                    )


def gibbs(laws: Any, order: Order = "declared") -> GibbsKernel:
    """Gibbs sampling from laws, or from a log-density by deriving the law of each of its variables.

    Variables of a log-density that are normal together, and depend on each other, are drawn together, unless an order
    of single variables is given.

    Parameters
    ----------
    laws : sequence of Law, LogDensity, LogProb, or pair of a scalar graph and its inputs
        Laws of all the variables, or what they are derived from.
    order : {"declared", "random"} or sequence of str or TensorVariable
        The order of a sweep: as given, another one in each sweep, or by variable.

    Returns
    -------
    GibbsKernel
        With ``init(position)``, ``graph()``, ``dprint()``; compiled by ``graphs.compile(kernel, backend=...)``.

    Raises
    ------
    DerivationError
        If a variable of the log-density has no known law: names it and the reason.
    SamplingError
        If the order is no permutation of the variables.

    References
    ----------
    .. [1] Geman and Geman (1984). Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images.
       IEEE Transactions on Pattern Analysis and Machine Intelligence 6.

    Examples
    --------
    >>> import pytensor.tensor as pt, samplers
    >>> from graphs.density import LogDensity
    >>> from graphs.supports import POSITIVE
    >>> x, y = pt.dscalars("x", "y")
    >>> total = 2 * pt.log(x) - x * y**2 - y**2 + 2 * y - 4 * x
    >>> kernel = gibbs(LogDensity(total, (x, y), {x: POSITIVE}))
    >>> [law.family for law in kernel.laws]
    ['Gamma', 'Normal']
    """
    is_random = isinstance(order, str) and order == "random"
    is_joint = isinstance(order, str)
    return GibbsKernel(_in_order(_as_laws(laws, is_joint=is_joint), "declared" if is_random else order), is_random)


def gibbs_blocks(laws: Any) -> tuple[DrawBlock, ...]:
    """Return one block of a sweep per law.

    Parameters
    ----------
    laws : sequence of Law, or what ``gibbs`` derives them from
        They may depend on variables of the joint state that other blocks move.

    Returns
    -------
    tuple of DrawBlock
    """
    blocks = []
    for law in _as_laws(laws):
        rng = pt.random.rng("rng")
        next_rng, drawn = draws_of(law, rng)
        blocks.append(DrawBlock("gibbs", tuple(drawn), rng, next_rng, tuple(drawn.values())))
    return tuple(blocks)


def gibbs_block(laws: Any, temporary: Sequence[TensorVariable] = ()) -> DrawBlock:
    """Return one block of a sweep that draws from all laws, each given the new values of those before it.

    Faster than one block per law: what several laws need is computed once, and a sweep is one call.

    Parameters
    ----------
    laws : sequence of Law, or what ``gibbs`` derives them from
        They may depend on variables of the joint state that other blocks move.
    temporary : sequence of TensorVariable
        Auxiliary variables: laws after their own may depend on them, and they are not part of the joint state.
    """
    laws = _as_laws(laws)
    rng = pt.random.rng("rng")
    next_rng, draws, is_proper = _draw_in_turn(laws, rng)
    drawn = dict(zip([v for law in laws for v in variables_of(law)], draws, strict=True))
    # The joint state is of floats, which can say that a count is none. Enumerated laws have the current value at least.
    counts = {law.variable: c for law, c in zip(laws, is_proper, strict=True) if isinstance(law, CountLaw)}
    drawn |= {v: pt.switch(c, pt.cast(drawn[v], "float64"), np.nan) for v, c in counts.items()}
    kept = {v: draw for v, draw in drawn.items() if v not in temporary}
    return DrawBlock("gibbs", tuple(kept), rng, next_rng, tuple(kept.values()))


def _draw_in_turn(
    laws: Sequence[Law], rng: Variable
) -> tuple[Variable, tuple[TensorVariable, ...], tuple[TensorVariable, ...]]:
    """Draw from each law given the new values of those before it; return whether each was proper, too."""
    current: dict[Variable, Variable] = {}
    is_proper: list[Variable] = []
    for law in laws:
        placeholder = pt.random.rng()
        next_rng, drawn = draws_of(law, placeholder)
        rng, condition, *values = substitute([next_rng, law.condition, *drawn.values()], {placeholder: rng, **current})
        if law.improper_draws_are_nan:
            # The condition of a block would factorise its matrix a second time.
            condition = pt.all(pt.stack([~pt.isnan(pt.sum(value)) for value in values]))
        else:
            values = [_where_proper(v, condition) for v in values]
        is_proper.append(condition)
        current |= dict(zip(drawn, values, strict=True))
    return rng, tuple(current[v] for law in laws for v in variables_of(law)), tuple(is_proper)


def _draw_in_random_order(
    laws: Sequence[Law], rng: Variable
) -> tuple[Variable, tuple[TensorVariable, ...], tuple[TensorVariable, ...]]:
    """Draw from each law once, in a random order; return whether they were proper, too."""
    rng, uniform = rng.uniform(0.0, 1.0, size=(len(laws),))
    turns = pt.argsort(uniform)
    current: dict[Variable, Variable] = {v: v for law in laws for v in variables_of(law)}
    is_proper: list[Variable] = []
    for place in range(len(laws)):
        drawn: dict[Variable, Variable] = {}
        for number, law in enumerate(laws):
            placeholder = pt.random.rng()
            next_rng, draws = draws_of(law, placeholder)
            stand_ins = {placeholder: rng, **current}
            rng, condition, *values = substitute([next_rng, law.condition, *draws.values()], stand_ins)
            is_its_turn = pt.eq(turns[place], number)
            is_proper.append(condition | ~is_its_turn)
            for variable, value in zip(draws, values, strict=True):
                drawn[variable] = pt.switch(is_its_turn, _where_proper(value, condition), current[variable])
        current = drawn
    return rng, tuple(current[v] for law in laws for v in variables_of(law)), tuple(is_proper)


def _where_proper(draw: Variable, condition: Variable) -> Variable:
    """Return a draw, not a number where its law is improper: a gamma draw over a negative rate would be finite."""
    if not draw.type.dtype.startswith("float"):
        return draw
    node = condition.owner
    # Element by element, where the condition is about elements, it is part of the loop that draws.
    is_elementwise = node is not None and isinstance(node.op, All) and node.inputs[0].type.shape == draw.type.shape
    return pt.switch(node.inputs[0] if is_elementwise else condition, draw, np.nan)


def variables_of(law: Law) -> tuple[TensorVariable, ...]:
    """Return the variables that a law draws."""
    return law.parts if isinstance(law, JointNormal) else (law.variable,)


def draws_of(law: Law, rng: Variable) -> tuple[Variable, dict[TensorVariable, TensorVariable]]:
    """Return the next generator and a draw from a law, by variable."""
    if isinstance(law, JointNormal):
        return law.draw_parts(rng)
    next_rng, draw = law.draw_graph(rng)
    return next_rng, {law.variable: draw}


def _as_laws(laws: Any, *, is_joint: bool = True) -> tuple[Law, ...]:
    if isinstance(laws, Law):
        return (laws,)
    if isinstance(laws, Sequence) and laws and all(isinstance(law, Law) for law in laws):
        # A plan lists the law of a block under each of its variables.
        return tuple(dict.fromkeys(laws))
    logdensity = as_logdensity(laws)
    derived = []
    for variable in logdensity.inputs:
        law, reason = find_conditional(logdensity, variable)
        if law is None:
            raise DerivationError(
                f"{variable.name} has no full conditional of a known family: {reason}. Move it by samplers.nuts or "
                "samplers.rmh, or give a law for it.",
                variable.name,
            )
        derived.append(law)
    return _joined(logdensity, derived) if is_joint else tuple(derived)


def _joined(logdensity: LogDensity, laws: Sequence[Law]) -> tuple[Law, ...]:
    """Replace the laws of variables that are normal together by their joint law."""
    normal = [law.variable for law in laws if is_normal(law)]
    joint: dict[TensorVariable, Law] = {}
    for group in find_joint_blocks(logdensity, normal):
        law = joint_normal(logdensity, group)
        if law is not None:
            joint |= dict.fromkeys(group, law)
    return tuple(dict.fromkeys(joint.get(law.variable, law) for law in laws))


def _in_order(laws: tuple[Law, ...], order: Order) -> tuple[Law, ...]:
    names = [str(law.variable.name) for law in laws]
    if len(set(names)) < len(names) or "None" in names:
        raise SamplingError(f"Each law needs a variable with a name of its own; these have {', '.join(names)}.")
    if order == "declared":
        return laws
    if isinstance(order, str):
        raise SamplingError(
            f"The order is 'declared', 'random', or the variables in the order in which to draw them, not {order!r}."
        )
    wanted = [str(getattr(item, "name", item)) for item in order]
    if sorted(wanted) != sorted(names):
        raise SamplingError(f"The order {', '.join(wanted)} is no permutation of the variables {', '.join(names)}.")
    return tuple(laws[names.index(name)] for name in wanted)
