"""Cholesky factors of sparse symmetric matrices whose pattern is known when the graph is built."""
