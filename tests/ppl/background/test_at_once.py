"""Runs that are started at once, while others are declared, draw from their posteriors; nothing of the process changes.

Answers: means of normal posteriors in closed form, within five errors of 400 draws of which a quarter count.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import numpy as np, pytensor, ppl

def model(number):
    data = np.random.default_rng(number).normal(2.0, 1.0, size=5 + number)
    mu, other = ppl.Normal("mu", 0, 10), ppl.Normal("other", 0, 1)
    y = ppl.Normal("y", mu + 0 * other**2, 1, size=len(data))
    precision = 0.01 + len(data)
    return ppl.Model({y: data}), data.sum() / precision, precision**-0.5

before = pytensor.config.cxx, pytensor.config.mode, pytensor.config.traceback__limit
told = [model(number) for number in range(4)]
runs = [ppl.start(m, sampler="nuts", draws=200, tune=200, chains=2, seed=1) for m, _, _ in told]
for number in range(20):
    model(number)
for run, (_, mean, sd) in zip(runs, told):
    assert abs(float(run.wait(200).posterior["mu"].mean()) - mean) < 5 * sd / 10
assert before == (pytensor.config.cxx, pytensor.config.mode, pytensor.config.traceback__limit)
print("all right")
"""


def test_runs_that_are_started_at_once() -> None:
    """In a process of its own: only what is compiled for the first time, by two at a time, can go wrong."""
    found = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _SCRIPT],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=250,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "all right" in found.stdout
