"""What a run has learnt, kept with its trace, so that another can go on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, DataTree, Variable

from graphs.errors import SamplingError
from graphs.layout import Layout
from ppl.predicting.recovery import LOG_EVIDENCE
from samplers.blocks import Sweep
from samplers.chain.metric import Centring, Kind, Learnt, Metric
from samplers.chain.result import SweepResult

ADAPTATION = "adaptation"
LOG_WEIGHT = "log_weight"
"""A statistic of approximations: by how much the log-density is more than theirs."""
_CENTRING = {"share": "centring", "scale": "centring_scale", "pull": "centring_pull"}
_KINDS: tuple[Kind, ...] = ("diag", "dense", "low_rank")
_VERSION = 2


def what_was_learnt(result: SweepResult, sweep: Sweep) -> Dataset:
    """Return a trace's group ``adaptation``: the last joint states, step sizes and metrics.

    Parameters
    ----------
    result : SweepResult
        The run that the trace is from.
    sweep : Sweep
        What was sampled.
    """
    variables = {"state": Variable(("chain", "element"), result.state)}
    for block, learnt in enumerate(zip(*result.learnt, strict=True)):
        variables |= _arrays(block, [known.step_size for known in learnt], [known.metric for known in learnt])
        variables |= _centrings(block, [known.centring for known in learnt])
    attributes = {
        "variables": _described(sweep.layout),
        "moves": _moves(sweep),
        "num_blocks": len(result.learnt[0]),
        "version": _VERSION,
    }
    return Dataset(variables, attrs=attributes)


def continued(
    trace: DataTree, sweep: Sweep, shapes: Mapping[str, tuple[int, ...]], chains: int
) -> tuple[NDArray[np.float64], list[list[Learnt]]] | list[dict[str, NDArray]]:
    """Return where a trace ended: joint states (chains, size) and what each chain had learnt, or values by name.

    Values by name, of each chain, are what another way of sampling goes on from: what was learnt does not fit it.

    Parameters
    ----------
    trace : DataTree
        Of an earlier run of the same model.
    sweep : Sweep
        What is sampled now.
    shapes : mapping of str to tuple of int
        Of the latent variables that are drawn now.
    chains : int
        Number of chains to be run.

    Raises
    ------
    SamplingError
        If the trace does not fit.
    """
    if ADAPTATION not in trace.children and LOG_WEIGHT in _statistics(trace):
        return _different_draws(trace, shapes, chains)
    if ADAPTATION not in trace.children and LOG_EVIDENCE in trace.attrs and "posterior" in trace.children:
        # Exact draws: there was nothing to learn.
        _check_chains(trace["posterior"].sizes["chain"], chains)
        return _last_values(trace, shapes)
    if ADAPTATION not in trace.children:
        raise SamplingError(
            f"The trace given as init has no group {ADAPTATION!r}: only what ppl.sample returned can be continued. "
            "Give values by name, init={...}."
        )
    group = trace[ADAPTATION].to_dataset()
    state = np.array(group["state"], np.float64)
    _check_chains(len(state), chains)
    stopped = np.flatnonzero(~np.isfinite(state).all(axis=1))
    if stopped.size:
        raise SamplingError(f"Chain {stopped[0]} of the trace given as init had stopped: it cannot be continued.")
    if group.attrs.get("variables") != _described(sweep.layout) or group.attrs.get("moves") != _moves(sweep):
        return _last_values(trace, shapes)
    blocks = [_learnt(group, block) for block in range(int(group.attrs["num_blocks"]))]
    return state, [[block[chain] for block in blocks] for chain in range(chains)]


def _check_chains(found: int, chains: int) -> None:
    if found != chains:
        raise SamplingError(f"The trace given as init has {found} chains: use chains={found}, not {chains}.")


def _statistics(trace: DataTree) -> list[str]:
    """Return the names of the statistics of a trace."""
    return [str(name) for name in trace["sample_stats"].to_dataset()] if "sample_stats" in trace.children else []


def _different_draws(trace: DataTree, shapes: Mapping[str, tuple[int, ...]], chains: int) -> list[dict[str, NDArray]]:
    """Return draws of an approximation, no two the same, by their weights.

    Weights are cut off where the largest few would take all starts (Ionides, 2008, JCGS 17: at their mean times the
    root of their number).
    """
    posterior = _fitting(trace, shapes)
    weights = np.nan_to_num(trace["sample_stats"][LOG_WEIGHT].to_numpy().ravel(), nan=-np.inf)
    if len(weights) < chains:
        raise SamplingError(f"The trace given as init has {len(weights)} draws, too few to start {chains} chains at.")
    weights = np.exp(weights - weights.max())
    weights = np.minimum(weights, weights.mean() * len(weights) ** 0.5) + 1e-300
    # Exponential races: without replacement, in proportion to weights.
    races = np.random.default_rng(len(weights)).exponential(size=len(weights)) / weights
    flat = {name: posterior[name].to_numpy().reshape(-1, *shape) for name, shape in shapes.items()}
    seen: dict[bytes, int] = {}
    for draw in np.argsort(races):
        seen.setdefault(b"".join(np.ascontiguousarray(values[draw]).tobytes() for values in flat.values()), int(draw))
        if len(seen) == chains:
            break
    places = (list(seen.values()) * chains)[:chains]
    return [{name: values[place] for name, values in flat.items()} for place in places]


def _last_values(trace: DataTree, shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, NDArray]]:
    """Return the last draw of each chain."""
    last = _fitting(trace, shapes).isel(draw=-1)
    return [{name: last[name].isel(chain=chain).to_numpy() for name in shapes} for chain in range(last.sizes["chain"])]


def _fitting(trace: DataTree, shapes: Mapping[str, tuple[int, ...]]) -> Dataset:
    """Return the draws of a trace, which hold what is drawn now."""
    posterior = trace["posterior"].to_dataset()
    unfit = [
        f"{n}[{','.join(map(str, s))}]" for n, s in shapes.items() if n in posterior and posterior[n].shape[2:] != s
    ]
    missing = [name for name in shapes if name not in posterior]
    if unfit:
        held = [f"{n}[{','.join(map(str, posterior[n].shape[2:]))}]" for n in shapes if n in posterior]
        raise SamplingError(
            f"The trace given as init does not fit the model, which samples {', '.join(unfit)}: the trace holds "
            f"{', '.join(held)}. Continue with the same model, or give values by name, init={{...}}."
        )
    if missing or not posterior.sizes.get("draw"):
        what = ", ".join(missing) or "any variable: it has no draws"
        raise SamplingError(
            f"The trace given as init does not fit what is sampled now: it holds no values of {what}. Continue with "
            "the same model and the same samplers, draw what was summed out with ppl.recover(model, trace), or give "
            "values by name, init={...}."
        )
    return posterior


def _moves(sweep: Sweep) -> str:
    """Return what each block does, the names of what it moves, and whether in coordinates that are not these."""
    kinds = (
        getattr(block, "kind", type(block).__name__) + " in coordinates" * block.has_coordinates
        for block in sweep.blocks
    )
    names = (" ".join(str(variable.name) for variable in block.variables) for block in sweep.blocks)
    return "; ".join(f"{kind}: {moved}" for kind, moved in zip(kinds, names, strict=True))


def _described(layout: Layout) -> str:
    """Return names and shapes of the joint state."""
    return "; ".join(map(_with_shape, layout.names, layout.shapes))


def _with_shape(name: str, shape: tuple[int, ...]) -> str:
    return f"{name}[{','.join(map(str, shape))}]"


def _arrays(block: int, step_sizes: Sequence[float], metrics: Sequence[Metric]) -> dict[str, Variable]:
    """Return one block's step sizes and metrics; rows that some chains lack are zero, and so are their coefficients."""
    most = max(len(metric.rows) for metric in metrics)
    dims = ("chain", f"row_{block}", f"position_{block}")
    rows = np.zeros((len(metrics), most, len(metrics[0].scale)))
    coefficients = np.zeros((len(metrics), most))
    for chain, metric in enumerate(metrics):
        rows[chain, : len(metric.rows)] = metric.rows
        coefficients[chain, : len(metric.coefficients)] = metric.coefficients
    return {
        f"step_size_{block}": Variable(("chain",), np.array(step_sizes, np.float64)),
        f"metric_{block}": Variable(("chain",), np.array([_KINDS.index(m.kind) for m in metrics])),
        f"scale_{block}": Variable(("chain", dims[2]), np.stack([m.scale for m in metrics])),
        f"rows_{block}": Variable(dims, rows),
        f"coefficients_{block}": Variable(dims[:2], coefficients),
        f"inverse_mass_matrix_{block}": Variable(("chain", dims[2]), np.stack([m.variances for m in metrics])),
    }


def _centrings(block: int, centrings: Sequence[Centring | None]) -> dict[str, Variable]:
    """Return shares, scales and pulls of the coordinates of one block, where it has some."""
    known = [centring for centring in centrings if centring is not None]
    dims = ("chain", f"centred_{block}")
    names = (f"{_CENTRING[part]}_{block}" for part in Centring._fields)
    return dict(zip(names, (Variable(dims, np.stack(each)) for each in zip(*known, strict=True)), strict=False))


def _learnt(group: Dataset, block: int) -> list[Learnt]:
    """Return what each chain had learnt about one block."""
    names = ("step_size", "metric", "scale", "rows", "coefficients")
    columns = [np.array(group[f"{name}_{block}"]) for name in names]
    parts = [f"{_CENTRING[part]}_{block}" for part in Centring._fields]
    centrings: Any = repeat(None)
    if parts[0] in group:
        centrings = (Centring(*each) for each in zip(*(np.array(group[name]) for name in parts), strict=True))
    found = []
    for centring, known in zip(centrings, zip(*columns, strict=True), strict=False):
        step_size, number, scale, rows, coefficients = known
        kind = _KINDS[int(number)]
        if kind == "dense":
            metric = Metric.dense(rows)
        else:
            used = coefficients != 0
            metric = Metric(kind, scale, np.ascontiguousarray(rows[used]), coefficients[used])
        found.append(Learnt(float(step_size), metric, centring))
    return found
