"""The code cells of a page of the documentation, and what they print.

Answers: none; tests of pages have theirs.
"""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest


def cells_of(text: str) -> list[str]:
    """Return the code cells of a page, without their options."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"^:[\w-]+:.*\n", "", cell, flags=re.MULTILINE) for cell in cells]


def printed_by_cells(text: str, page: str) -> str:
    """Run the code cells of a page one after the other, without windows; return what they print."""
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed, np.errstate(all="ignore"):
        for number, cell in enumerate(cells_of(text), 1):
            exec(compile(cell, f"{page}, cell {number}", "exec"), names)
    plt.close("all")
    return printed.getvalue()
