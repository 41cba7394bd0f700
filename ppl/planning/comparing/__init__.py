"""Which of two plans runs: short runs of both, what they show, and what was decided before."""
