"""Functions compiled by translation alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from graphs.backends.numba.translation.compiler import REFUSED, Translating


def translated(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function by translation, and fail where it is left to Numba."""
    options = {"error_model": "numpy", **options}
    compiled = numba.njit(pipeline_class=Translating, **options)(function)

    def call(*arguments: Any) -> Any:
        REFUSED.pop(function.__name__, None)
        result = compiled(*arguments)
        assert function.__name__ not in REFUSED, REFUSED[function.__name__]
        return result

    return call
