"""Chains spread over devices draw the same; densities in single precision are rounded, and no more.

Answers: draws on one device, and densities in double precision.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytensor.tensor as pt
import pytest

pytest.importorskip("jax")
from graphs.density import LogDensity
from graphs.errors import BackendError
from graphs.layout import Layout
from graphs.supports import REAL
from samplers import NUTSBlock, Sweep, compile_sweep
from samplers.chain.jax_density import logdensity_function

X = np.random.default_rng(0).normal(size=(40, 3))
SCRIPT = """
import jax, numpy as np
from tests.samplers.loop.jax.test_jax_devices import sweep
from samplers import RunSettings, compile_sweep
draws = compile_sweep(sweep(), backend="jax").run(np.zeros((4, 3)), RunSettings(30, 20, seed=3)).draws
print(len(jax.devices()), draws.tobytes().hex())
"""


def density():
    b = pt.tensor("b", dtype="float64", shape=(3,))
    total = -0.5 * (b**2).sum() - pt.log1p(pt.exp(pt.dot(X, b))).sum()
    return LogDensity(total, (b,), {"b": REAL})


def sweep():
    logdensity = density()
    return Sweep(logdensity.inputs, (NUTSBlock(logdensity.inputs, logdensity),))


def test_single_precision_is_double_rounded():
    import jax

    logdensity = density()
    layout = Layout.of(logdensity.inputs)
    point = np.array([0.3, -1.2, 0.7])
    exact = np.exp(X @ point)
    value = -0.5 * point @ point - np.log1p(exact).sum()
    gradient = -point - X.T @ (exact / (1 + exact))
    for precision, rounding in (("float64", 1e-14), ("float32", 1e-5)):
        function = logdensity_function(logdensity, logdensity.inputs, layout, precision)
        found = jax.value_and_grad(function)(point, point)
        assert found[0].dtype == found[1].dtype == "float64"
        np.testing.assert_allclose(found[0], value, rtol=rounding)
        np.testing.assert_allclose(found[1], gradient, rtol=rounding, atol=rounding)
        is_rounded = float(np.float32(found[0])) == float(found[0])
        assert is_rounded == (precision == "float32")


@pytest.mark.parametrize("backend", ["numba", "c"])
def test_other_backends_have_no_single_precision(backend):
    with pytest.raises(BackendError, match='computes in double precision; use backend="jax"'):
        compile_sweep(sweep(), backend=backend, precision="float32")


def test_unknown_precision():
    with pytest.raises(BackendError, match='"float64" or "float32", not \'half\''):
        compile_sweep(sweep(), backend="jax", precision="half")


@pytest.mark.slow
def test_draws_do_not_depend_on_the_number_of_devices():
    found = {}
    for devices in (1, 3, 4):
        environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        count, numbers = run.stdout.split()
        assert int(count) == devices
        found[devices] = np.frombuffer(bytes.fromhex(numbers))
    # With three devices, two run two chains each. Products of fewer chains are added in another order, and trajectories
    # enlarge what is rounded.
    for devices in (3, 4):
        np.testing.assert_allclose(found[devices], found[1], rtol=1e-6, atol=1e-6)
