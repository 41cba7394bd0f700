"""Time against peers and against loops written by hand: ``python -m benchmarks [names...] [--quick]``."""
