"""What is compiled for models is translated: Numba's own compiler takes many times as long for it.

In a process of its own, whose caches are empty: what is read back from disk says nothing.

Answers: what the compiler says that it left to Numba, which is to be nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

_SCRIPT = """
import json, logging, sys
import ppl
from graphs.backends.numba.translation.compiler import REFUSED
from tests.corpus.models import CORPUS
logging.getLogger("rvgraph").setLevel(logging.ERROR)
found = {}
for name, sampler in json.loads(sys.argv[1]):
    REFUSED.clear()
    options = {"draws": 2, "tune": 2, "chains": 1, "seed": 1, "progress": False}
    ppl.sample(ppl.from_pymc(CORPUS[name]()), sampler=sampler, **options)
    found[f"{name} by {sampler}"] = {key: why for key, why in REFUSED.items()}
print(json.dumps(found))
"""
FEW = [("hierarchies.schools_non_centred", "nuts")]
MANY = [
    ("regressions.ordered", None),
    ("regressions.negative_binomial", "slice"),
    ("regressions.multivariate", "barker"),
    ("regressions.censored_and_truncated", None),
    ("hierarchies.radon", "gibbs"),
    ("hierarchies.varying_slopes", None),
    ("series.garch", "rmh"),
    ("series.epidemic_by_scan", None),
    ("discrete.normal_mixture", "gibbs"),
    ("discrete.latent_index", None),
    ("discrete.unseen_counts", None),
    ("structures.covariance", "gibbs"),
]


@pytest.mark.parametrize("models", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"])
def test_what_models_compile_is_translated(models, tmp_path):
    environment = os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, json.dumps(models)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found
    assert not {model: refused for model, refused in found.items() if refused}
