"""Type checkers find the mistakes of users in code that uses the library, and nothing else.

Answers: the lines of `tests/typed/user_code.py` that end in ``# wrong``, which are wrong by the documentation.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER_CODE = ROOT / "tests" / "typed" / "user_code.py"
LINES = USER_CODE.read_text().splitlines()
WRONG = {number for number, line in enumerate(LINES, 1) if line.endswith("# wrong")}


def _lines(numbers: Iterable[int]) -> list[str]:
    return [LINES[number - 1].strip() for number in sorted(numbers)]


@pytest.mark.skipif(find_spec("basedpyright") is None, reason="pyright is not installed: pip install -e '.[dev]'")
def test_pyright_finds_the_mistakes(tmp_path):
    settings = {"include": [str(USER_CODE)], "typeCheckingMode": "standard", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "-p", str(tmp_path), "--pythonpath", sys.executable]
    said = subprocess.run([*command, "--outputjson"], capture_output=True, text=True, timeout=240, check=False)
    found = [each for each in json.loads(said.stdout)["generalDiagnostics"] if each["severity"] == "error"]
    assert _lines({each["range"]["start"]["line"] + 1 for each in found}) == _lines(WRONG)


@pytest.mark.slow
def test_mypy_finds_the_mistakes(tmp_path):
    # Without settings of this project's: as a user has it.
    command = [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports"]
    said = subprocess.run(
        [*command, "--cache-dir", str(tmp_path), str(USER_CODE)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    found = {int(number) for number in re.findall(rf"{USER_CODE.name}:(\d+): error", said.stdout)}
    assert _lines(found) == _lines(WRONG)
