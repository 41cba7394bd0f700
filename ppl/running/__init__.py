"""Compiling and running a model, and the trace that comes of it."""
