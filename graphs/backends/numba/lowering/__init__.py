"""Lowerings of operations to source, one kind of operation a file."""
