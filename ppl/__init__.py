"""Declare a model as random variables, condition it on data, sample it."""

from ppl.declare import Data, Density, Deterministic, Potential  # noqa: F401
from ppl.distributions import *  # noqa: F403
from ppl.interop import from_pymc  # noqa: F401
from ppl.model import Model  # noqa: F401
