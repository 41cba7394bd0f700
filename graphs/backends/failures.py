"""What to raise where Python code that a model holds, such as an operation of the user's, raised an error."""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

from pytensor.link.utils import raise_with_op

from graphs.errors import SamplingError


def failed_in(op: str, error: BaseException) -> SamplingError:
    """Return the error that names an operation and what it raised.

    Parameters
    ----------
    op : str
        The operation.
    error : BaseException
        What it raised.
    """
    reason = str(error).strip().partition("\n")[0]
    text = f"{op} failed: {type(error).__name__}{f': {reason}' if reason else ''}"
    return SamplingError(f"{text.rstrip('.')}.", op=op)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let what operations of a compiled or interpreted function raise be an error that names the operation.

    Parameters
    ----------
    function : callable
        Of PyTensor.
    """

    def call(*arrays: Any) -> Any:
        try:
            return function(*arrays)
        except Exception as error:  # operations may raise anything
            raise failed_in(_failed_operation(error), error) from error

    return call


def _failed_operation(error: BaseException) -> str:
    """Return the operation that PyTensor was about to blame when it passed the error on."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is raise_with_op.__code__:
            return str(frame.f_locals["node"].op)
    return "The compiled graph"
