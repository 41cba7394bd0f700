"""How a reader comes through the code: the rooms, or files, that a call enters one after the other.

``python -m benchmarks.trips [--files]`` follows two trips with a profiler. Where a function of a room not yet seen is
entered, the reader stops there; where that is not called from the room of the last stop, he has gone back up, which is
a climb. Left out are ``graphs/`` itself and ``graphs/surgery/``, whose words are used everywhere, and
``ppl/reading/``, which PyTensor's operators enter by themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

import ppl

ROOT = Path(ppl.__file__).parent.parent
PACKAGES = ("graphs", "samplers", "ppl")
EVERYWHERE = {"graphs", "graphs/surgery", "graphs/surgery/rewriting", "ppl/reading"}


class Trip(NamedTuple):
    """Stops in order, each with the place that it was called from, and whether that was the last stop."""

    stops: list[tuple[str, str, bool]]

    @property
    def num_climbs(self) -> int:
        """How often the reader went back up."""
        return sum(not is_below for _, _, is_below in self.stops[1:])


class Follower:
    """A profiler that notes stops.

    Parameters
    ----------
    is_by_file : bool
        Whether every file is a stop, or every room.
    """

    def __init__(self, is_by_file: bool):
        self.trip = Trip([])
        self._is_by_file = is_by_file
        self._seen: set[str] = set()
        self._places: dict[str, str | None] = {}

    def _place(self, frame: FrameType) -> str | None:
        """Return the room or file of a frame; None outside of the packages."""
        name = frame.f_code.co_filename
        if name not in self._places:
            path = Path(name)
            inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path()
            is_ours = inside.parts[:1] and inside.parts[0] in PACKAGES
            room = inside.parent.as_posix()
            found = inside.as_posix() if self._is_by_file else room
            self._places[name] = found if is_ours and room not in EVERYWHERE else None
        return self._places[name]

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a stop where a function of a new place is entered."""
        place = self._place(frame) if event == "call" and frame.f_code.co_name != "<module>" else None
        if place is None or place in self._seen:
            return
        above, caller = frame.f_back, None
        while above is not None and (caller := self._place(above)) is None:
            above = above.f_back
        last = self.trip.stops[-1][0] if self.trip.stops else place
        self._seen.add(place)
        self.trip.stops.append((place, caller or "", caller == last))


def follow(call: Callable[[], Any], is_by_file: bool) -> Trip:
    """Return the trip of a call."""
    follower = Follower(is_by_file)
    sys.setprofile(follower)
    try:
        call()
    finally:
        sys.setprofile(None)
    return follower.trip


def model() -> ppl.Model:
    """A mixture whose classes are summed out, and counts of which a sum is seen, which are drawn."""
    weights = ppl.Dirichlet("weights", np.ones(3))
    mu = ppl.Normal("mu", 0.0, 3.0, size=3)
    sigma = ppl.HalfNormal("sigma", 1.0)
    k = ppl.Categorical("k", weights, size=5)
    n, level = ppl.Poisson("n", 3.0, size=4), ppl.Normal("level", 0.0, 1.0)
    total = ppl.Normal("total", n.sum() + level, 1.0)
    return ppl.Model({ppl.Normal("y", mu[k], sigma): np.arange(5.0), total: np.array(12.0)})


def trips() -> dict[str, Callable[[], Any]]:
    """Return what is followed, by name; what comes before each is done here, without being followed."""
    from graphs.joint.logprob import logprob
    from graphs.marginal.lifting import MOST_STATES
    from ppl.planning.discrete import choose_discrete
    from ppl.planning.summing import marginalized
    from ppl.planning.sweeps import build_sweep

    joint = logprob(model(), marginalize=False)
    how = {"level": "gibbs", "sigma": "slice", "weights": "nuts", "n": "rmh"}
    plan = ppl.plan(model(), sampler=how)
    methods = {a.name: a for a in plan.assignments}

    def decide() -> None:
        summed, reasons = marginalized(joint, "auto", {}, MOST_STATES)
        choose_discrete(summed, "n", None, reasons.get("n"))

    def build() -> None:
        build_sweep(plan.natural, plan.mixed, plan.sampled, methods, plan.laws, plan.groups)

    return {
        "deciding about discrete variables": decide,
        "building a sweep": build,
    }


def main() -> None:
    """Parse the command line and print the stops of each trip."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trips", description=__doc__)
    parser.add_argument("--files", action="store_true", help="let every file be a stop, not every room")
    is_by_file = parser.parse_args().files
    for name, call in trips().items():
        trip = follow(call, is_by_file)
        print(f"{name}: {len(trip.stops)} {'files' if is_by_file else 'rooms'}, {trip.num_climbs} climbs")
        for place, caller, is_below in trip.stops:
            print(f"    {place}" + ("" if is_below or not caller else f"  (back up, from {caller})"))


if __name__ == "__main__":
    main()
