"""The samplers of this package by name, found in their rooms: what these offer stands in their file ``sampler.py``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Literal

from samplers.builders import BlockBuilder, OfferedSampler


def _offered() -> Iterator[OfferedSampler]:
    """Yield what the rooms offer, in their order."""
    for file in sorted(Path(__file__).parent.glob("*/sampler.py")):
        yield from import_module(f"samplers.{file.parent.name}.sampler").OFFERED


SAMPLERS: dict[str, OfferedSampler] = {offered.kernel.__name__: offered for offered in _offered()}
"""All of them, by name."""
BUILDERS: dict[str, BlockBuilder] = {name: found.builder for name, found in SAMPLERS.items() if found.builder}
"""Those that move variables in sweeps by their log-density: what `ppl.sample` knows by name besides laws."""
SamplerName = Literal["gibbs", "barker", "rmh", "slice", "tabulated", "nuts"]
"""Laws, and the names of these: for type checkers, which look into no folder."""
