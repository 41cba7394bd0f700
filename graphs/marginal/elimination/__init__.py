"""Sums over the states of discrete variables in a factor graph, in log space.

`families` holds factors, many alike in one table; `network` who stands together with whom; `batch` eliminates many
elements at once, `sequence` long narrow components by a recursion; `engine` chooses; `traceback` draws back.
"""
