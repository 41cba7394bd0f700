"""The forward recursion as machine code: C functions that are compiled once, and programs that call them.

`steps` has the inner loops, compiled for each size; `forward`, `gradient` and `traceback` what is around them;
`kernels` makes C functions of both; `lowering` calls these in programs.
"""

from graphs.backends.numba.recursion import linking, lowering  # noqa: F401  (they register)
