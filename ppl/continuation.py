"""What a run has learnt, kept with its trace, so that another can go on from there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree, Variable

from graphs.errors import SamplingError
from graphs.layout import Layout
from samplers.metric import Kind, Learnt, Metric
from samplers.result import SweepResult

ADAPTATION = "adaptation"
_KINDS: tuple[Kind, ...] = ("diag", "dense", "low_rank")
_VERSION = 1


def what_was_learnt(result: SweepResult, layout: Layout) -> Dataset:
    """Return a trace's group ``adaptation``: the last joint states, step sizes and metrics.

    Parameters
    ----------
    result : SweepResult
        The run that the trace is from.
    layout : Layout
        The joint state, in the space where it is sampled.
    """
    variables = {"state": Variable(("chain", "element"), result.state)}
    for block, learnt in enumerate(zip(*result.learnt, strict=True)):
        variables |= _arrays(block, [known.step_size for known in learnt], [known.metric for known in learnt])
    attributes = {"variables": _described(layout), "num_blocks": len(result.learnt[0]), "version": _VERSION}
    return Dataset(variables, attrs=attributes)


def continued(trace: DataTree, layout: Layout, chains: int) -> tuple[NDArray[np.float64], list[list[Learnt]]]:
    """Return the last joint states of a trace, shape (chains, size), and what each chain had learnt.

    Parameters
    ----------
    trace : DataTree
        Of an earlier run of the same model.
    layout : Layout
        The joint state.
    chains : int
        Number of chains to be run.

    Raises
    ------
    SamplingError
        If the trace does not fit.
    """
    if ADAPTATION not in trace.children:
        raise SamplingError(
            f"The trace given as init has no group {ADAPTATION!r}: only what ppl.sample returned can be continued. "
            "Give values by name, init={...}."
        )
    group = trace[ADAPTATION].to_dataset()
    known, present = str(group.attrs.get("variables")).split("; "), _described(layout).split("; ")
    if known != present:
        raise SamplingError(
            f"The trace given as init does not fit the model, which samples {', '.join(present)}: the trace holds "
            f"{', '.join(known)}. Continue with the same model and the same samplers, or give init={{...}}."
        )
    state = np.array(group["state"], np.float64)
    if len(state) != chains:
        raise SamplingError(f"The trace given as init has {len(state)} chains: use chains={len(state)}, not {chains}.")
    stopped = np.flatnonzero(~np.isfinite(state).all(axis=1))
    if stopped.size:
        raise SamplingError(f"Chain {stopped[0]} of the trace given as init had stopped: it cannot be continued.")
    blocks = [_learnt(group, block) for block in range(int(group.attrs["num_blocks"]))]
    return state, [[block[chain] for block in blocks] for chain in range(chains)]


def _described(layout: Layout) -> str:
    """Return names and shapes of the joint state."""
    return "; ".join(
        f"{name}[{','.join(map(str, shape))}]" for name, shape in zip(layout.names, layout.shapes, strict=True)
    )


def _arrays(block: int, step_sizes: Sequence[float], metrics: Sequence[Metric]) -> dict[str, Variable]:
    """Return one block's step sizes and metrics; rows that some chains lack are zero, and so are their coefficients."""
    most = max(len(metric.rows) for metric in metrics)
    dims = ("chain", f"row_{block}", f"position_{block}")
    rows = np.stack([np.pad(m.rows, ((0, most - len(m.rows)), (0, 0))) for m in metrics])
    coefficients = np.stack([np.pad(m.coefficients, (0, most - len(m.coefficients))) for m in metrics])
    return {
        f"step_size_{block}": Variable(("chain",), np.array(step_sizes, np.float64)),
        f"metric_{block}": Variable(("chain",), np.array([_KINDS.index(m.kind) for m in metrics])),
        f"scale_{block}": Variable(("chain", dims[2]), np.stack([m.scale for m in metrics])),
        f"rows_{block}": Variable(dims, rows),
        f"coefficients_{block}": Variable(dims[:2], coefficients),
        f"inverse_mass_matrix_{block}": Variable(("chain", dims[2]), np.stack([m.variances for m in metrics])),
    }


def _learnt(group: Dataset, block: int) -> list[Learnt]:
    """Return what each chain had learnt about one block."""
    names = ("step_size", "metric", "scale", "rows", "coefficients")
    columns = [np.array(group[f"{name}_{block}"]) for name in names]
    found = []
    for step_size, number, scale, rows, coefficients in zip(*columns, strict=True):
        kind = _KINDS[int(number)]
        if kind == "dense":
            metric = Metric.dense(rows)
        else:
            used = coefficients != 0
            metric = Metric(kind, scale, np.ascontiguousarray(rows[used]), coefficients[used])
        found.append(Learnt(float(step_size), metric))
    return found
