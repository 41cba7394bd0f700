"""Families of distributions that are fitted, one a file, and the affine coordinates that they live in."""
