"""What pilot runs have decided about a model, kept on disk: the next process that asks the same need not make them.

A decision depends on nothing but the model, its data, what is asked of the plan, and the code: it is kept under a name
that is made of these. What was decided says which plan runs, why, and where chains start; all of it is what deciding
again would give, to the last bit. A wrong one could cost time, never draws: both plans are right.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import numba
import numpy as np
import pymc
import pytensor
import scipy
from numpy.typing import NDArray

from graphs.disk import kept_files
from graphs.optional import FAILURES
from ppl.modelling.fingerprint import fingerprint
from ppl.modelling.model import Model
from ppl.planning.integrating import Course

logger = logging.getLogger("rvgraph")

MOST_BYTES = 2_000_000
"""Of a decision on disk; those of models with more numbers than that holds are not kept."""


@dataclass(frozen=True, eq=False)
class Decided:
    """Which of two plans runs.

    Parameters
    ----------
    is_for_laws : bool
        Whether it is that which draws from full conditionals what has them, not that of NUTS for all.
    policy : str
        Why, in words.
    course : Course
        How the search for integrals went.
    centre : mapping of str to array, optional
        Central values of everything, where a pilot run has found them.
    moved : tuple of str
        What the other plan would move by NUTS.
    """

    is_for_laws: bool
    policy: str
    course: Course = field(default_factory=Course)
    centre: Mapping[str, NDArray] | None = None
    moved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """Which plan is to run, asked of one model.

    Parameters
    ----------
    file : str or None
        The name of the file that has the answer; None where the model has no digest, and nothing is kept.
    num_failures : int
        How many derivations had failed when it was asked.
    """

    file: str | None
    num_failures: int = 0

    @classmethod
    def about(cls, model: Model, asked: str) -> Question:
        """Return the question.

        Parameters
        ----------
        model : Model
            The model.
        asked : str
            What is asked of its plan.
        """
        try:
            digests = fingerprint(model, asked)
        except Exception as error:  # whatever an array, a label or an operation of somebody else's may raise
            logger.debug("What is decided about this model is not kept: %s", error)
            return cls(None)
        text = f"{json.dumps(digests)} {digest_of_code()}"
        return cls(f"plan-{hashlib.sha256(text.encode()).hexdigest()[:24]}.decision", FAILURES.total())

    def answer(self) -> Decided | None:
        """Return what was decided before, if that is known."""
        if self.file is None or (data := kept_files.read(self.file)) is None:
            return None
        try:
            return _read(data)
        except Exception:  # whatever a file of another make, whose hash is right, may raise
            kept_files.discard(self.file)
            return None

    def anew(self) -> Question:
        """Return the question without the answer that was known, which turned out not to be one."""
        if self.file is not None:
            kept_files.discard(self.file)
        return Question(self.file, FAILURES.total())

    def keep(self, decision: Decided) -> None:
        """Keep what is decided, unless a derivation failed meanwhile in a way that nobody foresaw."""
        is_sound = FAILURES.total() == self.num_failures
        if self.file is not None and is_sound and len(data := _written(decision)) <= MOST_BYTES:
            kept_files.write(self.file, data)


@cache
def digest_of_code() -> str:
    """Return a digest of all that decides: our own files by their sizes and times, the rest by versions."""
    root = Path(__file__).parents[3]
    files = sorted(path for folder in ("graphs", "samplers", "ppl") for path in (root / folder).rglob("*.py"))
    states = [(str(path), found.st_size, found.st_mtime_ns) for path in files for found in [path.stat()]]
    versions = [sys.version, *(package.__version__ for package in (pytensor, pymc, numba, np, scipy))]
    return hashlib.sha256(f"{states} {versions}".encode()).hexdigest()


def _written(decision: Decided) -> bytes:
    centre = decision.centre or {}
    said = asdict(replace(decision, centre=None)) | {"names": None if decision.centre is None else [*centre]}
    arrays = {f"centre{number}": np.asarray(array) for number, array in enumerate(centre.values())}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def _read(data: bytes) -> Decided:
    with np.load(io.BytesIO(data), allow_pickle=False) as kept:
        said = json.loads(kept["said"].tobytes())
        names, course = said.pop("names"), said.pop("course")
        centre = None if names is None else {name: kept[f"centre{i}"] for i, name in enumerate(names)}
    taken = tuple((tuple(together), is_whole) for together, is_whole in course.pop("taken"))
    without_law = tuple(course.pop("without_law"))
    said |= {"course": Course(taken, without_law=without_law, **course), "centre": centre}
    return Decided(**(said | {"moved": tuple(said["moved"])}))
