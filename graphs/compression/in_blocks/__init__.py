"""Sufficient statistics of rows that come block by block: collected, merged, and put in the place of the rows."""

from graphs.compression.in_blocks.recipe import NotSeen, Recipe, Statistics, built, recipe_for
from graphs.compression.in_blocks.row_axis import NoStatistics, unique_length

__all__ = ["NoStatistics", "NotSeen", "Recipe", "Statistics", "built", "recipe_for", "unique_length"]
