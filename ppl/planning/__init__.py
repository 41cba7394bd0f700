"""Deciding what is summed out, what is drawn together, and how."""
