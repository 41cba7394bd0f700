"""Machine code on disk: its names follow what it depends on, damaged files are as if they were not there.

Answers: changes made by hand that have to be seen, and files damaged by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba.extending import intrinsic, overload, register_jitable

from graphs.backends.numba.compiler.script import Script
from graphs.backends.numba.library import rng
from graphs.backends.numba.machine_code import reachable
from graphs.backends.numba.machine_code.kept import njit
from graphs.backends.numba.machine_code.reachable import digest_of
from graphs.backends.numba.machine_code.source import define
from graphs.disk import compile_directory, kept_files
from samplers.loop import advance as chain
from samplers.slicing import move as slice_move
from samplers.trajectories import move as nuts_move

# What is reached from `entry` by way of `between` only: each spelling once as it is, once changed.
_SPELLINGS = {
    "constant": ("LIMIT = 1.5", "LIMIT = 2.5", "x + LIMIT"),
    "table": ("TABLE = np.array([1.0, 2.0])", "TABLE = np.array([1.0, 3.0])", "x + TABLE[1]"),
    "function": ("@njit()\ndef inner(x):\n    return x", "@njit()\ndef inner(x):\n    return 2 * x", "inner(x)"),
    "option": ("@njit()\ndef inner(x):\n    return x", "@njit(fastmath=True)\ndef inner(x):\n    return x", "inner(x)"),
    "default": ("@njit()\ndef inner(x, y=1):\n    return y", "@njit()\ndef inner(x, y=2):\n    return y", "inner(x)"),
    "jitable": (
        "@register_jitable\ndef inner(x):\n    return x",
        "@register_jitable\ndef inner(x):\n    return -x",
        "inner(x)",
    ),
    "closure": (
        "def make(n):\n    @njit()\n    def inner(x):\n        return x + n\n    return inner\ninner = make(1)",
        "def make(n):\n    @njit()\n    def inner(x):\n        return x + n\n    return inner\ninner = make(2)",
        "inner(x)",
    ),
    "overload": (
        "def inner(x): ...\n@overload(inner)\ndef _inner(x):\n    return lambda x: x",
        "def inner(x): ...\n@overload(inner)\ndef _inner(x):\n    return lambda x: -x",
        "inner(x)",
    ),
    "intrinsic": (
        "@intrinsic\ndef inner(context, x):\n    return x(x), lambda c, builder, s, args: args[0]",
        "@intrinsic\ndef inner(context, x):\n    return x(x), lambda c, builder, s, args: builder.neg(args[0])",
        "inner(x)",
    ),
    "fields": (
        "class Pair(NamedTuple):\n    a: float\n    b: float",
        "class Pair(NamedTuple):\n    b: float\n    a: float",
        "Pair(x, 1.0).a",
    ),
}


def _entry(library: str, use: str) -> Callable:
    source = f"""
from typing import NamedTuple

{library}

def unrelated(x):
    return 1

@njit()
def between(x):
    return {use}

def entry(x):
    return between(x)
"""
    names = {"__name__": "library", "np": np, "njit": njit}
    names |= {"intrinsic": intrinsic, "overload": overload, "register_jitable": register_jitable}
    exec(source, names)
    return names["entry"]


@pytest.mark.parametrize("spelling", _SPELLINGS)
def test_the_digest_follows_what_is_reached_indirectly(spelling):
    library, changed, use = _SPELLINGS[spelling]
    digest = digest_of(_entry(library, use))
    assert digest is not None
    assert digest == digest_of(_entry(library, use))
    assert digest != digest_of(_entry(changed, use))
    assert digest == digest_of(_entry(library + "\nOTHER = 3\ndef another(x):\n    return OTHER", use))


def test_what_cannot_be_told_has_no_digest():
    entry = _entry("import threading\nLOCK = threading.Lock()", "LOCK")
    assert digest_of(entry) is None
    assert digest_of(entry, {"between": "1"}) != digest_of(entry, {"between": "2"})
    assert digest_of(entry, {"between": None}) is None


def _library_digests() -> dict[str, str | None]:
    functions = Script().names | {"advance": chain.advance, "move": nuts_move.move_nuts, "slice": slice_move.move_slice}
    return {name: digest_of(functions[name]) for name in sorted(functions)}


def test_digests_of_the_library_are_told_and_the_same_in_another_process():
    digests = _library_digests()
    assert None not in digests.values()
    code = f"import sys; sys.path[:0] = {sys.path!r}; import {__name__} as test; print(test._library_digests())"
    code = code.replace(__name__, "tests.graphs.backends.numba.machine_code.test_numba_kept")
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert other.stdout.strip() == str(digests)


@pytest.mark.parametrize("name", ["draw_polya_gamma", "draw_gamma", "draw_dirichlet"])
def test_a_change_of_the_generator_reaches_all_that_draw(name, monkeypatch):
    function, other = Script().names[name], Script().names["vector_erf"]
    before = reachable._digest(function, {}), reachable._digest(other, {})
    monkeypatch.setattr(rng, "_UNIT", rng._UNIT * 2)
    assert reachable._digest(function, {}) != before[0]
    assert reachable._digest(other, {}) == before[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let files be kept in a folder of the test's own."""
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path)))
    return tmp_path / "rvgraph"


def _to_folder(path):
    path.unlink()
    (path / "within").mkdir(parents=True)


_DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "flipped bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 4]) + path.read_bytes()[1:]),
    "flipped last bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "something else": lambda path: path.write_bytes(np.random.default_rng(1).bytes(3000)),
    "folder": _to_folder,
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_file_is_computed_again(damage, folder):
    kept_files.write("name", b"contents")
    assert kept_files.read("name") == b"contents"
    _DAMAGES[damage](folder / "name")
    assert kept_files.read("name") is None
    kept_files.write("name", b"contents")
    assert kept_files.read("name") == b"contents"
    assert [path.name for path in folder.iterdir()] == ["name"]


def test_a_full_disk_is_said_once(folder, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    kept_files.directory()
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    kept_files.write("name", b"contents")
    kept_files.write("name", b"contents")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert kept_files.read("name") is None


_CALLERS = {"Python": lambda function: function, "compiled code": lambda function: numba.njit(lambda x: function(x))}


def _hits(function):
    """Return how often something was read from files: what Python calls, and what becomes part of callers."""
    return [sum(kind.stats.cache_hits.values()) for kind in (function.in_python, function)]


@pytest.mark.parametrize("caller", _CALLERS)
def test_what_is_kept_is_read_again_and_compiled_again_if_damaged(caller, folder):
    def make():
        function = njit(cache=True)(define("def PROGRAM(x):\n    return x + 1.0\n", "addition", {})[0])
        return function, _CALLERS[caller](function)

    (first, call_first), (second, call_second), (third, call_third) = (make() for _ in range(3))
    assert call_first(2.0) == call_second(2.0) == 3.0
    hits = [1, 0] if caller == "Python" else [0, 1]
    assert (_hits(first), _hits(second)) == ([0, 0], hits)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert call_third(2.0) == 3.0
    assert _hits(third) == [0, 0]
    # A whole file of another make.
    kept_files.write(file.name, b"contents")
    assert make()[1](2.0) == 3.0


def test_what_becomes_part_of_callers_has_no_machine_code(folder):
    @njit(cache=True)
    def inner(x):
        return x + 1.0

    @njit(cache=True)
    def middle(x):
        return 2.0 * inner(x)

    outer = numba.njit(lambda x: middle(x) - inner(x))
    assert outer(2.0) == 3.0
    for function in (inner, middle):
        [result] = function.overloads.values()
        assert result.library.get_pointer_to_function(result.fndesc.mangled_name) == 0
        assert not function.in_python.overloads
    assert {path.suffix for path in folder.iterdir()} == {".bitcode"}
    # Python gets machine code, of the one it calls.
    assert middle(2.0) == 6.0
    assert (len(middle.in_python.overloads), len(inner.in_python.overloads)) == (1, 0)


def test_errors_in_what_is_called_reach_python(folder):
    @njit(cache=True)
    def root(x):
        if x < 0.0:
            raise ValueError("no root")
        return np.sqrt(x)

    outer = numba.njit(lambda x: 1.0 + root(x))
    for call in (outer, root):
        with pytest.raises(ValueError, match="no root"):
            call(-1.0)
    assert outer(4.0) == 3.0


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path, monkeypatch):
    """PyTensor removes empty folders from its own when it first compiles for C."""
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path)))
    kept_files.directory().rmdir()
    kept_files.write("name", b"contents")
    assert kept_files.read("name") == b"contents"


def test_a_folder_that_cannot_be_written_is_replaced_and_this_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(kept_files, "pytensor", SimpleNamespace(config=SimpleNamespace(compiledir=tmp_path / "file")))
    with pytest.warns(RuntimeWarning, match="kept in a temporary folder") as caught:
        kept_files.write("name", b"contents")
    assert len(caught) == 1
    with warnings.catch_warnings(action="error"):
        assert kept_files.read("name") == b"contents"


def test_pytensor_gets_another_folder_if_it_cannot_use_its_own(tmp_path):
    (tmp_path / "file").write_text("")
    code = """
        import pathlib, runpy
        runpy.run_path(FILE)
        import pytensor
        for folder in (pytensor.config.compiledir, pytensor.config.base_compiledir):
            (pathlib.Path(folder) / "file").write_text("")
    """
    for name in ("base_compiledir", "compiledir"):
        environment = {**os.environ, "PYTENSOR_FLAGS": f"{name}={tmp_path / 'file'}", "PYTHONPATH": ":".join(sys.path)}
        run = [sys.executable, "-c", textwrap.dedent(code).replace("FILE", repr(compile_directory.__file__))]
        result = subprocess.run(run, capture_output=True, text=True, env=environment, check=True)
        assert result.stderr.count("RuntimeWarning") == 1
        assert "PyTensor cannot use its folder" in result.stderr


@pytest.mark.parametrize("options", [{"cache": True}, {}])
def test_what_is_called_keeps_its_arithmetic(options):
    """A caller that may add up in any order, as PyTensor's may, compiles it first; the sum is exact by hand."""

    @njit(error_model="numpy", **options)
    def lost(a, b):
        total = a + b
        return b - (total - a)

    @numba.njit(fastmath=True)
    def careless(a, b):
        return lost(a, b)

    @numba.njit
    def careful(a, b):
        return lost(a, b)

    assert careless(1.0, 2.0**-60) == careful(1.0, 2.0**-60) == 2.0**-60
