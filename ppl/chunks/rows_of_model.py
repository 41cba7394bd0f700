"""What a model may not have for each row of data in chunks."""

from __future__ import annotations

from collections.abc import Iterable

from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from ppl.chunks.source import inputs_in_chunks


def refuse_rows(latent: Iterable[TensorVariable], deterministics: Iterable[TensorVariable]) -> None:
    """Raise ModelError if a variable without data, or an expression whose draws are kept, reads data in chunks.

    Parameters
    ----------
    latent, deterministics : iterable of TensorVariable
        Variables of a model.
    """
    for variables, remedy in (
        (
            latent,
            "what differs between rows can only be data; integrate it out by hand, or take rows that fit into memory",
        ),
        (deterministics, "its draws would be a number for each row: leave out ppl.Deterministic"),
    ):
        for variable in variables:
            inputs = inputs_in_chunks([variable])
            if inputs:
                raise ModelError(
                    f"{variable.name} reads {inputs[0].name}, which is in chunks: {remedy}.", str(variable.name)
                )


def refuse_chunks(names: Iterable[str], what: str) -> None:
    """Raise ModelError where something would be computed for each row.

    Parameters
    ----------
    names : iterable of str
        Likelihoods of data in chunks.
    what : str
        What was asked for.
    """
    names = list(names)
    if names:
        raise ModelError(
            f"{what} would have numbers for each row of {', '.join(names)}, whose data are in chunks and may be larger "
            "than memory: make the model again with some rows in memory (x[:10_000].compute(), or of ppl.parquet "
            "table['x'].read(0, 10_000)), and use the same trace.",
            names[0],
        )
