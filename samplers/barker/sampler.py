"""The Barker proposal, as a kernel and in sweeps."""

from __future__ import annotations

from samplers.barker.kernel import barker
from samplers.barker.move import Barker
from samplers.builders import OfferedSampler

OFFERED = (OfferedSampler(barker, Barker()),)
