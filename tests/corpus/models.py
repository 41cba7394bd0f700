"""All models of the corpus, by module and name."""

from __future__ import annotations

from tests.corpus import discrete, hierarchies, regressions, series, structures

CORPUS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": make
    for module in (regressions, hierarchies, series, discrete, structures)
    for name, make in module.MODELS.items()
}
