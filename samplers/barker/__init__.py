"""The Barker proposal: its kernel, and how it moves variables in sweeps."""
