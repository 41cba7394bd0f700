"""The forward recursion as machine code: C functions that are compiled once, and programs that call them.

`steps` has the inner loops, compiled for each size; `forward`, `gradient` and `traceback` what is around them;
`kernels` makes C functions of both, which programs call.
"""
