"""Symbolic graphs."""
