"""How Sphinx builds the site; `make docs` calls it, without network, warnings as errors.

Code cells are executed when the site is built. What they print is kept in ``docs/build/cells/``, in a folder named
after the library's files: a change of these executes all cells again, a change of a page those of that page.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
# Cells run in processes of their own: they are to import this checkout, and to print tables as wide as the page.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
os.environ["COLUMNS"] = "110"
# Warnings of other libraries name the file that they are from, which is a place on somebody's machine.
os.environ["PYTHONWARNINGS"] = "ignore"


def fingerprint() -> str:
    """Return a name for the library as it is: of its files, and of what draws the pictures."""
    digest = hashlib.sha256(version_of("arviz").encode())
    for package in ("graphs", "samplers", "ppl"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


project = "rvgraph"
author = "The rvgraph authors"
copyright = author
release = version_of("rvgraph")
version = release

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
exclude_patterns = ["build", "_templates"]
# In docstrings, `ppl.plan` is a link where there is such a thing.
default_role = "autolink"

autosummary_generate = True
autosummary_imported_members = True
# Names that differ in case alone would share a file where the file system does not tell them apart.
autosummary_filename_map = {
    "ppl.laplace": "ppl.laplace-function",
    "graphs.logprob": "graphs.logprob-function",
    "ppl.Lognormal": "ppl.Lognormal-alias",
    "ppl.plan": "ppl.plan-function",
    "samplers.barker": "samplers.barker-function",
}
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "build" / "cells" / fingerprint())
nb_execution_timeout = 900  # seconds a cell, on a machine that other work shares
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_image_options = {"alt": "What the code above draws"}

html_theme = "pydata_sphinx_theme"
html_title = "rvgraph"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["llms.txt"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": []}
html_theme_options = {
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_nav_level": 1,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
