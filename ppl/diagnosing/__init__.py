"""Whether the draws of a trace can be trusted."""
