"""Sums over discrete variables of finitely many states, and what their states switch on and off.

`factors.py` says which elements stand together in any log-density.
"""
