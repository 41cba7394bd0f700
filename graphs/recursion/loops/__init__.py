"""The loops of the forward recursion: C functions that are compiled once.

`steps` has the inner loops, compiled for each size; `forward`, `gradient` and `traceback` what is around them;
`kernels` makes C functions of both, which programs call.
"""
