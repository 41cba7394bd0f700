"""Slice sampling: its kernel, its move and operation, and the lowerings of these."""
