"""One thing that may be wrong with a model, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal

from ppl.reporting.text_tables import html_table, text_table

type Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Concern:
    """One thing that may be wrong with a model.

    Parameters
    ----------
    code : str
        What it is silenced by.
    severity : {"error", "warning", "note"}
        Whether no sampler can help, results may mislead, or it is worth knowing.
    variables : tuple of str
        Which variables, or names of axes.
    message : str
        What was seen.
    remedy : str
        What helps.
    """

    code: str
    severity: Severity
    variables: tuple[str, ...]
    message: str
    remedy: str


@dataclass(frozen=True)
class ModelCheck:
    """What a check found.

    Parameters
    ----------
    concerns : tuple of Concern
        Worst first.
    """

    concerns: tuple[Concern, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing is worse than a note."""
        return all(concern.severity == "note" for concern in self.concerns)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of what was found, each once."""
        return tuple(dict.fromkeys(concern.code for concern in self.concerns))

    def __iter__(self) -> Iterator[Concern]:
        return iter(self.concerns)

    def __len__(self) -> int:
        return len(self.concerns)

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("severity", "code", "variable", "what was seen, and what helps")]
        return rows + [
            (c.severity, c.code, ", ".join(c.variables), f"{c.message} {c.remedy}".strip()) for c in self.concerns
        ]

    def __str__(self) -> str:
        return "\n".join(text_table(self._rows())) if self.concerns else "Nothing was found."

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self._rows()) if self.concerns else f"<p>{escape(str(self))}</p>"
