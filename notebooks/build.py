"""Make executed notebooks from the scripts of this folder: ``python notebooks/build.py [names...]``.

A script is divided by lines ``# %%`` (code) and ``# %% [markdown]`` (text, each line a comment): readable differences,
and it runs as it is. The notebooks are built from the scripts, never edited.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
NAMES = (
    "old_faithful",
    "mixture_rmh",
    "scaled_t_gibbs",
    "bivariate_gibbs",
    "automatic_gibbs",
    "line_fit_nuts",
    "discrete_latents",
    "em_gaussian_mixture",
    "integrated_out",
    "a_billion_rows",
    "evidence_and_abc",
    "approximations",
)


def read_cells(source: str) -> list[tuple[str, str]]:
    """Return kind ("markdown" or "code") and text of each cell of a script."""
    cells: list[tuple[str, list[str]]] = []
    for line in source.splitlines():
        if line.startswith("# %%"):
            cells.append(("markdown" if "[markdown]" in line else "code", []))
        elif cells:
            cells[-1][1].append(line)
    texts = []
    for kind, lines in cells:
        if kind == "markdown":
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        texts.append((kind, "\n".join(lines).strip("\n")))
    return texts


def notebook_of(name: str) -> nbformat.NotebookNode:
    """Return the notebook of a script, not executed."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, (kind, text) in enumerate(read_cells((FOLDER / f"{name}.py").read_text())):
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        notebook.cells.append(make(text, id=f"cell-{number}"))
    return notebook


def execute(
    notebook: nbformat.NotebookNode, kernel: KernelManager | None = None, timeout: int = 300
) -> nbformat.NotebookNode:
    """Run a notebook in this folder, in a process of its own or in one that runs and goes on running."""
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, km=kernel, timeout=timeout, resources=resources)
    try:
        return client.execute()
    finally:
        if kernel is not None and client.kc is not None:
            client.kc.stop_channels()


def main() -> None:
    """Build the notebooks named on the command line, or all."""
    for name in sys.argv[1:] or NAMES:
        notebook = execute(notebook_of(name))
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}.ipynb")


if __name__ == "__main__":
    main()
