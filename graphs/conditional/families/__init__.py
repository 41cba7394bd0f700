"""Families of laws, one a file, and which features of a density each is recognised by."""
