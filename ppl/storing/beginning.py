"""Where the chains of a store started, and what they knew then, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppl.keeping.manifest import START
from ppl.keeping.place import StorePlace
from samplers.chain.arguments import RunSettings
from samplers.chain.metric import Centring, Learnt
from samplers.chain.plain_arrays import State, arrays_of_metric, metric_of_arrays, part_of, with_prefix


def arrays_of_learnt(settings: RunSettings) -> State:
    """Return what chains knew when they began."""
    found: State = {}
    for chain, blocks in enumerate(settings.learnt or ()):
        for block, known in enumerate(blocks):
            found |= with_prefix(f"learnt_{chain}_{block}_", arrays_of_metric(known.metric))
            found[f"learnt_{chain}_{block}_step_size"] = np.array(known.step_size)
            if known.centring is not None:
                found |= with_prefix(f"learnt_{chain}_{block}_centring_", known.centring._asdict())
    return found


def known_at_start(place: StorePlace, chains: int) -> tuple[NDArray[np.float64], list[list[Learnt]] | None]:
    """Return where the chains of a store started, and what they knew then."""
    arrays = place.read_arrays(START)
    learnt: list[list[Learnt]] = [[] for _ in range(chains)]
    for chain, blocks in enumerate(learnt):
        while own := part_of(arrays, f"learnt_{chain}_{len(blocks)}_"):
            centring = Centring(**found) if (found := part_of(own, "centring_")) else None
            blocks.append(Learnt(float(own["step_size"]), metric_of_arrays(own), centring))
    return arrays["start"], learnt if any(name.startswith("learnt_") for name in arrays) else None
