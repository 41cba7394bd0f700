"""Declarations: random variables and what else a model holds, under names, with axes and supports."""
