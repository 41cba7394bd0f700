"""Sums over the states of discrete variables in a factor graph, in log space.

`factoring` takes a log-probability apart; `factor_tables` holds factors, many alike in one table; `network` who stands
together with whom; `batch` eliminates many elements at once, `sequence` long narrow components by a recursion; `engine`
chooses; `summation` puts together what is left; `traceback` draws back.
"""
