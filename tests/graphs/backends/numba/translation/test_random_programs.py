"""Random functions of numbers, conditions and loops give what Python gives when it runs them.

Answers: Python's own, which is no compiler of ours.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from graphs.backends.numba.machine_code.source import define
from tests.graphs.backends.numba.translation.translated import translated


class _Programs:
    """Writes random functions of floats, integers, and an array of three numbers."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.depth = 0

    def number(self, depth: int = 0) -> str:
        choose = self.random.choice
        if depth > 3 or self.random.random() < 0.3:
            return choose(["a", "b", "i", "k", f"x[{self.integer(3)} % 3]", "1.5", "-2", "0.1"])
        x, y = self.number(depth + 1), self.number(depth + 1)
        forms = [
            f"({x} {choose('+-*')} {y})",
            f"({x} / (1.0 + abs({y})))",
            f"({x} if {self.condition(depth + 1)} else {y})",
        ]
        return choose([*forms, f"math.tanh({x})", f"-{x}", f"math.floor({x} * 0.5)"])

    def integer(self, depth: int = 0) -> str:
        choose = self.random.choice
        if depth > 3 or self.random.random() < 0.4:
            return choose(["i", "k", "n", "3", "-1"])
        x, y = self.integer(depth + 1), self.integer(depth + 1)
        return choose([f"({x} {choose('+-*&|^')} {y}) % 17", f"({x} // 5)", f"({x} % 7)", f"({x} >> 1)"])

    def condition(self, depth: int = 0) -> str:
        choose = self.random.choice
        if depth > 2 or self.random.random() < 0.6:
            kind = choose([self.number, self.integer])
            return f"{kind(depth + 2)} {choose(['<', '<=', '>', '>=', '==', '!='])} {kind(depth + 2)}"
        x, y = self.condition(depth + 1), self.condition(depth + 1)
        return choose([f"({x} and {y})", f"({x} or {y})", f"(not {x})"])

    def statements(self, indent: str, count: int) -> list[str]:
        lines = []
        for _ in range(count):
            kind = self.random.randrange(8 if self.depth < 2 else 4)
            if kind == 0:
                lines.append(f"a {self.random.choice(['=', '+=', '-='])} {self.number()}")
            elif kind == 1:
                lines.append(f"k = {self.integer()}")
            elif kind == 2:
                lines.append(f"x[{self.integer(2)} % 3] = math.tanh({self.number()})")
            elif kind == 3:
                lines.append(f"a, b = b, {self.number(2)} + 0.0")
            else:
                self.depth += 1
                body = self.statements("    ", 2)
                if kind in (4, 5):
                    other = self.statements("    ", 1)
                    lines += [f"if {self.condition()}:", *body, "else:", *other]
                elif kind == 6:
                    leave = [f"    if {self.condition()}:", f"        {self.random.choice(['break', 'continue'])}"]
                    lines += [f"for i in range({self.integer(2)} % 5):", *leave, *body]
                else:
                    count = f"w{self.depth}"
                    lines += [f"{count} = 0", f"while {count} < 4:", f"    {count} = {count} + 1", *body]
                self.depth -= 1
        return [indent + line for line in lines]

    def source(self) -> str:
        body = self.statements("    ", 6)
        return "\n".join(["def PROGRAM(x, n):", "    a, b, i, k = x[0], 0.25, 0, n", *body, "    return a, b, i, k"])


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_give_what_python_gives(seed):
    source = _Programs(seed).source()
    function, _ = define(source, f"random{seed}", {"math": math})
    compiled = translated(function)
    for n in (-3, 0, 2, 11):
        ours, theirs = (
            np.random.default_rng(seed).random((2, 3))[0].copy(),
            np.random.default_rng(seed).random((2, 3))[0],
        )
        try:
            expected = function(theirs, n)
        except OverflowError:  # of Python's integers
            continue
        if max(abs(float(value)) for value in expected) > 1e15:
            continue
        # The C library's functions may differ from Python's by a rounding.
        np.testing.assert_allclose(
            np.array(compiled(ours, n), float), np.array(expected, float), rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
