"""Random variables: a thin wrapper of every PyMC distribution, generated from PyMC's own signatures.

``ppl.Normal("mu", 0, 10, size=3)`` is ``pm.Normal.dist(0, 10, size=3)`` with a name, and with what PyMC would keep in a
model (dims, transform, starting value) kept in the variable's ``tag.declaration``.

Left out: ``DensityDist`` (PyMC's old name of ``CustomDist``) and ``WishartBartlett`` (a function that needs a PyMC
model around it). Where PyMC's class also records Deterministics (the probabilities of ``OrderedLogistic``,
``OrderedProbit`` and ``OrderedMultinomial``), declare them with ``ppl.Deterministic``.
"""

from __future__ import annotations

import pymc as pm

from ppl.declaring.wrapping import make_wrapper

EXCLUDED = {"Continuous", "DensityDist", "Discrete", "Distribution", "SymbolicRandomVariable", "WishartBartlett"}
NAMES = tuple(name for name in pm.distributions.__all__ if name not in EXCLUDED)

globals().update({title: make_wrapper(title) for title in NAMES})

__all__ = list(NAMES)
