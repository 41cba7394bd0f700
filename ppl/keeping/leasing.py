"""One process at a time writes a store of objects: a right that has to be renewed, and ends with who does not."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from typing import Protocol
from uuid import uuid4

from graphs.errors import SamplingError
from ppl.keeping.locking import is_alive

logger = logging.getLogger("rvgraph")
LEASE_SECONDS, RENEWAL_SECONDS = 45.0, 10.0
"""Who has not renewed for so long is dead; and how often who lives does. Long enough for a network that hangs for half
a minute, short enough to be waited for."""
POLL_SECONDS = 1.0
_HELD: set[str] = set()
"""By this process."""


class Objects(Protocol):
    """Where the object of a lease is."""

    address: str

    def create(self, name: str, content: bytes) -> bool:
        """Put an object where there is none; whether that was so."""

    def write(self, name: str, content: bytes) -> None:
        """Put an object."""

    def read(self, name: str) -> bytes:
        """Return an object."""

    def remove(self, name: str) -> None:
        """Remove an object."""


class Lease:
    """The right to write a store of objects, which knows no locks.

    An object says who writes, and is put again every few seconds. Who finds one waits until it changes, which only the
    living do, or has not changed for so long that its owner must be dead: by the clock of who waits, so that clocks of
    several machines need not agree. An owner that was thought dead (its machine slept) finds the object of another
    before it commits, and stops.

    Parameters
    ----------
    place : StoreObjects
        The store.
    name : str
        Of the object.

    Raises
    ------
    SamplingError
        If another process writes the store.
    """

    def __init__(self, place: Objects, name: str):
        self._place, self._name, self._token = place, name, uuid4().hex
        self._who = f"process {os.getpid()} on {socket.gethostname()}"
        self._number = 0
        self._ended = Event()
        found = self._found()
        if found is not None:
            self._wait(found)
        if not place.create(name, self._content()):
            raise self._refusal(self._found() or {})
        self.check()
        _HELD.add(self._token)
        self._renewing = Thread(target=self._renew, name="lease", daemon=True)
        self._renewing.start()

    def _content(self) -> bytes:
        self._number += 1
        return json.dumps({"holder": self._who, "token": self._token, "number": self._number}).encode()

    def _found(self) -> dict[str, str] | None:
        """Return what the object says; None where there is none."""
        try:
            found = json.loads(self._place.read(self._name))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _refusal(self, found: dict[str, str]) -> SamplingError:
        return SamplingError(
            f"The store {self._place.address!r} is being written by {found.get('holder') or 'another process'}: wait "
            "until that has ended, or give another store."
        )

    def _wait(self, first: dict[str, str]) -> None:
        """Wait until the owner of an object is known to be dead; then the object is removed."""
        holder, token = str(first.get("holder", "")), first.get("token")
        if token in _HELD:
            raise self._refusal(first)
        is_here = holder.endswith(f" on {socket.gethostname()}")
        is_own = holder.startswith(f"process {os.getpid()} ")
        if not (is_here and (is_own or not is_alive(holder))):
            logger.warning(
                "The store %r may be written by %s: it is free if that does not stir for %g seconds.",
                self._place.address,
                holder or "another process",
                LEASE_SECONDS,
            )
            end = time.monotonic() + LEASE_SECONDS
            while time.monotonic() < end:
                time.sleep(min(POLL_SECONDS, LEASE_SECONDS / 4))
                found = self._found()
                if found is None:
                    return
                if found != first:
                    raise self._refusal(found)
        self._place.remove(self._name)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL_SECONDS):
            # What cannot be renewed now is tried again; what another has is found when there is something to commit.
            with suppress(Exception):
                if (self._found() or {}).get("token") == self._token:
                    self._place.write(self._name, self._content())

    def check(self) -> None:
        """Raise if another process has the right by now."""
        found = self._found()
        if found is None or found.get("token") != self._token:
            raise SamplingError(
                f"The store {self._place.address!r} was taken over by "
                f"{(found or {}).get('holder') or 'another process'}, as this process had not stirred for "
                f"{LEASE_SECONDS:g} seconds. What it drew since its last commit is drawn again there."
            )

    def release(self) -> None:
        """Let others write the store."""
        if not self._ended.is_set():
            self._ended.set()
            self._renewing.join(RENEWAL_SECONDS)
            _HELD.discard(self._token)
            with suppress(Exception):
                if (self._found() or {}).get("token") == self._token:
                    self._place.remove(self._name)
