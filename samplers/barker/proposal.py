"""The Barker proposal as graphs: a step whose direction the gradient makes likely, and never certain."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from graphs.density import LogDensity, gradients
from graphs.layout import Layout
from graphs.surgery.rebuilding import substitute


class FlatDensity:
    """A log-density of continuous variables as a function of a flat position.

    Parameters
    ----------
    logdensity : LogDensity
        The log-density.
    """

    def __init__(self, logdensity: LogDensity):
        self._logdensity = logdensity
        self.layout = Layout.of(logdensity.inputs)
        slopes = gradients(logdensity, logdensity.inputs)
        self._graphs = [logdensity.total, pt.concatenate([pt.reshape(s, (-1,)) for s in slopes])]

    @property
    def here(self) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
        """The position, shape (d,), and log-density and gradient there, of the variables themselves."""
        position = pt.concatenate([pt.reshape(v, (-1,)) for v in self._logdensity.inputs])
        value, gradient = self._graphs
        return position, value, gradient

    def at(self, position: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
        """Return log-density and gradient, shapes () and (d,), at a position."""
        value, gradient = substitute(
            self._graphs, dict(zip(self._logdensity.inputs, self.parts(position), strict=True))
        )
        return pt.cast(value, "float64"), gradient

    def parts(self, position: TensorVariable) -> list[TensorVariable]:
        """Return the values of the variables."""
        found = zip(self.layout.offsets, self.layout.sizes, self.layout.shapes, strict=True)
        return [position[start : start + size].reshape(shape) for start, size, shape in found]


def propose(
    rng: Variable, position: TensorVariable, gradient: TensorVariable, scale: TensorVariable
) -> tuple[Variable, TensorVariable]:
    r"""Return the generator and a proposal.

    Each coordinate moves by a normal step :math:`z_i` of its scale, which keeps its sign with probability
    :math:`1 / (1 + \exp(-z_i \, \partial_i \log\pi(x)))`, and is turned round otherwise [1]_.

    Parameters
    ----------
    rng : Variable
        The generator.
    position, gradient, scale : TensorVariable
        Shape (d,); the scale may be a number.

    References
    ----------
    .. [1] Livingstone and Zanella (2022), The Barker proposal: combining robustness and efficiency in gradient-based
       MCMC, JRSS B 84, algorithm 1.
    """
    size = tuple(position.type.shape)
    next_rng, noise = rng.normal(0.0, 1.0, size=size)
    step = scale * noise
    next_rng, uniform = next_rng.uniform(0.0, 1.0, size=size)
    return next_rng, position + pt.switch(uniform < pt.sigmoid(step * gradient), step, -step)


def log_ratio(
    before: tuple[TensorVariable, TensorVariable, TensorVariable],
    after: tuple[TensorVariable, TensorVariable, TensorVariable],
) -> TensorVariable:
    r"""Return the logarithm of the ratio of Metropolis and Hastings, shape ().

    .. math:: \log\frac{\pi(y)}{\pi(x)} + \sum_i \log\frac
       {1 + \exp((x_i - y_i) \, \partial_i \log\pi(x))} {1 + \exp((y_i - x_i) \, \partial_i \log\pi(y))}

    Parameters
    ----------
    before, after : tuple of TensorVariable
        Position, log-density and gradient at x, and at y.
    """
    (x, value, slope), (y, new_value, new_slope) = before, after
    ratio = new_value - value + (pt.softplus((x - y) * slope) - pt.softplus((y - x) * new_slope)).sum()
    # Where the density is none, or has no gradient, there is no way back.
    return pt.switch(pt.isnan(ratio), -np.inf, ratio)
