"""Searches for garbage are as rare, and as thorough, after planning as before.

Answers: the settings of Python's collector before.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from graphs.garbage import FEW_FROZEN, YOUNGEST, rarely_collected


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    before, is_frozen = gc.get_threshold(), gc.get_freeze_count() > FEW_FROZEN
    gc.unfreeze()
    gc.set_threshold(2000, 10, 10)
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*before)
    if is_frozen:
        gc.freeze()


def use_and_fail() -> None:
    with rarely_collected():
        assert gc.get_threshold() == (YOUNGEST, 10, 10)
        assert gc.get_freeze_count() > FEW_FROZEN
        with rarely_collected():
            pass
        assert gc.get_threshold() == (YOUNGEST, 10, 10)
        raise RuntimeError


def test_all_is_as_before_whatever_was_raised() -> None:
    with pytest.raises(RuntimeError):
        use_and_fail()
    assert gc.get_threshold() == (2000, 10, 10)
    assert not gc.get_freeze_count()


def test_what_others_have_switched_off_or_frozen_stays_so() -> None:
    gc.disable()
    with rarely_collected():
        assert gc.get_threshold() == (2000, 10, 10)
    assert not gc.isenabled()
    gc.enable()
    gc.freeze()
    count = gc.get_freeze_count()
    with rarely_collected():
        assert gc.get_threshold() == (2000, 10, 10)
    assert gc.get_freeze_count() == count
