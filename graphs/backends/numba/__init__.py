"""The Numba backend: graphs compiled to one C function each."""

from __future__ import annotations

from graphs.backends.numba.compiler.compiling import compile_program
from graphs.backends.numba.machine_code.engines import free_pass_managers
from graphs.backends.numba.machine_code.pytensor_functions import keep_pytensor_functions
from graphs.backends.numba.program import BoundProgram, Program, call_program

__all__ = ["BoundProgram", "Program", "call_program", "compile_program"]

keep_pytensor_functions()
free_pass_managers()
