"""Draws from full conditionals as a kernel; in sweeps they are drawn from the laws that a plan has found."""

from __future__ import annotations

from samplers.builders import OfferedSampler
from samplers.conditionals.gibbs import gibbs

OFFERED = (OfferedSampler(gibbs),)
