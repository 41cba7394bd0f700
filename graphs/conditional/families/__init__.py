"""Families of laws, and which features of a density each is recognised by."""
