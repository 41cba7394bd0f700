"""Random walks, as a kernel and in sweeps."""

from __future__ import annotations

from samplers.builders import OfferedSampler
from samplers.random_walk.kernel import rmh
from samplers.random_walk.move import RandomWalk

OFFERED = (OfferedSampler(rmh, RandomWalk()),)
