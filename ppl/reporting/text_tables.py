"""Tables of short texts, of which the last column may be long: as lines, and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def text_table(table: Sequence[tuple[str, ...]]) -> list[str]:
    """Return one line a row, the columns below each other."""
    last = len(table[0]) - 1
    widths = [max(len(row[i]) for row in table) for i in range(last)]
    return ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[last]]) for row in table]


def html_table(table: Sequence[tuple[str, ...]]) -> str:
    """Return a table whose first row is its head."""
    head, *rows = table
    first = "".join(f"<th>{escape(cell, quote=False)}</th>" for cell in head)
    rest = "".join(f"<tr>{''.join(f'<td>{escape(cell, quote=False)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{rest}</table>"
