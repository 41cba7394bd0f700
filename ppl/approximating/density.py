"""The log-density of a model as a function of one vector, with its gradient and second derivatives."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import NullTypeGradError
from pytensor.tensor.variable import TensorVariable

from graphs.backends import get_backend
from graphs.density import LogDensity
from graphs.errors import ModelError
from graphs.joint.jacobians import log_jacobian_total
from graphs.joint.logprob import Marginalize
from graphs.optional import optional
from graphs.surgery.traces import untraced
from ppl.modelling.model import require_model
from ppl.planning.planning import plan
from ppl.planning.plans import BY_GRADIENT, Plan
from ppl.running.expansion import DrawExpansion
from ppl.running.wanted import LOGDENSITY
from ppl.starting.initial import StartingPoints
from samplers.approximations.target import Target, compile_target
from samplers.gradient_kernel import FlatDensity

type Vector = NDArray[np.float64]
type Space = Literal["natural", "unconstrained"]

SPACES: tuple[Space, ...] = ("natural", "unconstrained")
_STEP = 1e-5


class ModelDensity:
    """The log-density of what is left of a model when sums and integrals are taken, on the real line.

    Parameters
    ----------
    model : Model
        The model.
    task : str
        What it is for, as the subject of messages.
    marginalize : "auto", bool, or iterable of str
        As of `ppl.plan`; continuous variables are integrated out where they are named.
    backend : {"numba", "c", "jax"}
        What compiles it.
    space : {"natural", "unconstrained"}
        Of which space the density is; positions are of the real line either way.

    Raises
    ------
    ModelError
        If nothing is latent, or a variable has no gradient; names it.
    """

    def __init__(
        self,
        model: Any,
        task: str,
        marginalize: Marginalize,
        backend: str,
        space: Space = "unconstrained",
    ):
        require_model(model)
        if space not in SPACES:
            raise ModelError(f"space is 'natural' or 'unconstrained', not {space!r}.")
        if not model.latent:
            raise ModelError(f"There is nothing for {task}: none of the variables is latent.")
        self.backend, self.space = backend, space
        self.plan: Plan = plan(model, sampler="nuts", marginalize=marginalize)
        self._check(task)
        self.layout = self.plan.sweep.layout
        if not self.layout.size:
            raise ModelError(f"Nothing is left for {task}: all variables are summed or integrated out. Use ppl.sample.")

    def _check(self, task: str) -> None:
        for each in self.plan.declared:
            if each.method in (BY_GRADIENT, "marginalize", "integrate"):
                continue
            kind = "discrete, and not summed out" if each.support.is_discrete else "without a gradient"
            raise ModelError(
                f"{each.name} is {kind} ({each.reason}): {task} follows gradients. Use ppl.sample, set it by ppl.do, "
                "or sum it out (marginalize=[...], max_states).",
                each.name,
            )

    @cached_property
    def logdensity(self) -> LogDensity:
        """The log-density as a graph, its inputs in the order in which they lie in positions."""
        sampled = self.plan.sampled
        total = sampled.total
        if self.space == "natural":
            total = total - log_jacobian_total(sampled)
        by_name = {str(v.name): v for v in sampled.values.values()}
        return LogDensity(total, tuple(by_name[name] for name in self.layout.names))

    @cached_property
    def target(self) -> Target:
        """The log-density as loops call it."""
        return compile_target(self.logdensity, backend=self.backend)

    @cached_property
    def _flat(self) -> tuple[TensorVariable, Any]:
        x = pt.tensor("x", shape=(self.layout.size,), dtype="float64")
        return x, FlatDensity(self.logdensity).at(x)

    @cached_property
    def _function(self) -> Any:
        x, place = self._flat
        return get_backend(self.backend).function([x], [place.logdensity, place.gradient])

    def __call__(self, position: Vector) -> tuple[float, Vector]:
        """Return the log-density at a position (size,), and its gradient (size,)."""
        value, gradient = self._function(position)
        return float(value), np.asarray(gradient, np.float64)

    @cached_property
    def _products(self) -> Any:
        return self._compiled_products()

    @optional("exact second derivatives", otherwise=lambda why, self: None)
    def _compiled_products(self) -> Any:
        """Return a function of position and direction: the product with the second derivatives; None without them."""
        x, place = self._flat
        direction = pt.tensor("direction", shape=(self.layout.size,), dtype="float64")
        along = pt.sum(place.gradient * direction)
        try:
            product = pytensor.grad(along, x, disconnected_inputs="ignore")
        except (NotImplementedError, NullTypeGradError):
            return None  # operations have a gradient, and that has none: the recursion along a chain
        return get_backend(self.backend).function([x, direction], [product])

    def along(self, position: Vector, direction: Vector) -> Vector:
        """Return the product of the second derivatives at a position with a direction; (size,).

        Where operations have no second derivatives it is a difference of gradients.
        """
        if self._products is not None:
            return np.asarray(self._products(position, direction)[0], np.float64)
        step = _STEP * max(1.0, float(np.abs(position).max())) / max(float(np.abs(direction).max()), 1e-300)
        found: Vector = (self(position + step * direction)[1] - self(position - step * direction)[1]) / (2.0 * step)
        return found

    def curvature(self, position: Vector) -> NDArray[np.float64]:
        """Return the negative second derivatives, (size, size)."""
        columns = [self.along(position, unit) for unit in np.eye(self.layout.size)]
        matrix = -np.stack(columns)
        found: NDArray[np.float64] = 0.5 * (matrix + matrix.T)
        return found

    def starts(self, init: Any, number: int, seed: int) -> NDArray[np.float64]:
        """Return where searches begin, (number, size)."""
        with untraced():
            return StartingPoints(self.plan)(init, number, seed)

    @cached_property
    def _expansion(self) -> DrawExpansion:
        return DrawExpansion.of(self.plan, self.backend)

    def named(self, positions: NDArray[np.float64], seed: int) -> dict[str, NDArray]:
        """Return values in natural space of positions (chains, draws, size), with what was integrated out, by name."""
        expansion = self._expansion
        values = expansion(positions[..., self.layout.elements(expansion.layout.names)], seed=(seed, 0))
        return {name: array for name, array in values.items() if name != LOGDENSITY}

    def names_of(self, elements: Iterable[int]) -> list[str]:
        """Return the variables that elements of a position are of, as they were declared, each once."""
        of_value = {str(v.name): n for n, v in self.plan.sampled.values.items()}
        return list(dict.fromkeys(of_value[self.layout.name_of(int(e))] for e in elements))
