"""Probabilities far in the tails of distributions, on the log scale."""

from graphs.tails import continuous as continuous
from graphs.tails import densities as densities
from graphs.tails import derived as derived
from graphs.tails import discrete as discrete
from graphs.tails import student as student
from graphs.tails.derived import log_interval as log_interval
