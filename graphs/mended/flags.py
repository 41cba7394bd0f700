"""PyTensor's flags, changed for a while by one thread and for that thread alone.

PyTensor has one value of each flag, and every compiling changes some for a while. Of two threads that do so at a time,
one puts back at its end what the other had set: while a run that was started plans its model, and somebody declares
the next, all of the process is left without a C compiler, with the interpreter's mode in the place of the default, and
with rewrites for C run by Python, which is wrong without a word (a sum of squares begins with a plain number).
"""

from __future__ import annotations

import threading
from typing import Any

from pytensor import config
from pytensor.configparser import ConfigParam, _ChangeFlagsDecorator


class _OfThread(threading.local):
    """What a thread has changed for a while: values by flag, the latest last."""

    def __init__(self) -> None:
        self.changed: dict[ConfigParam, list[Any]] = {}
        self.entered: list[tuple[_ChangeFlagsDecorator, list[ConfigParam]]] = []


_HERE = _OfThread()


def _value(flag: ConfigParam) -> Any:
    changed = _HERE.changed.get(flag)
    if changed:
        return changed[-1]
    try:
        return flag.__dict__["val"]
    except KeyError:
        # How PyTensor finds that a flag was not read yet.
        raise AttributeError("val") from None


def _set_value(flag: ConfigParam, value: Any) -> None:
    changed = _HERE.changed.get(flag)
    if changed:
        changed[-1] = value
    else:
        flag.__dict__["val"] = value


def _enter(change: _ChangeFlagsDecorator) -> None:
    begun: list[ConfigParam] = []
    _HERE.entered.append((change, begun))
    try:
        for name, flag in change.confs.items():
            _HERE.changed.setdefault(flag, []).append(flag.__get__(config, type(config)))
            begun.append(flag)
            flag.__set__(config, change.new_vals[name])
    except BaseException:
        _exit(change)
        raise


def _exit(change: _ChangeFlagsDecorator, *_: Any) -> None:
    # The latest of this object: a decorated function may call itself.
    places = [i for i, (entered, _) in enumerate(_HERE.entered) if entered is change]
    if not places:
        # Entered before this was imported.
        _own_exit(change)
        return
    for flag in _HERE.entered.pop(places[-1])[1]:
        _HERE.changed[flag].pop()


_own_exit = _ChangeFlagsDecorator.__exit__
ConfigParam.val = property(_value, _set_value)
_ChangeFlagsDecorator.__enter__, _ChangeFlagsDecorator.__exit__ = _enter, _exit
