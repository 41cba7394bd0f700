"""Logarithms of graphs that reach zero, or come too near one, before their arguments are large."""

from graphs.log_scale.arithmetic import number_of as number_of
from graphs.log_scale.logarithms import Logarithms as Logarithms
