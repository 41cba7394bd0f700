"""The exceptions of the three packages: what went wrong, where (the variable's name) and what to do."""

from __future__ import annotations

from typing import Any


class PPLError(Exception):
    """Base class of every error that this library raises on purpose."""


class ModelError(PPLError):
    """The declaration is at fault: names, shapes, support, data.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    variable : str, optional
        Name of the variable concerned.
    """

    def __init__(self, message: str, variable: str | None = None):
        super().__init__(message)
        self.variable = variable


class DerivationError(PPLError):
    """No log-probability, marginal or law can be derived.

    Parameters
    ----------
    message : str
        What cannot be derived, and what to do.
    variable : str, optional
        Name of the variable concerned.
    subgraph : Variable, optional
        The smallest graph that cannot be derived.
    """

    def __init__(self, message: str, variable: str | None = None, subgraph: Any = None):
        super().__init__(message)
        self.variable = variable
        self.subgraph = subgraph


class BackendError(PPLError):
    """A backend is unknown, not installed, or lacks an operation.

    Parameters
    ----------
    message : str
        What is missing, and the alternative.
    backend : str
        Name of the backend.
    op : str, optional
        The operation that it lacks.
    """

    def __init__(self, message: str, backend: str, op: str | None = None):
        super().__init__(message)
        self.backend = backend
        self.op = op


class SamplingError(PPLError):
    """Sampling cannot start or go on: initial point, arguments, a failed chain.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    chain_without_gradient : int, optional
        Number of a chain whose log-density is finite where it starts, but not the gradient.
    op : str, optional
        The operation that failed.
    """

    def __init__(self, message: str, chain_without_gradient: int | None = None, op: str | None = None):
        super().__init__(message)
        self.chain_without_gradient = chain_without_gradient
        self.op = op
