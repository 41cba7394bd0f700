"""Derivations that a model can be sampled without: where one goes wrong, the plan goes on as if there were none.

Laws, compressions, groups of elements, auxiliary variables and pilot runs make sampling faster; none is needed. They
take graphs apart that anyone may have written, so that some day one meets a graph that its author did not foresee. That
is a fault of this library, never a reason to stop: it is logged (one line at INFO, the traceback at DEBUG, by the
logger ``rvgraph.derivation``), counted, and something else is returned. Errors of `PPLError` are meant: they are
refusals, and not counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from graphs.errors import PPLError

logger = logging.getLogger("rvgraph.derivation")

FAILURES: Counter[str] = Counter()
"""How often each kind of derivation failed in a way that nobody foresaw, in this process; tests want none."""


def optional[**P, R](
    what: str, otherwise: Callable[..., Any], *, may_refuse: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function return something else where it raises.

    Parameters
    ----------
    what : str
        What the function derives, for the log.
    otherwise : callable
        Of the reason, in words, and the arguments of the function: what is returned instead.
    may_refuse : bool
        Whether a `PPLError` is raised on: it says that the model cannot be sampled as asked.

    Examples
    --------
    >>> @optional("half a number", otherwise=lambda why, number: why)
    ... def half(number):
    ...     return number / 2 if number else refuse()
    >>> half(3)
    1.5
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except PPLError as error:
                if may_refuse:
                    raise
                return cast("R", otherwise(str(error), *args, **kwargs))
            except Exception as error:  # whatever an unforeseen graph does to a rule
                FAILURES[what] += 1
                why = f"the derivation failed, a fault of this library ({type(error).__name__}: {error})"
                logger.info("%s: %s", what, why)
                logger.debug("%s:", what, exc_info=True)
                return cast("R", otherwise(why, *args, **kwargs))

        return guarded

    return decorated
