"""What a run remembers, as plain arrays: nothing has to be unpickled to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphs.errors import SamplingError
from samplers.chain.metric import Kind, Metric

type State = dict[str, NDArray]
"""Arrays by name: all that the next sweep of a run needs."""

_KINDS: tuple[Kind, ...] = ("diag", "dense", "low_rank")
_WORD = 2**64


def packed(text: str) -> NDArray[np.uint8]:
    """Return a text as an array."""
    return np.frombuffer(text.encode(), np.uint8).copy()


def unpacked(array: NDArray[np.uint8]) -> str:
    """Return the text of an array."""
    return np.asarray(array, np.uint8).tobytes().decode()


def part_of(state: Mapping[str, NDArray], prefix: str) -> State:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def with_prefix(prefix: str, state: Mapping[str, NDArray]) -> State:
    """Return the arrays under names that begin so."""
    return {prefix + name: array for name, array in state.items()}


def generator_words(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return the state of NumPy's default generator, shape (6,)."""
    state: Any = rng.bit_generator.state
    numbers = (state["state"]["state"], state["state"]["inc"])
    halves = [half for number in numbers for half in divmod(number, _WORD)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], np.uint64)


def set_generator(rng: np.random.Generator, words: NDArray[np.uint64]) -> None:
    """Let NumPy's default generator go on from a state that `generator_words` returned."""
    high, low, high_inc, low_inc, has_uint32, uinteger = (int(word) for word in words)
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high * _WORD + low, "inc": high_inc * _WORD + low_inc},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }


def arrays_of_metric(metric: Metric) -> State:
    """Return a metric as arrays."""
    kind = np.array(_KINDS.index(metric.kind))
    return {"kind": kind, "scale": metric.scale, "rows": metric.rows, "coefficients": metric.coefficients}


def metric_of_arrays(state: Mapping[str, NDArray]) -> Metric:
    """Return the metric of arrays."""
    kind = _KINDS[int(state["kind"])]
    return Metric(kind, *(np.array(state[name], np.float64) for name in ("scale", "rows", "coefficients")))


def fill(array: NDArray, state: Mapping[str, NDArray], name: str) -> None:
    """Overwrite an array by that of a state.

    Raises
    ------
    SamplingError
        If the state has none of this name, or another shape: it is of another run.
    """
    found = state.get(name)
    if found is None or found.shape != array.shape:
        has = "no such array" if found is None else f"shape {found.shape}"
        raise SamplingError(
            f"The state to go on from does not fit the run: of {name} it has {has}, not {array.shape} as the run. "
            "Go on with the same model, chains and options."
        )
    array[...] = found
