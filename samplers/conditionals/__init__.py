"""Draws from full conditionals: of variables, of groups of elements, and within windows."""
