"""The Barker proposal as graphs: a step whose direction the gradient makes likely, and never certain."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from samplers.gradient_kernel import Place


def propose(rng: Variable, before: Place, scale: TensorVariable) -> tuple[Variable, TensorVariable]:
    r"""Return the generator and a proposal, with a step of a standard deviation, shape () or (d,).

    Each coordinate moves by a normal step :math:`z_i` of its scale, which keeps its sign with probability
    :math:`1 / (1 + \exp(-z_i \, \partial_i \log\pi(x)))`, and is turned round otherwise [1]_.

    References
    ----------
    .. [1] Livingstone and Zanella (2022), The Barker proposal: combining robustness and efficiency in gradient-based
       MCMC, JRSS B 84, algorithm 1.
    """
    size = tuple(before.position.type.shape)
    next_rng, noise = rng.normal(0.0, 1.0, size=size)
    step = scale * noise
    next_rng, uniform = next_rng.uniform(0.0, 1.0, size=size)
    return next_rng, before.position + pt.switch(uniform < pt.sigmoid(step * before.gradient), step, -step)


def log_ratio(before: Place, after: Place) -> TensorVariable:
    r"""Return the logarithm of the ratio of Metropolis and Hastings, shape ().

    .. math:: \log\frac{\pi(y)}{\pi(x)} + \sum_i \log\frac
       {1 + \exp((x_i - y_i) \, \partial_i \log\pi(x))} {1 + \exp((y_i - x_i) \, \partial_i \log\pi(y))}
    """
    (x, value, slope), (y, new_value, new_slope) = before, after
    return new_value - value + (pt.softplus((x - y) * slope) - pt.softplus((y - x) * new_slope)).sum()
