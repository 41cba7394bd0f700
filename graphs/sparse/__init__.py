"""Cholesky factors of symmetric matrices, sparse ones of a known pattern above all, and what is computed from them."""
