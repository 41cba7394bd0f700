"""What functions share that are translated together, and what Numba knows of the functions that they call."""

from __future__ import annotations

from typing import Any

from graphs.backends.numba.translation.values import Untranslatable, holds_arrays, types


class Unit:
    """What all functions that are translated together share.

    Parameters
    ----------
    context : BaseContext
        Numba's target, without counts of references.
    typing : BaseContext
        Numba's types.
    module : llvmlite.ir.Module
        Takes the functions.
    divides_freely : bool
        Whether a division by zero gives infinity or NaN instead of an error.
    """

    def __init__(self, context: Any, typing: Any, module: Any, divides_freely: bool):
        self.context = context
        self.typing = typing
        self.module = module
        self.divides_freely = divides_freely
        self.instances: dict[Any, Any] = {}
        self._implementations: dict[Any, tuple[Any, Any]] = {}

    def implementation(self, function: Any, kinds: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return what generates a call of a function that Numba knows, and its signature."""
        key = (function, kinds)
        found = self._implementations.get(key)
        if found is None:
            kind = function if isinstance(function, types.Type) else self.typing.resolve_value_type(function)
            signature = self.typing.resolve_function_type(kind, kinds, {})
            if signature is None or signature.recvr is not None:
                raise Untranslatable(f"{function} of {kinds}")
            is_compiled = isinstance(kind, types.Dispatcher)
            if is_compiled and holds_arrays(signature.return_type):
                # Numba would count references to it.
                raise Untranslatable(f"{function} returns an array")
            found = self._implementations[key] = (self.context.get_function(kind, signature), signature)
        return found
