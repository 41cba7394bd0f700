"""The blocks of a sweep as pure JAX functions of one chain's flat state."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc.hmc import HMCState
from blackjax.mcmc.hmc import init as evaluate_state
from numpy.typing import NDArray
from pytensor.graph.traversal import explicit_graph_inputs
from pytensor.tensor.variable import TensorVariable

from graphs.backends.jax.lowering import jax_callable
from graphs.layout import Layout
from samplers.blocks import DrawBlock, NUTSBlock
from samplers.chain.jax_density import find_step_size, logdensity_function, pack, unpack
from samplers.chain.result import (
    STATUS_DONE,
    STATUS_NOT_FINITE_DRAW,
    STATUS_NOT_FINITE_GRADIENT,
    STATUS_NOT_FINITE_LOGDENSITY,
    STATUS_STRIDE,
)
from samplers.loop.jax.block import JaxBlock, Stats
from samplers.trajectories.jax_transition import nuts_transition
from samplers.tuning.adaptation import EARLY_TREE_DEPTH
from samplers.tuning.jax_adaptation import (
    Adaptation,
    Phase,
    adapt,
    present_step_size,
    start_adaptation,
    start_averaging,
    start_inverse_mass_matrix,
)
from samplers.tuning.pathfinder import Evaluate

SCALE_GAIN = 2.0
SCALE_DECAY = 0.6


class NUTSMemory(NamedTuple):
    """What a NUTS block carries from draw to draw."""

    logdensity: jax.Array  # () float64, at the position after the last draw
    gradient: jax.Array  # (d,) float64
    adaptation: Adaptation
    factor: jax.Array  # (d, d) float64: the trajectory's coordinates, see `samplers.tuning.preconditioning`; or (0, 0)
    is_adapting: jax.Array  # () bool: whether the chain learns the diagonal itself
    num_without_gradient: jax.Array  # () int64: as in `SweepResult`
    without_gradient: jax.Array  # (size,) float64: as in `SweepResult`


def nuts_block(
    block: NUTSBlock,
    layout: Layout,
    *,
    is_alone: bool,
    max_tree_depth: int,
    precision: str = "float64",
    has_factor: bool = False,
) -> JaxBlock:
    """Return the functions of a NUTS block.

    Parameters
    ----------
    block : NUTSBlock
        The block; its variables lie side by side in the joint state.
    layout : Layout
        How the joint state is laid out.
    is_alone : bool
        Whether no other block moves the inputs of the log-density: only then are its value and gradient carried from
        draw to draw. With stale ones the chain has the wrong distribution.
    max_tree_depth : int
        Largest number of doublings of a trajectory.
    precision : {"float64", "float32"}
        In which the log-density and its gradient are computed.
    has_factor : bool
        Whether trajectories run in coordinates of their own, those of a metric that is learnt in Python.
    """
    variables = sorted(block.variables, key=lambda v: layout.slice_of(v.name).start)
    start, stop = layout.slice_of(variables[0].name).start, layout.slice_of(variables[-1].name).stop
    evaluate = logdensity_function(block.logdensity, variables, layout, precision)

    def init(x: jax.Array) -> NUTSMemory:
        state = evaluate_state(x[start:stop], lambda position: evaluate(position, x))
        metric = start_inverse_mass_matrix(state.logdensity_grad)
        factor = jnp.eye(stop - start if has_factor else 0)
        return NUTSMemory(
            logdensity=state.logdensity,
            gradient=state.logdensity_grad,
            adaptation=start_adaptation(metric),
            factor=factor,
            is_adapting=jnp.ones((), bool),
            num_without_gradient=jnp.zeros((), "int64"),
            without_gradient=jnp.full(layout.size, jnp.nan),
        )

    def step(
        key: jax.Array, x: jax.Array, memory: NUTSMemory, phase: Phase, target_accept: jax.Array
    ) -> tuple[jax.Array, NUTSMemory, jax.Array, Stats]:
        origin = x[start:stop]

        def locate(coordinates: jax.Array) -> jax.Array:
            return origin + memory.factor @ coordinates if has_factor else coordinates

        def logdensity(coordinates: jax.Array) -> jax.Array:
            return evaluate(locate(coordinates), x)

        def search(adaptation: Adaptation) -> Adaptation:
            found = find_step_size(search_key, before, logdensity, adaptation.inverse_mass_matrix)
            return adaptation._replace(averaging=start_averaging(found))

        key, search_key = jax.random.split(key)
        begin = jnp.zeros_like(origin) if has_factor else origin
        before = HMCState(begin, memory.logdensity, memory.gradient) if is_alone else evaluate_state(begin, logdensity)
        adaptation = jax.lax.cond(phase.is_searching, search, lambda a: a, memory.adaptation)
        step_size = present_step_size(adaptation, phase.is_tuning)
        deepest = jnp.where(phase.is_early, min(max_tree_depth, EARLY_TREE_DEPTH), max_tree_depth)
        state, info, fault = nuts_transition(
            key, before, logdensity, step_size, adaptation.inverse_mass_matrix, max_tree_depth, deepest
        )
        position, metric = locate(state.position), adaptation.inverse_mass_matrix
        adaptation = adapt(adaptation, phase, position, state.logdensity_grad, info.acceptance_rate, target_accept)
        if has_factor:
            learnt = jnp.where(memory.is_adapting, adaptation.inverse_mass_matrix, metric)
            adaptation = adaptation._replace(inverse_mass_matrix=learnt)
        stats = {
            "lp": state.logdensity,
            "diverging": info.is_divergent,
            "tree_depth": info.tree_depth,
            "n_steps": info.num_steps,
            "acceptance_rate": info.acceptance_rate,
            "step_size": step_size,
            "energy": info.energy,
            "index_in_trajectory": info.index_in_trajectory,
        }
        is_counted = fault.is_found & ~phase.is_tuning
        is_first = is_counted & (memory.num_without_gradient == 0)
        after = memory._replace(
            logdensity=state.logdensity,
            gradient=state.logdensity_grad,
            adaptation=adaptation,
            num_without_gradient=memory.num_without_gradient + is_counted,
            without_gradient=jnp.where(is_first, x.at[start:stop].set(locate(fault.position)), memory.without_gradient),
        )
        failed = STATUS_NOT_FINITE_LOGDENSITY + STATUS_STRIDE * start
        is_finite = jnp.isfinite(before.logdensity_grad)
        without = STATUS_NOT_FINITE_GRADIENT + STATUS_STRIDE * (start + jnp.argmin(is_finite))
        status = jnp.where(is_finite.all(), STATUS_DONE, without)
        status = jnp.where(jnp.isfinite(before.logdensity), status, failed)
        return x.at[start:stop].set(position), after, status, stats

    return JaxBlock(init, step, num_refreshing_gradients=0 if is_alone else 1)


def block_evaluator(
    block: NUTSBlock, layout: Layout, state: NDArray[np.float64], precision: str
) -> tuple[slice, Evaluate]:
    """Return the elements of a NUTS block and ``position -> (log-density, gradient)``, the rest being held."""
    variables = sorted(block.variables, key=lambda v: layout.slice_of(v.name).start)
    where = slice(layout.slice_of(variables[0].name).start, layout.slice_of(variables[-1].name).stop)
    evaluate = jax.jit(jax.value_and_grad(logdensity_function(block.logdensity, variables, layout, precision)))

    def call(position: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = evaluate(position, state)
        return float(value), np.array(gradient, np.float64)

    return where, call


def draw_block(block: DrawBlock, layout: Layout) -> JaxBlock:
    """Return the functions of a block that a step graph moves."""
    inputs = _inputs(block)
    draw = jax_callable(inputs, _outputs(block), rng=block.rng)
    slices = [layout.slice_of(str(variable.name)) for variable in block.variables]
    targets = np.concatenate([np.arange(s.start, s.stop) for s in slices])
    learnt = [layout.slice_of(str(m.variable.name)) for m in block.memory]

    def init(x: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def step(
        key: jax.Array, x: jax.Array, count: jax.Array, phase: Phase, target_accept: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, Stats]:
        values = unpack(x, layout)
        _, results = draw(key, *(values[v.name] for v in inputs))
        new_values = pack(results[: len(block.variables)])
        element = jnp.asarray(targets)[jnp.argmin(jnp.isfinite(new_values))]
        failed = STATUS_NOT_FINITE_DRAW + STATUS_STRIDE * element
        status = jnp.where(jnp.isfinite(new_values).all(), STATUS_DONE, failed)
        x = x.at[targets].set(new_values)
        for where, following in zip(learnt, results[len(block.variables) :], strict=False):
            x = x.at[where].set(jnp.where(phase.is_tuning, jnp.ravel(following), x[where]))
        if block.acceptance_rate is None:
            return x, count, status, {}
        stats = {"acceptance_rate": results[-1]}
        if block.scale is not None:
            scale = values[block.scale.name]
            stats["scale"] = scale
            adapted = jnp.where(
                phase.is_tuning, adapt_scale(scale, results[-1], block.target_acceptance, count + 1), scale
            )
            x = x.at[layout.slice_of(block.scale.name)].set(adapted)
        return x, count + 1, status, stats

    return JaxBlock(init, step)


def adapt_scale(scale: jax.Array, acceptance_rate: jax.Array, target: float, count: jax.Array) -> jax.Array:
    """Return the proposal scale moved towards the best acceptance rate.

    As ``samplers.tuning.adaptation.adapt_scale``.
    """
    return scale * jnp.exp(SCALE_GAIN * count**-SCALE_DECAY * (jnp.nan_to_num(acceptance_rate) - target))


def _outputs(block: DrawBlock) -> list[TensorVariable]:
    """Return what a draw block computes."""
    return [*block.outputs, *([] if block.acceptance_rate is None else [block.acceptance_rate])]


def _inputs(block: DrawBlock) -> list[TensorVariable]:
    """Return the variables of the joint state that the draws depend on."""
    found = dict.fromkeys(explicit_graph_inputs(_outputs(block)))
    return [variable for variable in found if variable is not block.rng]
