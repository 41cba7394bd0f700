"""Weighted particles that move from one density to the next: temperatures, resampling, genealogies, moves by sweeps."""
