"""Every file of models is tested, and what fails can be found by its name.

Answers: the files of models.
"""

from __future__ import annotations

from pathlib import Path

from tests.graphs.marginal.kinds.every_model import ALL, KINDS, name_of


def test_no_two_models_have_the_same_name():
    assert len({name_of(case) for case in ALL}) == len(ALL)


def test_every_kind_has_a_file_of_tests():
    tested = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {kind.__name__.rpartition(".")[2] for kind in KINDS} <= tested
